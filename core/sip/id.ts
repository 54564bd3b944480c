/** Identifiers nobody can guess, of random bits cut from a pool, so that one costs well under a microsecond. */
import { randomFillSync } from 'node:crypto'

const ID_BYTES = 16
const pool = Buffer.allocUnsafe(ID_BYTES * 512)
let used = pool.length

/** Begins every branch of RFC 3261 (8.1.1.7). */
export const BRANCH_COOKIE = 'z9hG4bK'

/** 128 random bits as 32 hexadecimal digits. */
export function randomId(): string {
  if (used === pool.length) refill()
  return take()
}

/**
 * A tag for From or To (RFC 3261 19.3): 48 bits of the time in milliseconds and 80 random ones. In their order tags are in that
 * of time, so that an index of them grows at its end.
 */
export function newTag(): string {
  if (used === pool.length) refill()
  const now = Date.now()
  pool.writeUInt32BE(Math.floor(now / 65536), used)
  pool.writeUInt16BE(now % 65536, used + 4)
  return take()
}

/** A Call-ID; it needs no host, being unique without one. */
export const newCallId = randomId

/**
 * Whether a branch identifies its transaction by itself. The bare cookie, or none, is treated as of RFC 2543
 * (RFC 3261 17.2.3, RFC 4475 3.2).
 */
export function isRfc3261Branch(branch: string | undefined): branch is string {
  return (
    branch !== undefined &&
    branch.length > BRANCH_COOKIE.length &&
    branch.slice(0, BRANCH_COOKIE.length).toLowerCase() === 'z9hg4bk'
  )
}

function refill(): void {
  randomFillSync(pool)
  used = 0
}

function take(): string {
  const id = pool.toString('hex', used, used + ID_BYTES)
  used += ID_BYTES
  return id
}

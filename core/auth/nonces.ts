/**
 * Nonces that cost no memory before they were answered well: time, a running number, and a MAC that only we can make.
 * After a good answer its nonce count is remembered until the nonce is too old, in a bounded table.
 */
import { randomBytes } from 'node:crypto'
import { hexDigest } from '../hex-digest.ts'
import { sliceOf } from '../oldest.ts'
import { detached } from '../text.ts'
import { sameSecret } from './digest.ts'

/** Nonces whose counts are remembered. The oldest go first, and are then as good as expired. */
const CAPACITY = 50_000
/** How far behind the highest count seen one may arrive, for requests that overtook each other. */
const WINDOW = 32
/** Hexadecimal digits: 128 bits. */
const MAC_LENGTH = 32

interface Used {
  readonly expires: number
  readonly made: number
  highest: number
  /** Bit n: the count `highest - n` was seen. */
  seen: number
  /** For whom its MAC was found right; empty before that. */
  realm: string
  address: string
}

export interface NonceSettings {
  /** Epoch milliseconds. */
  readonly now?: () => number
  readonly capacity?: number
}

export class Nonces {
  readonly #secret = randomBytes(32).toString('hex')
  readonly #now: () => number
  readonly #capacity: number
  #made = 0
  readonly #used = new Map<string, Used>()
  /** With so many of them those that are too old are looked for. */
  #enough = 0
  /** Everything made up to here may have been used and forgotten. */
  #forgottenUntil = Number.NEGATIVE_INFINITY

  constructor({ now = Date.now, capacity = CAPACITY }: NonceSettings = {}) {
    this.#now = now
    this.#capacity = capacity
  }

  /** A nonce for one realm and one address: nobody else can use it. */
  make(realm: string, address: string): string {
    const head = `${this.#now().toString(36)}.${(this.#made++).toString(36)}`
    return `${head}.${this.#mac(head, realm, address)}`
  }

  /** Whether we made it, for them, not longer ago than this. */
  fresh(nonce: string, realm: string, address: string, lifetimeSeconds: number): boolean {
    if (!this.wasAnswered(nonce, realm, address) && !this.#isOurs(nonce, realm, address)) return false
    const age = this.#now() - madeAt(nonce)
    return age >= 0 && age < afterWhole(lifetimeSeconds)
  }

  /** Whether they have answered it well, however long ago, and its count is remembered still. */
  wasAnswered(nonce: string, realm: string, address: string): boolean {
    const used = this.#used.get(nonce)
    return used?.realm === realm && used.address === address
  }

  #isOurs(nonce: string, realm: string, address: string): boolean {
    const end = nonce.length - MAC_LENGTH - 1
    if (end < 1 || nonce[end] !== '.') return false
    return sameSecret(this.#mac(nonce.slice(0, end), realm, address), nonce.slice(end + 1))
  }

  /**
   * Enters that a fresh nonce was answered well with this count; false where it had been before. Without a count
   * (RFC 2069) a nonce is good once. For `seconds` from when it was made it is remembered, where there is room.
   */
  use(nonce: string, count: number | undefined, seconds: number, realm = '', address = ''): boolean {
    const used = this.#used.get(nonce)
    if (used) return count !== undefined && used.highest !== Number.POSITIVE_INFINITY && advance(used, count)
    const made = madeAt(nonce)
    if (made <= this.#forgottenUntil) return false
    this.#makeRoom()
    this.#used.set(detached(nonce), {
      expires: made + afterWhole(seconds),
      made,
      highest: count ?? Number.POSITIVE_INFINITY,
      seen: 1,
      realm,
      address,
    })
    return true
  }

  #makeRoom(): void {
    if (this.#used.size < this.#enough) return
    const now = this.#now()
    const slice = sliceOf(this.#capacity)
    const most = this.#used.size < this.#capacity ? this.#capacity : this.#capacity - slice
    for (const [nonce, used] of this.#used) {
      if (used.expires > now && this.#used.size <= most) break
      this.#used.delete(nonce)
      if (used.expires > now) this.#forgottenUntil = Math.max(this.#forgottenUntil, used.made)
    }
    this.#enough = Math.min(this.#capacity, this.#used.size + slice)
  }

  /** A secret before the text is a MAC with this algorithm, whose state its digest does not show; at a third of an HMAC's time. */
  #mac(head: string, realm: string, address: string): string {
    return hexDigest('sha512-256', `${this.#secret}${head}\n${address}\n${realm}`).slice(0, MAC_LENGTH)
  }
}

/** Milliseconds to the end of the last of them: Asterisk counts whole seconds, so that with 0 a nonce is good for a while. */
const afterWhole = (seconds: number): number => (seconds + 1) * 1000

const madeAt = (nonce: string): number => Number.parseInt(nonce.slice(0, nonce.indexOf('.')), 36)

function advance(used: Used, count: number): boolean {
  const ahead = count - used.highest
  if (ahead > 0) {
    used.seen = ahead >= WINDOW ? 1 : (used.seen << ahead) | 1
    used.highest = count
    return true
  }
  const bit = 1 << -ahead
  if (-ahead >= WINDOW || (used.seen & bit) !== 0) return false
  used.seen |= bit
  return true
}

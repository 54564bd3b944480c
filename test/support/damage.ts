/** Messages with something wrong in them, the same ones for the same seed. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../core/sip/torture/', import.meta.url))

/** The messages of RFC 4475: name → bytes. */
export const TORTURE: ReadonlyMap<string, Buffer> = new Map(
  readdirSync(folder).flatMap((file): [string, Buffer][] =>
    file.endsWith('.sip') ? [[file.slice(0, -4), readFileSync(folder + file)]] : [],
  ),
)
const TORTURES = [...TORTURE.values()]

const PIECES = [
  '\r\n',
  '\n',
  '"',
  '<',
  '>',
  ';',
  ',',
  '=',
  '%',
  '\0',
  ' ',
  '*',
  'SIP/2.0',
  'ACK',
  'CANCEL',
  ';tag=1',
  '-1',
]

/** Whole, from 0 to below its argument. */
export type Random = (below: number) => number

/** The sound message, or one of the RFC's, changed in one to three places: bytes put in, replaced or left out. */
export function damaged(random: Random, sound: Buffer): Buffer {
  let bytes = random(2) === 0 ? sound : (TORTURES[random(TORTURES.length)] ?? sound)
  for (let times = 1 + random(3); times > 0; times--) {
    const at = random(bytes.length)
    const piece = random(2) === 0 ? Buffer.from([random(256)]) : Buffer.from(PIECES[random(PIECES.length)] ?? '')
    const skip = random(3) === 0 ? random(40) : random(2)
    bytes = Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(Math.min(bytes.length, at + skip))])
  }
  return bytes
}

/** mulberry32: the same numbers every time. */
export function randomFrom(seed: number): Random {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

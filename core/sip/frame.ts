/**
 * Messages out of a byte stream (RFC 3261 18.3), and keep-alives between them (RFC 5626 4.4.1). Each byte is looked at
 * a fixed number of times however it dribbles in.
 */
import { parseDigits, trimSpace } from './grammar.ts'
import { PARSE_LIMITS } from './header-block.ts'
import { headerKey } from './headers.ts'

export type Frame =
  | { readonly kind: 'message'; readonly text: string }
  /** CRLF CRLF: wants CRLF back. Several in one chunk are one. */
  | { readonly kind: 'ping' }
  /** The stream cannot be read on and is to be closed. `head` has the start line and header lines, where they were read, to answer with `status`. */
  | { readonly kind: 'error'; readonly why: string; readonly status: number; readonly head: string | undefined }

export interface FrameLimits {
  readonly maxBytes: number
}

const CR = 13
const LF = 10
/** The first byte of whoever has TLS set for a port without it. */
const TLS_HANDSHAKE = 0x16

export class StreamFramer {
  readonly #maxBytes: number
  /** What came and is not used up yet: the first `#length` bytes. */
  #pending = Buffer.alloc(0)
  #length = 0
  /** Up to here there is no end of headers. */
  #scanned = 0
  /** Bytes of the message that has begun, once its header is complete. */
  #needed: number | undefined
  /** Line ends since the last message or ping. */
  #lineEnds = 0
  /** Whether this chunk had a ping. */
  #pinged = false
  #broken = false

  constructor({ maxBytes }: FrameLimits = PARSE_LIMITS) {
    this.#maxBytes = maxBytes
  }

  /** Whether a message has begun and is not complete. */
  get partial(): boolean {
    return this.#length > 0
  }

  /** The frames that `chunk` completes. After an error there are none any more. */
  push(chunk: Buffer): Frame[] {
    const frames: Frame[] = []
    if (this.#broken) return frames
    this.#pinged = false
    const bytes = this.#length === 0 ? chunk : this.#append(chunk)
    let at = 0
    for (;;) {
      if (this.#needed === undefined) at = this.#skipLineEnds(bytes, at, frames)
      const size = this.#messageSize(bytes, at, frames)
      if (this.#broken) {
        this.#keep(bytes, bytes.length)
        return frames
      }
      if (size === undefined) break
      frames.push({ kind: 'message', text: bytes.toString('latin1', at, at + size) })
      at += size
      this.#needed = undefined
      this.#scanned = 0
    }
    this.#keep(bytes, at)
    return frames
  }

  #skipLineEnds(bytes: Buffer, from: number, frames: Frame[]): number {
    let at = from
    while (bytes[at] === LF || (bytes[at] === CR && bytes[at + 1] === LF)) {
      at += bytes[at] === LF ? 1 : 2
      this.#lineEnds++
      if (this.#lineEnds === 2) {
        if (!this.#pinged) frames.push({ kind: 'ping' })
        this.#pinged = true
        this.#lineEnds = 0
      }
    }
    return at
  }

  /** The size of the message at `at` if it is there completely. */
  #messageSize(bytes: Buffer, at: number, frames: Frame[]): number | undefined {
    const there = bytes.length - at
    if (there === 0 || (there === 1 && bytes[at] === CR)) return undefined
    this.#lineEnds = 0
    if (this.#needed === undefined) {
      const first = bytes[at] ?? 0
      if (first === TLS_HANDSHAKE) return this.#fail(frames, 'TLS and no SIP', 400)
      if (first <= 0x20 || first >= 0x7f) return this.#fail(frames, 'no SIP', 400)
      const headEnd = this.#findHeadEnd(bytes, at)
      if (headEnd === undefined) {
        return there > this.#maxBytes ? this.#fail(frames, 'Message Too Large', 513) : undefined
      }
      const head = bytes.toString('latin1', at, headEnd)
      const length = contentLength(head)
      if (typeof length === 'string') return this.#fail(frames, length, 400, head)
      if (head.length + length > this.#maxBytes) return this.#fail(frames, 'Message Too Large', 513, head)
      this.#needed = head.length + length
    }
    return there >= this.#needed ? this.#needed : undefined
  }

  /** Index after the empty line that ends the headers. */
  #findHeadEnd(bytes: Buffer, from: number): number | undefined {
    let at = from + this.#scanned
    for (;;) {
      const newline = bytes.indexOf(LF, at)
      if (newline === -1) {
        this.#scanned = bytes.length - from
        return undefined
      }
      if (bytes[newline + 1] === LF) return newline + 2
      if (bytes[newline + 1] === CR) {
        if (bytes[newline + 2] === LF) return newline + 3
      }
      if (newline + 2 >= bytes.length) {
        this.#scanned = newline - from
        return undefined
      }
      at = newline + 1
    }
  }

  #fail(frames: Frame[], why: string, status: number, head?: string): undefined {
    this.#broken = true
    frames.push({ kind: 'error', why, status, head })
  }

  #append(chunk: Buffer): Buffer {
    const length = this.#length + chunk.length
    if (length > this.#pending.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(1024, length, 2 * this.#pending.length))
      this.#pending.copy(larger, 0, 0, this.#length)
      this.#pending = larger
    }
    chunk.copy(this.#pending, this.#length)
    this.#length = length
    return this.#pending.subarray(0, length)
  }

  /** Keeps what is from `at` on for the next chunk. */
  #keep(bytes: Buffer, at: number): void {
    const rest = bytes.length - at
    if (rest === 0) {
      this.#pending = Buffer.alloc(0)
      this.#length = 0
    } else if (this.#length === 0) {
      this.#append(bytes.subarray(at))
    } else if (at > 0) {
      // No more than the last chunk: before it there was no complete message.
      this.#pending.copyWithin(0, at, bytes.length)
      this.#length = rest
    }
  }
}

/** The Content-Length of a header block, or what is wrong with it. */
function contentLength(text: string): number | string {
  let found: number | undefined
  let at = text.indexOf('\n') + 1
  while (at < text.length) {
    let end = text.indexOf('\n', at)
    while (end !== -1 && (text.charCodeAt(end + 1) === 0x20 || text.charCodeAt(end + 1) === 0x09)) {
      end = text.indexOf('\n', end + 1)
    }
    if (end === -1) end = text.length
    if (mayBeContentLength(text.charCodeAt(at))) {
      const line = text.slice(at, end)
      const colon = line.indexOf(':')
      if (colon !== -1 && headerKey(trimSpace(line.slice(0, colon))) === 'content-length') {
        const length = parseDigits(trimSpace(line.slice(colon + 1)), 0xffffffff)
        if (length === undefined) return 'Malformed Content-Length'
        if (found !== undefined) return 'Duplicate Content-Length'
        found = length
      }
    }
    at = end + 1
  }
  return found ?? 'Missing Content-Length'
}

function mayBeContentLength(first: number): boolean {
  const lower = first | 0x20
  return lower === 0x6c || lower === 0x63
}

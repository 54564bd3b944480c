/** The SIP trace of `pjsip set logger`: every message as it came or went, with where from or to. */
import type { Address, Protocol } from './contract.ts'
import { hostPort } from './transport.ts'

export type TraceSink = (text: string) => void

export class Trace {
  #sink: TraceSink | undefined
  #host: string | undefined

  set(sink: TraceSink | undefined, host: string | undefined): void {
    this.#sink = sink
    this.#host = host
  }

  received(bytes: Buffer, protocol: Protocol, remote: Address): void {
    if (this.#sink) this.#write(this.#sink, '<---', 'Received', 'from', bytes, protocol, remote)
  }

  sent(bytes: Buffer, protocol: Protocol, remote: Address): void {
    if (this.#sink) this.#write(this.#sink, '--->', 'Transmitting', 'to', bytes, protocol, remote)
  }

  #write(
    sink: TraceSink,
    arrow: string,
    verb: string,
    preposition: string,
    bytes: Buffer,
    protocol: Protocol,
    remote: Address,
  ): void {
    if (this.#host !== undefined && this.#host !== remote.address) return
    const what = bytes.subarray(0, 4).toString('latin1').toUpperCase() === 'SIP/' ? 'response' : 'request'
    const head = `${arrow} ${verb} SIP ${what} (${bytes.length} bytes) ${preposition} ${protocol}:${hostPort(remote)} ${arrow}`
    sink(`${head}\n${printable(bytes)}`)
  }
}

/** Lines stay lines; whatever else would move a terminal's cursor is shown as its code. */
function printable(bytes: Buffer): string {
  return bytes
    .toString('utf8')
    .replaceAll('\r\n', '\n')
    .replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

/** The SIP trace of `pjsip set logger`: every message as it came or went, with where from or to. */
import type { Address, Protocol } from './contract.ts'
import { fromWire } from './grammar.ts'
import { hostPort } from './transport.ts'

export type TraceSink = (text: string) => void

export class Trace {
  #sink: TraceSink | undefined
  #host: string | undefined

  set(sink: TraceSink | undefined, host: string | undefined): void {
    this.#sink = sink
    this.#host = host
  }

  received(text: string, protocol: Protocol, remote: Address): void {
    if (this.#shows(remote)) this.#sink?.(shown(text, '<---', 'Received', `from ${protocol}:${hostPort(remote)}`))
  }

  sent(text: string, protocol: Protocol, remote: Address): void {
    if (this.#shows(remote)) this.#sink?.(shown(text, '--->', 'Transmitting', `to ${protocol}:${hostPort(remote)}`))
  }

  #shows(remote: Address): boolean {
    return this.#sink !== undefined && (this.#host === undefined || this.#host === remote.address)
  }
}

function shown(text: string, arrow: string, verb: string, way: string): string {
  const what = text.slice(0, 4).toUpperCase() === 'SIP/' ? 'response' : 'request'
  return `${arrow} ${verb} SIP ${what} (${text.length} bytes) ${way} ${arrow}\n${printable(text)}`
}

/** Lines stay lines; whatever else would move a terminal's cursor is shown as its code. */
function printable(text: string): string {
  return fromWire(text)
    .replaceAll('\r\n', '\n')
    .replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

/** The event a request is about, as packages are named. */
import type { SipRequest } from '../core/sip/contract.ts'
import { type EventValue, parseEvent } from '../core/sip/values.ts'

/** Parameters that make another event of one: a shared line is no mere dialog. The draft's own name was `ma`. */
const QUALIFIERS: ReadonlyMap<string, string> = new Map([
  ['sla', 'sla'],
  ['ma', 'sla'],
])

/** Undefined where the header is malformed. */
export function eventOf(request: SipRequest): EventValue | undefined {
  const header = parseEvent(request.header('Event') ?? '')
  return header && qualified(header)
}

/** `dialog;sla` is an event of its own, its parameter part of the name. */
export function qualified(header: EventValue): EventValue {
  if (header.event !== 'dialog') return header
  for (const [name, value] of header.params) {
    const qualifier = value === '' ? QUALIFIERS.get(name) : undefined
    if (qualifier !== undefined) return { ...header, event: `dialog;${qualifier}` }
  }
  return header
}

/** What may stand in Allow-Events (RFC 6665 8.2.2): types without their parameters. */
export function isEventType(event: string): boolean {
  return !event.includes(';')
}

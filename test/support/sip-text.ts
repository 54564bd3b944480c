/** SIP messages for tests, from lines. */

import type { SipRequest, SipResponse } from '../../core/sip/contract.ts'
import { parseMessage } from '../../core/sip/message.ts'

/** Lines joined by CRLF, with the empty line after the headers. */
export function sipBytes(lines: readonly string[], body: string | Buffer = ''): Buffer {
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), Buffer.from(body)])
}

export function requestOf(bytes: Buffer): SipRequest {
  const message = parseMessage(bytes)
  if (message.kind !== 'request') throw new Error(`no request: ${JSON.stringify(message)}`)
  return message
}

export function responseOf(bytes: Buffer): SipResponse {
  const message = parseMessage(bytes)
  if (message.kind !== 'response') throw new Error(`no response: ${JSON.stringify(message)}`)
  return message
}

/** A good SUBSCRIBE by header name; `undefined` leaves a header out, a list repeats it. */
export function subscribeLines(
  changes: Readonly<Record<string, string | readonly string[] | undefined>> = {},
): string[] {
  const headers: Record<string, string | readonly string[] | undefined> = {
    Via: 'SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK1;rport',
    From: '"Alice" <sip:100@192.0.2.1>;tag=from',
    To: '<sip:200@192.0.2.1>',
    'Call-ID': 'call@192.0.2.7',
    CSeq: '7 SUBSCRIBE',
    'Max-Forwards': '70',
    Contact: '<sip:100@192.0.2.7:5062>',
    Event: 'dialog',
    Expires: '600',
    'Content-Length': '0',
    ...changes,
  }
  return [
    'SUBSCRIBE sip:200@192.0.2.1 SIP/2.0',
    ...Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [value].flat().map((each) => `${name}: ${each}`),
    ),
  ]
}

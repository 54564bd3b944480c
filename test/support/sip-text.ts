/** SIP messages for tests, from lines. */
import { type ParsedRequest, type ParsedResponse, parseMessage } from '../../core/sip/message.ts'
import { ownParts, type ResponseParts, writeOver } from '../../core/sip/write-response.ts'

/** Lines joined by CRLF, with the empty line after the headers. */
export function sipBytes(lines: readonly string[], body: string | Buffer = ''): Buffer {
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), Buffer.from(body)])
}

/** Bytes as the SIP layer has them, one character each. */
export function textOf(message: Buffer | string): string {
  return typeof message === 'string' ? message : message.toString('latin1')
}

export function requestOf(message: Buffer | string): ParsedRequest {
  const parsed = parseMessage(textOf(message))
  if (parsed.kind !== 'request') throw new Error(`no request: ${JSON.stringify(parsed)}`)
  return parsed
}

export function responseOf(message: Buffer | string): ParsedResponse {
  const parsed = parseMessage(textOf(message))
  if (parsed.kind !== 'response') throw new Error(`no response: ${JSON.stringify(parsed)}`)
  return parsed
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

/** An answer as it goes on the wire. */
export function writeResponse(parts: ResponseParts): string {
  return writeOver(parts.request, ownParts(parts), parts.source)
}

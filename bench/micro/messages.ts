/** The parser and the serializer, on the messages of a SUBSCRIBE exchange. */

import type { SipRequest } from '../../core/sip/contract.ts'
import { type ParsedRequest, parseMessage } from '../../core/sip/message.ts'
import { Origin } from '../../core/sip/origin.ts'
import { beforeCseq, upToFrom, writePieces } from '../../core/sip/write-request.ts'
import { writeResponse } from '../../test/support/sip-text.ts'
import { type Timing, time } from './timing.ts'

/** As a desk phone sends it, with the headers that phones like to add. */
export const SUBSCRIBE = [
  'SUBSCRIBE sip:101@pbx.example.com SIP/2.0',
  'Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-524287-1---8a3c5e7f;rport',
  'Max-Forwards: 70',
  'Contact: <sip:100@192.0.2.10:5060;transport=udp>;+sip.instance="<urn:uuid:00000000-0000-1000-8000-0004f2abcdef>"',
  'To: <sip:101@pbx.example.com>',
  'From: "Alice Example" <sip:100@pbx.example.com>;tag=4fa8d3c1',
  'Call-ID: 81348NTk2YjU0ZmQ4ZWE5@192.0.2.10',
  'CSeq: 2 SUBSCRIBE',
  'Expires: 3600',
  'Accept: application/dialog-info+xml, application/pidf+xml',
  'Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO, UPDATE, PRACK',
  'Supported: replaces, eventlist, norefersub, timer',
  'User-Agent: Phone 6.4.1',
  'Event: dialog',
  'Content-Length: 0',
  '',
  '',
].join('\r\n')

const BODY =
  '<?xml version="1.0" encoding="UTF-8"?>\n<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="7" ' +
  'state="full" entity="sip:101@pbx.example.com"><dialog id="101" direction="recipient"><state>early</state>' +
  '<remote><identity display="Alice">sip:100@pbx.example.com</identity><target uri="sip:100@pbx.example.com"/></remote>' +
  '<local><identity>sip:101@pbx.example.com</identity><target uri="sip:101@pbx.example.com"/></local></dialog></dialog-info>'

/** Reads what a notifier needs of it. */
export function readAll(request: SipRequest): number {
  const contact = request.header('Contact') ?? ''
  const event = request.header('Event') ?? ''
  const expires = Number(request.header('Expires'))
  const accept = request.headers('Accept').length
  return contact.length + event.length + expires + accept + request.callId.length + (request.from.tag?.length ?? 0)
}

export function messageTimings(): readonly [parse: Timing, ...writing: Timing[]] {
  const parsed = parsedSubscribe()
  const origin = new Origin({ host: '192.0.2.1', port: 5060 }, 'UDP', true)
  const pieces = {
    method: 'NOTIFY',
    requestUri: 'sip:100@192.0.2.10:5060;transport=udp',
    head: {
      origin,
      upToFrom: upToFrom('<sip:101@pbx.example.com>', 70, [], false),
      beforeCseq: beforeCseq('<sip:192.0.2.1:5060>', false),
      compact: false,
    },
    afterFrom:
      `;tag=b7d1c2e3\r\nTo: "Alice Example" <sip:100@pbx.example.com>;tag=4fa8d3c1\r\n` +
      `Call-ID: ${parsed.callId}\r\n`,
  }
  const body = { contentType: 'application/dialog-info+xml', content: BODY }
  const headers = [
    ['Event', 'dialog'],
    ['Subscription-State', 'active;expires=3600'],
  ] as const
  return [
    time('parse a SUBSCRIBE, and read what a notifier needs', () => readAll(parsedSubscribe())),
    time('write its 200', (turn) => {
      const source = { address: '192.0.2.10', port: 1024 + (turn % 1000) }
      return writeResponse({ request: parsed, status: 200, toTag: 'b7d1c2e3', source, headers: [['Expires', '3600']] })
        .length
    }),
    time('write a NOTIFY of a dialog', (turn) => {
      return writePieces(pieces, `z9hG4bK${turn}`, turn, { headers, body }).length
    }),
  ]
}

function parsedSubscribe(): ParsedRequest {
  const message = parseMessage(SUBSCRIBE)
  if (message.kind !== 'request') throw new Error('the SUBSCRIBE of the benchmark is malformed')
  return message
}

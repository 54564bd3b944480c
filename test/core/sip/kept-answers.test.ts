import { expect } from 'chai'
import * as fc from 'fast-check'
import type { HeaderLine } from '../../../core/sip/contract.ts'
import { keptText, ownPartsOf } from '../../../core/sip/kept-answers.ts'
import { ownParts, type ResponseParts, writeOver } from '../../../core/sip/write-response.ts'
import { requestOf, sipBytes, subscribeLines, writeResponse } from '../../support/sip-text.ts'

const source = { address: '192.0.2.7', port: 5099 }
const GRANTED: readonly HeaderLine[] = [['Expires', '600']]

/** From what is kept of it, and its request. */
function again(parts: ResponseParts): string {
  const own = ownParts(parts)
  const { shared = '' } = own.common
  return writeOver(parts.request, ownPartsOf(keptText(own) + shared), parts.source)
}

describe('Kept answers', () => {
  const request = requestOf(
    sipBytes(
      subscribeLines({
        Via: ['SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK1;rport', 'SIP/2.0/TCP h2;branch=2'],
        'Record-Route': ['<sip:p2;lr>', '<sip:p1;lr>'],
      }),
    ),
  )
  const optional = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(values, { nil: undefined })

  it('are the same, to the letter, when their request comes again', () => {
    const parts = fc.record({
      request: fc.constant(request),
      source: fc.constant(source),
      status: fc.constantFrom(200, 202, 204, 401, 481, 600),
      reason: optional(fc.constantFrom('No Notification', 'Grüße\r\nX: y')),
      toTag: optional(fc.constantFrom('tag', 'another.tag')),
      contact: optional(fc.constantFrom('<sip:192.0.2.1>', '<sip:ü@192.0.2.1>')),
      headers: optional(
        fc.constantFrom(GRANTED, [['Expires', '600']] as const, [['Subject', 'Grüße\nund mehr']] as const),
      ),
      body: optional(fc.constantFrom('', 'Grüße\r\n\r\n', Buffer.from([0, 10, 200]))),
      contentType: fc.constant('text/plain'),
      forceRport: fc.boolean(),
      recordRoute: fc.boolean(),
      server: optional(fc.constantFrom('', 'Lamplighter')),
      compact: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 20 }), (answers) => {
        for (const answer of answers) expect(again(answer)).to.equal(writeResponse(answer))
      }),
      { numRuns: 200 },
    )
  })

  it('share what is the same for many', () => {
    const answer = (headers: readonly HeaderLine[]) =>
      ownParts({ request, status: 200, toTag: 'x', headers, server: 'Some server', source }).common.shared
    const lines: readonly HeaderLine[] = [['Expires', '1234']]
    answer(lines)
    const shared = answer(lines)
    expect(shared).to.equal('SIP/2.0 200 OK\r\nServer: Some server\r\nExpires: 1234\r\nContent-Length: 0\r\n\r\n')
    expect(answer(lines)).to.equal(shared)
    for (let at = 0; at < 3; at++) expect(answer([['Expires', '1234']])).to.equal(undefined)
    expect(answer(lines)).to.equal(shared)
  })
})

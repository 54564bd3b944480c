import { expect } from 'chai'
import * as fc from 'fast-check'
import { Origin } from '../../core/sip/origin.ts'
import { PreparedHeaders } from '../../core/sip/prepared-headers.ts'
import { type RequestParts, writeRequest } from '../../core/sip/write-request.ts'
import { Body } from '../../res_pjsip_pubsub/body.ts'
import { eventHeader, Notification } from '../../res_pjsip_pubsub/notification.ts'

const common = new PreparedHeaders([
  ['Allow-Events', 'presence, dialog'],
  ['User-Agent', 'Grüße\r\nEvil: 1'],
])

const parts: Omit<RequestParts, 'content'> = {
  method: 'NOTIFY',
  requestUri: 'sip:100@192.0.2.7',
  origin: new Origin({ host: '192.0.2.1', port: 5060 }, 'UDP', true),
  branch: 'z9hG4bK1',
  maxForwards: 70,
  from: '<sip:200@192.0.2.1>;tag=a',
  to: '<sip:100@192.0.2.1>;tag=b',
  callId: 'call',
  cseq: 1,
}

const active = { termination: undefined, pending: false, secondsLeft: 60, compat: 'rfc' } as const

describe('what a NOTIFY says', () => {
  it('is the same on the wire, prepared or not: short names, any text, with a version or without', () => {
    const text = fc.string({ unit: fc.constantFrom('a', '<', 'é', '€', '\r\n', '😀') })
    fc.assert(
      fc.property(text, text, fc.boolean(), fc.nat(), fc.boolean(), (before, after, hasVersion, version, compact) => {
        const sent = new Body('text/x', before + after, hasVersion ? before.length : undefined)
        const notify = new Notification(eventHeader('x', 'é;1'), common, active, {}, sent.told, sent.content(version))
        const { headers, body } = notify
        const unprepared = { headers, body: body && { contentType: body.contentType, content: body.content } }
        const written = writeRequest({ ...parts, compact, content: notify })
        expect(written).to.equal(writeRequest({ ...parts, compact, content: unprepared }))
      }),
    )
  })

  it('names the state it tells also where the watcher has it, but not under compat=asterisk', () => {
    const sent = new Body('text/x', 'on', undefined)
    const tagOf = (compat: 'rfc' | 'asterisk'): string | undefined =>
      new Notification(eventHeader('x', ''), common, { ...active, compat }, {}, sent.told, undefined).headers.find(
        ([name]) => name === 'SIP-ETag',
      )?.[1]
    expect([tagOf('rfc'), tagOf('asterisk')]).to.deep.equal([sent.entityTag, undefined])
  })
})

/** What a subscriber makes of answers, reasons and bodies, case by case. */
import { expect } from 'chai'
import { assert, boolean, double, integer, nat, property, string } from 'fast-check'
import type { Outcome, SipResponse } from '../../core/sip/contract.ts'
import { toWire } from '../../core/sip/grammar.ts'
import { parseMessage } from '../../core/sip/message.ts'
import { DialogReader } from '../../res_pjsip_pubsub/subscriber/dialogs.ts'
import { presenceEvent } from '../../res_pjsip_pubsub/subscriber/events.ts'
import { readNotify } from '../../res_pjsip_pubsub/subscriber/notify.ts'
import { readPresence } from '../../res_pjsip_pubsub/subscriber/presence.ts'
import {
  comebackAfter,
  LONGEST_PAUSE,
  pauseBefore,
  refreshAfter,
  verdictOn,
} from '../../res_pjsip_pubsub/subscriber/rules.ts'
import { readSummary } from '../../res_pjsip_pubsub/subscriber/summary.ts'
import { dialogInfo } from '../support/subscriber.ts'

function answered(status: number, ...headers: string[]): Outcome {
  const text = [
    `SIP/2.0 ${status} Said`,
    'Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx',
    'From: <sip:a@b>;tag=1',
    'To: <sip:c@d>;tag=2',
    'Call-ID: x',
    'CSeq: 1 SUBSCRIBE',
    ...headers,
    '\r\n',
  ].join('\r\n')
  const message = parseMessage(toWire(text))
  if (message.kind !== 'response') throw new Error('no response')
  const response: SipResponse = message
  return { kind: 'response', response }
}

describe('answers to a SUBSCRIBE of ours', () => {
  it('2xx: for how long, and whether a NOTIFY follows', () => {
    expect(verdictOn(answered(200, 'Expires: 60'))).to.deep.equal({ kind: 'accepted', expires: 60, silent: false })
    expect(verdictOn(answered(202))).to.deep.equal({ kind: 'accepted', expires: undefined, silent: false })
    expect(verdictOn(answered(204, 'Expires: 60'))).to.deep.equal({ kind: 'accepted', expires: 60, silent: true })
  })

  it('423: how long it has to be', () => {
    expect(verdictOn(answered(423, 'Min-Expires: 90'))).to.deep.equal({ kind: 'brief', minExpires: 90 })
    expect(verdictOn(answered(423))).to.deep.equal({ kind: 'brief', minExpires: undefined })
  })

  for (const status of [404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604])
    it(`${status} ends the subscription it was to refresh`, () => {
      expect(verdictOn(answered(status)).kind).to.equal('gone')
    })

  for (const status of [400, 403, 408, 415, 420, 487, 500, 503, 600])
    it(`${status} leaves it as it was`, () => {
      expect(verdictOn(answered(status)).kind).to.equal('failed')
    })

  it('no answer, and no way', () => {
    expect(verdictOn({ kind: 'timeout' })).to.include({ kind: 'failed', final: false })
    expect(verdictOn({ kind: 'unreachable', reason: 'no route' })).to.include({ kind: 'failed', why: 'no route' })
  })

  it('Retry-After is read, and comments behind it are not', () => {
    expect(verdictOn(answered(503, 'Retry-After: 120 (lunch);duration=60'))).to.include({ retryAfter: 120 })
  })
})

describe('coming back', () => {
  it('goes by the reason (RFC 6665 4.1.3)', () => {
    expect(comebackAfter('deactivated', 9)).to.deep.equal({ when: 'at once' })
    expect(comebackAfter('timeout', 9)).to.deep.equal({ when: 'at once' })
    expect(comebackAfter('probation', 9)).to.deep.equal({ when: 'later', after: 9, final: false })
    expect(comebackAfter('GiveUp', undefined)).to.deep.equal({ when: 'later', after: undefined, final: false })
    expect(comebackAfter('rejected', 9)).to.deep.equal({ when: 'never', keeps: false })
    expect(comebackAfter('noresource', 9)).to.deep.equal({ when: 'never', keeps: false })
    expect(comebackAfter('invariant', 9)).to.deep.equal({ when: 'never', keeps: true })
    expect(comebackAfter('', 9)).to.deep.equal({ when: 'later', after: 9, final: false })
  })

  it('never undercuts Retry-After, and never waits for ever', () => {
    assert(
      property(
        nat(0xffffffff),
        nat(100),
        boolean(),
        double({ min: 0, max: 0.999, noNaN: true }),
        (after, failures, final, chance) => {
          const pause = pauseBefore({ after, final }, failures, 600_000, () => chance)
          expect(pause).to.be.at.least(Math.min(LONGEST_PAUSE, after * 1000))
          expect(pause).to.be.at.most(LONGEST_PAUSE)
        },
      ),
    )
  })

  it('doubles its own pause up to the limit, which is where a lasting refusal begins', () => {
    const pause = (failures: number, final = false): number =>
      pauseBefore({ after: undefined, final }, failures, 8000, () => 1)
    expect([1, 2, 3, 4, 5, 6, 90].map((failures) => pause(failures))).to.deep.equal([
      500, 1000, 2000, 4000, 8000, 8000, 8000,
    ])
    expect(pause(1, true)).to.equal(8000)
  })

  it('refreshes in time, whatever was granted', () => {
    assert(
      property(integer({ min: 1, max: 0xffffffff }), double({ min: 0, max: 0.999, noNaN: true }), (s, chance) => {
        const after = refreshAfter(s, () => chance)
        expect(after).to.be.above(0)
        expect(after).to.be.below(s * 1000)
        // A refresh that gets no answer has 32 s, where there are as many.
        if (s >= 80) expect(s * 1000 - after).to.be.at.least(32_000)
      }),
    )
  })
})

describe('dialog information that comes to us', () => {
  const read = (reader: DialogReader, text: string): unknown => reader.read(text)

  const STATES: readonly [string, string, string][] = [
    ['confirmed', 'recipient', 'INUSE'],
    ['confirmed', 'initiator', 'INUSE'],
    ['early', 'recipient', 'RINGING'],
    ['early', 'initiator', 'INUSE'],
    ['trying', 'initiator', 'INUSE'],
    ['proceeding', 'recipient', 'RINGING'],
    ['terminated', 'recipient', 'NOT_INUSE'],
  ]
  for (const [word, direction, state] of STATES)
    it(`${word} of the ${direction} is ${state}`, async () => {
      expect(read(new DialogReader(), dialogInfo({ a: word }, { direction }))).to.deep.equal({ state })
    })

  it('a call on hold, as the RFC writes it and as Asterisk does', async () => {
    for (const name of ['pval', 'pvalue']) {
      const held = dialogInfo({ a: 'confirmed' }).replace(
        '</state>',
        `</state><local><target uri="sip:a@b"><param pname="+sip.rendering" ${name}="no"/></target></local>`,
      )
      expect(read(new DialogReader(), held)).to.deep.equal({ state: 'ONHOLD' })
    }
  })

  it('two calls of which one rings', async () => {
    const trying = dialogInfo({ a: 'Trying' }, { direction: 'initiator' })
    expect(read(new DialogReader(), trying), 'of Kamailio').to.deep.equal({ state: 'INUSE' })
    expect(read(new DialogReader(), dialogInfo({ a: 'confirmed', b: 'early' }))).to.deep.equal({
      state: 'RINGINUSE',
    })
  })

  it('partial documents add up, and old ones say nothing', async () => {
    const reader = new DialogReader()
    const partial = (dialogs: Record<string, string>, version: number): unknown =>
      read(reader, dialogInfo(dialogs, { version, state: 'partial' }))
    expect(partial({ a: 'early' }, 3)).to.have.property('incomplete')
    expect(read(reader, dialogInfo({ a: 'confirmed' }, { version: 3 }))).to.deep.equal({ state: 'INUSE' })
    expect(partial({ b: 'early' }, 4)).to.deep.equal({ state: 'RINGINUSE' })
    expect(partial({ a: 'terminated' }, 5)).to.deep.equal({ state: 'RINGING' })
    expect(partial({ b: 'terminated' }, 5)).to.equal(undefined)
    expect(partial({ b: 'terminated' }, 7)).to.have.property('incomplete')
    expect(partial({ b: 'terminated' }, 8)).to.have.property('incomplete')
    // A notifier that was restarted counts from the beginning.
    expect(read(reader, dialogInfo({}, { version: 0 }))).to.deep.equal({ state: 'NOT_INUSE' })
  })

  it('is refused where it is none', async () => {
    expect(read(new DialogReader(), 'x')).to.deep.equal({ fault: 'Dialog Information Is Not XML' })
    expect(read(new DialogReader(), '<a/>')).to.deep.equal({ fault: 'Root Element Is Not dialog-info' })
    const many = Object.fromEntries(Array.from({ length: 1001 }, (_, at) => [`d${at}`, 'early']))
    const fault = read(new DialogReader(), dialogInfo(many))
    expect(fault).to.have.property('fault')
  })
})

describe('presence documents that come to us', () => {
  const pidf = (inside: string): unknown =>
    presenceEvent
      .reader()
      .read(
        `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:a@b">${inside}</presence>`,
      )
  const tuple = (basic: string, note = ''): string =>
    `<tuple id="t${basic}"><status><basic>${basic}</basic></status>${note && `<note>${note}</note>`}</tuple>`
  const person = (activity: string): string =>
    `<dm:person id="p"><r:activities><r:${activity}/></r:activities></dm:person>`

  const DOCUMENTS: readonly [string, string, string][] = [
    ['open', tuple('open'), 'NOT_INUSE'],
    ['closed', tuple('closed'), 'UNAVAILABLE'],
    ['no tuple', '', 'UNAVAILABLE'],
    ['one of two open', tuple('closed') + tuple('open'), 'NOT_INUSE'],
    ['neither open nor closed beside one open', tuple('unknown') + tuple('open'), 'NOT_INUSE'],
    ['on the phone', tuple('open') + person('on-the-phone'), 'INUSE'],
    ['ringing, as Asterisk writes it', tuple('open', 'Ringing') + person('on-the-phone'), 'RINGING'],
    ['on hold, as Asterisk writes it', `<note>On hold</note>${tuple('open')}${person('on-the-phone')}`, 'ONHOLD'],
    ['busy', tuple('open') + person('busy'), 'BUSY'],
    ['away', tuple('open') + person('away'), 'NOT_INUSE'],
    ['closed, whatever its person does', tuple('closed') + person('on-the-phone'), 'UNAVAILABLE'],
  ]
  for (const [what, inside, state] of DOCUMENTS)
    it(`${what}: ${state}`, async () => {
      expect(pidf(inside)).to.deep.equal({ state })
    })

  it('is refused where it is none', async () => {
    expect(readPresence('<')).to.deep.equal({ fault: 'Presence Document Is Not XML' })
    expect(pidf('<tuple/>')).to.deep.equal({ fault: 'tuple Without id' })
  })
})

describe('message summaries that come to us', () => {
  const GOOD: readonly [string, number, number][] = [
    ['Messages-Waiting: yes\r\nMessage-Account: sip:a@b\r\nVoice-Message: 2/8 (0/2)\r\n', 2, 8],
    ['Messages-Waiting: no\r\n', 0, 0],
    ['Messages-Waiting: yes\r\n', 1, 0],
    ['messages-waiting: YES\nMessage-Account: whoever\nX-Odd: 1\nvoice-message : 3 / 0\n', 3, 0],
    ['Messages-Waiting: yes\r\nFax-Message: 7/0\r\nVoice-Message: 0/1(0/0)\r\n', 0, 1],
  ]
  for (const [text, newMessages, oldMessages] of GOOD)
    it(`${JSON.stringify(text)}: ${newMessages}/${oldMessages}`, () => {
      expect(readSummary(text)).to.deep.equal({ state: { newMessages, oldMessages } })
    })

  it('may have the highest count there is, which is more than Asterisk can be told', () => {
    const state = { newMessages: 0x7fffffff, oldMessages: 2 }
    expect(readSummary('Messages-Waiting: yes\r\nVoice-Message: 4294967295/2\r\n')).to.deep.equal({ state })
  })

  it('is refused where it is none', () => {
    const none = ['', 'hello', 'Messages-Waiting: perhaps', 'Voice-Message: many/0', 'Voice-Message: 1/2/3']
    for (const text of [...none, 'Voice-Message: 4294967296/0'])
      expect(readSummary(text), text).to.have.property('fault')
  })

  it('takes whatever comes', () => {
    assert(
      property(string(), (text) => {
        expect(readSummary(`Voice-Message: ${text}`)).not.to.equal(undefined)
      }),
    )
  })
})

describe('the head of a NOTIFY', () => {
  const read = (...headers: string[]): unknown => {
    const text = ['NOTIFY sip:a@b SIP/2.0', 'Via: SIP/2.0/UDP c;branch=z9hG4bKx', ...headers, '\r\n'].join('\r\n')
    const message = parseMessage(toWire(text))
    return message.kind === 'request' ? readNotify(message) : message.kind
  }
  const state = (value: string): unknown => read('Event: dialog;id=7', `Subscription-State: ${value}`)

  it('says what becomes of the subscription', () => {
    const common = { event: 'dialog', eventId: '7', expires: undefined, reason: '', retryAfter: undefined, type: '' }
    expect(state('active;expires=60')).to.deep.equal({ ...common, state: 'active', expires: 60 })
    expect(state('Pending')).to.deep.equal({ ...common, state: 'pending' })
    expect(state('terminated;reason=probation;retry-after=9')).to.deep.equal({
      ...common,
      state: 'terminated',
      reason: 'probation',
      retryAfter: 9,
    })
    expect(state('recovering;expires=junk')).to.deep.equal({ ...common, state: 'active' })
  })

  it('is refused where it is malformed', () => {
    expect(read('Subscription-State: active')).to.deep.equal({ status: 400, reason: 'Missing Event' })
    expect(read('Event: ;id=1', 'Subscription-State: active')).to.include({ reason: 'Malformed Event' })
    expect(read('Event: dialog')).to.include({ reason: 'Missing Subscription-State' })
    expect(state(';expires=1')).to.include({ reason: 'Malformed Subscription-State' })
  })

  it('is read or refused, whatever is in it', () => {
    assert(
      property(string(), string(), (event, value) => {
        const head = read(`Event: ${event}`, `Subscription-State: ${value}`)
        expect(head).not.to.equal(undefined)
      }),
    )
  })
})

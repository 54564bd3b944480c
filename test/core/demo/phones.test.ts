import { expect } from 'chai'
import type { LampSpec } from '../../../core/demo/lamp.ts'
import { DemoPhone, type LampChange } from '../../../core/demo/phones.ts'
import { header, ScriptedNotifier } from '../../support/scripted-notifier.ts'
import { until } from '../../support/tools.ts'

const document = (version: number, dialog: string): string =>
  '<?xml version="1.0" encoding="UTF-8"?>\n' +
  `<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="${version}" state="full" entity="sip:101@127.0.0.1">` +
  ` <dialog id="101"${dialog}</dialog></dialog-info>`
const idle = (version: number): string => document(version, '><state>terminated</state>')

describe('a demo phone', () => {
  let notifier: ScriptedNotifier
  let phone: DemoPhone
  let changes: LampChange[]

  async function open(lamp: LampSpec = { event: 'dialog', target: '101' }, expires = 120): Promise<void> {
    phone = new DemoPhone(
      {
        user: '100',
        password: 'secret',
        target: { protocol: 'udp', host: '127.0.0.1', port: notifier.port },
        lamps: [lamp],
        expires,
      },
      (change) => changes.push(change),
    )
    await phone.open()
  }
  const shown = (): string[] => changes.map(({ reading }) => `${reading.light} ${reading.words}`)

  beforeEach(async () => {
    notifier = await ScriptedNotifier.open('secret')
    changes = []
  })
  afterEach(() => {
    phone.vanish()
    notifier.close()
  })

  it('subscribes with digest, and shows what it is told', async () => {
    await open()
    const subscribe = await notifier.subscribe(0)
    expect(notifier.requests).to.have.lengthOf(2)
    expect(subscribe.first).to.equal(`SUBSCRIBE sip:101@127.0.0.1:${notifier.port} SIP/2.0`)
    expect(header(subscribe, 'cseq')).to.equal('2 SUBSCRIBE')
    expect(header(subscribe, 'event')).to.equal('dialog')
    expect(header(subscribe, 'accept')).to.equal('application/dialog-info+xml')
    expect(header(subscribe, 'expires')).to.equal('120')
    const remote = '<remote><identity display="Bob">sip:101@127.0.0.1</identity></remote>'
    const held = (value: string): string =>
      `<local><target uri="sip:101@h"><param pname="+sip.rendering" ${value}="no"/></target></local>`
    for (const body of [
      idle(0),
      document(1, ` direction="recipient">${remote}<state>early</state>`),
      document(2, ` direction="initiator">${remote}<state>early</state>`),
      document(3, `>${remote}<state>confirmed</state>`),
      document(4, `>${held('pval')}<state>confirmed</state>`),
      document(5, '><state>confirmed</state>'),
      document(6, `>${held('pvalue')}<state>confirmed</state>`),
      idle(7),
    ])
      expect(await notifier.notify(subscribe, 'active;expires=100', body)).to.equal('200')
    await until('the last change', () => changes.length === 8)
    expect(shown()).to.deep.equal([
      'off idle',
      'flashing ringing from Bob',
      'lit calling Bob',
      'lit in a call with Bob',
      'winking on hold',
      'lit in use',
      'winking on hold',
      'off idle',
    ])
    expect(phone.faults).to.deep.equal([])
  })

  it('takes a NOTIFY that comes before the 200', async () => {
    notifier.answer = (request) => {
      void notifier
        .notify(request, 'active;expires=60', idle(0))
        .then(() => notifier.respond(request, '200 OK', { Expires: '60' }))
    }
    await open()
    await until('the lamp', () => phone.lamp('101')?.reading?.words === 'idle')
    expect(phone.lamp('101')?.state).to.equal('active')
    expect(phone.faults).to.deep.equal([])
  })

  it('finds what a notifier does wrong', async () => {
    await open()
    const subscribe = await notifier.subscribe(0)
    await notifier.notify(subscribe, 'active;expires=100', idle(7), { cseq: 50 })
    expect(await notifier.notify(subscribe, 'active', idle(8), { cseq: 50 })).to.equal('500')
    expect(await notifier.notify(subscribe, 'active', idle(8), { cseq: 51, event: 'presence' })).to.equal('489')
    expect(await notifier.notify(subscribe, 'busy', idle(8), { cseq: 52 })).to.equal('400')
    await notifier.notify(subscribe, 'active', idle(7), { cseq: 53 })
    await notifier.notify(subscribe, 'active', '<dialog-info', { cseq: 54 })
    await notifier.notify(subscribe, 'active', idle(9), { cseq: 55, type: 'text/plain' })
    await notifier.notify(subscribe, 'active', '', { cseq: 56, contact: false })
    await until('the faults', () => phone.faults.length === 8)
    expect(phone.faults.map((fault) => fault.replace('100 dialog 101: ', ''))).to.have.members([
      'CSeq 50 after 50',
      "a NOTIFY for event 'presence'",
      "Subscription-State 'busy'",
      'a NOTIFY without Contact',
      'version 7 after 7',
      'a tag that does not end',
      "a body of type 'text/plain'",
      'an active NOTIFY without a body',
    ])
    expect(shown()).to.deep.equal(['off idle'])
  })

  it('answers what is not its own', async () => {
    await open()
    const subscribe = await notifier.subscribe(0)
    const stranger = new Map(subscribe.headers).set('call-id', 'another')
    expect(await notifier.notify({ ...subscribe, headers: stranger }, 'active', idle(0))).to.equal('481')
    const { from } = subscribe
    for (const bytes of ['\r\n\r\n', 'NOTIFY', 'SIP/2.0 200 OK\r\n\r\n', `INVITE sip:x SIP/2.0\r\nVia: x\r\n\r\n`])
      notifier.send(bytes, from)
    expect(await notifier.notify(subscribe, 'active', idle(0))).to.equal('200')
  })

  it('refreshes in its dialog before it expires, with the next nonce count', async () => {
    notifier.answer = (request) => notifier.respond(request, '200 OK', { Expires: '1' })
    await open(undefined, 1)
    const first = await notifier.subscribe(0)
    await notifier.notify(first, 'active;expires=1', idle(0))
    const second = await notifier.subscribe(1)
    expect(header(second, 'call-id')).to.equal(header(first, 'call-id'))
    expect(header(second, 'to')).to.match(/;tag=notifier$/)
    expect(header(second, 'authorization')).to.match(/nc=00000002/)
    expect(second.first).to.equal(`SUBSCRIBE sip:127.0.0.1:${notifier.port} SIP/2.0`)
  })

  it('subscribes anew where it was ended for now, and not where it was ended for good', async () => {
    await open()
    const first = await notifier.subscribe(0)
    await notifier.notify(first, 'active;expires=100', idle(5))
    await notifier.notify(first, 'terminated;reason=deactivated', idle(6))
    const second = await notifier.subscribe(1)
    expect(header(second, 'call-id')).not.to.equal(header(first, 'call-id'))
    await notifier.notify(second, 'active;expires=100', document(0, '><state>confirmed</state>'))
    await until('the lamp of the new subscription', () => phone.lamp('101')?.reading?.light === 'lit')
    await notifier.notify(second, 'terminated;reason=probation;retry-after=0', idle(1))
    const third = await notifier.subscribe(2)
    await notifier.notify(third, 'terminated;reason=noresource', idle(0))
    expect(phone.lamp('101')?.state).to.equal('ended')
    expect(phone.faults).to.deep.equal([])
  })

  it('shows a refusal, and tries again later', async () => {
    notifier.answer = (request) => notifier.respond(request, '404 Not Found', { 'Retry-After': '0' })
    await open()
    await notifier.subscribe(1)
    expect(shown()).to.include('dark refused: 404 Not Found')
  })

  it('makes a new subscription when its dialog is gone', async () => {
    await open(undefined, 1)
    const first = await notifier.subscribe(0)
    await notifier.notify(first, 'active;expires=1', idle(0))
    notifier.answer = (request) =>
      header(request, 'to').includes('tag=')
        ? notifier.respond(request, '481 Subscription Does Not Exist')
        : notifier.respond(request, '200 OK', { Expires: '1' })
    const third = await notifier.subscribe(2)
    expect(header(third, 'call-id')).not.to.equal(header(first, 'call-id'))
  })

  it('ends its subscriptions when it is switched off', async () => {
    await open()
    const first = await notifier.subscribe(0)
    await notifier.notify(first, 'active;expires=100', idle(0))
    const closing = phone.close()
    const last = await notifier.subscribe(1)
    expect(header(last, 'expires')).to.equal('0')
    await notifier.notify(last, 'terminated;reason=timeout', idle(1))
    await closing
    expect(phone.lamp('101')?.state).to.equal('ended')
    expect(notifier.subscribes).to.have.lengthOf(2)
  })

  it('reads message summaries', async () => {
    await open({ event: 'message-summary', target: '100' })
    const subscribe = await notifier.subscribe(0)
    const summary = { type: 'application/simple-message-summary', event: 'message-summary' }
    for (const body of [
      'Messages-Waiting: no\r\nVoice-Message: 0/0 (0/0)\r\n',
      'Messages-Waiting: yes\r\nMessage-Account: sip:*97@h\r\nVoice-Message: 2/1 (0/0)\r\n',
      'Messages-Waiting: no\r\nVoice-Message: 2/1 (0/0)\r\n',
    ])
      await notifier.notify(subscribe, 'active;expires=100', body, summary)
    await until('the fault', () => phone.faults.length === 1)
    expect(shown()).to.deep.equal(['off 0 new, 0 old', 'message 2 new, 1 old'])
    expect(phone.faults[0]).to.include('contradicts itself')
  })

  it('reads presence', async () => {
    const pidf = (basic: string, note: string, activity = ''): string =>
      '<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" ' +
      `xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:104@h"><note>${note}</note><tuple id="104">` +
      `<status><basic>${basic}</basic></status></tuple><dm:person><rpid:activities>${activity}</rpid:activities>` +
      '</dm:person></presence>'
    await open({ event: 'presence', target: '104' })
    const subscribe = await notifier.subscribe(0)
    for (const body of [
      pidf('open', 'Ready'),
      pidf('open', 'On the phone', '<rpid:on-the-phone/>'),
      pidf('open', 'Ringing', '<rpid:on-the-phone/>'),
      pidf('open', 'Lunch', '<rpid:away/>'),
      pidf('closed', 'Unavailable'),
      pidf('maybe', 'Ready'),
    ])
      await notifier.notify(subscribe, 'active;expires=100', body, { type: 'application/pidf+xml', event: 'presence' })
    await until('the fault', () => phone.faults.length === 1)
    expect(shown()).to.deep.equal([
      'off ready',
      'lit on the phone',
      'flashing ringing',
      'away lunch',
      'dark unavailable',
    ])
  })
})

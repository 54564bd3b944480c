/** Debian's Kamailio as the notifier: what is published there becomes devices and mailboxes here. */
import { expect } from 'chai'
import { Kamailio } from '../support/kamailio.ts'
import { TestPhone } from '../support/phone.ts'
import { dialogInfo, SubscriberOffice } from '../support/subscriber.ts'
import { needTool, until } from '../support/tools.ts'

describe('a subscription of ours at Kamailio', function () {
  this.timeout(60_000)
  let kamailio: Kamailio
  let there: SubscriberOffice
  let publisher: TestPhone
  const tags = new Map<string, string>()

  before(async function () {
    needTool(this, 'kamailio')
    kamailio = await Kamailio.start()
    publisher = await TestPhone.open({ server: { address: '127.0.0.1', port: kamailio.port }, user: 'alice' })
  })
  after(async () => {
    await publisher?.close()
    await kamailio?.stop()
  })

  beforeEach(async () => {
    // Its refreshes and pauses are in seconds: the timers are those of the RFC.
    there = await SubscriberOffice.open({ system: {} })
  })
  afterEach(() => there?.close())

  const uri = (user: string): string => `sip:${user}@127.0.0.1:${kamailio.port}`

  async function publish(user: string, event: string, type: string, body: string): Promise<void> {
    const tag = tags.get(`${user} ${event}`)
    const answer = await publisher.request('PUBLISH', {
      dialog: publisher.dialog(uri(user)),
      body,
      headers: [
        ['Event', event],
        ['Expires', '600'],
        ['Content-Type', type],
        ...(tag === undefined ? [] : [['SIP-If-Match', tag] as const]),
      ],
    })
    expect(answer.status).to.equal(200)
    tags.set(`${user} ${event}`, answer.header('sip-etag'))
  }

  const calls = (user: string, word: string): Promise<void> =>
    publish(user, 'dialog', 'application/dialog-info+xml', dialogInfo({ a: word }))
  const presence = (user: string, basic: string): Promise<void> =>
    publish(
      user,
      'presence',
      'application/pidf+xml',
      `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:${user}@127.0.0.1"><tuple id="t"><status><basic>${basic}</basic></status></tuple></presence>`,
    )
  const messages = (user: string, counts: string): Promise<void> =>
    publish(
      user,
      'message-summary',
      'application/simple-message-summary',
      `Messages-Waiting: yes\r\nMessage-Account: sip:${user}@127.0.0.1\r\nVoice-Message: ${counts} (0/0)\r\n`,
    )

  it('dialog: follows the calls of another', async () => {
    there.configure({ there: { server_uri: uri('200'), event: 'dialog', device: 'Remote:100' } })
    await there.phase('established')
    const states: string[] = []
    for (const [word, state] of [
      ['early', 'RINGING'],
      ['confirmed', 'INUSE'],
      ['terminated', 'NOT_INUSE'],
    ] as const) {
      await calls('200', word)
      await until(state, () => there.device === state)
      states.push(there.device)
    }
    expect(states).to.deep.equal(['RINGING', 'INUSE', 'NOT_INUSE'])
  })

  it('presence: open and closed', async () => {
    there.configure({ there: { server_uri: uri('201'), event: 'presence', device: 'Remote:100' } })
    await there.phase('established')
    await presence('201', 'open')
    await until('an open device', () => there.device === 'NOT_INUSE')
    await presence('201', 'closed')
    await until('a closed device', () => there.device === 'UNAVAILABLE')
  })

  it('message-summary: the counts of a mailbox', async () => {
    await messages('202', '3/1')
    there.configure({ there: { server_uri: uri('202'), event: 'message-summary', mailbox: '100@there' } })
    await until('counts', () => there.mailbox() === '3/1')
    await messages('202', '0/4')
    await until('other counts', () => there.mailbox() === '0/4')
  })

  it('is refreshed in its dialog for as long as it is wanted, and told when it is not', async () => {
    there.configure({ there: { server_uri: uri('203'), event: 'dialog', device: 'Remote:100', expiration: 3 } })
    await there.phase('established')
    const callId = async (): Promise<string> =>
      /CallId +: (\S+)/.exec(await there.office.run('pjsip show subscription outbound there'))?.[1] ?? ''
    const first = await callId()
    const sent = (): number => there.office.metric('subscriber.subscribe.sent')
    await until('three refreshes', () => sent() >= 4)
    expect(await callId()).to.equal(first)
    await calls('203', 'confirmed')
    await until('a call', () => there.device === 'INUSE')
    const before = sent()
    there.configure({})
    await until('a SUBSCRIBE that ends it', () => sent() === before + 1)
    expect(there.device).to.equal('INVALID')
  })

  it('is granted more where 423 asks for it', async () => {
    there.configure({ there: { server_uri: uri('204'), event: 'dialog', device: 'Remote:100', expiration: 1 } })
    await there.phase('established')
    expect(there.office.metric('subscriber.subscribe.sent')).to.be.at.least(2)
  })
})

/** Kamailio's parameters and functions over real sockets: what a phone sees of them. */
import { expect } from 'chai'
import type { Pubsub } from '../../res_pjsip_pubsub/contract.ts'
import res_pjsip_pubsub from '../../res_pjsip_pubsub/res_pjsip_pubsub.ts'
import { TestCore } from '../support/core.ts'
import { LampHandler } from '../support/lamp-publications.ts'
import { Lamps, lampModules, TEXT } from '../support/lamps.ts'
import { type PhoneDialog, TestPhone, type WireMessage } from '../support/phone.ts'
import { until } from '../support/tools.ts'

type Lines = readonly (readonly [string, string])[]

describe('presence on the wire', () => {
  let office: TestCore
  let pubsub: Pubsub
  let lamps: Lamps
  const phones: TestPhone[] = []

  afterEach(async () => {
    for (const phone of phones.splice(0)) await phone.close()
    await office.close()
  })

  async function begin(options: Readonly<Record<string, string>> = {}): Promise<void> {
    lamps = new Lamps()
    lamps.set('200', 'off')
    office = await TestCore.start({
      endpoints: { 100: { auth: ['100'] }, 101: { trust_id_inbound: true } },
      auths: { 100: { username: '100', password: 'secret' } },
      system: { timer_t1: 50, timer_b: 300 },
      files: { 'pubsub.conf': options },
    })
    const { packageModule, bodyModule } = lampModules(lamps)
    pubsub = await office.load<Pubsub>(res_pjsip_pubsub)
    await office.load(packageModule, bodyModule)
    pubsub.publicationHandler(new LampHandler())
  }

  async function phone(user = '100', autoAnswer = true): Promise<TestPhone> {
    const server = { address: '127.0.0.1', port: office.port }
    const opened = await TestPhone.open({ server, user, password: 'secret', autoAnswer })
    phones.push(opened)
    return opened
  }

  const subscribe = (who: TestPhone, dialog: PhoneDialog, expires = '600', more: Lines = []): Promise<WireMessage> =>
    who.request('SUBSCRIBE', { dialog, headers: [['Event', 'lamp'], ['Expires', expires], ...more] })

  const publish = (who: TestPhone, body: string, more: Lines = []): Promise<WireMessage> =>
    who.request('PUBLISH', {
      uri: `sip:${who.user}@127.0.0.1`,
      headers: [['Event', 'lamp'], ['Content-Type', TEXT], ['Expires', '600'], ...more],
      body,
    })

  it('202 and a longer time, where the options say so', async () => {
    await begin({ subs_respond_200: '0', min_expires: '300', min_expires_action: '2' })
    const lamp = await phone()
    const answer = await subscribe(lamp, lamp.dialog('sip:200@127.0.0.1'), '60')
    expect([answer.status, answer.reason, answer.header('expires')]).to.deep.equal([202, 'Accepted', '300'])
    expect((await lamp.next('NOTIFY')).header('subscription-state')).to.match(/^active;expires=(300|299)$/)
  })

  it('a CSeq that came late, within the offset and no lower', async () => {
    await begin({ cseq_offset: '1' })
    const lamp = await phone('101')
    const dialog = lamp.dialog('sip:200@127.0.0.1')
    await subscribe(lamp, dialog)
    dialog.cseq = 9
    expect((await subscribe(lamp, dialog)).status).to.equal(200)
    // Another request of the same number: its branch is its own.
    dialog.cseq = 9
    expect((await subscribe(lamp, dialog)).status).to.equal(200)
    dialog.cseq = 8
    expect((await subscribe(lamp, dialog)).status).to.equal(500)
  })

  it('a module that takes requests, and one that fails', async () => {
    await begin()
    const undo = pubsub.onRequest(({ tx, endpoint }) => {
      if (tx.request.method !== 'PUBLISH') return false
      tx.answer({ status: 480, reason: `Not Now, ${endpoint.id}` })
      return true
    })
    const lamp = await phone()
    const refused = await publish(lamp, 'on')
    expect([refused.status, refused.reason]).to.deep.equal([480, 'Not Now, 100'])
    expect((await subscribe(lamp, lamp.dialog('sip:200@127.0.0.1'))).status).to.equal(200)
    await undo()
    const undoFailing = pubsub.onRequest(() => Promise.reject(new Error('broken')))
    expect((await publish(lamp, 'on')).status).to.equal(500)
    await undoFailing()
    expect((await publish(lamp, 'on')).status).to.equal(200)
  })

  it('the watcher that a trusted proxy asserts, whom a module knows by it', async () => {
    await begin()
    const watchers: string[] = []
    pubsub.on('local-request', ({ subs }) => watchers.push(`${subs.watcher_username}@${subs.watcher_domain}`))
    const proxy = await phone('101')
    await subscribe(proxy, proxy.dialog('sip:200@127.0.0.1'), '600', [
      ['P-Asserted-Identity', '<sip:boss@pbx.example>'],
    ])
    await proxy.next('NOTIFY')
    const plain = await phone('100')
    await subscribe(plain, plain.dialog('sip:200@127.0.0.1'), '600', [
      ['P-Asserted-Identity', '<sip:boss@pbx.example>'],
    ])
    await plain.next('NOTIFY')
    expect(watchers).to.deep.equal(['boss@pbx.example', '100@127.0.0.1'])
  })

  it('a subscription that ends because of the answer to its NOTIFY', async () => {
    await begin()
    const replies: [number, string][] = []
    pubsub.on('notify-reply', ({ subs, notify_reply: reply, drop }) => {
      replies.push([reply.rs, reply.ci === subs.callid ? reply.rm : ''])
      if (reply.rs === 486) drop()
    })
    const lamp = await phone()
    lamp.onRequest = () => 486
    const dialog = lamp.dialog('sip:200@127.0.0.1')
    await subscribe(lamp, dialog)
    await lamp.next('NOTIFY')
    await until('the end', () => [...pubsub.subscriptions].length === 0)
    expect(replies).to.deep.equal([[486, 'NOTIFY']])
    expect((await subscribe(lamp, dialog)).status).to.equal(481)
  })

  it('silence, which a module sees as 408', async () => {
    await begin({ notify_retries: '1', notify_retry_interval: '10' })
    const replies: number[] = []
    pubsub.on('notify-reply', ({ notify_reply: reply }) => replies.push(reply.rs))
    const lamp = await phone('100', false)
    await subscribe(lamp, lamp.dialog('sip:200@127.0.0.1'))
    await until('the end', () => [...pubsub.subscriptions].length === 0)
    expect(replies).to.deep.equal([408, 408])
  })

  it('a refresh from the console reaches the phone', async () => {
    await begin()
    const lamp = await phone()
    await subscribe(lamp, lamp.dialog('sip:200@127.0.0.1'))
    const first = await lamp.next('NOTIFY')
    await office.run('presence refreshWatchers sip:200@127.0.0.1 lamp 1')
    const second = await lamp.next('NOTIFY')
    expect([second.cseq, second.body]).to.deep.equal([first.cseq + 1, 'off'])
  })
})

import { expect } from 'chai'
import res_pjsip_dialog_info_body_generator from '../../res_pjsip_exten_state/res_pjsip_dialog_info_body_generator.ts'
import res_pjsip_exten_state from '../../res_pjsip_exten_state/res_pjsip_exten_state.ts'
import res_pjsip_outbound_publish from '../../res_pjsip_publish_asterisk/res_pjsip_outbound_publish.ts'
import res_pjsip_pubsub from '../../res_pjsip_pubsub/res_pjsip_pubsub.ts'
import type { TestCore } from '../support/core.ts'
import { Kamailio } from '../support/kamailio.ts'
import { TestPhone } from '../support/phone.ts'
import { configure, EID, startServer } from '../support/publishing.ts'
import { needTool, until } from '../support/tools.ts'

/** Our lamps at another one's presence server, and what a phone sees that knows only that one. */
describe('Hints published to Kamailio', function () {
  this.timeout(60_000)
  let kamailio: Kamailio
  let office: TestCore
  let phone: TestPhone

  before(async function () {
    needTool(this, 'kamailio')
    kamailio = await Kamailio.start()
    phone = await TestPhone.open({ server: { address: '127.0.0.1', port: kamailio.port }, user: 'watcher' })
    office = await startServer(EID.a, { hints: { '200@office': ['Custom:door'], '201@office': ['Custom:gate'] } })
    office.core.hints.addSource({
      name: 'dialplan',
      lookup: () => Promise.resolve(undefined),
      extensions: () => ['200', '201'].map((exten) => ({ context: 'office', exten })),
      onChange: () => () => undefined,
    })
    office.core.devices.set('local', 'Custom:door', 'RINGING')
    const server_uri = [`sip:127.0.0.1:${kamailio.port}`]
    const section = { server_uri, event: 'dialog', multi_user: true } as const
    const lamps = { ...section, '@exten': '200', expiration: 3 }
    const calls = { ...section, '@exten': '201', expiration: 600 }
    configure(office, { outbound: { lamps, calls } })
    await office.load(
      res_pjsip_pubsub,
      res_pjsip_exten_state,
      res_pjsip_dialog_info_body_generator,
      res_pjsip_outbound_publish,
    )
  })
  after(async () => {
    await office?.close()
    await phone?.close()
    await kamailio?.stop()
  })

  /** Subscribes, and gives what waits for the lamp to show a state. */
  const watch = async (exten: string): Promise<(word: string) => Promise<unknown>> => {
    const dialog = phone.dialog(`sip:${exten}@127.0.0.1:${kamailio.port}`)
    const headers = [
      ['Event', 'dialog'],
      ['Expires', '600'],
      ['Accept', 'application/dialog-info+xml'],
    ] as const
    expect((await phone.request('SUBSCRIBE', { dialog, headers })).status).to.be.oneOf([200, 202])
    return (word) =>
      phone.take(({ method, body }) => method === 'NOTIFY' && body.includes(`<state>${word}</state>`), word)
  }

  it('light with each call, where Kamailio takes no change of one that is terminated', async () => {
    await until('publications', () => office.metric('publish.outbound.sent') >= 2)
    const shows = await watch('201')
    for (const [state, word] of [
      ['INUSE', 'confirmed'],
      ['NOT_INUSE', 'terminated'],
      ['RINGING', 'early'],
      ['NOT_INUSE', 'terminated'],
    ] as const) {
      office.core.devices.set('local', 'Custom:gate', state)
      await shows(word)
    }
  })

  it('follow, past several refreshes', async () => {
    const shows = await watch('200')
    await shows('early')
    for (const [state, word] of [
      ['INUSE', 'confirmed'],
      ['NOT_INUSE', 'terminated'],
    ] as const) {
      office.core.devices.set('local', 'Custom:door', state)
      await shows(word)
    }
    const before = office.metric('publish.outbound.sent')
    await until('refreshes', () => office.metric('publish.outbound.sent') >= before + 2)
    office.core.devices.set('local', 'Custom:door', 'RINGING')
    await shows('early')
    // Kamailio's cache does not always keep what is refreshed without a body: after 412 it is told anew.
    expect(office.logged.filter((line) => line.includes('does not get through'))).to.deep.equal([])
    const last = phone.received.filter(({ method }) => method === 'NOTIFY').at(-1)
    expect(last?.body).to.include('<state>early</state>')
  })
})

/** Each module in turn is unloaded and loaded again while phones stay subscribed: afterwards every lamp is right. */
import { expect } from 'chai'
import { findModules } from '../../core/find-modules.ts'
import type { ModuleDefinition } from '../../core/module.ts'
import { TestCore } from '../support/core.ts'
import { type PhoneDialog, TestPhone } from '../support/phone.ts'
import { until } from '../support/tools.ts'

interface Lamp {
  readonly event: string
  readonly accept: string
  readonly dialog: PhoneDialog
  /** What the body says while the extension is in use, or idle, and there are so many messages. */
  readonly shows: (inUse: boolean, messages: number) => string
}

describe('modules, while phones are subscribed', () => {
  let office: TestCore
  let phone: TestPhone
  let modules: readonly ModuleDefinition[]
  let lamps: readonly Lamp[]
  let messages = 0

  before(async () => {
    // Presence rules decide who may watch at all; they have tests of their own.
    modules = (await findModules()).filter(({ name }) => name !== 'res_pjsip_presence_rules')
    office = await TestCore.start({
      endpoints: { 100: { aors: ['100'] } },
      aors: { 100: { mailboxes: ['100'] } },
      hints: { '200@default': ['PJSIP/200'] },
    })
    for (const definition of modules) office.loader.add(definition)
    for (const { name } of modules)
      if (office.loader.list().some((one) => one.name === name && one.status !== 'Running'))
        await office.loader.load(name)
    phone = await TestPhone.open({ server: { address: '127.0.0.1', port: office.port }, user: '100' })
    office.core.devices.set('pbx1', 'PJSIP/200', 'NOT_INUSE')
    office.core.mailboxes.set('pbx1', '100@default', { newMessages: 0, oldMessages: 0 })
    const lamp = (user: string, event: string, accept: string, shows: Lamp['shows']): Lamp => ({
      event,
      accept,
      dialog: phone.dialog(`sip:${user}@127.0.0.1`),
      shows,
    })
    lamps = [
      lamp('200', 'dialog', 'application/dialog-info+xml', (inUse) => (inUse ? '>confirmed<' : '>terminated<')),
      lamp('200', 'presence', 'application/pidf+xml', (inUse) => (inUse ? '>On the phone<' : '>Ready<')),
      lamp('200', 'presence', 'application/xpidf+xml', (inUse) => (inUse ? '"inuse"' : '"open"')),
      lamp('100', 'message-summary', 'application/simple-message-summary', (_, count) => `Voice-Message: ${count}/0`),
    ]
    for (const { dialog, event, accept } of lamps) {
      const answer = await phone.request('SUBSCRIBE', {
        dialog,
        headers: [
          ['Event', event],
          ['Accept', accept],
        ],
      })
      expect(answer.status, `${event} ${accept}`).to.equal(200)
    }
    await areRight(false)
  })

  after(async () => {
    await phone.close()
    await office.close()
  })

  const lastOf = ({ dialog }: Lamp): string =>
    phone.received.findLast((message) => message.method === 'NOTIFY' && message.header('call-id') === dialog.callId)
      ?.body ?? ''

  async function areRight(inUse: boolean): Promise<void> {
    for (const lamp of lamps)
      await until(`'${lamp.shows(inUse, messages)}' in ${lamp.accept}`, () =>
        lastOf(lamp).includes(lamp.shows(inUse, messages)),
      )
  }

  const set = (inUse: boolean): void => {
    messages++
    office.core.devices.set('pbx1', 'PJSIP/200', inUse ? 'INUSE' : 'NOT_INUSE')
    office.core.mailboxes.set('pbx1', '100@default', { newMessages: messages, oldMessages: 0 })
  }

  it('come and go, one after the other, with every lamp right afterwards', async () => {
    expect(modules.length).to.be.above(8)
    for (const { name } of modules) {
      const gone = await office.loader.unload(name)
      expect(gone).to.include(name)
      set(true)
      for (const each of [...gone].reverse()) await office.loader.load(each).catch(alreadyThere)
      await areRight(true)
      set(false)
      await areRight(false)
      const subscriptions = office.metric('pubsub.subscriptions.active')
      expect(subscriptions, `after ${name}`).to.equal(lamps.length)
    }
    const states = phone.received.map((message) => message.header('subscription-state')).filter((text) => text !== '')
    expect(states.filter((text) => !text.startsWith('active'))).to.deep.equal([])
    for (const { dialog } of lamps) {
      const numbers = phone.received
        .filter((message) => message.method === 'NOTIFY' && message.header('call-id') === dialog.callId)
        .map(({ cseq }) => cseq)
      expect(numbers).to.deep.equal([...numbers].sort((a, b) => a - b))
    }
  }).timeout(60_000)
})

/** What requires it has been loaded with it. */
function alreadyThere(error: unknown): void {
  if (!String(error).includes('loaded already')) throw error
}

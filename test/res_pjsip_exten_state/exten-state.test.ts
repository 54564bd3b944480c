import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Undo } from '../../core/scope.ts'
import type { HintDefinition } from '../../core/states/hint.ts'
import type { HintSource } from '../../core/states/hint-sources.ts'
import dialogInfoModule from '../../res_pjsip_exten_state/res_pjsip_dialog_info_body_generator.ts'
import extenState from '../../res_pjsip_exten_state/res_pjsip_exten_state.ts'
import pidfModule from '../../res_pjsip_exten_state/res_pjsip_pidf_body_generator.ts'
import digiumModule from '../../res_pjsip_exten_state/res_pjsip_pidf_digium_body_supplement.ts'
import eyebeamModule from '../../res_pjsip_exten_state/res_pjsip_pidf_eyebeam_body_supplement.ts'
import xpidfModule from '../../res_pjsip_exten_state/res_pjsip_xpidf_body_generator.ts'
import pubsubModule from '../../res_pjsip_pubsub/res_pjsip_pubsub.ts'
import { TestCore, type TestCoreSettings } from '../support/core.ts'
import { Dialplan as ReachableDialplan } from '../support/dialplan.ts'
import { call } from '../support/extension-state.ts'
import { FakeSip, type FakeTransaction, type Headers } from '../support/fake-sip.ts'
import { until } from '../support/tools.ts'

const MODULES = [
  pubsubModule,
  pidfModule,
  xpidfModule,
  dialogInfoModule,
  eyebeamModule,
  digiumModule,
  extenState,
] as const

/** One hint, until it is removed. */
class Dialplan implements HintSource {
  readonly name = 'dialplan'
  #exten: string
  #changed: () => void = () => undefined

  constructor(exten = '300') {
    this.#exten = exten
  }

  async lookup(context: string, exten: string): Promise<HintDefinition | undefined> {
    if (exten !== this.#exten) return undefined
    return { context, exten, devices: [`PJSIP/${exten}`], presence: [], name: '', source: this.name }
  }

  onChange(listener: () => void): Undo {
    this.#changed = listener
    return () => undefined
  }

  remove(exten: string): void {
    if (this.#exten === exten) this.#exten = ''
    this.#changed()
  }
}

describe('the packages presence and dialog', () => {
  let sip: FakeSip
  let office: TestCore

  async function open(settings: TestCoreSettings = {}, ...sources: readonly HintSource[]): Promise<void> {
    sip = new FakeSip()
    office = await TestCore.start({
      sip,
      endpoints: { 100: { context: 'office' }, 101: { context: 'office', subscribe_context: 'blf' } },
      hints: { '200@office': ['PJSIP/200'], '201@blf': ['Custom:door'] },
      ...settings,
    })
    for (const source of sources) office.core.hints.addSource(source)
    await office.load(...MODULES)
  }

  async function subscribe(user: string, headers: Headers): Promise<FakeTransaction> {
    const tx = await sip.subscribe(user, headers)
    await until('answer', () => tx.answered)
    if (tx.status === 200) await until('first NOTIFY', () => tx.dialog.notifies.length > 0)
    return tx
  }

  afterEach(() => office.close())

  it('answer 200 and then show the hint of the context of who asks', async () => {
    await open()
    office.core.devices.set('pbx1', 'PJSIP/200', 'INUSE')
    const tx = await subscribe('200', { Event: 'dialog' })
    expect(tx.status).to.equal(200)
    await until('NOTIFY', () => tx.dialog.notifies.length === 1)
    expect(sip.wire).to.deep.equal(['200 SUBSCRIBE', 'NOTIFY 1'])
    expect(tx.dialog.last.body?.contentType).to.equal('application/dialog-info+xml')
    expect(tx.dialog.last.text).to.contain('entity="sip:200@pbx.example"').and.to.contain('<state>confirmed</state>')
    expect((await subscribe('201', { Event: 'dialog' })).status).to.equal(404)
  })

  it('look in subscribe_context where there is one', async () => {
    await open()
    const from = { From: '<sip:101@pbx.example>;tag=1', Event: 'presence' }
    expect((await subscribe('201', from)).status).to.equal(200)
    expect((await subscribe('200', from)).status).to.equal(404)
    expect(office.logged.join('\n')).to.contain(
      "Endpoint '101' state subscription failed: Extension '200' does not exist in context 'blf' or has no associated hint",
    )
  })

  it('say once that an extension of a list is not there, however often it is looked for', async () => {
    const item = ['200', '299', '300']
    await open({ lists: { floor: { event: 'dialog', list_item: item } } })
    const accept = 'multipart/related, application/rlmi+xml, application/dialog-info+xml'
    const tx = await subscribe('floor', { Event: 'dialog', Supported: 'eventlist', Accept: accept })
    for (const exten of ['300', '299']) {
      const before = tx.dialog.notifies.length
      office.core.hints.addSource(new Dialplan(exten))
      const said = office.logged.filter((line) => line.includes('state subscription failed'))
      expect(said.map((line) => /Extension '(\d+)'/.exec(line)?.[1])).to.deep.equal(['299', '300'])
      void office.core.hints.reread()
      await until('that it comes', () => tx.dialog.notifies.length > before)
    }
  })

  it('say in one line which extensions of a list that a phone brings along are not there', async () => {
    await open()
    const missing = Array.from({ length: 12 }, (_, at) => `${300 + at}`)
    const entries = ['200', ...missing].map((exten) => `<entry uri="sip:${exten}@pbx.example"/>`).join('')
    const list = `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list>${entries}</list></resource-lists>`
    const headers = {
      Event: 'dialog',
      Supported: 'eventlist',
      Accept: 'multipart/related, application/rlmi+xml, application/dialog-info+xml',
      Require: 'recipient-list-subscribe',
      'Content-Type': 'application/resource-lists+xml',
    }
    const tx = await sip.receive('SUBSCRIBE', 'sip:rls@pbx.example', headers, undefined, list)
    await until('answer', () => tx.status === 200)
    const said = office.logged.filter((line) => /not exist|not there/.test(line))
    expect(said).to.have.length(1)
    expect(said[0]).to.contain(
      'for dialog with 13 resources, of which 12 are not there: 300, 301, 302, 303, 304, 305, 306, 307, 308, 309, ...',
    )
  })

  it('say that an extension of a list is not there as soon as that is known, of one that a reload brings, too', async () => {
    const floor = { event: 'dialog', list_item: ['200', '299'] }
    let isAway = true
    await open(
      { lists: { floor } },
      { name: 'server', lookup: async () => (isAway ? 'unreachable' : undefined), onChange: () => () => undefined },
    )
    const accept = 'multipart/related, application/rlmi+xml, application/dialog-info+xml'
    await subscribe('floor', { Event: 'dialog', Supported: 'eventlist', Accept: accept })
    const said = (exten: string): boolean =>
      office.logged.some((line) => line.includes(`Extension '${exten}' does not`))
    expect(said('299')).to.equal(false)
    isAway = false
    void office.core.hints.reread()
    await until('that it is said', () => said('299'))
    const { files } = office.core.endpoints
    const before = files.resourceLists?.get('floor')
    if (!before) throw new Error('no list')
    const lists = new Map([['floor', { ...before, list_item: [...before.list_item, '298'] }]])
    office.core.endpoints.replace({ ...files, resourceLists: lists })
    void office.core.hints.reread()
    await until('that the new one is said', () => said('298'))
  })

  it('say once what became of a restored subscription whose hint is gone, however often it is looked for', async () => {
    const dialplan = new Dialplan()
    await open()
    office.core.hints.addSource(dialplan)
    const tx = await subscribe('300', { Event: 'dialog' })
    await office.loader.unload('res_pjsip_exten_state')
    dialplan.remove('300')
    await office.loader.load('res_pjsip_exten_state')
    await until('the end', () => tx.dialog.last.state.startsWith('terminated'))
    const said = office.logged.filter((line) => line.includes('300'))
    expect(said.filter((line) => line.includes('cannot be shown any more'))).to.have.length(1)
    expect(said.filter((line) => line.includes('subscription failed'))).to.deep.equal([])
  })

  for (const event of ['dialog', 'presence'])
    it(`keep a restored subscription to ${event} whose hint nobody can tell, unavailable until somebody can`, async () => {
      const asterisk = new ReachableDialplan('pbx1')
      for (const exten of ['300', '301']) asterisk.lines.set(`${exten}@office`, { devices: ['PJSIP/300'] })
      const restarted = { directory: mkdtempSync(join(tmpdir(), 'unsaid-')) }
      const settings: TestCoreSettings = {
        storePath: join(restarted.directory, 'presence.db'),
        files: { 'pubsub.conf': { restore_patience: '1', unload_grace: '1' } },
      }
      await open(settings)
      office.core.hints.addSource(asterisk)
      office.core.devices.set('pbx1', 'PJSIP/300', 'INUSE')
      for (const exten of ['300', '301']) await subscribe(exten, { Event: event, Accept: 'application/pidf+xml' })
      await office.close()
      asterisk.reachable = false
      await open(settings, asterisk)
      const dialogs = [...sip.dialogs.values()]
      const last = (exten: string): string | undefined => {
        const told = dialogs.find(({ localUri }) => localUri.includes(exten))?.notifies.at(-1)
        return told && `${told.state.replace(/;expires=\d+/, '')} ${/<note[^>]*>([^<]*)/.exec(told.text)?.[1]}`
      }
      await until('both unavailable', () => ['300', '301'].every((exten) => last(exten) === 'active Unavailable'))
      asterisk.lines.delete('301@office')
      asterisk.reachable = true
      office.core.devices.set('pbx1', 'PJSIP/300', 'INUSE')
      asterisk.reload()
      await until('the one that is there', () => last('300') === 'active On the phone')
      await until('the end of the other', () => last('301')?.startsWith('terminated;reason=noresource'))
      rmSync(restarted.directory, { recursive: true })
    })

  it('follow the calls of the extension', async () => {
    await open()
    const tx = await subscribe('200', { Event: 'dialog' })
    office.core.calls.set(call())
    office.core.devices.set('pbx1', 'PJSIP/200', 'RINGING')
    await until('such a NOTIFY', () => tx.dialog.last.text.includes('<state>early</state>'))
    expect(tx.dialog.last.text).to.contain('<identity display="Carol">sip:301@pbx.example</identity>')
    office.core.devices.set('pbx1', 'PJSIP/200', 'INUSE')
    await until('such a NOTIFY', () => tx.dialog.last.text.includes('<state>confirmed</state>'))
    expect(tx.dialog.last.text).to.contain('<identity display="Carol">sip:301@pbx.example</identity>')
    office.core.devices.set('pbx1', 'PJSIP/200', 'NOT_INUSE')
    await until('such a NOTIFY', () => tx.dialog.last.text.includes('<state>terminated</state>'))
  })

  for (const [event, accept, type] of [
    ['presence', undefined, 'application/pidf+xml'],
    ['dialog', undefined, 'application/dialog-info+xml'],
    ['presence', 'application/xpidf+xml, application/pidf+xml', 'application/xpidf+xml'],
    ['presence', 'application/cpim-pidf+xml', 'application/cpim-pidf+xml'],
    ['presence', 'application/dialog-info+xml', 'application/dialog-info+xml'],
    ['dialog', 'application/pidf+xml', 'application/pidf+xml'],
  ] as const) {
    it(`give ${event} as ${type} to whom accepts ${accept ?? 'nothing in particular'}`, async () => {
      await open()
      const tx = await subscribe('200', { Event: event, Accept: accept })
      await until('NOTIFY', () => tx.dialog.notifies.length === 1)
      expect(tx.dialog.last.body?.contentType).to.equal(type)
    })
  }

  it('answer 500 with Retry-After where no source can say whether there is a hint', async () => {
    await open()
    const away: HintSource = { name: 'away', lookup: () => 'unreachable', onChange: () => () => undefined }
    office.core.hints.addSource(away)
    const tx = await subscribe('999', { Event: 'presence' })
    expect(tx.status).to.equal(500)
    expect(Number(tx.header('Retry-After'))).to.be.above(0)
  })

  for (const [compat, state, note, basic] of [
    ['asterisk', 'terminated', 'Ready', 'open'],
    ['rfc', 'terminated;reason=noresource', 'Unavailable', 'closed'],
  ] as const) {
    it(`end with the lamp out where the hint is removed (${compat})`, async () => {
      await open({ general: { compat, removed_hint_grace: 0 } })
      const dialplan = new Dialplan()
      office.core.hints.addSource(dialplan)
      office.core.devices.set('pbx1', 'PJSIP/300', 'INUSE')
      const dialog = await subscribe('300', { Event: 'dialog' })
      const presence = await subscribe('300', { Event: 'presence', Accept: 'application/pidf+xml' })
      await until('NOTIFY', () => dialog.dialog.last.text.includes('confirmed'))
      dialplan.remove('300')
      await until('final NOTIFYs', () => [dialog, presence].every((tx) => tx.dialog.last.state === state))
      expect(dialog.dialog.last.text).to.contain('<state>terminated</state>')
      expect(presence.dialog.last.text).to.match(new RegExp(`<note[^>]*>${note}</note>`))
      expect(presence.dialog.last.text).to.contain(`<basic>${basic}</basic>`)
    })
  }

  it('answer 404 to an empty user', async () => {
    await open()
    expect((await subscribe('', { Event: 'presence' })).status).to.equal(404)
  })

  it("put everything that the modules add into Asterisk's pidf", async () => {
    await open({ general: { compat: 'asterisk' } })
    const tx = await subscribe('200', { Event: 'presence', 'User-Agent': 'Digium D40' })
    await until('NOTIFY', () => tx.dialog.notifies.length === 1)
    expect(tx.dialog.last.text).to.equal(`<?xml version="1.0" encoding="UTF-8"?>
<presence entity="sip:200@pbx.example" xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid">
 <note>Unavailable</note>
 <tuple id="200">
  <status>
   <basic>closed</basic>
  </status>
  <contact priority="1">sip:100@pbx.example</contact>
 </tuple>
 <dm:person />
 <tuple id="digium-presence">
  <status>
   <digium_presence type="not_set" />
  </status>
 </tuple>
</presence>
`)
  })
})

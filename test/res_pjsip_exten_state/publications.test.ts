/** What is published about an extension, together with what Asterisk says of it, as phones are told. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { HintSource } from '../../core/states/hint-sources.ts'
import { extensionStateKind } from '../../res_pjsip_exten_state/published.ts'
import dialogBodies from '../../res_pjsip_exten_state/res_pjsip_dialog_info_body_generator.ts'
import extenState from '../../res_pjsip_exten_state/res_pjsip_exten_state.ts'
import pidfBodies from '../../res_pjsip_exten_state/res_pjsip_pidf_body_generator.ts'
import eyebeamModule from '../../res_pjsip_exten_state/res_pjsip_pidf_eyebeam_body_supplement.ts'
import xpidfBodies from '../../res_pjsip_exten_state/res_pjsip_xpidf_body_generator.ts'
import type { Pubsub } from '../../res_pjsip_pubsub/contract.ts'
import pubsubModule from '../../res_pjsip_pubsub/res_pjsip_pubsub.ts'
import { TestCore, type TestCoreSettings } from '../support/core.ts'
import { Dialplan } from '../support/dialplan.ts'
import { call } from '../support/extension-state.ts'
import { FakeSip, type FakeTransaction, type Headers } from '../support/fake-sip.ts'
import { settled } from '../support/lamp-office.ts'
import {
  DIALOG_TYPE,
  type DialogText,
  dialogBody,
  dialogsIn,
  PIDF_TYPE,
  personOf,
  pidfBody,
  tuplesIn,
} from '../support/published-bodies.ts'
import { until } from '../support/tools.ts'

const AS_LIST = { Supported: 'eventlist', Accept: `multipart/related, application/rlmi+xml, ${PIDF_TYPE}` }

describe('publications about an extension', () => {
  let sip: FakeSip
  let office: TestCore
  let pubsub: Pubsub

  async function open(settings: TestCoreSettings = {}, ...sources: readonly HintSource[]): Promise<void> {
    sip = new FakeSip()
    office = await TestCore.start({
      sip,
      endpoints: { 100: { allow_publish: 'any' }, 101: { allow_publish: 'any' }, 300: {} },
      aors: { line: {} },
      hints: { '200@default': ['PJSIP/200'] },
      ...settings,
    })
    for (const source of sources) office.core.hints.addSource(source)
    pubsub = await office.load<Pubsub>(pubsubModule)
    await office.load(dialogBodies, pidfBodies, eyebeamModule, xpidfBodies, extenState)
    office.core.devices.set('pbx1', 'PJSIP/200', 'NOT_INUSE')
  }

  afterEach(() => office.close())

  async function watch(user: string, event: string, headers: Headers = {}): Promise<FakeTransaction> {
    const tx = await sip.subscribe(user, { Event: event, ...headers })
    await until('answer', () => tx.answered)
    if (tx.status === 200) await until('first NOTIFY', () => tx.dialog.notifies.length > 0)
    return tx
  }

  async function publish(user: string, event: string, body: string, headers: Headers = {}): Promise<string> {
    const type = event === 'presence' ? PIDF_TYPE : DIALOG_TYPE
    const tx = await sip.publish(user, body, { Event: event, 'Content-Type': type, ...headers })
    expect(tx.status, tx.given?.reason).to.equal(200)
    return tx.header('SIP-ETag') ?? ''
  }

  const dialogs = (of: readonly DialogText[], headers: Headers = {}, user = '200'): Promise<string> =>
    publish(user, 'dialog', dialogBody(of), headers)

  const shows = (tx: FakeTransaction, what: string): Promise<unknown> =>
    until(`a NOTIFY with ${what}`, () => tx.dialog.last.text.includes(what))

  const lit = (tx: FakeTransaction, ...expected: string[]): Promise<unknown> =>
    until(`dialogs ${expected.join()}`, () => dialogsIn(tx.dialog.last.text).join() === expected.join())

  describe('presence', () => {
    it('tuples are together in one document, persons one person, RPID kept', async () => {
      await open()
      office.core.devices.set('pbx1', 'PJSIP/200', 'INUSE')
      const tx = await watch('200', 'presence')
      await publish('200', 'presence', pidfBody('soft', 'open', personOf('meeting', 'till noon')))
      await shows(tx, 'rpid:meeting')
      const { text } = tx.dialog.last
      expect(tuplesIn(text)).to.deep.equal(['t-200', 'soft'])
      expect(text.match(/<dm:person/g)).to.have.length(1)
      // Phones with PJSIP (MicroSIP) show the first activity and the first note of a person alone.
      expect(text).to.match(/<rpid:activities>\s*<rpid:on-the-phone \/>\s*<rpid:meeting \/>/)
      const notes = [...text.matchAll(/<dm:note[^>]*>([^<]*)/g)].map(([, note]) => note)
      expect(notes).to.deep.equal(['On the phone', 'till noon'])
      expect(text).to.contain('entity="sip:200@pbx.example"')
      expect(text.indexOf('<note')).to.be.above(text.lastIndexOf('</tuple>'))
    })

    it('of two tuples of one id the newest counts, and it goes when it expires', async () => {
      await open()
      const tx = await watch('200', 'presence')
      await publish('200', 'presence', pidfBody('soft', 'open'))
      await publish('200', 'presence', pidfBody('soft', 'closed'), {
        Expires: '1',
        From: '<sip:101@pbx.example>;tag=1',
      })
      await shows(tx, '<basic>closed</basic>')
      expect(tuplesIn(tx.dialog.last.text)).to.deep.equal(['t-200', 'soft'])
      await until('expiry', () => !tx.dialog.last.text.includes('closed'))
      expect(tuplesIn(tx.dialog.last.text)).to.deep.equal(['t-200', 'soft'])
    })

    it('devices and persons have ids of their own, whatever several publishers call them (xs:ID)', async () => {
      await open()
      const device = (urn: string): string => `<d:device id="d1"><d:deviceID>${urn}</d:deviceID></d:device>`
      const tx = await watch('200', 'presence')
      await publish('200', 'presence', pidfBody('soft', 'open', `${personOf('meeting')}${device('urn:a')}`))
      await publish('200', 'presence', pidfBody('p1', 'open', `${device('urn:b')}${device('urn:a')}`), {
        From: '<sip:101@pbx.example>;tag=1',
      })
      await shows(tx, 'urn:b')
      const { text } = tx.dialog.last
      const ids = [...text.matchAll(/ id="([^"]*)"/g)].map(([, id = '']) => id)
      expect(ids).to.have.length(6)
      expect(new Set(ids)).to.have.property('size', 6)
      expect(ids).to.include.members(['t-200', 'soft', 'p1'])
      for (const id of ids) expect(id).to.match(/^[A-Za-z_][\w.-]*$/)
    })

    it('by priority, what a line in use says stays before what goes behind Asterisk', async () => {
      await open({
        endpoints: { 100: { allow_publish: 'any', trust_id_inbound: true } },
        files: { 'pubsub.conf': { xavp_cfg: 'X-Pres', retrieve_order: '1' } },
      })
      office.core.devices.set('pbx1', 'PJSIP/200', 'INUSE')
      const tx = await watch('200', 'presence')
      const phone = { Contact: '<sip:a@192.0.2.7>' }
      await publish('200', 'presence', pidfBody('low', 'open', personOf('busy')), phone)
      await publish('200', 'presence', pidfBody('high', 'open', personOf('meal')), { 'X-Pres': 'priority=9' })
      await shows(tx, 'id="high"')
      const told = [...tx.dialog.last.text.matchAll(/<rpid:(meal|on-the-phone|busy)/g)].map(([, name]) => name)
      expect(told).to.deep.equal(['meal', 'on-the-phone', 'busy'])
    })

    it('by priority, the higher one goes before Asterisk itself', async () => {
      await open({
        endpoints: { 100: { allow_publish: 'any', trust_id_inbound: true } },
        files: { 'pubsub.conf': { xavp_cfg: 'X-Pres', retrieve_order: '1' } },
      })
      const tx = await watch('200', 'presence')
      await publish('200', 'presence', pidfBody('low', 'open'), { Contact: '<sip:a@192.0.2.7>' })
      await publish('200', 'presence', pidfBody('high', 'open'), { 'X-Pres': 'priority=9' })
      await shows(tx, 'high')
      expect(tuplesIn(tx.dialog.last.text)).to.deep.equal(['high', 't-200', 'low'])
    })

    it('is all there is where there is no hint; 404 before anything is published', async () => {
      await open()
      expect((await watch('300', 'presence')).status).to.equal(404)
      const tag = await publish('300', 'presence', pidfBody('soft', 'open', personOf('away')))
      const tx = await watch('300', 'presence')
      expect(tuplesIn(tx.dialog.last.text)).to.deep.equal(['soft'])
      const old = await watch('300', 'presence', { Accept: 'application/xpidf+xml' })
      expect(old.dialog.last.text).to.contain('substatus="away"').and.to.contain('status="open"')
      await publish('300', 'presence', '', { 'SIP-If-Match': tag, Expires: '0', 'Content-Type': undefined })
      await until('an empty document', () => tuplesIn(tx.dialog.last.text).length === 0)
      expect(tx.dialog.last.state).to.match(/^active/)
    })

    it('is taken up by a resource list in which it was missing', async () => {
      await open({ lists: { people: { event: 'presence', list_item: ['200', '300'] } } })
      const tx = await watch('people', 'presence', AS_LIST)
      expect(tx.dialog.last.text).to.contain('reason="noresource"')
      await publish('300', 'presence', pidfBody('soft', 'open', personOf('away')))
      await shows(tx, 'id="soft"')
    })

    it('need not be there for an entry of a resource list from a reload with accept_unknown on', async () => {
      await open({ lists: { people: { event: 'presence', list_item: ['200', '300'] } } })
      const tx = await watch('people', 'presence', AS_LIST)
      expect(tx.dialog.last.text).to.contain('reason="noresource"')
      office.file('pubsub.conf', { accept_unknown: 'yes' })
      await office.loader.reload('res_pjsip_pubsub')
      await until('its entry', () => tx.dialog.notifies.at(-1)?.text.includes('noresource') === false)
    })

    it('is taken up by a list whose lookups it falls into', async () => {
      let isAsked = false
      let answer = (): void => undefined
      const answered = new Promise<void>((resolve) => void (answer = resolve))
      const slow: HintSource = {
        name: 'slow',
        lookup: async (_context, exten) => {
          isAsked ||= exten === '299'
          if (exten === '299') await answered
          return undefined
        },
        onChange: () => () => undefined,
      }
      await open({ lists: { people: { event: 'presence', list_item: ['300', '299'] } } }, slow)
      const subscribing = watch('people', 'presence', AS_LIST)
      await until('the lookups', () => isAsked)
      await settled(20)
      await publish('300', 'presence', pidfBody('soft', 'open', personOf('away')))
      answer()
      await shows(await subscribing, 'id="soft"')
    })

    it('is in one word that of a device which says one, whoever said nothing behind it', async () => {
      await open()
      await publish('300', 'presence', pidfBody('soft', 'open'))
      const unknown = pidfBody('other', 'open').replace('>open<', '>unknown<')
      await publish('300', 'presence', unknown, { From: '<sip:101@pbx.example>;tag=1' })
      const tx = await watch('300', 'presence', { Accept: 'application/xpidf+xml' })
      expect(tx.dialog.last.text).to.contain('status="open"')
    })

    it('is in one word that of the first service which has one (RFC 3863 4.1.3)', async () => {
      await open()
      const mood = '<p:tuple id="chat"><p:status><x:mood xmlns:x="urn:x">fine</x:mood></p:status></p:tuple>'
      await publish('300', 'presence', pidfBody('voice', 'open').replace('<p:tuple', `${mood}<p:tuple`))
      const tx = await watch('300', 'presence', { Accept: 'application/xpidf+xml' })
      expect(tx.dialog.last.text).to.contain('status="open"')
    })

    it('follows a hint that comes and goes while it is watched', async () => {
      await open()
      let exten = ''
      let changed = (): void => undefined
      office.core.hints.addSource({
        name: 'dialplan',
        lookup: async (context, asked) =>
          asked === exten
            ? { context, exten, devices: ['PJSIP/300'], presence: [], name: '', source: 'dialplan' }
            : undefined,
        onChange: (listener) => {
          changed = listener
          return () => undefined
        },
      })
      await publish('300', 'presence', pidfBody('soft', 'open'))
      const tx = await watch('300', 'presence')
      expect(tuplesIn(tx.dialog.last.text)).to.deep.equal(['soft'])
      exten = '300'
      changed()
      await until('both', () => tuplesIn(tx.dialog.last.text).join() === 't-300,soft')
      office.core.devices.set('pbx1', 'PJSIP/300', 'INUSE')
      await shows(tx, 'On the phone')
      exten = ''
      office.general({ removed_hint_grace: 0 })
      changed()
      await until('what is published', () => tuplesIn(tx.dialog.last.text).join() === 'soft')
      expect(tx.dialog.last.state).to.match(/^active/)
    })

    it('carries a dummy tuple with force_dummy_presence', async () => {
      await open({ files: { 'pubsub.conf': { accept_unknown: 'yes', force_dummy_presence: 'yes' } } })
      const tx = await watch('nobody', 'presence')
      expect(tuplesIn(tx.dialog.last.text)).to.deep.equal(['t-nobody'])
    })

    it('is kept while the module is loaded anew', async () => {
      await open()
      await publish('200', 'presence', pidfBody('soft', 'open'))
      await office.loader.unload('res_pjsip_exten_state')
      await office.loader.load('res_pjsip_exten_state')
      await until('publications read again', () => [...pubsub.allPublications].some(({ state }) => state !== undefined))
      const tx = await watch('200', 'presence')
      expect(tuplesIn(tx.dialog.last.text)).to.deep.equal(['t-200', 'soft'])
    })
  })

  describe('dialog', () => {
    it('the lamp of an idle phone lights by what is published, and Asterisk has its say', async () => {
      await open()
      const tx = await watch('200', 'dialog')
      expect(dialogsIn(tx.dialog.last.text)).to.deep.equal(['200=terminated'])
      const tag = await dialogs([{ id: 'a', callId: 'x', state: 'early' }])
      await lit(tx, 'a=early')
      office.core.devices.set('pbx1', 'PJSIP/200', 'INUSE')
      await lit(tx, '200=confirmed', 'a=early')
      await dialogs([{ id: 'a', callId: 'x', state: 'terminated' }], { 'SIP-If-Match': tag })
      await lit(tx, '200=confirmed')
      office.core.devices.set('pbx1', 'PJSIP/200', 'NOT_INUSE')
      await lit(tx, '200=terminated')
    })

    it('that has the id of one that Asterisk tells of gets another, as ids are of one dialog (RFC 4235 4.1.2)', async () => {
      await open()
      const tx = await watch('200', 'dialog')
      office.core.devices.set('pbx1', 'PJSIP/200', 'INUSE')
      await dialogs([{ id: '200', callId: 'x', state: 'early' }])
      await until('both', () => dialogsIn(tx.dialog.last.text).length === 2)
      const [own, other] = dialogsIn(tx.dialog.last.text)
      expect(own).to.equal('200=confirmed')
      expect(tx.dialog.last.text).to.match(/<dialog id="200\.[0-9a-f]{8}" call-id="x">\s*<state>early/)
      await dialogs([{ id: '200', state: 'early' }], { From: '<sip:101@pbx.example>;tag=1' })
      await until('all three', () => dialogsIn(tx.dialog.last.text).length === 3)
      expect(dialogsIn(tx.dialog.last.text)).to.include.members([own, other])
      expect(new Set(dialogsIn(tx.dialog.last.text).map((one) => one.split('=')[0]))).to.have.property('size', 3)
      office.core.devices.set('pbx1', 'PJSIP/200', 'NOT_INUSE')
      await until('Asterisk to have none', () => !dialogsIn(tx.dialog.last.text).includes('200=confirmed'))
    })

    it('what is said again makes no body anew', async () => {
      await open()
      let made = 0
      pubsub.bodySupplement({ type: DIALOG_TYPE, kind: extensionStateKind, share: () => '', supplement: () => made++ })
      const tx = await watch('200', 'dialog')
      const early = { id: 'a', callId: 'x', state: 'early' }
      const first = await dialogs([early])
      await lit(tx, 'a=early')
      const before = made
      const second = await dialogs([early], { 'SIP-If-Match': first })
      await dialogs([{ ...early, state: 'confirmed' }], { 'SIP-If-Match': second })
      await lit(tx, 'a=confirmed')
      expect([before, made]).to.deep.equal([2, 3])
    })

    it('a publication goes on behind a terminated dialog with the next call', async () => {
      await open()
      const tx = await watch('200', 'dialog')
      const first = await dialogs([{ id: 'a', callId: 'x', state: 'confirmed' }])
      const second = await dialogs([{ id: 'a', callId: 'x', state: 'terminated' }], { 'SIP-If-Match': first })
      await dialogs([{ id: 'a', callId: 'y', state: 'early' }], { 'SIP-If-Match': second })
      await lit(tx, 'a=early')
    })

    it('an early behind the terminated of the same dialog lights nothing, whoever says it', async () => {
      await open()
      const tx = await watch('200', 'dialog')
      const instance = { Contact: '<sip:100@192.0.2.7>;+sip.instance="<urn:uuid:1>"' }
      const tag = await dialogs([{ id: 'a', callId: 'x', state: 'terminated' }], instance)
      const sent = tx.dialog.notifies.length
      await dialogs([{ id: 'a', callId: 'x', state: 'early' }], { 'SIP-If-Match': tag, ...instance })
      await dialogs([{ id: 'a', callId: 'x', state: 'early' }], instance)
      await dialogs([{ id: 'a', callId: 'x', state: 'early' }], { From: '<sip:101@pbx.example>;tag=1' })
      await dialogs([{ id: 'b', callId: 'z', state: 'early' }])
      await lit(tx, 'b=early')
      expect(tx.dialog.notifies).to.have.length(sent + 1)
    })

    it('a call of Kamailio, which begins with Trying, is told as RFC 4235 has it', async () => {
      await open()
      const tx = await watch('200', 'dialog')
      const tag = await dialogs([{ id: 'a', callId: '1', state: 'Trying' }])
      await lit(tx, 'a=trying')
      await dialogs([{ id: 'a', callId: '1', state: 'confirmed' }], { 'SIP-If-Match': tag })
      await lit(tx, 'a=confirmed')
    })

    it('force_single_dialog shows the most interesting one, under the name of the extension', async () => {
      await open({ files: { 'pubsub.conf': { force_single_dialog: 'yes' } } })
      const tx = await watch('200', 'dialog')
      await dialogs([
        { id: 'a', callId: '1', state: 'confirmed' },
        { id: 'b', callId: '2', state: 'trying' },
      ])
      await lit(tx, '200=confirmed')
      await dialogs([{ id: 'c', callId: '3', state: 'early' }], { From: '<sip:101@pbx.example>;tag=1' })
      await lit(tx, '200=early')
      expect(tx.dialog.last.text).to.contain('call-id="3"')
    })

    it('does the same in the form of Asterisk', async () => {
      await open({ general: { compat: 'asterisk' } })
      const tx = await watch('200', 'dialog')
      await dialogs([{ id: 'a', callId: '1', state: 'confirmed' }])
      await lit(tx, '200=confirmed')
      office.core.devices.set('pbx1', 'PJSIP/200', 'RINGING')
      await until('a NOTIFY of Asterisk', () => tx.dialog.last.text.includes('direction="recipient"'))
    })

    for (const [hide_callers, hidden] of [
      ['yes', /Carol|301|Dave|302/],
      ['name', /Carol|Dave/],
    ] as const)
      it(`leaves out the other party, and who sent it here, where callers are hidden (${hide_callers})`, async () => {
        await open({ endpoints: { 100: { allow_publish: 'any', hide_callers } } })
        const tx = await watch('200', 'dialog')
        const inner =
          '<referred-by display="Dave">sip:302@pbx.example</referred-by>' +
          '<remote><identity display="Carol">sip:301@pbx.example</identity></remote>'
        await dialogs([{ id: 'a', callId: '1', state: 'early', inner }])
        await lit(tx, 'a=early')
        expect(tx.dialog.last.text).not.to.match(hidden)
      })

    it('no lamp goes out over a restart of the server', async () => {
      const directory = mkdtempSync(join(tmpdir(), 'lamplighter-published-'))
      const storePath = join(directory, 'lamps.db')
      try {
        await open({ storePath })
        for (let n = 0; n < 20; n++) await dialogs([{ id: 'a', callId: `${n}`, state: 'trying' }], {}, '101')
        await dialogs([{ id: 'a', callId: '1', state: 'confirmed' }], {}, '300')
        await lit(await watch('300', 'dialog'), 'a=confirmed')
        await office.close()
        await open({ storePath })
        const [restored] = sip.dialogs.values()
        await until('a NOTIFY', () => (restored?.notifies.length ?? 0) > 0)
        expect(restored?.notifies.map(({ text }) => dialogsIn(text).join())).to.deep.equal(['a=confirmed'])
      } finally {
        rmSync(directory, { recursive: true, force: true })
      }
    })

    it('takes partial documents, and keeps the whole over a restart of the module', async () => {
      await open()
      const tx = await watch('200', 'dialog')
      const first = await dialogs([
        { id: 'a', callId: '1', state: 'confirmed' },
        { id: 'b', callId: '2', state: 'early' },
      ])
      const partial = dialogBody(
        [
          { id: 'b', callId: '2', state: 'terminated' },
          { id: 'c', callId: '3', state: 'trying' },
        ],
        'partial',
        1,
      )
      await publish('200', 'dialog', partial, { 'SIP-If-Match': first })
      await lit(tx, 'a=confirmed', 'c=trying')
      const [kept] = pubsub.allPublications
      expect(dialogsIn(kept?.body ?? '').toSorted()).to.deep.equal(['a=confirmed', 'b=terminated', 'c=trying'])
    })
  })

  describe('one dialog that the parameters of Event ask for (RFC 4235 3.2)', () => {
    /** The attributes of a dialog: dialogBody writes call-id last, and no tags. */
    const tagged = (callId: string, localTag: string, remoteTag: string): string =>
      `${callId}" local-tag="${localTag}" remote-tag="${remoteTag}`
    const ASKED = 'dialog;call-id="one@a";to-tag=us;from-tag=them'

    it('is told alone, whoever else watches, over a refresh and a restart', async () => {
      const directory = mkdtempSync(join(tmpdir(), 'lamplighter-asked-'))
      const storePath = join(directory, 'lamps.db')
      try {
        await open({ storePath })
        const all = await watch('200', 'dialog')
        const tx = await watch('200', ASKED)
        expect(tx.dialog.last.header('Event')).to.equal('dialog')
        expect(tx.dialog.last.text).to.match(
          /<dialog id="200" call-id="one@a" local-tag="us" remote-tag="them">\s*<state>terminated/,
        )
        const fork = await watch('200', 'dialog;call-id="one@a";to-tag=us')
        await dialogs([
          { id: 'a', callId: tagged('one@a', 'us', 'them'), state: 'confirmed' },
          { id: 'b', callId: tagged('one@a', 'us', 'others'), state: 'early' },
          { id: 'c', callId: tagged('two@a', 'us', 'them'), state: 'early' },
        ])
        await lit(all, 'a=confirmed', 'b=early', 'c=early')
        await lit(fork, 'a=confirmed', 'b=early')
        await lit(tx, 'a=confirmed')
        expect((await sip.again(tx, { Event: 'dialog' })).status).to.equal(200)
        await until('the NOTIFY of the refresh', () => tx.dialog.notifies.length === 3)
        expect(dialogsIn(tx.dialog.last.text)).to.deep.equal(['a=confirmed'])
        await office.close()
        await open({ storePath })
        await until('NOTIFYs', () => [...sip.dialogs.values()].every(({ notifies }) => notifies.length > 0))
        const told = [...sip.dialogs.values()].map(({ last }) => dialogsIn(last.text).join())
        expect(told.toSorted()).to.deep.equal(['a=confirmed', 'a=confirmed,b=early', 'a=confirmed,b=early,c=early'])
      } finally {
        rmSync(directory, { recursive: true, force: true })
      }
    })

    it('is told to nobody who asks for another one, and sees it otherwise', async () => {
      await open({
        endpoints: {
          100: { allow_publish: 'any', hide_callers: 'yes' },
          101: { notify_early_inuse_ringing: true },
        },
      })
      const seeing = await watch('200', 'dialog;call-id=6a', { From: '<sip:101@pbx.example>;tag=1' })
      const hidden = await watch('200', 'dialog;call-id=a')
      const inner = '<remote><identity display="Carol">sip:301@pbx.example</identity></remote>'
      await dialogs([{ id: 'one', callId: '6a', state: 'early', inner }])
      await lit(seeing, 'one=early')
      expect(dialogsIn(hidden.dialog.last.text)).to.deep.equal(['200=terminated'])
      expect(hidden.dialog.last.text).to.contain('call-id="a"').and.not.to.contain('Carol')
    })

    it('is left to what Asterisk does with compat = asterisk', async () => {
      await open({ general: { compat: 'asterisk' } })
      const tx = await watch('200', ASKED)
      expect(dialogsIn(tx.dialog.last.text)).to.deep.equal(['200=terminated'])
      expect(tx.dialog.last.text).not.to.contain('call-id')
    })

    it('may be one of Asterisk, and one that phones of a single dialog are not shown', async () => {
      await open({ endpoints: { 100: { single_dialog: 'yes', allow_publish: 'any' } } })
      const tx = await watch('200', 'dialog;call-id=two')
      const one = await watch('200', 'dialog')
      await dialogs([
        { id: 'a', callId: 'one', state: 'early' },
        { id: 'b', callId: 'two', state: 'confirmed' },
      ])
      await lit(one, '200=early')
      await lit(tx, 'b=confirmed')
    })

    it('goes on where its device is a step behind', async () => {
      await open()
      const { calls, devices } = office.core
      const sip = { callId: 'one', localTag: 'us', remoteTag: 'them' }
      devices.set('pbx1', 'PJSIP/200', 'RINGING')
      calls.set(call({ sip }))
      const tx = await watch('200', 'dialog;call-id=one')
      await lit(tx, '1700000000.1@pbx1=early')
      calls.set(call({ sip, state: 'confirmed' }))
      await lit(tx, '1700000000.1@pbx1=confirmed')
      devices.set('pbx1', 'PJSIP/200', 'INUSE')
      expect(tx.dialog.notifies.map(({ text }) => dialogsIn(text).join())).to.deep.equal([
        '1700000000.1@pbx1=early',
        '1700000000.1@pbx1=confirmed',
      ])
    })

    describe('ends with it (RFC 4235 3.4)', () => {
      const ENDED = 'terminated;reason=noresource'
      const stateOf = ({ dialog }: FakeTransaction): string => dialog.last.header('Subscription-State') ?? ''
      const ended = (tx: FakeTransaction): Promise<unknown> => until('the end', () => stateOf(tx) === ENDED)
      const one = (state: string): DialogText => ({ id: 'a', callId: 'one', state })
      const two: DialogText = { id: 'b', callId: 'two', state: 'confirmed' }

      it('where its publisher says so, and where it tells of others alone', async () => {
        await open()
        const all = await watch('200', 'dialog')
        const asked = await watch('200', 'dialog;call-id=one')
        const other = await watch('200', 'dialog;call-id=two')
        const tag = await dialogs([one('early'), two])
        await lit(asked, 'a=early')
        const next = await dialogs([one('terminated'), two], { 'SIP-If-Match': tag })
        await ended(asked)
        expect(dialogsIn(asked.dialog.last.text)).to.deep.equal(['a=terminated'])
        await dialogs([{ id: 'c', callId: 'three', state: 'early' }], { 'SIP-If-Match': next })
        await ended(other)
        expect(dialogsIn(other.dialog.last.text)).to.deep.equal(['200=terminated'])
        expect((await sip.again(asked, { Event: 'dialog' })).status).to.equal(481)
        expect(stateOf(all)).to.match(/^active/)
      })

      it('not while there is another that forked from it, nor where nobody tells of it any more', async () => {
        await open()
        const asked = await watch('200', 'dialog;call-id=one')
        const forked = { ...one('early'), id: 'b' }
        const tag = await dialogs([one('early'), forked])
        const next = await dialogs([one('terminated'), forked], { 'SIP-If-Match': tag })
        await lit(asked, 'b=early')
        await publish('200', 'dialog', '', { 'SIP-If-Match': next, Expires: '0' })
        await lit(asked, '200=terminated')
        expect(stateOf(asked)).to.match(/^active/)
        await dialogs([one('terminated')])
        await ended(asked)
      })

      it('not where one of several publications of a publisher goes', async () => {
        await open()
        const asked = await watch('200', 'dialog;call-id=one')
        const tag = await dialogs([one('early')])
        await dialogs([two])
        await lit(asked, 'a=early')
        await publish('200', 'dialog', '', { 'SIP-If-Match': tag, Expires: '0' })
        await lit(asked, '200=terminated')
        expect(stateOf(asked)).to.match(/^active/)
      })

      it('where Asterisk has it no more, but not while Asterisk is away', async () => {
        await open()
        const { calls, devices } = office.core
        const begin = async (): Promise<FakeTransaction> => {
          devices.set('pbx1', 'PJSIP/200', 'INUSE')
          calls.set(call({ state: 'confirmed', sip: { callId: 'one', localTag: 'us', remoteTag: 'them' } }))
          const tx = await watch('200', 'dialog;call-id=one;to-tag=us;from-tag=them')
          await lit(tx, '1700000000.1@pbx1=confirmed')
          return tx
        }
        const kept = await begin()
        calls.end('pbx1', 'PJSIP/200', call().id)
        devices.expireOrigin('pbx1')
        await lit(kept, '200=terminated')
        expect(stateOf(kept)).to.match(/^active/)
        const asked = await begin()
        await lit(kept, '1700000000.1@pbx1=confirmed')
        calls.end('pbx1', 'PJSIP/200', call().id)
        devices.set('pbx1', 'PJSIP/200', 'NOT_INUSE')
        await Promise.all([ended(asked), ended(kept)])
      })

      it('not where another tells of its device when the Asterisk that had it is away', async () => {
        await open()
        const { calls, devices } = office.core
        devices.set('pbx1', 'PJSIP/200', 'INUSE')
        devices.set('publisher', 'PJSIP/200', 'INUSE')
        calls.set(call({ state: 'confirmed', sip: { callId: 'one', localTag: 'us', remoteTag: 'them' } }))
        const asked = await watch('200', 'dialog;call-id=one')
        await lit(asked, '1700000000.1@pbx1=confirmed')
        devices.expireOrigin('pbx1')
        calls.end('pbx1', 'PJSIP/200', call().id)
        await lit(asked, '200=terminated')
        expect(stateOf(asked)).to.match(/^active/)
      })

      it('not with compat = asterisk, as a reload has it, too', async () => {
        await open()
        office.general({ compat: 'asterisk' })
        const asked = await watch('200', 'dialog;call-id=one')
        const tag = await dialogs([one('early')])
        await lit(asked, '200=early')
        await dialogs([one('terminated')], { 'SIP-If-Match': tag })
        await lit(asked, '200=terminated')
        expect(stateOf(asked)).not.to.contain('terminated')
      })
    })
  })

  describe('dialog;sla', () => {
    const body = (state: string): string => dialogBody([{ id: 'a', callId: '1', state }])
    const own: Headers = { Sender: '<sip:100@pbx.example>' }

    it('phones of a line hear of each other, and not of themselves', async () => {
      await open()
      const mine = await watch('line', 'dialog;sla')
      const theirs = await watch('line', 'dialog;sla', { From: '<sip:101@pbx.example>;tag=2' })
      expect(mine.dialog.last.header('Event')).to.equal('dialog;sla')
      expect(dialogsIn(mine.dialog.last.text)).to.deep.equal([])
      const tag = await publish('line', 'dialog;sla', body('confirmed'), own)
      await lit(theirs, 'a=confirmed')
      expect(mine.dialog.notifies).to.have.length(1)
      expect(await publish('line', 'dialog;sla', body('terminated'), { 'SIP-If-Match': tag })).to.equal(tag)
      await lit(theirs, 'a=terminated')
      await lit(mine, 'a=terminated')
      expect(mine.dialog.notifies).to.have.length(2)
    })

    it('hears what others took back since it published, though it began to watch after that', async () => {
      await open()
      const from = (user: string): Headers => ({
        From: `<sip:${user}@pbx.example>;tag=1`,
        Contact: `<sip:${user}@192.0.2.7>`,
      })
      const theirs = dialogBody([{ id: 'b', callId: '2', state: 'confirmed' }])
      const tag = await publish('line', 'dialog;sla', theirs, from('101'))
      await publish('line', 'dialog;sla', body('confirmed'), { ...own, ...from('100') })
      const mine = await watch('line', 'dialog;sla')
      await lit(mine, 'a=confirmed', 'b=confirmed')
      await publish('line', 'dialog;sla', '', { ...from('101'), 'SIP-If-Match': tag, Expires: '0' })
      await lit(mine, 'a=confirmed')
    })

    it('is kept over a restart while nobody can say whether it is an extension, and goes on when somebody can', async () => {
      const directory = mkdtempSync(join(tmpdir(), 'lamplighter-line-'))
      const asterisk = new Dialplan('pbx1')
      const settings: TestCoreSettings = {
        storePath: join(directory, 'lamps.db'),
        files: { 'pubsub.conf': { restore_patience: '1' } },
      }
      try {
        await open(settings)
        await watch('line', 'dialog;sla')
        await office.close()
        asterisk.reachable = false
        await open(settings, asterisk)
        const [kept] = sip.dialogs.values()
        const told = (): string =>
          `${kept?.last.header('Subscription-State')} ${dialogsIn(kept?.last.text ?? '').join()}`
        await until('a NOTIFY', () => (kept?.notifies.length ?? 0) > 0)
        expect(told()).to.match(/^active.* line=terminated$/)
        asterisk.reachable = true
        asterisk.reload()
        await publish('line', 'dialog;sla', dialogBody([{ id: 'a', callId: '1', state: 'confirmed' }]))
        await until('the call', () => /^active.* a=confirmed$/.test(told()))
      } finally {
        rmSync(directory, { recursive: true, force: true })
      }
    })

    it('is refreshed and ended in its dialog, and is no dialog', async () => {
      await open()
      const tx = await watch('line', 'dialog;sla')
      expect((await watch('line', 'dialog')).status).to.equal(404)
      expect((await sip.again(tx, { Event: 'dialog' })).status).to.equal(481)
      expect((await sip.again(tx)).status).to.equal(200)
      expect(pubsub.events).not.to.include('dialog;sla')
      expect((await sip.again(tx, { Expires: '0' })).status).to.equal(200)
      await until('the end', () => tx.dialog.last.state.startsWith('terminated'))
    })

    it('a Sender that names somebody else is not believed', async () => {
      await open()
      const tx = await watch('line', 'dialog;sla')
      await publish('line', 'dialog;sla', body('confirmed'), { ...own, From: '<sip:101@pbx.example>;tag=1' })
      await lit(tx, 'a=confirmed')
    })
  })
})

/** What Kamailio's parameters do, one by one. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { Watched } from '../../core/watch.ts'
import type { Pubsub } from '../../res_pjsip_pubsub/contract.ts'
import { levelOf } from '../../res_pjsip_pubsub/informing.ts'
import { PRESENTITY, type PresentityRow } from '../../res_pjsip_pubsub/publishing/publication-store.ts'
import res_pjsip_pubsub from '../../res_pjsip_pubsub/res_pjsip_pubsub.ts'
import { ROWS, type Row } from '../../res_pjsip_pubsub/storage/row.ts'
import { ALLOWED, type Authorization } from '../../res_pjsip_pubsub/watchers/authorization.ts'
import { openWatchers, STATUS_OF, type WatcherRow } from '../../res_pjsip_pubsub/watchers/watcher-row.ts'
import { TestCore, type TestCoreSettings } from '../support/core.ts'
import type { FakeTransaction } from '../support/fake-sip.ts'
import { type LampOffice, lampOffice, settled } from '../support/lamp-office.ts'
import { LampHandler } from '../support/lamp-publications.ts'
import { Lamps, lampModules } from '../support/lamps.ts'
import { TestPhone } from '../support/phone.ts'
import { until } from '../support/tools.ts'

describe('parameters at work', () => {
  let made: LampOffice
  const opened: TestCore[] = []
  const phones: TestPhone[] = []
  const directory = mkdtempSync(join(tmpdir(), 'lamplighter-parameters-'))

  afterEach(async () => {
    for (const phone of phones.splice(0)) await phone.close()
    for (const office of opened.splice(0)) await office.close()
  })

  after(() => rmSync(directory, { recursive: true }))

  async function begin(options: Readonly<Record<string, string>>, more: TestCoreSettings = {}): Promise<LampOffice> {
    made = await lampOffice({ options, ...more })
    opened.push(made.office)
    made.pubsub.publicationHandler(new LampHandler())
    return made
  }

  const granted = async (expires: string | undefined): Promise<[number, string | undefined]> => {
    const tx = await made.sip.subscribe('200', { Expires: expires })
    return [tx.status, tx.header('Expires')]
  }

  it('default_expires', async () => {
    await begin({ default_expires: '120' })
    expect(await granted(undefined)).to.deep.equal([200, '120'])
    expect((await made.sip.publish('100', 'on', { Expires: undefined })).header('Expires')).to.equal('120')
  })

  it('min_expires_action', async () => {
    await begin({ min_expires: '60' })
    expect(await granted('30')).to.deep.equal([423, undefined])
    made.office.file('pubsub.conf', { min_expires: '60', min_expires_action: '2', max_expires: '90' })
    await made.office.loader.reload('res_pjsip_pubsub')
    expect(await granted('30')).to.deep.equal([200, '60'])
    expect(await granted('80')).to.deep.equal([200, '80'])
    expect(await granted('300')).to.deep.equal([200, '90'])
    expect(await granted('0')).to.deep.equal([200, '0'])
    expect((await made.sip.publish('100', 'on', { Expires: '30' })).header('Expires')).to.equal('60')
  })

  it('expires_offset', async () => {
    await begin({ expires_offset: '10' })
    const tx = await made.sip.publish('100', 'on', { Expires: '100' })
    expect(tx.header('Expires')).to.equal('90')
    const [publication] = made.pubsub.allPublications
    expect(publication?.expires).to.be.closeTo(Date.now() + 100_000, 2000)
  })

  it('subs_respond_200', async () => {
    await begin({ subs_respond_200: '0' })
    made.pubsub.eventPackage(new Lamps('other.winfo'))
    const tx = await made.sip.subscribe('200')
    expect([tx.status, (await made.sip.again(tx)).status]).to.deep.equal([202, 202])
  })

  it('send_fast_notify', async () => {
    await begin({ send_fast_notify: '0' })
    let status: 'pending' | 'active' = 'pending'
    made.pubsub.addEvent({ event: 'note', accept: ['text/note'], reqAuth: true, getAuthStatus: () => status })
    const pending = await made.sip.subscribe('100', { Event: 'note' })
    const lamp = await made.sip.subscribe('200')
    await settled(8)
    expect([pending.status, pending.dialog.notifies.length]).to.deep.equal([200, 0])
    expect(lamp.dialog.last.text).to.equal('off')
    status = 'active'
    await made.sip.publish('100', 'in', { Event: 'note', 'Content-Type': 'text/note' })
    await made.pubsub.presUpdateWatchers('100', 'note')
    await settled(8)
    expect(pending.dialog.last.text).to.equal('in')
  })

  it('send_fast_notify: what is empty is told to who was told more', async () => {
    await begin({ send_fast_notify: '0' })
    let status: 'pending' | 'active' = 'active'
    made.pubsub.addEvent({ event: 'note', accept: ['text/note'], reqAuth: true, getAuthStatus: () => status })
    const tx = await made.sip.subscribe('100', { Event: 'note' })
    const { notifies } = tx.dialog
    const told = async (): Promise<string[]> => {
      await settled(8)
      return notifies.splice(0).map(({ state, text }) => `${state.split(';')[0]} ${text}`)
    }
    const refresh = (): Promise<FakeTransaction> => made.sip.again(tx, { Event: 'note' })
    const say = (text: string, headers: Record<string, string> = {}): Promise<FakeTransaction> =>
      made.sip.publish('100', text, { Event: 'note', 'Content-Type': 'text/note', ...headers })
    await refresh()
    expect(await told()).to.deep.equal([])
    const tag = (await say('in')).header('SIP-ETag') ?? ''
    expect(await told()).to.deep.equal(['active in'])
    await say('', { 'SIP-If-Match': tag, Expires: '0' })
    expect(await told()).to.deep.equal(['active '])
    await refresh()
    expect(await told()).to.deep.equal([])
    await say('back')
    expect(await told()).to.deep.equal(['active back'])
    status = 'pending'
    await made.pubsub.presUpdateWatchers('100', 'note')
    expect(await told()).to.deep.equal(['pending '])
    await made.sip.again(tx, { Event: 'note', Expires: '0' })
    expect(await told()).to.deep.equal(['terminated '])
  })

  it('send_fast_notify: what did not arrive is told again, and who subscribed anew is asked', async () => {
    await begin({ send_fast_notify: '0', notify_retry_interval: '10', notify_retry_max: '10' })
    made.pubsub.addEvent({ event: 'note', accept: ['text/note'] })
    const tx = await made.sip.subscribe('100', { Event: 'note' })
    const { notifies } = tx.dialog
    const say = (text: string, headers: Record<string, string> = {}): Promise<FakeTransaction> =>
      made.sip.publish('100', text, { Event: 'note', 'Content-Type': 'text/note', ...headers })
    const tag = (await say('in')).header('SIP-ETag') ?? ''
    await until('the text', () => notifies.at(-1)?.text === 'in')
    made.sip.autoAnswer = 503
    await say('', { 'SIP-If-Match': tag, Expires: '0' })
    await until('one that fails', () => notifies.length > 1)
    made.sip.autoAnswer = 200
    const failed = notifies.length
    await until('that it is told again', () => notifies.length > failed)
    await made.sip.subscribe('100', { Event: 'note' })
    await until('the question', () => notifies.length > failed + 1)
  })

  it('send_fast_notify: what became empty over a restart is told', async () => {
    const storePath = join(directory, 'empty.db')
    const note = { event: 'note', accept: ['text/note'] } as const
    await begin({ send_fast_notify: '0' }, { storePath })
    made.pubsub.addEvent(note)
    const tx = await made.sip.subscribe('100', { Event: 'note' })
    const about = { Event: 'note', 'Content-Type': 'text/note', Expires: '1' }
    await made.sip.publish('100', 'in', about)
    const published = Date.now()
    await until('the text', () => tx.dialog.notifies.at(-1)?.text === 'in')
    await made.office.close()
    await until('that it expires', () => Date.now() > published + 1000)
    await begin({ send_fast_notify: '0' }, { storePath })
    made.pubsub.addEvent(note)
    const { notifies } = await until('the dialog', () => made.sip.dialogs.get(tx.dialog.id))
    await until('a NOTIFY', () => notifies.length === 1)
    expect(notifies[0]?.text).to.equal('')
  })

  it('timeout_rm_subs', async () => {
    const hasty = { notify_retries: '2', notify_retry_interval: '10', notify_retry_max: '10' }
    await begin({ ...hasty, timeout_rm_subs: '0' })
    made.sip.autoAnswer = undefined
    const tx = await made.sip.subscribe('200')
    for (let silence = 1; silence <= 5; silence++) {
      await until('a NOTIFY', () => tx.dialog.flying.length > 0)
      tx.dialog.last.timeout()
    }
    expect(tx.dialog.disposed).to.equal(false)
    made.office.file('pubsub.conf', hasty)
    await made.office.loader.reload('res_pjsip_pubsub')
    await until('a NOTIFY', () => tx.dialog.flying.length > 0)
    tx.dialog.last.timeout()
    expect(tx.dialog.disposed).to.equal(true)
  })

  it('delete_same_subs', async () => {
    await begin({ delete_same_subs: '1', replace_same_contact: 'no' })
    const headers = { 'Call-ID': 'the-same' }
    const first = await made.sip.subscribe('200', headers)
    const other = await made.sip.subscribe('201', headers)
    const second = await made.sip.subscribe('200', headers)
    await settled()
    expect([first, other, second].map((tx) => tx.dialog.disposed)).to.deep.equal([true, false, false])
    made.office.file('pubsub.conf', { replace_same_contact: 'no' })
    await made.office.loader.reload('res_pjsip_pubsub')
    await made.sip.subscribe('200', headers)
    expect(second.dialog.disposed).to.equal(false)
  })

  it('cseq_offset', async () => {
    await begin({ cseq_offset: '2' })
    const tx = await made.sip.subscribe('200', { CSeq: '10 SUBSCRIBE' })
    const answers: number[] = []
    for (const cseq of [12, 11, 10, 13]) answers.push((await made.sip.again(tx, {}, cseq)).status)
    expect(answers).to.deep.equal([200, 200, 500, 200])
  })

  it('to_tag_pref', async () => {
    await begin({ to_tag_pref: 'pres' })
    const [one, other] = [await made.sip.subscribe('200'), await made.sip.subscribe('201')]
    expect(one.dialog.localTag).to.match(/^pres.{16,}/)
    expect(one.dialog.localTag).to.not.equal(other.dialog.localTag)
  })

  it('server_address, over a restart', async () => {
    const lamps = new Lamps()
    lamps.set('200', 'off')
    const storePath = join(directory, 'address.db')
    const start = async (options: Record<string, string>, port = 0): Promise<TestCore> => {
      const office = await TestCore.start({
        endpoints: { 100: {} },
        transports: { udp: { bind: `127.0.0.1:${port}` } },
        files: { 'pubsub.conf': options },
        storePath,
      })
      opened.push(office)
      const { packageModule, bodyModule } = lampModules(lamps)
      await office.load(res_pjsip_pubsub, packageModule, bodyModule)
      return office
    }
    const office = await start({ server_address: 'sip:presence.example:5099' })
    const phone = await TestPhone.open({ server: { address: '127.0.0.1', port: office.port }, user: '100' })
    phones.push(phone)
    const dialog = phone.dialog('sip:200@127.0.0.1')
    const answer = await phone.request('SUBSCRIBE', {
      dialog,
      headers: [
        ['Event', 'lamp'],
        ['Expires', '600'],
      ],
    })
    expect(answer.header('contact')).to.equal('<sip:presence.example:5099>')
    expect(answer.param('to', 'tag')).to.match(/^10/)
    expect((await phone.next('NOTIFY')).header('contact')).to.equal('<sip:presence.example:5099>')
    await office.close()
    opened.splice(0)
    await start({}, office.port)
    expect((await phone.next('NOTIFY')).header('contact')).to.equal('<sip:presence.example:5099>')
  })

  it('sip_uri_match', async () => {
    await begin({ sip_uri_match: '1' }, { endpoints: { alice: {}, 100: { trust_id_inbound: true } } })
    const from = { From: '<sip:alice@pbx.example>;tag=1' }
    const tx = await made.sip.publish('alice', 'on', from)
    const tag = { ...from, 'SIP-If-Match': tx.header('SIP-ETag') }
    expect((await made.sip.publish('Alice', 'off', tag)).status).to.equal(200)
    await made.sip.subscribe('200')
    made.lamps.set('Gate', 'off')
    await made.sip.subscribe('Gate')
    expect(made.pubsub.presHasSubscribers('sip:gate@pbx.example', 'lamp')).to.equal(true)
    // Whoever is not told of its own change is known by its name, too.
    made.pubsub.addEvent({ event: 'note', accept: ['text/note'] })
    const own = await made.sip.subscribe('alice', {
      Event: 'note',
      'P-Asserted-Identity': '<sip:Alice@pbx.example>',
    })
    const other = await made.sip.subscribe('alice', { Event: 'note' })
    const note = { ...from, Event: 'note', 'Content-Type': 'text/note', Sender: '<sip:ALICE@pbx.example>' }
    expect((await made.sip.publish('alice', 'in', note)).status).to.equal(200)
    await settled(8)
    expect([own.dialog.last.text, other.dialog.last.text]).to.deep.equal(['', 'in'])
    made.office.file('pubsub.conf', {})
    await made.office.loader.reload('res_pjsip_pubsub')
    expect(made.pubsub.presHasSubscribers('sip:gate@pbx.example', 'lamp'), 'until it is loaded again').to.equal(true)
    await begin({})
    made.lamps.set('Gate', 'off')
    await made.sip.subscribe('Gate')
    expect(made.pubsub.presHasSubscribers('sip:gate@pbx.example', 'lamp')).to.equal(false)
    expect(made.pubsub.presHasSubscribers('sip:Gate@pbx.example', 'lamp')).to.equal(true)
  })

  it('force_delete', async () => {
    for (const force of ['0', '1']) {
      await begin({ force_delete: force })
      made.pubsub.addEvent({ event: 'note', accept: ['text/note'] })
      const watcher = await made.sip.subscribe('100', { Event: 'note' })
      await made.sip.publish('100', 'in', { Event: 'note', 'Content-Type': 'text/note', Expires: '1' })
      await until('the expiry', () => [...made.pubsub.allPublications].length === 0)
      await settled(8)
      expect(watcher.dialog.last.text, `force_delete = ${force}`).to.equal(force === '1' ? 'in' : '')
    }
  })

  it('force_delete: who asks is told what holds, by itself and in a list', async () => {
    await begin(
      { force_delete: '1' },
      { endpoints: { 100: {}, 101: {} }, lists: { all: { event: 'note', list_item: ['100'] } } },
    )
    made.pubsub.addEvent({ event: 'note', accept: ['text/note'] })
    const list = { Event: 'note', Supported: 'eventlist', Accept: 'multipart/related, application/rlmi+xml, text/note' }
    const watcher = await made.sip.subscribe('100', { Event: 'note' })
    const lister = await made.sip.subscribe('all', list)
    await made.sip.publish('100', 'in', { Event: 'note', 'Content-Type': 'text/note', Expires: '1' })
    await until('the publication', () => lister.dialog.last.text.includes('text/note'))
    await until('the expiry', () => [...made.pubsub.allPublications].length === 0)
    await settled(8)
    expect([watcher.dialog.last.text, lister.dialog.notifies.length]).to.deep.equal(['in', 2])
    await made.sip.again(watcher, { Event: 'note' })
    await made.sip.again(lister, list)
    const later = await made.sip.subscribe('100', { Event: 'note', From: '<sip:101@pbx.example>;tag=2' })
    await settled(8)
    expect([watcher.dialog.last.text, later.dialog.last.text]).to.deep.equal(['', ''])
    expect(lister.dialog.last.text).not.to.include('text/note')
  })

  it('force_delete: whoever is shown what was made of an expired publication is told', async () => {
    await begin({ force_delete: '1' })
    made.pubsub.addEvent({ event: 'note', accept: ['text/note'] })
    const lamp = await made.sip.subscribe('200')
    const notes = made.pubsub.publications('note', '100', { name: 'published document' })
    const undo = notes.watch({ value: ({ length }) => made.lamps.set('200', length === 0 ? 'off' : 'on') })
    await made.sip.publish('100', 'in', { Event: 'note', 'Content-Type': 'text/note', Expires: '1' })
    await until('the publication', () => lamp.dialog.last.text === 'on')
    await until('the expiry', () => [...made.pubsub.allPublications].length === 0)
    await until('that the lamp is off', () => lamp.dialog.last.text === 'off')
    void undo()
  })

  it('force_delete: who loses its leave with it is told so, in a list as well', async () => {
    await begin(
      { force_delete: '1' },
      { endpoints: { 100: {} }, lists: { all: { event: 'note', list_item: ['100'] } } },
    )
    made.pubsub.addEvent({ event: 'note', accept: ['text/note'], reqAuth: true })
    const leave = new Watched<Authorization>(ALLOWED)
    made.pubsub.authorizer({ authorize: () => leave, put: async () => undefined, refresh: async () => undefined })
    const types = 'multipart/related, application/rlmi+xml, text/note'
    const lister = await made.sip.subscribe('all', { Event: 'note', Supported: 'eventlist', Accept: types })
    const notes = made.pubsub.publications('note', '100', { name: 'published document' })
    const undo = notes.watch({
      value: ({ length }) => leave.set(length === 0 ? { ...ALLOWED, handling: 'confirm' } : ALLOWED),
    })
    await made.sip.publish('100', 'in', { Event: 'note', 'Content-Type': 'text/note', Expires: '1' })
    await until('the publication', () => lister.dialog.last.text.includes('text/note'))
    await until('that it waits', () => lister.dialog.last.text.includes('state="pending"'))
    void undo()
  })

  it('xavp_cfg and retrieve_order', async () => {
    await begin({ xavp_cfg: 'X-Pres', retrieve_order: '1' }, { endpoints: { 100: { trust_id_inbound: true } } })
    const say = (text: string, value: string): Promise<FakeTransaction> =>
      made.sip.publish('100', text, { Event: 'note', 'Content-Type': 'text/note', 'X-Pres': value })
    made.pubsub.addEvent({ event: 'note', accept: ['text/note'] })
    await say('first', 'priority=100')
    await say('second', 'priority=5')
    expect(await made.pubsub.getPresentity('100', 'note')).to.equal('first')
    made.office.file('pubsub.conf', { xavp_cfg: 'X-Pres' })
    await made.office.loader.reload('res_pjsip_pubsub')
    await say('third', 'priority=1')
    expect(await made.pubsub.getPresentity('100', 'note')).to.equal('third')
  })

  it('retrieve_order = 1: of those of one priority the newest counts', async () => {
    await begin({ retrieve_order: '1' }, { endpoints: { 100: {}, 101: { allow_publish: 'any' } } })
    made.pubsub.addEvent({ event: 'note', accept: ['text/note'] })
    const say = (text: string, from: string, headers: Record<string, string> = {}): Promise<FakeTransaction> =>
      made.sip.publish('100', text, {
        Event: 'note',
        'Content-Type': 'text/note',
        From: `<sip:${from}@pbx.example>;tag=1`,
        ...headers,
      })
    const tags: string[] = []
    for (const [text, from] of [
      ['a first', '100'],
      ['b second', '101'],
      ['a third', '100'],
    ] as const) {
      tags.push((await say(text, from)).header('SIP-ETag') ?? '')
      expect(await made.pubsub.getPresentity('100', 'note')).to.equal(text)
    }
    await say('b fourth', '101', { 'SIP-If-Match': tags[1] ?? '' })
    expect(await made.pubsub.getPresentity('100', 'note')).to.equal('b fourth')
  })

  it('watcher_header, from trusted endpoints only', async () => {
    await begin({}, { endpoints: { 100: {}, 101: { trust_id_inbound: true } } })
    const asserted = { 'P-Asserted-Identity': '"Boss" <sip:boss@pbx.example;user=phone>' }
    await made.sip.subscribe('200', asserted)
    await made.sip.subscribe('201', { ...asserted, From: '<sip:101@pbx.example>;tag=1' })
    expect([...made.pubsub.subscriptions].map((one) => one.watcher)).to.deep.equal([
      'sip:100@pbx.example',
      'sip:boss@pbx.example',
    ])
  })

  it('sender_header, of the publisher itself or from trusted endpoints', async () => {
    await begin({}, { endpoints: { 100: { aors: ['line'] }, 101: { trust_id_inbound: true } } })
    await made.sip.publish('100', 'on', { Sender: '<sip:boss@pbx.example>' })
    await made.sip.publish('100', 'on', { Sender: '<sip:line@pbx.example>' })
    await made.sip.publish('101', 'on', { Sender: 'sip:boss@pbx.example', From: '<sip:101@pbx.example>;tag=1' })
    expect([...made.pubsub.allPublications].map((one) => one.sender)).to.deep.equal([
      '',
      'sip:line@pbx.example',
      'sip:boss@pbx.example',
    ])
  })

  it('sender_header with sip_uri_match = 1: who watches in a list is not told of its own change either', async () => {
    await begin(
      { sip_uri_match: '1' },
      { endpoints: { 100: { trust_id_inbound: true } }, lists: { all: { event: 'note', list_item: ['100'] } } },
    )
    made.pubsub.addEvent({ event: 'note', accept: ['text/note'] })
    const types = 'multipart/related, application/rlmi+xml, text/note'
    const watch = (who: string): Promise<FakeTransaction> =>
      made.sip.subscribe('all', {
        Event: 'note',
        Supported: 'eventlist',
        Accept: types,
        'P-Asserted-Identity': `<sip:${who}@pbx.example>`,
      })
    const [anna, boris] = [await watch('Anna'), await watch('Boris')]
    const sender = { Event: 'note', 'Content-Type': 'text/note', Sender: '<sip:ANNA@pbx.example>' }
    expect((await made.sip.publish('100', 'in', sender)).status).to.equal(200)
    await until('the other', () => boris.dialog.last.text.includes('text/note'))
    await settled(8)
    expect(anna.dialog.last.text).not.to.include('text/note')
  })

  it('local_log_level', async () => {
    await begin({ local_log_level: '0' })
    await made.sip.subscribe('200', { Event: 'lantern' })
    expect(made.office.logged).to.include('WARNING endpoint 100 subscribes to event lantern, which has no package')
    made.office.file('pubsub.conf', { local_log_level: '3' })
    await made.office.loader.reload('res_pjsip_pubsub')
    await made.sip.subscribe('200', { Event: 'lantern' })
    expect(made.office.logged).to.include('DEBUG endpoint 100 subscribes to event lantern, which has no package')
    expect([-5, -1, 0, 1, 2, 3].map(levelOf)).to.deep.equal(['error', 'error', 'warning', 'notice', 'verbose', 'debug'])
  })

  it('clean_period, fetch_rows and the names of the tables', async () => {
    const options = { clean_period: '1', fetch_rows: '2', active_watchers_table: 'who', presentity_table: 'what' }
    const storePath = join(directory, 'clean.db')
    await begin({ ...options, clean_period: '0' }, { storePath, endpoints: { 100: {}, 101: {} } })
    for (let n = 0; n < 5; n++) {
      made.lamps.set(`lamp${n}`, 'off')
      await made.sip.subscribe(`lamp${n}`)
    }
    await made.sip.publish('100', 'on')
    await made.office.store.flush()
    // Rows whose time is over and that nobody has, as a server leaves them that is no more.
    const { store } = made.office
    const who = await store.table<Row>({ ...ROWS, name: 'who' })
    const what = await store.table<PresentityRow>({ ...PRESENTITY, name: 'what' })
    const watchers = await openWatchers(store, 'watchers')
    const leave = async (): Promise<void> => {
      const [one, [other]] = [(await who.select({}))[0], await what.select({})]
      if (!one || !other) throw new Error('the tables are empty')
      const ago = Date.now() - 120_000
      who.put({ ...one, to_tag: 'gone', dialog_id: 'gone', expires_ms: ago, expires: Math.floor(ago / 1000) })
      what.put({ ...other, ruid: 'gone', expires_ms: ago, expires: Math.floor(ago / 1000) })
      const times = { inserted_time: Math.floor(Date.now() / 1000) - 100_000, status: STATUS_OF.waiting }
      watchers.put({ ...NOBODY, ...times })
      await store.flush()
    }
    const left = async (): Promise<number[]> => [
      (await who.select({})).length,
      (await what.select({})).length,
      (await watchers.select({})).length,
    ]
    await leave()
    expect(await left()).to.deep.equal([6, 2, 1])
    expect(await made.office.run('presence cleanup')).to.match(/^1 subscriptions, 1 publications and 1 watchers/)
    expect(await left()).to.deep.equal([5, 1, 0])
    await leave()
    made.office.file('pubsub.conf', options)
    const again = await lampOffice({ options, store })
    opened.push(again.office)
    expect([...again.pubsub.subscriptions]).to.have.length(5)
    await leave()
    const said = (): boolean => again.office.logged.some((line) => line.includes('were left over in the tables'))
    await until('the search', said)
    expect(await left()).to.deep.equal([5, 1, 0])
  })

  it('db_update_period = 0: refreshes are written by cleanup', async () => {
    await begin({ db_update_period: '0' }, { storePath: join(directory, 'late.db') })
    const { store } = made.office
    const table = await store.table<Row>({ ...ROWS, name: 'active_watchers' })
    const expires = async (): Promise<number> => {
      await store.flush()
      const [row] = await table.select({})
      return Math.round(((row?.expires_ms ?? 0) - Date.now()) / 100_000)
    }
    const tx = await made.sip.subscribe('200', { Expires: '200' })
    await settled()
    expect(await expires()).to.equal(2)
    await made.sip.again(tx, { Expires: '900' })
    await settled()
    expect(await expires()).to.equal(2)
    await made.office.run('presence cleanup')
    expect(await expires()).to.equal(9)
  })

  it('waitn_time, with servers that share a database', async () => {
    const storePath = join(directory, 'shared.db')
    const spread = { subs_db_mode: '3', waitn_time: '1', notifier_poll_rate: '20' }
    await begin(spread, { storePath })
    const watchers: FakeTransaction[] = []
    for (let n = 0; n < 12; n++) {
      watchers.push(await made.sip.subscribe('200', { Contact: `<sip:100@192.0.2.7:${6000 + n}>` }))
    }
    const told = (): number => watchers.filter((tx) => tx.dialog.notifies.length > 0).length
    const steps = new Set<number>()
    await until('all NOTIFYs', () => {
      steps.add(told())
      return told() === watchers.length
    })
    // Neither all at once nor later than the time.
    expect(steps.size).to.be.above(3)
  })

  describe('the library mode', () => {
    it('leaves requests to modules, which have the functions', async () => {
      await begin({ db_url: '' })
      expect(made.sip.methods).to.not.include.members(['SUBSCRIBE', 'PUBLISH'])
      const { core } = made.office
      for (const method of ['SUBSCRIBE', 'PUBLISH']) {
        core.sip.handle(method, async (tx) => {
          const endpoint = await core.auth.identify(tx)
          if (!endpoint) return
          if (method === 'PUBLISH') await made.pubsub.handlePublish({ tx, endpoint })
          else await made.pubsub.handleSubscribe({ tx, endpoint })
        })
      }
      const tx = await made.sip.subscribe('200')
      await settled()
      expect([tx.status, tx.dialog.last.text]).to.deep.equal([200, 'off'])
      expect((await made.sip.publish('100', 'on')).status).to.equal(200)
    })

    it('is none where publications live in memory', async () => {
      await begin({ db_url: '', publ_cache: '2' })
      expect((await made.sip.subscribe('200')).status).to.equal(200)
    })
  })

  it('fallback2db', async () => {
    const storePath = join(directory, 'fallback.db')
    await begin({ fallback2db: '1', notifier_processes: '0' }, { storePath })
    const tx = await made.sip.subscribe('200')
    await until('a NOTIFY', () => tx.dialog.notifies.length > 0)
    const other: Pubsub = (await begin({ fallback2db: '1' }, { storePath })).pubsub
    expect([...other.subscriptions]).to.deep.equal([])
  })
})

/** A watcher that waited, at a server that is no more. */
const NOBODY: WatcherRow = {
  presentity_uri: 'sip:200@pbx.example',
  watcher_username: '100',
  watcher_domain: 'pbx.example',
  event: 'lamp',
  status: STATUS_OF.waiting,
  reason: 'timeout',
  inserted_time: 0,
  watcher_key: 'gone',
  resource: '200',
  endpoint: '100',
  watcher: 'sip:100@pbx.example',
  display_name: '',
  winfo_id: 'w1',
}

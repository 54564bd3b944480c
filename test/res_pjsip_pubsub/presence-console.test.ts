/** The console: who publishes what, and what lights a lamp. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { Log } from '../../core/log.ts'
import { defaultsOf } from '../../core/options.ts'
import { endpointOptions } from '../../core/pjsip-options.ts'
import { openStore } from '../../core/store.ts'
import res_pjsip_dialog_info_body_generator from '../../res_pjsip_exten_state/res_pjsip_dialog_info_body_generator.ts'
import res_pjsip_exten_state from '../../res_pjsip_exten_state/res_pjsip_exten_state.ts'
import { PRESENTITY, type PresentityRow } from '../../res_pjsip_pubsub/publishing/publication-store.ts'
import { openXcap } from '../../res_pjsip_pubsub/storage/xcap.ts'
import { Dialplan } from '../support/dialplan.ts'
import { type LampOffice, lampOffice, settled } from '../support/lamp-office.ts'
import { LampHandler } from '../support/lamp-publications.ts'
import { blob, sqlite } from '../support/sqlite.ts'
import { until } from '../support/tools.ts'

const DIALOGS =
  '<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="1" state="full" entity="sip:200@pbx.example"><dialog id="1"><state>confirmed</state></dialog></dialog-info>'

/** The table `presentity` as Kamailio has it. */
const KAMAILIO = {
  username: 'text', domain: 'text', event: 'text', etag: 'text', expires: 'integer', received_time: 'integer', body: 'text',
  sender: 'text', priority: 'integer', ruid: 'text',
} as const // biome-ignore format: a table

describe('console of presence', () => {
  let made: LampOffice
  let directory: string

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'lamplighter-console-'))
    made = await lampOffice({
      endpoints: { 100: { allow_publish: 'any' }, 101: {} },
      aors: { 100: { mailboxes: ['100@default'] } },
      hints: { '200@default': ['Custom:door'] },
      storePath: join(directory, 'lamps.db'),
    })
  })

  afterEach(async () => {
    await made.office.close()
    rmSync(directory, { recursive: true })
  })

  it('shows publications as Asterisk shows subscriptions, and those that fit only', async () => {
    made.pubsub.publicationHandler(new LampHandler())
    const [first] = [await made.sip.publish('100', 'on'), await made.sip.publish('101', 'on')]
    const all = await made.office.run('pjsip show publications inbound')
    expect(all).to.include('Endpoint: 100/sip:100@pbx.example\nResource: 100/lamp\n  Expiry:      600  ')
    expect(all)
      .to.include(first.header('SIP-ETag'))
      .and.match(/\n2 active publications$/)
    const some = await made.office.run('pjsip show publications inbound like Resource..101')
    expect(some).to.match(/\n1 active publications$/)
    await made.sip.publish('100', '', { 'SIP-If-Match': first.header('SIP-ETag'), Expires: '0' })
    expect(await made.office.run('pjsip show publications inbound')).to.match(/\n1 active publications$/)
  })

  it('shows nothing that moves the cursor', async () => {
    made.pubsub.publicationHandler(new LampHandler())
    await made.sip.publish('100', 'on\u001b[2J\u0007')
    expect(await made.office.run('presence presentity_show full 100')).to.include('on?[2J?')
  })

  it('says why a lamp is lit: every source with its age, and every watcher with its rule', async () => {
    await made.office.load(res_pjsip_exten_state, res_pjsip_dialog_info_body_generator)
    made.office.core.devices.set('pbx1', 'Custom:door', 'RINGING')
    const dialog = { Event: 'dialog', 'Content-Type': 'application/dialog-info+xml' }
    expect((await made.sip.publish('200', DIALOGS, dialog)).status).to.equal(200)
    await made.sip.subscribe('200', { Event: 'dialog', Accept: undefined })
    await settled(8)
    const said = (await made.office.run('presence why 200')).split('\n')
    const age = '[0-9]+ s old'
    expect(said[0]).to.equal('hint 200@default, test: Ringing')
    expect(said[1]).to.equal('  device Custom:door: RINGING')
    expect(said[2]).to.match(new RegExp(`^    pbx1 says RINGING, ${age}$`))
    expect(said[3]).to.match(
      new RegExp(
        `^publication [0-9a-f]{8} for dialog by sip:100@pbx.example \\(endpoint 100\\), application/dialog-info\\+xml: priority 0, ${age}, expires in 600 s$`,
      ),
    )
    expect(said[4]).to.equal(
      'watcher sip:100@pbx.example (endpoint 100) of dialog: active, idle, expires in 600 s; allow: nothing asks for rules',
    )
    expect(said).to.have.length(5)
    expect(await made.office.run('presence why sip:200@pbx.example')).to.equal(said.join('\n'))
    expect(await made.office.run('presence why 200@default')).to.include('hint 200@default')
    expect(await made.office.run('presence why 200@elsewhere')).to.not.include('hint')
  })

  it('says so where nothing lights it', async () => {
    const nothing = 'nothing says anything about 999: no hint, no mailbox, no publication\nnobody watches 999'
    expect(await made.office.run('presence why 999')).to.equal(nothing)
    expect(await made.office.run('presence why 200')).to.match(/^hint 200@default, test: Idle|Unavailable/)
  })

  it('looks for a hint where the phones of an Asterisk without files look, also while no lamp is found', async () => {
    await made.office.load(res_pjsip_exten_state, res_pjsip_dialog_info_body_generator)
    const { endpoints, hints } = made.office.core
    const values = { ...defaultsOf(endpointOptions), context: 'floor' }
    endpoints.addSource({
      name: 'pbx1',
      endpoint: async (id) => (id === '300' ? { ...values, id, hintContext: 'floor' } : undefined),
      aor: async () => undefined,
      auth: async () => undefined,
    })
    const dialplan = new Dialplan('pbx1')
    for (const exten of ['301', '302']) dialplan.lines.set(`${exten}@floor`, { devices: ['Custom:gate'] })
    hints.addSource(dialplan)
    const watching = { From: '<sip:300@pbx.example>;tag=a', Event: 'dialog', Accept: undefined }
    await made.sip.subscribe('301', watching)
    await settled(8)
    expect(await made.office.run('presence why 302')).to.match(/^hint 302@floor, test: Idle\n/)
    dialplan.reachable = false
    expect(await made.office.run('presence why 303')).to.include('hint 303@floor: no Asterisk server can say now')
  })

  it('says of each device what is known now, not what it was when the lamp changed last', async () => {
    const { devices } = made.office.core
    devices.set('pbx1', 'Custom:door', 'UNKNOWN')
    await made.office.load(res_pjsip_exten_state, res_pjsip_dialog_info_body_generator)
    await made.sip.subscribe('200', { Event: 'dialog', Accept: undefined })
    await settled(8)
    // The lamp of both is that of an idle device: nothing changes but what the device is.
    devices.set('pbx1', 'Custom:door', 'NOT_INUSE')
    const said = (await made.office.run('presence why 200')).split('\n')
    expect(said.slice(0, 2)).to.deep.equal(['hint 200@default, test: Idle', '  device Custom:door: NOT_INUSE'])
    expect(said[2]).to.match(/^ {4}pbx1 says NOT_INUSE, /)
  })

  it('says what a mailbox holds, and who says so', async () => {
    made.office.core.mailboxes.set('pbx1', '100@default', { newMessages: 2, oldMessages: 1 })
    expect(await made.office.run('presence why 100')).to.match(
      /^mailbox 100@default: 2 new, 1 old\n {4}pbx1 says 2 new, 1 old, [0-9]+ s old\nnobody watches 100$/,
    )
  })

  it('reads the table again where somebody else wrote there', async () => {
    made.pubsub.addEvent({ event: 'note', accept: ['text/note'] })
    const tx = await made.sip.subscribe('100', { Event: 'note' })
    await made.sip.publish('100', 'in', { Event: 'note', 'Content-Type': 'text/note' })
    const { store } = made.office
    const table = await store.table<PresentityRow>({ ...PRESENTITY, name: 'presentity' })
    const [row] = await table.select({ event: 'note' })
    if (!row) throw new Error('the table is empty')
    table.put({ ...row, body: 'out' })
    await store.flush()
    const refresh = 'presence refreshWatchers 100 note 1'
    await made.office.run(refresh)
    await until('the other text', () => tx.dialog.last.text === 'out')
    table.put({ ...row, ruid: 'another', etag: 'another', body: 'at sea', received_time: row.received_time + 60 })
    table.delete(row.ruid)
    await store.flush()
    await made.office.run(refresh)
    await until('the newest text', () => tx.dialog.last.text === 'at sea')
    table.put({ ...row, ruid: 'third', etag: 'third', body: 'back', received_time: row.received_time + 120 })
    await store.flush()
    await made.office.run(refresh)
    await until('the third', () => tx.dialog.last.text === 'back')
    // `update presentity set expires = …`
    table.put({ ...row, ruid: 'third', etag: 'third', body: 'back', expires: Math.floor(Date.now() / 1000) - 10 })
    await store.flush()
    await made.office.run(refresh)
    await until('what is not over', () => tx.dialog.last.text === 'at sea')
    table.delete('another')
    await store.flush()
    await made.office.run(refresh)
    await until('nothing', () => tx.dialog.last.text === '')
  })

  it('takes back what is published, whose publisher does not come back for it', async () => {
    for (const publ_cache of ['1', '0', '2']) {
      await made.office.close()
      const path = join(directory, `withdrawn${publ_cache}.db`)
      const endpoints = { 100: { allow_publish: 'any' }, 101: {} }
      const handler = new LampHandler()
      const begin = async (): Promise<void> => {
        made = await lampOffice({ endpoints, options: { publ_cache }, storePath: path })
        made.pubsub.publicationHandler(handler)
        made.pubsub.addEvent({ event: 'note', accept: ['text/note'] })
      }
      await begin()
      const note = { Event: 'note', 'Content-Type': 'text/note' }
      const watcher = await made.sip.subscribe('100', { Event: 'note' })
      const shown = (): string | undefined => watcher.dialog.notifies.at(-1)?.text
      const lamp = await made.sip.publish('100', 'on')
      const tags = [await made.sip.publish('100', 'in', note), await made.sip.publish('100', 'out', note)]
      const [first = '', second = ''] = tags.map((tx) => tx.header('SIP-ETag'))
      await until('the last word', () => shown() === 'out')

      expect(await made.office.run(`presence withdraw 100 ${second}`)).to.equal('1 publications are taken back')
      await until('what the other says', () => shown() === 'in')
      const again = await made.sip.publish('100', '', { ...note, 'SIP-If-Match': second })
      expect(again.status).to.equal(412)

      expect(await made.office.run('presence withdraw sip:100@pbx.example')).to.equal('2 publications are taken back')
      await until('nothing', () => shown() === '')
      expect(handler.called).to.deep.equal(['new 100 PUBLISH 100', 'expire on'])
      for (const tag of [first, lamp.header('SIP-ETag')])
        expect(await failure(`presence withdraw 100 ${tag}`)).to.equal(`there is no publication ${tag} about 100`)
      expect(await made.office.run('presence withdraw 100')).to.equal('0 publications are taken back')
      expect(await failure('presence withdraw')).to.include('which presentity?')
      // Nor does a start bring them back.
      await made.office.close()
      await begin()
      await made.pubsub.publicationsRead()
      expect([...made.pubsub.allPublications]).to.deep.equal([])
    }
  })

  it('takes what another program has put into the table, which knows the columns of Kamailio alone', async () => {
    const note = (): unknown => made.pubsub.addEvent({ event: 'note', accept: ['text/note', 'text/html'] })
    const refresh = 'presence refreshWatchers sip:100@pbx.example note 1'
    for (const publ_cache of ['1', '0']) {
      await made.office.close()
      const path = join(directory, `other${publ_cache}.db`)
      const begin = async (): Promise<void> => {
        made = await lampOffice({ endpoints: { 100: {}, 101: {} }, options: { publ_cache }, storePath: path })
        note()
      }
      await begin()
      const tx = await made.sip.subscribe('100', { Event: 'note' })
      const other = await openStore({ path, synchronous: 'off', log: new Log().logger('other') })
      try {
        const table = await other.table({ name: 'presentity', key: 'ruid', serial: 'id', columns: KAMAILIO })
        const now = Math.floor(Date.now() / 1000)
        const row = {
          username: '100',
          domain: 'pbx.example',
          event: 'note',
          sender: '',
          priority: 0,
          received_time: now,
        }
        table.put({ ...row, ruid: 'r1', etag: 'e1', body: 'at lunch', expires: now + 600 })
        table.put({ ...row, ruid: 'r2', etag: 'e2', body: 'long ago', expires: now - 600, received_time: now - 900 })
        await other.flush()
        await made.office.run(refresh)
        await until('what was put there', () => tx.dialog.last.text === 'at lunch')
        table.put({ ...row, ruid: 'r1', etag: 'e1', body: 'at lunch', expires: now + 1000 })
        await other.flush()
        await made.office.run(refresh)
        expect(
          [...made.pubsub.allPublications].map(({ body, expires, contentType, publisher }) => [
            body,
            expires,
            contentType,
            publisher,
          ]),
        ).to.deep.equal([['at lunch', (now + 1000) * 1000, 'text/note', 'sip:100@pbx.example']])
        await made.office.close()
        await begin()
        expect([...made.pubsub.allPublications].map(({ body }) => body)).to.deep.equal(['at lunch'])
        const taken = { Event: 'note', 'SIP-If-Match': 'e1', Expires: '0' }
        expect((await made.sip.publish('100', '', taken)).status).to.equal(200)
        expect([...made.pubsub.allPublications]).to.deep.equal([])
        expect((await table.select({ ruid: 'r2' })).length).to.equal(1)
      } finally {
        await other.close()
      }
    }
  })

  it('takes such a row also without the columns that have a default in Kamailio', async () => {
    made.pubsub.addEvent({ event: 'note', accept: ['text/note'] })
    const tx = await made.sip.subscribe('100', { Event: 'note' })
    const { priority: _priority, sender: _sender, ...columns } = KAMAILIO
    const other = await openStore({
      path: join(directory, 'lamps.db'),
      synchronous: 'off',
      log: new Log().logger('other'),
    })
    try {
      const table = await other.table({ name: 'presentity', key: 'ruid', serial: 'id', columns })
      const now = Math.floor(Date.now() / 1000)
      const of = { username: '100', domain: 'pbx.example', event: 'note', received_time: now, expires: now + 600 }
      table.put({ ...of, ruid: 'r1', etag: 'e1', body: 'at lunch' })
      await other.flush()
      await made.office.run('presence refreshWatchers sip:100@pbx.example note 1')
      await until('what was put there', () => tx.dialog.last.text === 'at lunch')
      expect([...made.pubsub.allPublications][0]).to.include({ priority: 0, sender: '' })
    } finally {
      await other.close()
    }
  })

  it('tells the other servers that share the table what another program has changed there', async () => {
    await made.office.close()
    const path = join(directory, 'shared.db')
    const options = { subs_db_mode: '3', notifier_processes: '0' }
    made = await lampOffice({ options, storePath: path })
    const there = await lampOffice({ options, storePath: path })
    const other = await openStore({ path, synchronous: 'off', log: new Log().logger('other') })
    try {
      for (const { pubsub } of [made, there]) pubsub.addEvent({ event: 'note', accept: ['text/note'] })
      const tx = await there.sip.subscribe('100', { Event: 'note' })
      const table = await other.table({ name: 'presentity', key: 'ruid', serial: 'id', columns: KAMAILIO })
      const now = Math.floor(Date.now() / 1000)
      const row = { username: '100', domain: 'pbx.example', event: 'note', sender: '', priority: 0, expires: now + 600 }
      const refreshed = async (): Promise<void> => {
        await other.flush()
        await made.office.run('presence refreshWatchers sip:100@pbx.example note 1')
      }
      table.put({ ...row, ruid: 'r1', etag: 'e1', body: 'at lunch', received_time: now })
      await refreshed()
      await until('the text', () => tx.dialog.last.text === 'at lunch')
      table.put({ ...row, ruid: 'r1', etag: 'e1', body: 'at sea', received_time: now + 1 })
      await refreshed()
      await until('the other text', () => tx.dialog.last.text === 'at sea')
      table.delete('r1')
      await refreshed()
      await until('nothing', () => tx.dialog.last.text === '')
      expect([...made.pubsub.allPublications, ...there.pubsub.allPublications]).to.deep.equal([])
    } finally {
      await other.close()
      await there.office.close()
    }
  })

  it('takes nothing away with publications in memory, or where the name is written in another case', async () => {
    const cases: Readonly<Record<string, string>>[] = [{ publ_cache: '2' }, { sip_uri_match: '1' }]
    for (const [n, options] of cases.entries()) {
      await made.office.close()
      made = await lampOffice({ endpoints: { Ann: {} }, options, storePath: join(directory, `${n}.db`) })
      made.pubsub.addEvent({ event: 'note', accept: ['text/note'] })
      const from = { From: '<sip:Ann@pbx.example>;tag=1', Event: 'note' }
      const answer = await made.sip.publish('Ann', 'in', { ...from, 'Content-Type': 'text/note' })
      expect(answer.status).to.equal(200)
      const name = 'sip_uri_match' in options ? 'aNN' : 'Ann'
      const tx = await made.sip.subscribe(name, from)
      await settled(8)
      const told = await made.office.run(`presence refreshWatchers sip:${name}@pbx.example note 1`)
      await settled(8)
      expect([told, tx.dialog.last.text]).to.deep.equal(['1 watchers are told', 'in'])
      const again = { ...from, 'SIP-If-Match': answer.header('SIP-ETag') ?? '', Expires: '0' }
      expect((await made.sip.publish('Ann', '', again)).status).to.equal(200)
    }
  })

  it('takes nothing away that is published while the table is read', async () => {
    made.pubsub.addEvent({ event: 'note', accept: ['text/note'] })
    const note = { Event: 'note', 'Content-Type': 'text/note' }
    const first = await made.sip.publish('100', 'in', note)
    const refreshed = made.office.run('presence refreshWatchers 100 note 1')
    const changed = made.sip.publish('100', 'out', { ...note, 'SIP-If-Match': first.header('SIP-ETag') ?? '' })
    const second = made.sip.publish('100', 'at sea', note)
    await refreshed
    expect([(await changed).status, (await second).status]).to.deep.equal([200, 200])
    expect([...made.pubsub.allPublications].map((one) => one.body)).to.have.members(['out', 'at sea'])
  })

  it('takes what holds where nobody publishes anything from a file, over a restart too', async () => {
    const path = join(directory, 'note.txt')
    made.pubsub.addEvent({ event: 'note', accept: ['text/note'] })
    writeFileSync(path, 'on holiday')
    const refresh = `presence refreshWatchers sip:100@pbx.example note 2 hard ${path}`
    await made.office.run(refresh)
    expect(await made.pubsub.getPresentity('100', 'note')).to.equal('on holiday')
    await made.office.run('presence refreshWatchers 100 note 1')
    expect(await made.pubsub.getPresentity('100', 'note')).to.equal('on holiday')
    await made.sip.publish('100', 'in', { Event: 'note', 'Content-Type': 'text/note' })
    expect(await made.pubsub.getPresentity('100', 'note')).to.equal('in')
    await made.office.close()
    made = await lampOffice({ endpoints: { 100: {} }, storePath: join(directory, 'lamps.db') })
    made.pubsub.addEvent({ event: 'note', accept: ['text/note'] })
    expect([...made.pubsub.allPublications].map((one) => one.body)).to.have.members(['on holiday', 'in'])
    rmSync(path)
    await made.office.run(refresh)
    expect([...made.pubsub.allPublications].map((one) => one.body)).to.deep.equal(['in'])
    const wrong = await made.office.run(`presence refreshWatchers 100 note 2 hard ${directory}`).then(
      () => '',
      (error: unknown) => (error instanceof Error ? error.message : ''),
    )
    expect(wrong).to.include('EISDIR')
  })

  it('takes it from the table of an XCAP server by its URI, before any file', async () => {
    made.pubsub.addEvent({ event: 'note', accept: ['text/note'] })
    const table = await openXcap(made.office.store, 'xcap')
    const row = { domain: 'pbx.example', etag: 'e', source: 0, port: 0, doc_uri: 'http://xcap/pidf-manipulation/index' }
    const path = join(directory, 'index')
    writeFileSync(path, 'from a file')
    const refresh = `presence refreshWatchers sip:100@pbx.example note 2 ${row.doc_uri} ${path}`
    const shown = async (): Promise<string | undefined> => {
      await made.office.run(refresh)
      return made.pubsub.getPresentity('100', 'note')
    }
    table.put({ ...row, username: '100', doc_type: 16, doc: 'on holiday' })
    expect(await shown()).to.equal('on holiday')
    table.put({ ...row, username: '100', doc_type: 16, doc: 'back in May' })
    expect(await shown()).to.equal('back in May')
    for (const other of [
      { username: '101', doc_type: 16 },
      { username: '100', doc_type: 4 },
    ]) {
      table.put({ ...row, ...other, doc: 'of no use' })
      expect(await shown()).to.equal('from a file')
    }
    rmSync(path)
    expect(await shown()).to.equal('')
    expect([...made.pubsub.allPublications]).to.deep.equal([])
  })

  it('reads XML of a file, and of rows of other programs, by the encoding it has', async () => {
    made.pubsub.addEvent({ event: 'profile', accept: ['text/xml'] })
    const written = (name: string, encoding: string): string => `<?xml version="1.0" encoding="${encoding}"?><${name}/>`
    const latin1 = (name: string): Buffer => Buffer.from(written(name, 'ISO-8859-1'), 'latin1')
    const database = join(directory, 'lamps.db')
    const shown = async (refresh: string): Promise<string | undefined> => {
      await made.office.run(`presence refreshWatchers sip:100@pbx.example profile ${refresh}`)
      return made.pubsub.getPresentity('100', 'profile')
    }
    const path = join(directory, 'profile.xml')
    writeFileSync(path, latin1('Datei-ä'))
    expect(await shown(`2 hard ${path}`)).to.equal(written('Datei-ä', 'UTF-8'))
    writeFileSync(path, written('a', 'EBCDIC-DE'))
    expect(await failure(`presence refreshWatchers sip:100@pbx.example profile 2 hard ${path}`)).to.include(
      'Unknown Character Encoding',
    )
    rmSync(path)
    await shown(`2 hard ${path}`)
    await openXcap(made.office.store, 'xcap')
    await sqlite(
      database,
      `INSERT INTO xcap (username, domain, doc, doc_type, etag, source, doc_uri, port)
        VALUES ('100', 'pbx.example', ${blob(latin1('Blob-ö'))}, 16, 'e', 0, '/100', 0)`,
    )
    expect(await shown('2 /100 none')).to.equal(written('Blob-ö', 'UTF-8'))
    await sqlite(database, `UPDATE xcap SET doc = '${written('Text-ü', 'ISO-8859-1')}'`)
    expect(await shown('2 /100 none')).to.equal(written('Text-ü', 'UTF-8'))
    await sqlite(database, 'DELETE FROM xcap')
    await shown('2 /100 none')
    await sqlite(
      database,
      `INSERT INTO presentity (username, domain, event, etag, expires, received_time, body, sender, priority, ruid)
        VALUES ('100', 'pbx.example', 'profile', 'e1', 4000000000, 1, ${blob(latin1('Zeile-ß'))}, '', 0, 'r1')`,
    )
    expect(await shown('1')).to.equal(written('Zeile-ß', 'UTF-8'))
  })

  it('shows one hard state after the other, and nothing in between', async () => {
    made.pubsub.addEvent({ event: 'note', accept: ['text/note'] })
    const path = join(directory, 'note.txt')
    const refresh = `presence refreshWatchers 100 note 2 hard ${path}`
    writeFileSync(path, 'on holiday')
    await made.office.run(refresh)
    const tx = await made.sip.subscribe('100', { Event: 'note' })
    await until('the first', () => tx.dialog.notifies.at(-1)?.text === 'on holiday')
    for (const text of ['back in May', 'back']) {
      writeFileSync(path, text)
      await made.office.run(refresh)
      await until(text, () => tx.dialog.last.text === text)
    }
    expect(tx.dialog.notifies.map((notify) => notify.text)).to.not.include('')
    expect([...made.pubsub.allPublications].map((one) => one.body)).to.deep.equal(['back'])
  })

  it('has one hard state for a file, however often it is told to read it', async () => {
    made.pubsub.addEvent({ event: 'note', accept: ['text/note'] })
    const path = join(directory, 'note.txt')
    writeFileSync(path, 'on holiday')
    const read = (): Promise<number> => made.pubsub.presRefreshWatchers('100', 'note', 2, 'hard', path)
    await Promise.all([read(), read(), read()])
    expect([...made.pubsub.allPublications].map((one) => one.body)).to.deep.equal(['on holiday'])
  })

  it('says of a hard state that it does not expire', async () => {
    made.pubsub.addEvent({ event: 'note', accept: ['text/note'] })
    const path = join(directory, 'note.txt')
    writeFileSync(path, 'on holiday')
    await made.pubsub.presRefreshWatchers('100', 'note', 2, 'hard', path)
    expect(await made.office.run('presence why 100')).to.match(/, text\/note.* does not expire$/m)
    expect(await made.office.run('presence presentity_list full')).to.match(/expires +never$/m)
    expect(await made.office.run('pjsip show publications inbound')).to.match(/^ {2}Expiry: {4}never {2}\S+$/m)
  })

  function failure(line: string): Promise<string> {
    return made.office.run(line).then(
      () => '',
      (error: unknown) => (error instanceof Error ? error.message : ''),
    )
  }
})

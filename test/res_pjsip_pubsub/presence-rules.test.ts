/** Rules over real sockets: what phones are told while those they watch decide. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { CommandError } from '../../core/console/console.ts'
import { Log } from '../../core/log.ts'
import { defineModule } from '../../core/module.ts'
import { openStore, type Store } from '../../core/store.ts'
import res_pjsip_dialog_info_body_generator from '../../res_pjsip_exten_state/res_pjsip_dialog_info_body_generator.ts'
import res_pjsip_exten_state from '../../res_pjsip_exten_state/res_pjsip_exten_state.ts'
import res_pjsip_pidf_body_generator from '../../res_pjsip_exten_state/res_pjsip_pidf_body_generator.ts'
import res_pjsip_pidf_eyebeam_body_supplement from '../../res_pjsip_exten_state/res_pjsip_pidf_eyebeam_body_supplement.ts'
import type { Pubsub } from '../../res_pjsip_pubsub/contract.ts'
import res_pjsip_presence_rules from '../../res_pjsip_pubsub/res_pjsip_presence_rules.ts'
import res_pjsip_pubsub from '../../res_pjsip_pubsub/res_pjsip_pubsub.ts'
import res_pjsip_watcherinfo_body_generator from '../../res_pjsip_pubsub/res_pjsip_watcherinfo_body_generator.ts'
import { TestCore } from '../support/core.ts'
import { type PhoneDialog, TestPhone, type WireMessage } from '../support/phone.ts'
import { one, ruleset } from '../support/rules.ts'
import { blob, sqlite } from '../support/sqlite.ts'
import { until } from '../support/tools.ts'
import { readWatcherInfo } from '../support/watcher-table.ts'

/** Kamailio's table of documents. */
const XCAP = {
  username: 'text', domain: 'text', doc: 'text', doc_type: 'integer', etag: 'text', source: 'integer', doc_uri: 'text',
  port: 'integer',
} as const // biome-ignore format: a table
const BASIC = '<pr:provide-services><pr:all-services/></pr:provide-services>'

describe('rules of presentities, on the wire', () => {
  let office: TestCore
  let pubsub: Pubsub
  let directory: string
  const phones: TestPhone[] = []

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'lamplighter-rules-'))
  })

  afterEach(async () => {
    for (const phone of phones.splice(0)) await phone.close()
    await office.close()
    rmSync(directory, { recursive: true, force: true })
  })

  async function begin(options: Readonly<Record<string, string>> = {}, store?: Store): Promise<void> {
    office = await TestCore.start({
      endpoints: { 100: {}, 101: {}, 102: {}, 200: { aors: ['door'] }, proxy: { trust_id_inbound: true } },
      hints: {
        '200@default': ['Custom:door', 'CustomPresence:200'],
        '2-00@default': ['Custom:door'],
        '201@default': ['Custom:gate'],
      },
      files: { 'pubsub.conf': { unload_grace: '1', ...options } },
      storePath: join(directory, 'rules.db'),
      ...(store && { store }),
    })
    pubsub = await office.load<Pubsub>(res_pjsip_pubsub)
    await office.load(res_pjsip_exten_state, res_pjsip_pidf_body_generator, res_pjsip_dialog_info_body_generator)
    await office.load(res_pjsip_pidf_eyebeam_body_supplement)
    await office.load(res_pjsip_watcherinfo_body_generator, res_pjsip_presence_rules)
    office.core.devices.set('pbx1', 'Custom:door', 'INUSE')
  }

  async function phone(user: string): Promise<TestPhone> {
    const opened = await TestPhone.open({ server: { address: '127.0.0.1', port: office.port }, user })
    phones.push(opened)
    return opened
  }

  async function subscribe(
    who: TestPhone,
    {
      resource = '200',
      event = 'presence',
      dialog = who.dialog(`sip:${resource}@127.0.0.1`),
      expires = '600',
      headers = [],
      ...from
    }: {
      resource?: string
      event?: string
      dialog?: PhoneDialog
      expires?: string
      headers?: readonly (readonly [string, string])[]
      from?: string
    } = {},
  ): Promise<{ ok: WireMessage; dialog: PhoneDialog }> {
    const all = [['Event', event], ['Expires', expires], ...headers] as const
    const ok = await who.request('SUBSCRIBE', { dialog, headers: all, ...from })
    return { ok, dialog }
  }

  function publish(who: TestPhone, uri: string, inner: string): Promise<WireMessage> {
    const headers = [['Event', 'presence'], ['Expires', '600'], ['Content-Type', 'application/pidf+xml']] as const // biome-ignore format: one
    const namespaces =
      'xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" ' +
      'xmlns:r="urn:ietf:params:xml:ns:pidf:rpid"'
    const body = `<presence ${namespaces} entity="sip:200@a">${inner}</presence>`
    return who.request('PUBLISH', { uri, dialog: who.dialog(uri), headers, body })
  }

  /** `active open On the phone`: state, availability, note. */
  async function told(who: TestPhone): Promise<string> {
    const notify = await who.next('NOTIFY')
    const state = notify.header('Subscription-State').replace(/;expires=\d+/, '')
    const basic = /<basic>(\w+)</.exec(notify.body)?.[1] ?? '-'
    const note = /<note[^>]*>([^<]*)</.exec(notify.body)?.[1] ?? '-'
    return notify.body === '' ? state : `${state} ${basic} ${note}`
  }

  async function set(text: string, presentity = '200'): Promise<void> {
    const path = join(directory, 'given')
    writeFileSync(path, text)
    await office.run(`presence rules set ${presentity} ${path}`)
  }

  it('lets everybody see who has no rules, and asks nothing for other packages', async () => {
    await begin()
    const watcher = await phone('100')
    expect((await subscribe(watcher)).ok.status).to.equal(200)
    expect(await told(watcher)).to.equal('active open On the phone')
    await set(ruleset({ handling: 'block' }))
    expect(await told(watcher)).to.equal('terminated;reason=rejected')
    expect((await subscribe(watcher, { event: 'dialog' })).ok.status).to.equal(200)
    expect((await subscribe(watcher)).ok.status).to.equal(403)
  })

  it('hold for an extension however its name is written', async () => {
    await begin()
    await set(ruleset({ conditions: one('sip:101@a'), handling: 'allow' }))
    const [stranger, friend] = [await phone('100'), await phone('101')]
    expect((await subscribe(stranger, { resource: '2-00' })).ok.status).to.equal(403)
    expect((await subscribe(friend, { resource: '2-00' })).ok.status).to.equal(200)
    expect(await told(friend)).to.equal('active open On the phone')
    await set(ruleset({ conditions: one('sip:100@a'), handling: 'allow' }))
    expect(await told(friend)).to.equal('terminated;reason=rejected')
    await set(ruleset({ handling: 'confirm' }), '2-00')
    expect((await subscribe(stranger)).ok.status).to.equal(200)
    expect(await told(stranger)).to.equal('active open On the phone')
    expect((await subscribe(stranger, { resource: '2-00' })).ok.status).to.equal(200)
    expect(await told(stranger)).to.equal('pending')
  })

  it('asks nobody for the domain that it is of', async () => {
    await begin()
    await set(
      ruleset({
        conditions: '<cr:identity><cr:many><cr:except domain="127.0.0.1"/></cr:many></cr:identity>',
        handling: 'allow',
      }),
    )
    const watcher = await phone('100')
    expect((await subscribe(watcher)).ok.status).to.equal(403)
    expect((await subscribe(watcher, { from: '<sip:100@elsewhere.example>' })).ok.status).to.equal(403)
    await set(
      ruleset({
        conditions: '<cr:identity><cr:many domain="elsewhere.example"/></cr:identity>',
        handling: 'allow',
      }),
    )
    expect((await subscribe(watcher)).ok.status).to.equal(200)
    expect((await subscribe(watcher, { from: '<sip:100@elsewhere.example>' })).ok.status).to.equal(200)
  })

  it('blocks, politely or not, lets wait, and allows each watcher on its own', async () => {
    await begin()
    await set(
      ruleset(
        { conditions: one('sip:100@anywhere'), handling: 'allow' },
        { conditions: one('sip:101@anywhere'), handling: 'polite-block' },
        {
          conditions: '<cr:identity><cr:many><cr:except id="sip:100@x"/></cr:many></cr:identity>',
          handling: 'confirm',
        },
      ),
    )
    const [allowed, polite, waits] = [await phone('100'), await phone('101'), await phone('102')]
    for (const who of [allowed, polite, waits]) expect((await subscribe(who)).ok.status).to.equal(200)
    expect(await told(allowed)).to.equal('active open On the phone')
    expect(await told(polite)).to.match(/^active closed /)
    expect(await told(waits)).to.equal('pending')
    office.core.devices.set('pbx1', 'Custom:door', 'NOT_INUSE')
    expect(await told(allowed)).to.equal('active open Ready')
    office.core.devices.set('pbx1', 'Custom:door', 'INUSE')
    expect(await told(allowed)).to.equal('active open On the phone')
    const others = [...polite.received, ...waits.received].filter(({ method }) => method === 'NOTIFY')
    expect(others, 'nothing has changed for them').to.have.length(2)
  })

  it('counts at once, in both directions, when the rules change', async () => {
    await begin({ rules_absent: 'confirm' })
    const watcher = await phone('100')
    await subscribe(watcher)
    const said = [await told(watcher)]
    for (const parts of [
      { handling: 'allow' },
      { handling: 'allow', shown: BASIC },
      { handling: 'polite-block' },
      { handling: 'confirm' },
      { handling: 'allow' },
    ]) {
      await set(ruleset(parts))
      said.push(await told(watcher))
    }
    await office.run('presence rules remove 200')
    said.push(await told(watcher))
    await set(ruleset({ handling: 'block' }))
    said.push(await told(watcher))
    expect(said).to.deep.equal([
      'pending',
      'active open On the phone',
      'active open -',
      said[3],
      'pending',
      'active open On the phone',
      'pending',
      'terminated;reason=rejected',
    ])
    expect(said[3]).to.match(/^active closed/)
    await until('it to be gone', () => [...pubsub.subscriptions].length === 0)
  })

  it('shows the owner who waits, and when it was decided', async () => {
    await begin({ rules_absent: 'confirm' })
    const owner = await phone('200')
    await subscribe(owner, { event: 'presence.winfo' })
    const first = await readWatcherInfo((await owner.next('NOTIFY')).body)
    expect(first).to.deep.include({ state: 'full', version: 0, watchers: [] })
    const watcher = await phone('100')
    await subscribe(watcher)
    const next = async (): Promise<string[]> => {
      const seen = await readWatcherInfo((await owner.next('NOTIFY')).body)
      return seen.watchers.map(({ uri, status, event }) => `${uri.split('@')[0]} ${status} ${event}`)
    }
    expect(await next()).to.deep.equal(['sip:100 pending subscribe'])
    await set(ruleset({ conditions: one('sip:100@x'), handling: 'allow' }))
    expect(await next()).to.deep.equal(['sip:100 active approved'])
    await set(ruleset({ conditions: one('sip:101@x'), handling: 'allow' }))
    expect(await next()).to.deep.equal(['sip:100 terminated rejected'])
    const stranger = await phone('102')
    expect((await subscribe(stranger, { event: 'presence.winfo' })).ok.status).to.equal(403)
    expect((await subscribe(stranger)).ok.status).to.equal(403)
    expect(await next()).to.deep.equal(['sip:102 terminated rejected'])
  })

  it('reads documents in a directory, and sees them change', async () => {
    writeFileSync(join(directory, '200.xml'), ruleset({ handling: 'confirm' }))
    await begin({ rules_directory: directory })
    const watcher = await phone('100')
    await subscribe(watcher)
    expect(await told(watcher)).to.equal('pending')
    writeFileSync(join(directory, '200.xml'), ruleset({ handling: 'allow' }))
    expect(await told(watcher)).to.equal('active open On the phone')
    writeFileSync(join(directory, '200.xml'), `\ufeff${ruleset({ handling: 'confirm' })}`, 'utf16le')
    expect(await told(watcher), 'in UTF-16').to.equal('pending')
    writeFileSync(join(directory, '200.xml'), `\ufeff${ruleset({ handling: 'allow' })}`, 'utf16le')
    expect(await told(watcher), 'in UTF-16').to.equal('active open On the phone')
    writeFileSync(join(directory, '200.xml'), 'not this')
    expect(await told(watcher), 'nobody sees what the owner may not want').to.equal('pending')
    expect(office.logged.join('\n')).to.match(
      /ERROR the rules of 200 \(.*200\.xml\) cannot be read: .*Its watchers wait/,
    )
    let refused: unknown
    await set(ruleset({ handling: 'allow' })).catch((error: unknown) => (refused = error))
    expect(refused).to.be.instanceOf(CommandError)
    expect(String(refused)).to.include('200.xml; change them there')
    refused = undefined
    await pubsub
      .updateWatchersStatus('200', 'presence', ruleset({ handling: 'block' }))
      .catch((error: unknown) => (refused = error))
    expect(String(refused)).to.include('200.xml; change them there')
  })

  it('lets watchers wait where a document is there and may not be read', async () => {
    const document = join(directory, '200.xml')
    writeFileSync(document, ruleset({ handling: 'block' }))
    await begin({ rules_directory: directory })
    // As a file of somebody else, but for root, too.
    const loop = join(directory, 'loop')
    symlinkSync('200.xml', loop)
    renameSync(loop, document)
    await office.run('presence rules reload')
    const watcher = await phone('100')
    await subscribe(watcher)
    expect(await told(watcher)).to.equal('pending')
    expect(office.logged.join('\n')).to.match(/ERROR the rules of 200 \(.*200\.xml\) cannot be read: ELOOP/)
    renameSync(document, join(directory, 'aside'))
    expect(await told(watcher), 'no rules any more').to.equal('active open On the phone')
  })

  it('goes on with the directory that took the place of another', async () => {
    const rules = join(directory, 'rules')
    const document = join(rules, '200.xml')
    mkdirSync(rules)
    writeFileSync(document, ruleset({ handling: 'confirm' }))
    await begin({ rules_directory: rules })
    const watcher = await phone('100')
    await subscribe(watcher)
    expect(await told(watcher)).to.equal('pending')
    const next = join(directory, 'next')
    mkdirSync(next)
    writeFileSync(join(next, '200.xml'), ruleset({ handling: 'allow' }))
    renameSync(rules, join(directory, 'before'))
    renameSync(next, rules)
    expect(await told(watcher)).to.equal('active open On the phone')
    writeFileSync(document, ruleset({ handling: 'confirm' }))
    expect(await told(watcher)).to.equal('pending')
  })

  it('declines to load where the directory cannot be read', async () => {
    let refused: unknown
    await begin({ rules_directory: join(directory, 'none') }).catch((error: unknown) => (refused = error))
    expect(String(refused)).to.match(/rules_directory = .*none cannot be read: ENOENT/)
  })

  it('reads what another program writes into the table', async () => {
    await begin()
    const watcher = await phone('100')
    await subscribe(watcher)
    expect(await told(watcher)).to.equal('active open On the phone')
    const other: Store = await openStore({
      path: join(directory, 'rules.db'),
      synchronous: 'off',
      log: new Log().logger('other'),
    })
    try {
      const table = await other.table({ name: 'xcap', key: 'doc_uri', serial: 'id', columns: XCAP })
      const row = { username: '200', domain: 'pbx', etag: 'e', source: 0, port: 0 }
      table.put({ ...row, doc_uri: '/lists', doc_type: 4, doc: ruleset({ handling: 'allow' }) })
      table.put({ ...row, doc_uri: '/rules', doc_type: 2, doc: ruleset({ handling: 'confirm' }) })
      await other.flush()
      expect(await told(watcher)).to.equal('pending')
    } finally {
      await other.close()
    }
  })

  it('reads it soon, too, after it had to wait for a file that was locked', async () => {
    const path = join(directory, 'rules.db')
    const store = await openStore({ path, synchronous: 'off', log: new Log().logger('store') })
    try {
      await begin({}, store)
      const watcher = await phone('100')
      await subscribe(watcher)
      expect(await told(watcher)).to.equal('active open On the phone')
      const flush = store.flush.bind(store)
      let waited = false
      store.flush = async () => {
        if (!waited) await pause(1500)
        waited = true
        return flush()
      }
      const put = (uri: string, type: number, doc: string): Promise<unknown> =>
        sqlite(
          path,
          `INSERT OR REPLACE INTO xcap (username, domain, doc, doc_type, etag, source, doc_uri, port)
           VALUES ('200', 'pbx', '${doc.replaceAll("'", "''")}', ${type}, 'e', 0, '${uri}', 0)`,
        )
      await put('/rules', 2, ruleset({ handling: 'confirm' }))
      expect(await told(watcher)).to.equal('pending')
      expect(waited).to.equal(true)
      await put('/rules', 2, ruleset({ handling: 'allow' }))
      expect(await told(watcher)).to.equal('active open On the phone')
    } finally {
      await office.close()
      await store.close()
    }
  })

  it('replaces what an XCAP server has put there, at the URI where that has it', async () => {
    await begin({ rules_domains: 'pbx' })
    const columns = { name: 'xcap', key: 'doc_uri', serial: 'id', columns: XCAP } as const
    const table = await office.store.table(columns)
    const row = { username: '200', etag: 'e', source: 0, port: 0, doc_type: 2, doc: ruleset({ handling: 'allow' }) }
    table.put({ ...row, domain: 'elsewhere', doc_uri: '/elsewhere' })
    table.put({ ...row, domain: 'pbx', doc_uri: '/pres-rules/users/sip:200@pbx/rules.xml' })
    await office.run('presence rules reload')
    const watcher = await phone('100')
    await subscribe(watcher)
    expect(await told(watcher)).to.equal('active open On the phone')
    await set(ruleset({ handling: 'confirm' }))
    expect(await told(watcher)).to.equal('pending')
    const doc = ruleset({ handling: 'block' })
    expect(await pubsub.updateWatchersStatus('sip:200@pbx', 'presence', doc)).to.equal(1)
    expect(await told(watcher)).to.equal('terminated;reason=rejected')
    const rows = await table.select({ username: '200' })
    expect(rows.map(({ doc_uri, domain, doc: text }) => [doc_uri, domain, text === doc])).to.deep.equal([
      ['/elsewhere', 'elsewhere', false],
      ['/pres-rules/users/sip:200@pbx/rules.xml', 'pbx', true],
    ])
  })

  it('compares domains without case (RFC 3261 19.1.4), whoever wrote them', async () => {
    await begin({ rules_domains: 'PBX.Example, pbx2' })
    const columns = { name: 'xcap', key: 'doc_uri', serial: 'id', columns: XCAP } as const
    const doc = ruleset({ conditions: one('sip:100@pbx.EXAMPLE'), handling: 'allow' })
    const row = {
      username: '200',
      etag: 'e',
      source: 0,
      port: 0,
      doc_type: 2,
      doc,
      domain: 'pbx.example',
      doc_uri: '/p',
    }
    ;(await office.store.table(columns)).put(row)
    await office.run('presence rules reload')
    const [friend, stranger] = [await phone('100'), await phone('101')]
    expect((await subscribe(stranger)).ok.status).to.equal(403)
    await subscribe(friend)
    expect(await told(friend)).to.equal('active open On the phone')
  })

  it('has its table in the database that db_url names, with the other tables of presence', async () => {
    const path = join(directory, 'presence.db')
    const other = await openStore({ path, synchronous: 'off', log: new Log().logger('other') })
    const table = await other.table({ name: 'xcap', key: 'doc_uri', serial: 'id', columns: XCAP })
    try {
      const row = { username: '200', domain: 'pbx', etag: 'e', source: 0, port: 0, doc_type: 2 }
      table.put({ ...row, doc_uri: '/rules', doc: ruleset({ handling: 'confirm' }) })
      await other.flush()
      await begin({ db_url: `sqlite://${path}` })
      const watcher = await phone('100')
      await subscribe(watcher)
      expect(await told(watcher)).to.equal('pending')
      await set(ruleset({ handling: 'allow' }))
      expect(await told(watcher)).to.equal('active open On the phone')
      expect((await table.select({ username: '200' }))[0]?.doc).to.equal(ruleset({ handling: 'allow' }))
    } finally {
      await other.close()
    }
  })

  it('reads what is a blob in the table by its own encoding, and blocks where nobody can', async () => {
    await begin()
    const table = await office.store.table({ name: 'xcap', key: 'doc_uri', serial: 'id', columns: XCAP })
    const row = { username: '200', domain: 'pbx', etag: 'e', source: 0, port: 0, doc_type: 2, doc_uri: '/rules' }
    table.put({ ...row, doc: '' })
    await office.store.flush()
    const path = join(directory, 'rules.db')
    const shown = async (doc: Buffer): Promise<string> => {
      await sqlite(path, `UPDATE xcap SET doc = ${blob(doc)}`)
      await office.run('presence rules reload')
      return office.run('presence rules show')
    }
    const rules = ruleset({ handling: 'confirm' })
    expect(await shown(Buffer.from(rules, 'utf16le'))).to.match(/^200 +1 rules {2}xcap: /)
    expect(await shown(Buffer.from(`<?xml version="1.0" encoding="EBCDIC-DE"?>${rules}`))).to.match(
      /^200 +not read: Unknown Character Encoding {2}xcap: /,
    )
  })

  it('passes over rows that do not say whose they are, and reads the others', async () => {
    const path = join(directory, 'rules.db')
    const other = await openStore({ path, synchronous: 'off', log: new Log().logger('other') })
    try {
      const { username: _username, domain: _domain, ...columns } = XCAP
      const nobodys = await other.table({ name: 'xcap', key: 'doc_uri', serial: 'id', columns })
      const row = { etag: 'e', source: 0, port: 0, doc_type: 2 }
      nobodys.put({ ...row, doc_uri: '/nobody', doc: ruleset({ handling: 'allow' }) })
      await begin({ rules_domains: 'pbx', sip_uri_match: '1' })
      await set(ruleset({ handling: 'confirm' }))
      await office.close()
      await begin({ rules_domains: 'pbx', sip_uri_match: '1' })
      const watcher = await phone('100')
      await subscribe(watcher)
      expect(await told(watcher)).to.equal('pending')
    } finally {
      await other.close()
    }
  })

  it('keeps what the console put there over a restart', async () => {
    await begin()
    await set(ruleset({ handling: 'confirm' }))
    await office.close()
    await begin()
    const watcher = await phone('100')
    await subscribe(watcher)
    expect(await told(watcher)).to.equal('pending')
    expect(await office.run('presence rules show')).to.match(/^200 +1 rules {2}xcap: .*\n1 presentities with rules$/)
    expect(await office.run('presence rules show 200')).to.include('<cr:ruleset')
    expect(await office.run('presence rules test 200 100')).to.match(/^confirm\nxcap: .*: r1$/)
    expect(await office.run('presence rules test 201 100')).to.equal('allow\n201 has no rules: rules_absent')
  })

  it('are not said to hold where they cannot be written', async () => {
    const path = join(directory, 'rules.db')
    await begin()
    const other = await openStore({ path, synchronous: 'off', log: new Log('error').logger('other') })
    const refused = (work: () => Promise<unknown>): Promise<string> =>
      other.atomically(() => work().then(() => 'done', String))
    const block = (): Promise<void> => set(ruleset({ handling: 'block' }))
    try {
      expect(await refused(block)).to.include('cannot be written now')
      expect(await sqlite(path, 'SELECT username FROM xcap')).to.deep.equal([])
      await block()
      expect(await refused(() => office.run('presence rules remove 200'))).to.include('cannot be written now')
      expect((await subscribe(await phone('100'))).ok.status).to.equal(403)
    } finally {
      await other.close()
    }
  })

  it('hold in the file that is begun anew where theirs is damaged', async () => {
    const path = join(directory, 'rules.db')
    await begin()
    await set(ruleset({ handling: 'block' }))
    await sqlite(path, 'PRAGMA wal_checkpoint(TRUNCATE)')
    writeFileSync(path, Buffer.alloc(4096, 0x41), { flag: 'r+' })
    const reload = (): Promise<string> => office.run('presence rules reload').catch(String)
    await until('that it is seen', async () => {
      await reload()
      return office.logged.join().includes('is damaged')
    })
    await reload()
    const { ok } = await subscribe(await phone('100'))
    expect(ok.status).to.equal(403)
    expect(await sqlite(path, 'SELECT username, doc_type FROM xcap')).to.deep.equal([{ username: '200', doc_type: 2 }])
  })

  it('are those of a backup where that is put into the place of their file', async () => {
    const path = join(directory, 'rules.db')
    await begin()
    await set(ruleset({ handling: 'confirm' }))
    await sqlite(path, `VACUUM INTO '${path}-backup'`)
    await set(ruleset({ handling: 'block' }))
    for (const suffix of ['-wal', '-shm']) rmSync(path + suffix)
    renameSync(`${path}-backup`, path)
    await until('those of the backup', async () => {
      await office.run('presence rules reload').catch(String)
      return (await office.run('presence rules test 200 100')).startsWith('confirm')
    })
    expect(await sqlite(path, 'SELECT username FROM xcap')).to.deep.equal([{ username: '200' }])
  })

  it('shows nobody more where modules take longer to load than the grace lasts', async () => {
    await begin()
    await set(ruleset({ handling: 'confirm' }))
    const watcher = await phone('100')
    await subscribe(watcher)
    expect(await told(watcher)).to.equal('pending')
    await office.close()
    office = await TestCore.start({
      endpoints: { 100: {}, 101: {} },
      hints: { '200@default': ['Custom:door', 'CustomPresence:200'] },
      files: { 'pubsub.conf': { unload_grace: '1' } },
      storePath: join(directory, 'rules.db'),
    })
    const guest = await phone('101')
    const statuses: number[] = []
    // As where there are very many documents.
    const slow = defineModule({
      name: 'res_slow',
      description: 'between the packages and the rules',
      requires: ['res_pjsip_pubsub'],
      load: async () => {
        await pause(1500)
        statuses.push((await subscribe(guest)).ok.status)
      },
    })
    const all = [res_pjsip_pubsub, res_pjsip_exten_state, res_pjsip_pidf_body_generator, slow, res_pjsip_presence_rules]
    for (const definition of all) office.loader.add(definition)
    const load = all.map(({ name }) => name)
    await office.loader.start({ autoload: false, preload: [], load, noload: [], require: [] })
    expect(await told(watcher)).to.equal('pending')
    expect(statuses).to.deep.equal([503])
  })

  it('holds for whatever case the presentity is written in, with sip_uri_match', async () => {
    await begin({ sip_uri_match: '1', accept_unknown: 'yes' })
    const text = ruleset(
      { conditions: one('sip:100@anywhere'), handling: 'allow' },
      { conditions: one('sip:101@anywhere'), handling: 'confirm' },
    )
    await set(text, 'Door')
    const [owner, allowed, waits, blocked] = [
      await phone('200'),
      await phone('100'),
      await phone('101'),
      await phone('102'),
    ]
    await subscribe(owner, { resource: 'door', event: 'presence.winfo' })
    expect((await readWatcherInfo((await owner.next('NOTIFY')).body)).watchers).to.deep.equal([])
    for (const resource of ['door', 'DOOR']) {
      expect((await subscribe(blocked, { resource })).ok.status, resource).to.equal(403)
      await subscribe(allowed, { resource })
      expect(await told(allowed)).to.match(/^active/)
    }
    const { dialog } = await subscribe(waits, { resource: 'dOOr' })
    expect(await told(waits)).to.equal('pending')
    await subscribe(waits, { resource: 'dOOr', dialog, expires: '0' })
    await subscribe(await phone('200'), { resource: 'Door', event: 'presence.winfo' })
    const lists = await readWatcherInfo((await phones.at(-1)?.next('NOTIFY'))?.body ?? '')
    expect(lists.watchers.map(({ uri, status }) => `${uri.split('@')[0]} ${status}`)).to.have.members([
      'sip:100 active',
      'sip:100 active',
      'sip:101 waiting',
    ])
    await set(ruleset({ handling: 'block' }), 'door')
    for (const _ of ['door', 'DOOR']) expect(await told(allowed)).to.equal('terminated;reason=rejected')
    expect(await office.run('presence rules show')).to.match(/\n1 presentities with rules$/)
    await office.run('presence rules remove dooR')
    expect(await office.run('presence rules show')).to.equal('0 presentities with rules')
  })

  it('removes at the console what is of that name, and says whose rules hold then', async () => {
    await begin()
    await set(ruleset({ handling: 'confirm' }))
    const refused = await office.run('presence rules remove 2-00').catch(String)
    expect(refused).to.match(/2-00 has no rules of its own: those of 200 hold for it/)
    await set(ruleset({ handling: 'block' }), '2-00')
    expect(await office.run('presence rules remove 2-00')).to.equal(
      '2-00 has no rules of its own any more: those of 200 hold.',
    )
    expect(await office.run('presence rules test 2-00 100')).to.match(/^confirm/)
    expect(await office.run('presence rules remove 200')).to.equal('200 has no rules any more.')
    expect(await office.run('presence rules test 2-00 100')).to.match(/^allow/)
  })

  it('refuses at the console what is no document', async () => {
    await begin()
    let refused: unknown
    await set('<ruleset/>').catch((error: unknown) => (refused = error))
    expect(String(refused)).to.match(/given: <ruleset> is no <ruleset>/)
    expect(await office.run('presence rules show')).to.equal('0 presentities with rules')
  })

  for (const event of ['dialog', 'dialog;sla'])
    it(`tells those who watch ${event} in a presence document of calls, and of nothing that needs leave`, async () => {
      await begin()
      await set(ruleset({ handling: 'block' }))
      office.core.presences.set('pbx1', 'CustomPresence:200', { state: 'dnd', subtype: '', message: 'Operation' })
      const [watcher, owner] = [await phone('100'), await phone('200')]
      const inner = '<tuple id="home"><status><basic>open</basic></status></tuple><note>At the doctor</note>'
      const published = await publish(owner, 'sip:200@127.0.0.1', inner)
      expect(published.status).to.equal(200)
      const accept = ['Accept', 'application/pidf+xml'] as const
      expect((await subscribe(watcher, { headers: [accept] })).ok.status).to.equal(403)
      expect((await subscribe(watcher, { event, headers: [accept] })).ok.status).to.equal(200)
      const { body } = await watcher.next('NOTIFY')
      expect(body).to.include('<basic>open</basic>').and.to.include('On the phone')
      expect(body).not.to.match(/doctor|home|Operation|busy/)
    })

  it('follows the sphere that the presentity publishes', async () => {
    await begin({ enable_sphere_check: 'yes' })
    await set(ruleset({ conditions: '<cr:sphere value="work"/>', handling: 'allow' }, { handling: 'confirm' }))
    const [watcher, owner] = [await phone('100'), await phone('200')]
    await subscribe(watcher)
    expect(await told(watcher)).to.equal('pending')
    const go = (sphere: string): Promise<WireMessage> =>
      publish(owner, 'sip:200@127.0.0.1', `<dm:person id="p"><r:sphere><r:${sphere}/></r:sphere></dm:person>`)
    expect((await go('work')).status).to.equal(200)
    expect(await told(watcher)).to.match(/^active/)
    expect((await go('home')).status).to.equal(200)
    expect(await told(watcher)).to.equal('pending')
  })

  it('shows of several persons those that a rule names, and nothing of the others (RFC 5025 3.3.1.2)', async () => {
    await begin()
    const persons = (which: string): string =>
      `${BASIC}<pr:provide-persons>${which}</pr:provide-persons><pr:provide-activities>true</pr:provide-activities><pr:provide-note>true</pr:provide-note>`
    await set(ruleset({ handling: 'allow', shown: persons('<pr:class>work</pr:class>') }))
    const [watcher, owner] = [await phone('100'), await phone('200')]
    const person = (id: string, activity: string): string =>
      `<dm:person id="${id}"><r:activities><r:${activity}/></r:activities><r:class>${id}</r:class><dm:note>${id}: ${activity}</dm:note></dm:person>`
    const inner = person('private', 'vacation') + person('work', 'meeting')
    expect((await publish(owner, 'sip:200@127.0.0.1', inner)).status).to.equal(200)
    await subscribe(watcher)
    const shown = (await watcher.next('NOTIFY')).body
    expect(shown).to.include('<rpid:meeting />').and.include('work: meeting')
    expect(shown).not.to.match(/vacation|private|on-the-phone/)
    await set(ruleset({ handling: 'allow', shown: persons('<pr:occurrence-id>private</pr:occurrence-id>') }))
    const other = (await watcher.next('NOTIFY')).body
    expect(other)
      .to.include('<rpid:vacation />')
      .and.not.match(/meeting|work|on-the-phone/)
    await set(ruleset({ handling: 'allow', shown: persons('<pr:all-persons/>') }))
    const all = (await watcher.next('NOTIFY')).body
    expect(all).to.include('meeting').and.include('vacation').and.include('on-the-phone')
    expect(all.match(/<dm:person/g)).to.have.length(1)
  })

  it('ends nobody while the package that reads what is published is away', async () => {
    await begin({ enable_sphere_check: 'yes' })
    await set(ruleset({ conditions: '<cr:sphere value="work"/>', handling: 'allow' }))
    const [watcher, owner] = [await phone('100'), await phone('200')]
    const go = async (sphere: string): Promise<void> => {
      const person = `<dm:person id="p"><r:sphere><r:${sphere}/></r:sphere></dm:person>`
      expect((await publish(owner, 'sip:200@127.0.0.1', person)).status).to.equal(200)
    }
    await go('work')
    await subscribe(watcher)
    expect(await told(watcher)).to.match(/^active/)
    await office.loader.restart('res_pjsip_exten_state')
    office.core.devices.set('pbx1', 'Custom:door', 'RINGING')
    await until('the change', () => watcher.received.some(({ body }) => body.includes('Ringing')))
    await go('home')
    await until('the end', () => watcher.received.at(-1)?.header('subscription-state') === 'terminated;reason=rejected')
  })

  it('follows the clock', async () => {
    await begin()
    const until_ = new Date(Date.now() + 1500).toISOString()
    const validity = `<cr:validity><cr:from>2026-01-01T00:00:00Z</cr:from><cr:until>${until_}</cr:until></cr:validity>`
    await set(ruleset({ conditions: validity, handling: 'allow' }, { handling: 'confirm' }))
    const watcher = await phone('100')
    await subscribe(watcher)
    expect(await told(watcher)).to.equal('active open On the phone')
    expect(await told(watcher)).to.equal('pending')
  })

  it('takes a watcher for whom its endpoint is, and for another only where a trusted one says so', async () => {
    await begin({ watcher_header: 'P-Asserted-Identity' })
    await set(ruleset({ conditions: one('sip:alice@example.com'), handling: 'allow' }))
    const [forger, proxy] = [await phone('100'), await phone('proxy')]
    const asserted = [['P-Asserted-Identity', '<sip:alice@example.com>']] as const
    expect((await subscribe(forger, { headers: asserted })).ok.status).to.equal(403)
    expect((await subscribe(proxy, { headers: asserted })).ok.status).to.equal(200)
    expect(
      (await subscribe(proxy, { headers: [['P-Asserted-Identity', '<sip:bob@example.com>']] })).ok.status,
    ).to.equal(403)
  })

  it('knows by what a trusted endpoint says a telephone number, and nobody by `anonymous` (RFC 3323, RFC 3325)', async () => {
    await begin()
    const proxy = await phone('proxy')
    const asked = async (asserted: string): Promise<number> =>
      (await subscribe(proxy, { headers: [['P-Asserted-Identity', `<${asserted}>`]] })).ok.status
    await set(ruleset({ conditions: one('tel:+49301234'), handling: 'allow' }))
    expect(await asked('tel:+49301234')).to.equal(200)
    expect(await asked('tel:+49305678')).to.equal(403)
    await set(ruleset({ conditions: '<cr:identity><cr:many/></cr:identity>', handling: 'allow' }))
    expect(await asked('sip:alice@example.com')).to.equal(200)
    expect(await asked('sip:anonymous@anonymous.invalid')).to.equal(403)
  })

  it('says of any URI what it may have: of an endpoint by its name or AOR, and of strangers', async () => {
    await begin()
    const many = (except: string): string => `<cr:identity><cr:many><cr:except id="${except}"/></cr:many></cr:identity>`
    const asked = async (uri: string): Promise<string> => pubsub.presAuthStatus(uri, 'sip:201@pbx.example')
    await set(ruleset({ conditions: one('sip:200@pbx.example', 'sip:friend@elsewhere'), handling: 'allow' }), '201')
    expect(await asked('sip:200@pbx.example')).to.equal('active')
    expect(await asked('sip:door@pbx.example'), 'an AOR of endpoint 200').to.equal('active')
    expect(await asked('sip:friend@elsewhere')).to.equal('active')
    expect(await asked('sip:foe@elsewhere')).to.equal('terminated')
    await set(ruleset({ conditions: many('sip:foe@elsewhere'), handling: 'allow' }), '201')
    expect(await asked('sip:foe@elsewhere'), 'who is excepted').to.equal('terminated')
    expect(await asked('sip:friend@elsewhere')).to.equal('active')
    office.file('pubsub.conf', { rules_domains: 'pbx.example' })
    await office.loader.reload('res_pjsip_pubsub')
    await set(ruleset({ conditions: one('sip:200@pbx.example', 'sip:friend@elsewhere'), handling: 'allow' }), '201')
    const uris = ['sip:200@pbx.example', 'sip:door@pbx.example', 'sip:200@elsewhere', 'sip:friend@elsewhere', 'sip:friend@pbx.example'] // biome-ignore format: a list
    expect(await Promise.all(uris.map(asked))).to.deep.equal(['active', 'active', 'terminated', 'active', 'terminated'])
  })

  it('looks at nothing with force_active, and again without it', async () => {
    await begin({ force_active: '1' })
    await set(ruleset({ handling: 'confirm' }))
    const watcher = await phone('100')
    await subscribe(watcher)
    expect(await told(watcher)).to.equal('active open On the phone')
    office.file('pubsub.conf', { unload_grace: '1' })
    await office.loader.reload('res_pjsip_pubsub')
    expect(await told(watcher)).to.equal('pending')
  })

  it('shows what the options say where documents say nothing', async () => {
    await begin({ rules_unmatched: 'confirm', rules_untransformed: 'everything' })
    await set(ruleset({ conditions: one('sip:100@x'), handling: 'allow', bare: true }))
    const [meant, other] = [await phone('100'), await phone('101')]
    await subscribe(meant)
    expect(await told(meant)).to.equal('active open On the phone')
    await subscribe(other)
    expect(await told(other)).to.equal('pending')
    office.file('pubsub.conf', { unload_grace: '1' })
    await office.loader.reload('res_pjsip_pubsub')
    expect(await told(meant)).to.equal('active - -')
    expect(await told(other)).to.equal('terminated;reason=rejected')
  })

  it('takes transformations that are empty for none', async () => {
    await begin({ rules_untransformed: 'everything' })
    await set(ruleset({ handling: 'allow', shown: '' }))
    const watcher = await phone('100')
    await subscribe(watcher)
    expect(await told(watcher)).to.equal('active open On the phone')
  })

  it('shows a phone that asks for dialog-info only what it may see', async () => {
    await begin()
    await set(ruleset({ handling: 'allow', shown: BASIC }))
    const watcher = await phone('100')
    await subscribe(watcher, { headers: [['Accept', 'application/dialog-info+xml']] })
    const notify = await watcher.next('NOTIFY')
    expect(notify.body).to.include('<state>terminated</state>').and.not.include('confirmed')
  })

  it('gives nothing away when it is unloaded and loaded again', async () => {
    await begin()
    await set(ruleset({ handling: 'confirm' }))
    const watcher = await phone('100')
    await subscribe(watcher)
    expect(await told(watcher)).to.equal('pending')
    await office.loader.restart('res_pjsip_presence_rules')
    office.core.devices.set('pbx1', 'Custom:door', 'RINGING')
    await set(ruleset({ handling: 'allow' }))
    expect(await told(watcher)).to.match(/^active open/)
    await set(ruleset({ handling: 'confirm' }))
    expect(await told(watcher)).to.equal('pending')
    await office.loader.unload('res_pjsip_presence_rules')
    expect((await subscribe(await phone('101'))).ok.status).to.equal(503)
    expect(await told(watcher)).to.match(/^active open/)
  })

  it('shows nobody anything while they are there and cannot be loaded', async () => {
    const rules = join(directory, 'rules')
    mkdirSync(rules)
    writeFileSync(join(rules, '200.xml'), ruleset({ conditions: one('sip:100@a'), handling: 'allow' }))
    await begin({ rules_directory: rules })
    const [watcher, other] = [await phone('100'), await phone('101')]
    await subscribe(watcher)
    expect(await told(watcher)).to.equal('active open On the phone')
    renameSync(rules, `${rules}.away`)
    const declined = await office.loader.restart('res_pjsip_presence_rules').catch(String)
    expect(declined).to.include('res_pjsip_presence_rules declined: ')
    expect(await told(watcher)).to.equal('pending')
    await pause(1200)
    await subscribe(other)
    expect(await told(other), 'longer than unload_grace').to.equal('pending')
    await office.loader.restart('res_pjsip_pubsub').catch(String)
    expect((await subscribe(other)).ok.status, 'the core of subscriptions alone is loaded again').to.equal(200)
    expect(await told(other)).to.equal('pending')
    const seen = (): number => watcher.received.filter(({ body }) => body.includes('<basic>')).length
    expect(seen(), 'but for what it saw before').to.equal(1)
    renameSync(`${rules}.away`, rules)
    await office.loader.load('res_pjsip_presence_rules')
    await until('word of the decision', () => seen() === 2)
    await until('the end of the other', () =>
      other.received.some((notify) => notify.header('Subscription-State') === 'terminated;reason=rejected'),
    )
  })

  it('let everybody wait while the database cannot be read, and hold as soon as it can', async () => {
    const path = join(directory, 'rules.db')
    await begin()
    await set(ruleset({ conditions: one('sip:100@a'), handling: 'allow' }))
    await office.close()
    const real = await openStore({ path, synchronous: 'off', log: new Log('error').logger('store') })
    let isLocked = true
    // As one that another process keeps locked for longer than a start waits for it.
    const store = new Proxy(real, {
      get(target, name) {
        if (name !== 'table') return bound(target, name)
        return async (definition: Parameters<Store['table']>[0]) =>
          new Proxy(await target.table(definition), {
            get: (table, method) => (method === 'load' && isLocked ? async () => false : bound(table, method)),
          })
      },
    })
    await begin({}, store)
    const [allowed, blocked, unruled] = [await phone('100'), await phone('101'), await phone('102')]
    await subscribe(allowed)
    await subscribe(blocked)
    await subscribe(unruled, { resource: '201' })
    for (const who of [allowed, blocked, unruled]) expect(await told(who)).to.equal('pending')
    isLocked = false
    expect(await told(allowed)).to.match(/^active open/)
    expect(await told(blocked)).to.equal('terminated;reason=rejected')
    expect(await told(unruled)).to.match(/^active /)
    isLocked = true
    expect(await office.run('presence rules reload').catch(String)).to.include('cannot be read now')
    await subscribe(blocked)
    expect(blocked.received.at(-1)?.status, 'what was read stands').to.equal(403)
    await office.close()
    await real.close()
  })

  it('are switched off by force_active also where they cannot be loaded', async () => {
    await begin({ rules_directory: directory })
    office.file('pubsub.conf', { unload_grace: '1', rules_directory: join(directory, 'none') })
    await office.loader.reload('res_pjsip_pubsub').catch(String)
    await office.loader.restart('res_pjsip_presence_rules').catch(String)
    const watcher = await phone('100')
    await subscribe(watcher)
    expect(await told(watcher)).to.equal('pending')
    office.file('pubsub.conf', { unload_grace: '1', force_active: '1' })
    await office.loader.reload('res_pjsip_pubsub')
    expect(await told(watcher)).to.equal('active open On the phone')
  })

  it('keep nobody waiting who has none, whatever they cannot be loaded for', async () => {
    await begin()
    const watcher = await phone('100')
    await subscribe(watcher)
    expect(await told(watcher)).to.equal('active open On the phone')
    await office.loader.unload('res_pjsip_presence_rules')
    const undo = office.core.console.register({ words: 'presence rules reload', help: '', run: () => undefined })
    expect(await office.loader.load('res_pjsip_presence_rules').catch(String)).to.include('declined')
    await until('the grace to end', async () => {
      const { ok } = await subscribe(await phone('101'))
      return ok.status === 200
    })
    expect(await told(phones.at(-1) as TestPhone)).to.equal('active open On the phone')
    office.core.devices.set('pbx1', 'Custom:door', 'NOT_INUSE')
    expect(await told(watcher)).to.equal('active open Ready')
    await undo()
  })
})

function bound(target: object, name: string | symbol): unknown {
  const value: unknown = Reflect.get(target, name, target)
  return typeof value === 'function' ? value.bind(target) : value
}

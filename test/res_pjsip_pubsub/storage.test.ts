/** One suite for all modes of `subs_db_mode`: what the wire shows, what the table holds, what outlives the process. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { Watched } from '../../core/watch.ts'
import { STATUS } from '../../res_pjsip_pubsub/storage/row.ts'
import type { FakeDialog, FakeSip, FakeTransaction, Headers } from '../support/fake-sip.ts'
import { type LampOffice, settled } from '../support/lamp-office.ts'
import { type Lamp, XML } from '../support/lamps.ts'
import { ASK } from '../support/list-office.ts'
import { ServerBuilder, STORAGE_MODES, type StorageMode } from '../support/storage-modes.ts'
import { until } from '../support/tools.ts'

const ROWS = 'SELECT * FROM active_watchers'

function conformance(mode: StorageMode, directory: () => string): void {
  let builder: ServerBuilder

  beforeEach(() => {
    builder = new ServerBuilder(directory(), mode)
  })
  afterEach(() => builder.close())

  /** Without a table there are none, which is right in memory alone. */
  const rows = (): Promise<Record<string, unknown>[]> =>
    builder.query(ROWS).catch((error: unknown) => {
      if (mode.restores || !String(error).includes('no such table')) throw error
      return []
    })
  /** In the old dialog, whoever has it now. */
  const again = (sip: FakeSip, tx: FakeTransaction, cseq: number, headers: Headers = {}): Promise<FakeTransaction> =>
    sip.receive('SUBSCRIBE', 'sip:x', {
      'Call-ID': tx.request.callId,
      From: tx.request.from.text,
      To: `<sip:200@pbx.example>;tag=${tx.dialog.localTag}`,
      CSeq: `${cseq} SUBSCRIBE`,
      Event: 'lamp',
      ...headers,
    })
  const restored = ({ sip }: LampOffice, tx: FakeTransaction): FakeDialog | undefined =>
    [...sip.dialogs.values()].find(({ id }) => id === tx.dialog.id)
  const versionOf = (text: string): number => Number(/version="(\d+)"/.exec(text)?.[1])

  it('answers before it notifies, from the first SUBSCRIBE to the last', async () => {
    const { sip } = await builder.begin()
    const tx = await sip.subscribe('200', { Accept: XML })
    await until('the first NOTIFY', () => tx.dialog.notifies.length === 1)
    builder.lamps.set('200', 'on')
    await until('the change', () => tx.dialog.notifies.at(-1)?.text.includes('>on<'))
    const refresh = await sip.again(tx, { Expires: '60' })
    expect(refresh.status).to.equal(200)
    await until('a NOTIFY', () => tx.dialog.notifies.length === 3)
    const end = await sip.again(tx, { Expires: '0' })
    expect(end.status).to.equal(200)
    await until('the last NOTIFY', () => tx.dialog.notifies.length === 4)
    expect(tx.dialog.last.state).to.equal('terminated;reason=timeout')
    expect(sip.wire).to.deep.equal([
      '200 SUBSCRIBE',
      'NOTIFY 1',
      'NOTIFY 2',
      '200 SUBSCRIBE',
      'NOTIFY 3',
      '200 SUBSCRIBE',
      'NOTIFY 4',
    ])
    await until('an empty table', async () => (await rows()).length === 0)
  })

  it(`has at any moment ${mode.restores ? 'a row that covers the numbers in use, or none' : 'nothing on disk'}`, async () => {
    const { sip, office } = await builder.begin()
    const tx = await sip.subscribe('200', { Accept: XML })
    for (let light = 0; light < 160; light++) {
      builder.lamps.set('200', String(light))
      await until('the NOTIFY', () => tx.dialog.notifies.at(-1)?.text.includes(`>${light}<`))
      if (light % 10 > 0) continue
      const [row] = await rows()
      if (!row) continue
      expect(Number(row['local_cseq'])).to.be.at.least(tx.dialog.last.cseq)
      expect(Number(row['version'])).to.be.above(versionOf(tx.dialog.last.text))
    }
    await office.store.flush()
    expect(await rows()).to.have.length(mode.restores ? 1 : 0)
  })

  for (const how of ['close', 'kill'] as const) {
    it(`goes on with higher numbers after a restart, or not at all (${how})`, async () => {
      const first = await builder.begin()
      const tx = await first.sip.subscribe('200', { Accept: XML })
      for (const light of ['a', 'b']) {
        builder.lamps.set('200', light)
        await until('the NOTIFY', () => tx.dialog.notifies.at(-1)?.text.includes(`>${light}<`))
      }
      const before = tx.dialog.last
      await first.office.store.flush()
      await builder.end(first, how)
      await builder.endLeases()
      const second = await builder.begin()
      if (!mode.restores) {
        expect((await again(second.sip, tx, 9)).status).to.equal(481)
        return
      }
      const dialog = await until('the dialog', () => restored(second, tx))
      await until('a NOTIFY', () => dialog.notifies.length > 0)
      expect(dialog.last.cseq).to.be.above(before.cseq)
      expect(versionOf(dialog.last.text)).to.be.above(versionOf(before.text))
      expect((await again(second.sip, tx, 9)).status).to.equal(200)
      await until('the NOTIFY of the refresh', () => dialog.notifies.length > 1)
      expect(dialog.last.cseq).to.equal((dialog.notifies.at(-2)?.cseq ?? 0) + 1)
    }).timeout(60_000)
  }

  it('brings nothing back that was ended', async () => {
    const first = await builder.begin()
    const tx = await first.sip.subscribe('200')
    await first.sip.again(tx, { Expires: '0' })
    await until('the last NOTIFY', () => tx.dialog.notifies.at(-1)?.state.startsWith('terminated'))
    await first.office.store.flush()
    await builder.end(first, 'kill')
    const second = await builder.begin()
    expect((await again(second.sip, tx, 9)).status).to.equal(481)
    expect(await rows()).to.deep.equal([])
  })

  if (mode.restores) {
    for (const [what, damage, settings] of [
      ['an endpoint that does not come back', ROWS, { endpoints: { 101: {} }, options: { restore_patience: '0' } }],
      ['a dialog that cannot be read', "UPDATE active_watchers SET dialog = '{}'", {}],
      ['a subscription that expired long ago', 'UPDATE active_watchers SET expires_ms = 1', {}],
    ] as const) {
      it(`forgets the row of ${what}`, async () => {
        const first = await builder.begin()
        await first.sip.subscribe('200')
        await builder.end(first, 'close')
        expect(await rows()).to.have.length(1)
        await builder.query(damage)
        await builder.begin(settings)
        // For a moment other servers may still see that it is over.
        await until('that it is forgotten', async () =>
          (await rows()).every(({ status }) => status === STATUS.terminated),
        )
      })
    }

    it('tells each phone whose subscription ran out while nobody was here, in one NOTIFY without a body', async () => {
      const lists = { floor: { event: 'lamp', list_item: ['200', '201'] } }
      const first = await builder.begin({ lists })
      const all = [await first.sip.subscribe('200', { Event: 'lamp;id=3' }), await first.sip.subscribe('floor', ASK)]
      const left = await first.sip.subscribe('201')
      const anew = await first.sip.subscribe('201')
      await until('a NOTIFY to each', () => [...all, left, anew].every((tx) => tx.dialog.notifies.length > 0))
      const before = all.map((tx) => tx.dialog.last)
      await builder.end(first, 'close')
      const goesOn = `to_tag = '${anew.dialog.localTag}'`
      await builder.query(`UPDATE active_watchers SET expires_ms = ${Date.now() - 60_000} WHERE NOT ${goesOn}`)
      const second = await builder.begin({ lists, options: { restore_spread: '0' } })
      const told = await until('the end of each', () => {
        const dialogs = all.map(({ dialog: { id } }) => second.sip.allDialogs.find((dialog) => dialog.id === id))
        return dialogs.every((dialog) => dialog?.disposed) && dialogs.map((dialog) => dialog?.notifies ?? [])
      })
      expect(told.map((notifies) => notifies.map(({ state, text }) => [state, text]))).to.deep.equal([
        [['terminated;reason=timeout', '']],
        [['terminated;reason=timeout', '']],
      ])
      expect(told.map(([notify]) => notify?.header('Event'))).to.deep.equal(['lamp;id=3', 'lamp'])
      expect(told.every(([notify], at) => (notify?.cseq ?? 0) > (before[at]?.cseq ?? 0))).to.equal(true)
      await until('that all are forgotten', async () =>
        (await rows()).every(({ status, to_tag: tag }) => status === STATUS.terminated || tag === anew.dialog.localTag),
      )
      // Its phone has not waited for that.
      expect(second.sip.allDialogs.map(({ id }) => id)).not.to.include(left.dialog.id)
    })

    it('tells a phone so of both of its keys for one extension', async () => {
      const first = await builder.begin()
      const keys = [await first.sip.subscribe('200'), await first.sip.subscribe('200')]
      await until('a NOTIFY to each', () => keys.every((tx) => tx.dialog.notifies.length > 0))
      await builder.end(first, 'close')
      await builder.query(`UPDATE active_watchers SET expires_ms = ${Date.now() - 60_000}`)
      const second = await builder.begin({ options: { restore_spread: '1' } })
      // The one is still being told when it is the other's turn.
      second.sip.autoAnswer = undefined
      await until('that all are forgotten', async () =>
        (await rows()).every(({ status }) => status === STATUS.terminated),
      )
      const ends = second.sip.allDialogs.map(({ notifies }) => notifies.map(({ state }) => state))
      expect(ends).to.deep.equal([['terminated;reason=timeout'], ['terminated;reason=timeout']])
    })

    it('writes what tools that know Kamailio look for', async () => {
      const { sip } = await builder.begin()
      const tx = await sip.subscribe('200', { Event: 'lamp;id=7', 'User-Agent': 'Desk 1.0', Expires: '600' })
      const row = await until('the row', async () => (await rows())[0])
      const { callId, from } = tx.request
      expect(row).to.include({
        presentity_uri: 'sip:200@pbx.example',
        watcher_username: '100',
        watcher_domain: 'pbx.example',
        to_user: '200',
        to_domain: 'pbx.example',
        event: 'lamp',
        event_id: '7',
        to_tag: tx.dialog.localTag,
        from_tag: from.tag,
        callid: callId,
        remote_cseq: tx.request.cseq.number,
        contact: tx.request.contacts[0]?.uriText,
        record_route: '',
        status: 1,
        reason: '',
        from_user: '100',
        from_domain: 'pbx.example',
        updated: -1,
        updated_winfo: -1,
        flags: 0,
        user_agent: 'Desk 1.0',
      })
      expect(Number(row['expires']) - Date.now() / 1000).to.be.within(590, 601)
      expect(row['id']).to.be.a('number')
      expect(
        await builder.query("SELECT table_version FROM version WHERE table_name = 'active_watchers'"),
      ).to.deep.equal([{ table_version: 12 }])
    })

    it('keeps its rows in the table and the file that the options name', async () => {
      const other = join(directory(), 'other.db')
      const { sip, office } = await builder.begin({
        options: { db_url: `sqlite://${other}`, active_watchers_table: 'aw', subs_db_mode: String(mode.mode) },
      })
      await sip.subscribe('200')
      await office.store.flush()
      const elsewhere = new ServerBuilder(directory(), mode)
      Object.assign(elsewhere, { path: other })
      await until('the row', async () => (await elsewhere.query('SELECT * FROM aw').catch(() => [])).length === 1)
    })
  }

  if (mode.writesBefore) {
    it('has on disk what it answered 200, at that moment', async () => {
      const { sip } = await builder.begin()
      const phones = await Promise.all(
        Array.from({ length: 20 }, async (_, i) => {
          const tx = await sip.subscribe('200', { Contact: `<sip:100@192.0.2.1:${6000 + i}>` })
          return [
            tx,
            await builder.query(`SELECT 1 FROM active_watchers WHERE callid = '${tx.request.callId}'`),
          ] as const
        }),
      )
      expect(phones.map(([tx, found]) => [tx.status, found.length])).to.deep.equal(phones.map(() => [200, 1]))
      const [first] = phones[0] ?? []
      if (!first) throw new Error('nobody subscribed')
      const where = `WHERE callid = '${first.request.callId}'`
      const [before] = await builder.query(`SELECT expires, remote_cseq FROM active_watchers ${where}`)
      expect((await sip.again(first, { Expires: '3000' })).status).to.equal(200)
      const [after] = await builder.query(`SELECT expires, remote_cseq FROM active_watchers ${where}`)
      expect(Number(after?.['expires'])).to.be.above(Number(before?.['expires']) + 1000)
      expect(after?.['remote_cseq']).to.equal(Number(before?.['remote_cseq']) + 1)
      expect((await sip.again(first, { Expires: '0' })).status).to.equal(200)
      expect(await builder.query(`SELECT 1 FROM active_watchers ${where}`)).to.deep.equal([])
    })

    it('shows what is in the context that a reload has moved the endpoint to while the disk was waited for', async () => {
      const { office, sip, pubsub } = await builder.begin()
      const { endpoints } = office.core
      const elsewhere = new Watched<Lamp>({ light: 'elsewhere' })
      const find = builder.lamps.find.bind(builder.lamps)
      builder.lamps.find = (resource, watcher) =>
        watcher.endpoint.hintContext === 'elsewhere' ? elsewhere : find(resource, watcher)
      const moveTo = (hintContext: string): void => {
        const { files } = endpoints
        const old = files.endpoints.get('100')
        if (!old) throw new Error('no endpoint')
        endpoints.replace({ ...files, endpoints: new Map([['100', { ...old, hintContext }]]) })
      }
      const before = endpoints.files.endpoints.get('100')?.hintContext ?? ''
      const [unlock, subscribing] = [await builder.lock(), sip.subscribe('200')]
      await until('it waits for the disk', () => [...pubsub.subscriptions].length === 1)
      moveTo('elsewhere')
      await unlock()
      const { dialog } = await subscribing
      await until('a NOTIFY', () => dialog.notifies.length > 0)
      expect(dialog.notifies.map(({ text }) => text)).to.deep.equal(['elsewhere'])
      const [again, refreshing] = [await builder.lock(), sip.again(await subscribing)]
      moveTo(before)
      await again()
      expect((await refreshing).status).to.equal(200)
      await until('the lamp of before', () => dialog.notifies.at(-1)?.text === 'off')
      expect([...pubsub.subscriptions].map(({ endpoint }) => endpoint.hintContext)).to.deep.equal([before])
    }).timeout(60_000)

    it('shows what an AOR stands for that a reload has given to the endpoint while the disk was waited for', async () => {
      const { office, sip, pubsub } = await builder.begin()
      const { endpoints } = office.core
      const mine = new Watched<Lamp>({ light: 'mine' })
      const find = builder.lamps.find.bind(builder.lamps)
      builder.lamps.find = (resource, watcher) =>
        watcher.endpoint.aors.includes('mine') ? mine : find(resource, watcher)
      const [unlock, subscribing] = [await builder.lock(), sip.subscribe('200')]
      await until('it waits for the disk', () => [...pubsub.subscriptions].length === 1)
      const { files } = endpoints
      const old = files.endpoints.get('100')
      if (!old) throw new Error('no endpoint')
      endpoints.replace({ ...files, endpoints: new Map([['100', { ...old, aors: ['mine'] }]]) })
      await unlock()
      const { dialog } = await subscribing
      await until('a NOTIFY', () => dialog.notifies.length > 0)
      expect(dialog.notifies.map(({ text }) => text)).to.deep.equal(['mine'])
    }).timeout(60_000)

    it('answers 500 where it cannot write, and takes the phone when it can again', async () => {
      const { sip } = await builder.begin()
      const unlock = await builder.lock()
      const refused = await sip.subscribe('200')
      expect([refused.status, refused.header('Retry-After')]).to.deep.equal([500, '10'])
      await unlock()
      const taken = await until('a 200', async () => {
        const tx = await sip.subscribe('200')
        return tx.status === 200 && tx
      })
      await until('a NOTIFY', () => taken.dialog.notifies.length === 1)
    }).timeout(60_000)
  } else {
    it('answers and notifies although nothing can be written', async () => {
      const { sip } = await builder.begin()
      if (mode.restores) await builder.query(ROWS)
      const unlock = mode.restores ? await builder.lock() : undefined
      const tx = await sip.subscribe('200')
      expect(tx.status).to.equal(200)
      for (let light = 0; light < 150; light++) {
        builder.lamps.set('200', String(light))
        await settled(2)
      }
      await unlock?.()
      await until('the newest state', () => tx.dialog.notifies.at(-1)?.text === '149')
      await until('its row', async () => !mode.restores || (await rows()).length === 1)
    }).timeout(60_000)
  }
}

describe('storage of subscriptions', function () {
  this.timeout(60_000)
  let directory = ''

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'lamplighter-storage-'))
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  for (const mode of STORAGE_MODES)
    describe(`subs_db_mode = ${mode.mode}, ${mode.name}`, () => conformance(mode, () => directory))
})

describe('storage of subscriptions: from one mode to another', () => {
  let directory: string
  const builders: ServerBuilder[] = []

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'lamplighter-storage-'))
  })
  afterEach(async () => {
    for (const builder of builders.splice(0)) await builder.close()
    rmSync(directory, { recursive: true, force: true })
  })

  const modeOf = (wanted: number): StorageMode => {
    const found = STORAGE_MODES.find(({ mode }) => mode === wanted)
    if (!found) throw new Error(`there is no mode ${wanted}`)
    return found
  }
  const builderOf = (wanted: number): ServerBuilder => {
    const builder = new ServerBuilder(directory, modeOf(wanted))
    builders.push(builder)
    return builder
  }

  it('goes on with what another mode has left, with higher numbers each time', async () => {
    let id = ''
    let cseq = 0
    for (const mode of [2, 3, 1, 3, 2]) {
      const builder = builderOf(mode)
      const made = await builder.begin()
      if (id === '') {
        const tx = await made.sip.subscribe('200')
        id = tx.dialog.id
      }
      const dialog = await until('the dialog', () => made.sip.dialogs.get(id))
      const first = await until(`a NOTIFY in mode ${mode}`, () => dialog.notifies[0])
      expect(first.cseq).to.be.above(cseq)
      cseq = dialog.last.cseq
      await builder.end(made, 'close')
    }
  }).timeout(60_000)

  it('goes on with rows that were found by the id of their dialog', async () => {
    const builder = builderOf(2)
    const first = await builder.begin()
    const tx = await first.sip.subscribe('200')
    await until('a NOTIFY', () => tx.dialog.notifies.length === 1)
    await builder.end(first, 'close')
    await builder.query('DROP INDEX active_watchers_by_to_tag')
    await builder.query('CREATE UNIQUE INDEX active_watchers_by_dialog_id ON active_watchers (dialog_id)')
    for (const mode of [2, 3]) {
      const other = builderOf(mode)
      const made = await other.begin()
      const dialog = await until('the dialog', () => made.sip.dialogs.get(tx.dialog.id))
      await until('a NOTIFY', () => dialog.notifies.length > 0)
      const indexes = await builder.query("SELECT name FROM pragma_index_list('active_watchers') WHERE [unique]")
      expect(indexes).to.deep.equal([{ name: 'active_watchers_by_to_tag' }])
      await other.end(made, 'close')
    }
    expect(await builder.query('SELECT dialog_id FROM active_watchers')).to.deep.equal([{ dialog_id: tx.dialog.id }])
  })

  it('takes the subscriptions of the table of earlier versions, and drops that table', async () => {
    const builder = builderOf(2)
    const first = await builder.begin()
    const tx = await first.sip.subscribe('200', { Accept: XML })
    await until('a NOTIFY', () => tx.dialog.notifies.length === 1)
    await builder.end(first, 'close')
    await builder.query(
      'CREATE TABLE subscriptions (dialog_id text PRIMARY KEY NOT NULL, event text, event_id text, resource text, ' +
        'endpoint text, content_type text, watcher text, user_agent text, local_uri text, contact text, ' +
        'expires integer, cseq integer, version integer, dialog text)',
    )
    await builder.query(
      'INSERT INTO subscriptions SELECT dialog_id, event, event_id, resource, endpoint, content_type, watcher, ' +
        "user_agent, presentity_uri, contact_key, expires_ms, 77, 55, json_patch(dialog, json_object('callId', callid, " +
        "'localTag', to_tag, 'remoteTag', from_tag, 'remoteTarget', contact, 'localCseq', 0, 'remoteCseq', remote_cseq, " +
        "'routeSet', json_array())) FROM active_watchers",
    )
    await builder.query("INSERT INTO subscriptions (dialog_id, dialog) VALUES ('x', 'no record')")
    await builder.query('DROP TABLE active_watchers')
    const second = await builder.begin()
    expect(second.office.logged.join('\n')).to.include('1 subscriptions are moved to another table layout')
    const dialog = second.sip.dialogs.get(tx.dialog.id)
    await until('a NOTIFY', () => dialog?.notifies.length === 1)
    expect(dialog?.last.cseq).to.equal(78)
    expect(dialog?.last.text).to.include('version="55"').and.include('sip:200@pbx.example')
    expect(await builder.query("SELECT 1 FROM sqlite_master WHERE name = 'subscriptions'")).to.deep.equal([])
  })

  for (const how of ['as it is written', 'as earlier versions wrote it']) {
    it(`has the whole dialog after a restart (${how})`, async () => {
      const builder = builderOf(2)
      const first = await builder.begin()
      const { dialog } = await first.sip.subscribe('200', { 'Record-Route': ['<sip:a@x;lr>', '<sip:b@y;lr>'] })
      await until('a NOTIFY', () => dialog.notifies.length === 1)
      const before = dialog.record()
      await builder.end(first, 'close')
      if (how !== 'as it is written') {
        const json = JSON.stringify({ ...before, localCseq: 0 })
        await builder.query(`UPDATE active_watchers SET dialog = '${json}', remote_cseq = 77`)
      }
      const second = await builder.begin()
      const after = second.sip.dialogs.get(dialog.id)?.record()
      expect(after?.localCseq).to.be.at.least(before.localCseq)
      expect(after).to.include({
        ...before,
        localCseq: after?.localCseq,
        remote: after?.remote,
        routeSet: after?.routeSet,
      })
      expect([after?.remote, after?.routeSet]).to.deep.equal([before.remote, before.routeSet])
    })
  }

  it('leaves alone what Kamailio has written to the same tables', async () => {
    const builder = builderOf(2)
    await builder.end(await builder.begin(), 'close')
    const columns = 'presentity_uri, callid, to_tag, from_tag, expires, status'
    await builder.query(`INSERT INTO active_watchers (${columns}) VALUES ('sip:x@y', 'c', 't', 'f', 1, 1)`)
    const published = 'username, domain, event, etag, expires, received_time, body, sender, ruid'
    for (const ruid of ['NULL', "'r1'"]) {
      const values = `'x', 'y', 'presence', 'e${ruid.length}', 1, 1, '<b/>', '', ${ruid}`
      await builder.query(`INSERT INTO presentity (${published}) VALUES (${values})`)
    }
    for (const mode of [2, 3]) {
      const other = builderOf(mode)
      const made = await other.begin()
      expect((await made.sip.subscribe('200')).status).to.equal(200)
      await made.office.run('presence cleanup')
      await other.end(made, 'close')
      expect(made.office.logged.filter((line) => /^(ERROR|WARNING)/.test(line))).to.deep.equal([])
    }
    expect(await builder.query("SELECT callid FROM active_watchers WHERE callid = 'c'")).to.have.length(1)
    expect(await builder.query("SELECT etag FROM presentity WHERE username = 'x'")).to.have.length(2)
  })

  it('lets a row without a tag keep nobody from the others', async () => {
    const builder = builderOf(3)
    const first = await builder.begin()
    const tx = await first.sip.subscribe('200')
    await first.sip.subscribe('201')
    await builder.end(first, 'close')
    await builder.query(`UPDATE active_watchers SET to_tag = NULL WHERE dialog_id <> '${tx.dialog.id}'`)
    const second = await builder.begin()
    const dialog = await until('the dialog', () => second.sip.dialogs.get(tx.dialog.id))
    await until('a NOTIFY', () => dialog.notifies.length > 0)
    await second.office.run('presence cleanup')
    expect(second.office.logged.filter((line) => /^(ERROR|WARNING)/.test(line))).to.deep.equal([])
  })

  it('says that another mode counts when the module is loaded again', async () => {
    const made = await builderOf(2).begin()
    made.office.file('pubsub.conf', { subs_db_mode: '1', publ_cache: '2' })
    await made.office.loader.reload()
    expect(made.office.logged.join('\n')).to.include(
      'subs_db_mode, publ_cache of pubsub.conf will count when res_pjsip_pubsub is loaded again',
    )
    const others = { sip_uri_match: '1', watchers_table: 'who', xcap_table: 'what' }
    made.office.file('pubsub.conf', { subs_db_mode: '1', publ_cache: '2', ...others })
    await made.office.loader.reload()
    expect(made.office.logged.join('\n')).to.include(
      'watchers_table, xcap_table, sip_uri_match of pubsub.conf will count when res_pjsip_pubsub is loaded again',
    )
  })

  it('keeps to what it was loaded with until then, and says no more of it once the file has that again', async () => {
    const made = await builderOf(2).begin()
    const { loader, logged } = made.office
    // As servers do that share a database: one NOTIFY a second.
    const shared = { subs_db_mode: '3', notifier_processes: '1', waitn_time: '3600', notifier_poll_rate: '1' }
    made.office.file('pubsub.conf', shared)
    await loader.reload()
    const phones = await Promise.all(Array.from({ length: 20 }, () => made.sip.subscribe('200')))
    await until('NOTIFYs to all at once', () => phones.every(({ dialog }) => dialog.notifies.length === 1))
    const said = logged.length
    made.office.file('pubsub.conf', { subs_db_mode: '2' })
    await loader.reload()
    expect(logged.slice(said)).to.deep.equal([])
  })

  it('tells phones to subscribe anew where they are not found again after `module refresh`', async () => {
    const moved = { active_watchers_table: 'others' }
    const inMemory = { db_url: 'sqlite://:memory:' }
    for (const [mode, before, options] of [
      [0, {}, {}],
      [2, {}, { subs_db_mode: '0' }],
      [2, {}, moved],
      [1, {}, moved],
      [2, inMemory, inMemory],
    ] as const) {
      const made = await builderOf(mode).begin({ options: before })
      const tx = await made.sip.subscribe('200')
      await until('the first NOTIFY', () => tx.dialog.notifies.length === 1)
      made.office.file('pubsub.conf', { subs_db_mode: String(mode), ...options })
      await made.office.loader.restart('res_pjsip_pubsub')
      expect(tx.dialog.last.state, `${mode} ${JSON.stringify(options)}`).to.equal('terminated;reason=deactivated')
      expect(tx.dialog.notifies).to.have.length(2)
      made.office.file('pubsub.conf', { subs_db_mode: String(mode) })
      await made.office.loader.restart('res_pjsip_pubsub')
      expect(made.sip.dialogs.size, 'rows that are left').to.equal(0)
    }
  })

  it('declines to start on a database that cannot be opened', async () => {
    const folder = join(directory, 'folder')
    mkdirSync(folder)
    const failed = await builderOf(1)
      .begin({ options: { db_url: `sqlite://${folder}` } })
      .catch((error: unknown) => error)
    expect(String(failed)).to.match(/db_url = sqlite:\/\/.* of pubsub.conf cannot be opened/)
  })

  it('writes a refresh with write-back at the latest when db_update_period is over', async () => {
    const builder = builderOf(2)
    const { sip, office } = await builder.begin({ options: { db_update_period: '1' } })
    const tx = await sip.subscribe('200', { Expires: '600' })
    const expires = async (): Promise<number> =>
      Number((await builder.query('SELECT expires FROM active_watchers'))[0]?.['expires'] ?? 0)
    await until('the row', expires)
    const before = await expires()
    expect((await sip.again(tx, { Expires: '3600' })).status).to.equal(200)
    await until('the new expiry', async () => (await expires()) > before + 2000)
    expect(office.store.writable).to.equal(true)
  })

  it('writes a refresh at once with write-back where the row would run out before that', async () => {
    const builder = builderOf(2)
    const { sip, office } = await builder.begin({ options: { db_update_period: '100' } })
    const tx = await sip.subscribe('200', { Expires: '90' })
    const expires = async (): Promise<number> =>
      Number((await builder.query('SELECT expires FROM active_watchers'))[0]?.['expires'] ?? 0)
    await until('a NOTIFY', () => tx.dialog.notifies.length === 1)
    // A row is made when it is written: what waits to be would show the refresh, too.
    await office.store.flush()
    const before = await expires()
    expect(before).to.be.above(0)
    expect((await sip.again(tx, { Expires: '3600' })).status).to.equal(200)
    await until('the new expiry', async () => (await expires()) > before + 2000)
  })

  it('writes many refreshes, one part after the other', async () => {
    const builder = builderOf(2)
    const { sip } = await builder.begin({ options: { db_update_period: '1' } })
    const phones: FakeTransaction[] = []
    for (let i = 0; i < 1100; i++)
      phones.push(await sip.subscribe('200', { Expires: '600', Contact: `<sip:100@192.0.2.1:${6000 + i}>` }))
    for (const tx of phones) expect((await sip.again(tx, { Expires: '3600' })).status).to.equal(200)
    const late = Date.now() / 1000 + 3000
    const refreshed = async (): Promise<unknown> =>
      (await builder.query(`SELECT count(*) AS count FROM active_watchers WHERE expires > ${late}`))[0]?.['count']
    await until('all of them', async () => (await refreshed()) === phones.length)
  }).timeout(60_000)
})

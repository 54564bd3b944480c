/** `subs_db_mode = 3`: two servers, one file. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { Log } from '../../core/log.ts'
import { openStore, type Store } from '../../core/store.ts'
import { StoreUnavailable } from '../../core/store-contract.ts'
import { Watched } from '../../core/watch.ts'
import type { Publication } from '../../res_pjsip_pubsub/contract.ts'
import { ALLOWED, type Authorization } from '../../res_pjsip_pubsub/watchers/authorization.ts'
import type { FakeDialog, FakeTransaction, Headers } from '../support/fake-sip.ts'
import { type LampOffice, settled } from '../support/lamp-office.ts'
import { LampHandler } from '../support/lamp-publications.ts'
import { type Lamp, lampKind, XML } from '../support/lamps.ts'
import { ServerBuilder, STORAGE_MODES } from '../support/storage-modes.ts'
import { until } from '../support/tools.ts'

/** A store that can neither be read nor written until it is opened, as one that another program has locked since before it began. */
function lockedStore(store: Store): { readonly store: Store; readonly open: () => void; readonly lock: () => void } {
  let isLocked = true
  const when = <T>(work: () => Promise<T>): Promise<T> =>
    isLocked ? Promise.reject(new StoreUnavailable('locked')) : work()
  return {
    open: () => {
      isLocked = false
    },
    lock: () => {
      isLocked = true
    },
    store: {
      async table(definition) {
        const made = await store.table(definition)
        const real = { ...made }
        return Object.assign(made, {
          load: async (...asked: Parameters<typeof real.load>) => !isLocked && (await real.load(...asked)),
          select: (...asked: Parameters<typeof real.select>) => when(() => real.select(...asked)),
        })
      },
      flush: () => store.flush(),
      durable: async () => !isLocked && (await store.durable()),
      get writable() {
        return !isLocked
      },
      atomically: (work) => when(() => store.atomically(work)),
      onForeignChange: (milliseconds, changed) => store.onForeignChange(milliseconds, changed),
      adopt: (old, into, convert) => store.adopt(old, into, convert),
      beside: (path, hold) => store.beside(path, hold),
      close: () => store.close(),
    },
  }
}

/** Polls every 10 ms, so that the tests are short. */
const FAST = { notifier_poll_rate: '100' }

describe('servers that share a database', function () {
  this.timeout(60_000)
  let directory: string
  let builder: ServerBuilder
  let one: LampOffice
  let other: LampOffice

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'lamplighter-shared-'))
    const mode = STORAGE_MODES.find((known) => known.mode === 3)
    if (!mode) throw new Error('there is no mode 3')
    builder = new ServerBuilder(directory, mode)
    one = await builder.begin({ options: FAST })
    other = await builder.begin({ options: FAST })
  })
  afterEach(async () => {
    await builder.close()
    rmSync(directory, { recursive: true, force: true })
  })

  const again = (at: LampOffice, tx: FakeTransaction, cseq: number, headers: Headers = {}): Promise<FakeTransaction> =>
    at.sip.receive('SUBSCRIBE', 'sip:x', {
      'Call-ID': tx.request.callId,
      From: tx.request.from.text,
      To: `<sip:200@pbx.example>;tag=${tx.dialog.localTag}`,
      CSeq: `${cseq} SUBSCRIBE`,
      Event: 'lamp',
      ...headers,
    })
  /** All dialogs objects that a server has had for it: one is made with each taking over. */
  const numbersOf = (dialogs: Iterable<FakeDialog>): number[] =>
    [...dialogs].flatMap(({ notifies }) => notifies.map(({ cseq }) => cseq))
  const owned = (office: LampOffice): number => [...office.pubsub.subscriptions].length

  it('takes a refresh at either, and only the one that took it sends', async () => {
    const tx = await one.sip.subscribe('200', { Accept: XML })
    await until('a NOTIFY', () => tx.dialog.notifies.length === 1)
    const refresh = await again(other, tx, tx.request.cseq.number + 1, { Expires: '1000' })
    expect(refresh.status).to.equal(200)
    expect(refresh.dialog.id).to.equal(tx.dialog.id)
    await until('a NOTIFY of the other', () => refresh.dialog.notifies.length > 0)
    expect(refresh.dialog.notifies[0]?.cseq).to.be.above(1)
    await until('that the first lets go', () => owned(one) === 0)
    expect(owned(other)).to.equal(1)
    builder.lamps.set('200', 'on')
    await until('the change', () => refresh.dialog.notifies.at(-1)?.text.includes('>on<'))
    expect(tx.dialog.notifies).to.have.length(1)
    expect(await builder.query('SELECT count(*) AS n FROM active_watchers')).to.deep.equal([{ n: 1 }])
  })

  it('answers a refresh at the other with one NOTIFY, which has the state', async () => {
    const tx = await one.sip.subscribe('200', { Accept: XML })
    builder.lamps.set('200', 'on')
    await until('the change', () => tx.dialog.notifies.at(-1)?.text.includes('>on<'))
    const refresh = await again(other, tx, tx.request.cseq.number + 1)
    await until('a NOTIFY of the other', () => refresh.dialog.notifies.length > 0)
    expect(refresh.dialog.notifies[0]?.text).to.include('>on<')
    builder.lamps.set('200', 'off')
    await until('the change', () => refresh.dialog.notifies.at(-1)?.text.includes('>off<'))
    expect(refresh.dialog.notifies).to.have.length(2)
  })

  it('repeats no NOTIFY that was on its way when the other took the subscription', async () => {
    const tx = await one.sip.subscribe('200')
    await until('a NOTIFY', () => tx.dialog.notifies.length === 1)
    one.sip.autoAnswer = undefined
    builder.lamps.set('200', 'on')
    await until('one that is not answered', () => tx.dialog.flying.length === 1)
    expect((await again(other, tx, tx.request.cseq.number + 1)).status).to.equal(200)
    await until('that the first lets go', () => owned(one) === 0)
    expect(tx.dialog.givenUp).to.equal(1)
  })

  it('leaves rows that look old to the server that has them, as where the clock was put forward', async () => {
    await one.sip.subscribe('200')
    await builder.query(`UPDATE active_watchers SET expires_ms = ${Date.now() - 3_600_000}`)
    expect(await other.office.run('presence cleanup')).to.match(/^0 subscriptions/)
    expect(await builder.query('SELECT status FROM active_watchers')).to.deep.equal([{ status: 1 }])
    await builder.query("UPDATE active_watchers SET owner = 'gone'")
    expect(await other.office.run('presence cleanup')).to.match(/^1 subscriptions/)
  })

  it('says that it lives by the clock that was set meanwhile, as servers that begin later do', async () => {
    const trueNow = Date.now
    let shift = 0
    Date.now = () => trueNow() + shift
    try {
      await builder.begin({ options: FAST })
      await builder.end(one, 'close')
      await builder.end(other, 'close')
      shift = 3_600_000
      await until('its beat', async () => {
        const beats = await builder.query('SELECT beat FROM presence_servers WHERE beat > 0')
        return beats.length === 1 && Number(beats[0]?.beat) > trueNow() + shift / 2
      })
    } finally {
      Date.now = trueNow
    }
  })

  it('takes the end of a subscription at either', async () => {
    const tx = await one.sip.subscribe('200')
    const end = await again(other, tx, tx.request.cseq.number + 1, { Expires: '0' })
    expect(end.status).to.equal(200)
    await until('the last NOTIFY', () => end.dialog.notifies.at(-1)?.state === 'terminated;reason=timeout')
    await until('that the first lets go', () => owned(one) === 0)
    expect(await builder.query('SELECT 1 FROM active_watchers WHERE status = 1')).to.deep.equal([])
  })

  it('tells the end to a phone that refreshes what it ends in the same moment', async () => {
    const slow = await builder.begin({ options: { ...FAST, notifier_processes: '1', waitn_time: '1' } })
    const tx = await slow.sip.subscribe('200')
    await until('a NOTIFY', () => tx.dialog.notifies.length === 1)
    const { number } = tx.request.cseq
    const asked = [again(slow, tx, number + 1, { Expires: '0' }), again(slow, tx, number + 2)]
    expect((await Promise.all(asked)).map(({ status }) => status)).to.deep.equal([200, 481])
    await until('the last NOTIFY', () => tx.dialog.notifies.at(-1)?.state === 'terminated;reason=timeout')
    await until('that it is over', () => owned(slow) === 0)
    expect(await builder.query('SELECT 1 FROM active_watchers')).to.deep.equal([])
  })

  it('tells the end to a phone whose leave changes while its end waits for the disk', async () => {
    const leave = new Watched<Authorization>(ALLOWED)
    Object.assign(builder.lamps, {
      reqAuth: true,
      // A moment after this its row is being taken away.
      evsSubsHandl: () => queueMicrotask(() => leave.set({ ...ALLOWED, handling: 'confirm' })),
    })
    const slow = await builder.begin({ options: { ...FAST, notifier_processes: '1', waitn_time: '1' } })
    slow.pubsub.authorizer({ authorize: () => leave })
    const tx = await slow.sip.subscribe('200')
    leave.set(ALLOWED)
    await until('a NOTIFY', () => tx.dialog.notifies.at(-1)?.text === 'off')
    expect((await again(slow, tx, tx.request.cseq.number + 1, { Expires: '0' })).status).to.equal(200)
    await until('the last NOTIFY', () => tx.dialog.notifies.at(-1)?.state === 'terminated;reason=timeout')
  })

  it('says in its row what was decided on a watcher that came over', async () => {
    Object.assign(builder.lamps, { reqAuth: true })
    const leave = { ...ALLOWED, handling: 'confirm' as const }
    for (const [office, decision] of [
      [one, leave],
      [other, ALLOWED],
    ] as const)
      office.pubsub.authorizer({ authorize: () => new Watched<Authorization>(decision) })
    const tx = await one.sip.subscribe('200')
    const status = async (): Promise<unknown> =>
      (await builder.query('SELECT status FROM active_watchers'))[0]?.['status']
    await until('that it waits', () => tx.dialog.notifies.at(-1)?.state.startsWith('pending'))
    const before = await status()
    await builder.end(one, 'kill')
    await builder.endLeases()
    await until('that it does not', async () => (await status()) !== before)
  })

  it('refuses a CSeq that another server has seen', async () => {
    const tx = await one.sip.subscribe('200')
    const { number } = tx.request.cseq
    expect((await again(other, tx, number + 5)).status).to.equal(200)
    expect((await again(one, tx, number + 5)).status).to.equal(500)
    expect((await again(one, tx, number + 6)).status).to.equal(200)
  })

  it('lets nobody but its own endpoint take a subscription', async () => {
    const tx = await one.sip.subscribe('200')
    const from = `<sip:101@pbx.example>;tag=${tx.request.from.tag ?? ''}`
    expect((await again(other, tx, 99, { From: from })).status).to.equal(481)
    expect((await again(other, tx, 100)).status).to.equal(200)
  })

  it('does not end a subscription at the other because the file cannot be written now', async () => {
    const tx = await one.sip.subscribe('200')
    const { number } = tx.request.cseq
    const unlock = await builder.lock()
    const refused = await again(other, tx, number + 1)
    await unlock()
    expect([refused.status, refused.header('Retry-After')]).to.deep.equal([500, '10'])
    expect((await again(other, tx, number + 2)).status).to.equal(200)
  })

  it('does not end a subscription because its module goes while the refresh waits for the disk', async () => {
    await builder.end(one, 'close')
    const store = await openStore({ path: builder.path, synchronous: 'off', log: new Log().logger('store') })
    const atomically = store.atomically.bind(store)
    let write = (): void => undefined
    try {
      one = await builder.begin({ options: FAST, store })
      const tx = await one.sip.subscribe('200')
      store.atomically = (work) => new Promise<void>((resolve) => void (write = resolve)).then(() => atomically(work))
      const refreshing = again(one, tx, tx.request.cseq.number + 1)
      store.atomically = atomically
      const names = await one.office.loader.unload('res_pjsip_pubsub')
      write()
      const refused = await refreshing
      expect([refused.status, refused.header('Retry-After')]).to.deep.equal([500, '10'])
      for (const name of names.toReversed()) await one.office.loader.load(name)
      expect((await again(one, tx, tx.request.cseq.number + 2)).status).to.equal(200)
    } finally {
      await builder.end(one, 'close')
      await store.close()
    }
  })

  it('takes a refresh of a phone that only an Asterisk server knows there', async () => {
    const tx = await one.sip.subscribe('200')
    const endpoint = one.office.core.endpoints.files.endpoints.get('100')
    await builder.end(other, 'close')
    other = await builder.begin({ options: FAST, endpoints: { 101: {} } })
    other.office.core.endpoints.addSource({
      name: 'pbx',
      endpoint: async (id) => (id === '100' ? endpoint : undefined),
      aor: async () => undefined,
      auth: async () => undefined,
    })
    const refresh = await again(other, tx, tx.request.cseq.number + 1)
    expect(refresh.status).to.equal(200)
    await until('a NOTIFY of the other', () => refresh.dialog.notifies.length > 0)
  })

  it('answers 481 for a dialog that no server has', async () => {
    const tx = await one.sip.subscribe('200')
    const gone = await again(other, tx, 9, { 'Call-ID': 'nobody-knows-it' })
    expect(gone.status).to.equal(481)
  })

  it('uses no CSeq twice while refreshes go back and forth and the lamp changes', async () => {
    const tx = await one.sip.subscribe('200', { Accept: XML })
    const dialogs = new Set<FakeDialog>([tx.dialog])
    let cseq = tx.request.cseq.number
    for (let round = 0; round < 30; round++) {
      const at = round % 3 === 0 ? one : other
      const [refresh] = await Promise.all([
        again(at, tx, ++cseq, { Expires: '600' }),
        (async () => {
          for (let change = 0; change < 5; change++) {
            builder.lamps.set('200', `${round}.${change}`)
            await settled(3)
          }
        })(),
      ])
      expect(refresh.status).to.equal(200)
      dialogs.add(refresh.dialog)
    }
    await until('the newest state', () => [...dialogs].some(({ notifies }) => notifies.at(-1)?.text.includes('>29.4<')))
    const numbers = numbersOf(dialogs)
    // One for the SUBSCRIBE and one for each refresh; how many changes get one of their own is the clock's business.
    expect(numbers.length).to.be.at.least(31)
    expect(new Set(numbers).size).to.equal(numbers.length)
  })

  it('takes over the phones of a server that dies', async () => {
    const phones = await Promise.all(
      Array.from({ length: 30 }, (_, i) => one.sip.subscribe('200', { Contact: `<sip:100@192.0.2.1:${6000 + i}>` })),
    )
    const theirs = await other.sip.subscribe('201')
    await until('all first NOTIFYs', () => phones.every(({ dialog }) => dialog.notifies.length === 1))
    await builder.end(one, 'kill')
    await until('that they are taken over', () => owned(other) === 31)
    builder.lamps.set('200', 'on')
    const dialogs = phones.map((tx) => other.sip.dialogs.get(tx.dialog.id))
    await until('the NOTIFYs', () => dialogs.every((dialog) => dialog?.notifies.at(-1)?.text === 'on'))
    for (const dialog of dialogs) expect(dialog?.notifies[0]?.cseq).to.be.above(1)
    expect(theirs.dialog.notifies).to.have.length(1)
  })

  it('takes each phone over once where all were killed a while ago', async () => {
    const tx = await one.sip.subscribe('200')
    await until('a NOTIFY', () => tx.dialog.notifies.length === 1)
    for (const office of [one, other]) await builder.end(office, 'kill')
    await builder.query('UPDATE presence_servers SET beat = 0')
    one = await builder.begin({ options: FAST })
    const dialog = await until('its dialog', () => one.sip.dialogs.get(tx.dialog.id))
    expect(owned(one)).to.equal(1)
    await until('a NOTIFY', () => dialog.notifies.length > 0)
    builder.lamps.set('200', 'on')
    await until('the change', () => dialog.notifies.at(-1)?.text === 'on')
    expect(one.sip.wire.filter((sent) => sent.startsWith('NOTIFY'))).to.have.length(2)
    expect(new Set(one.sip.wire).size).to.equal(one.sip.wire.length)
  })

  it('hands its phones over when it is stopped, without a wait', async () => {
    const tx = await one.sip.subscribe('200')
    await until('a NOTIFY', () => tx.dialog.notifies.length === 1)
    await builder.end(one, 'close')
    const dialog = await until('that it is taken over', async () => {
      // Who has not said that it leaves would never be taken for dead.
      await builder.query(`UPDATE presence_servers SET beat = ${Date.now()} WHERE beat > 0`)
      return other.sip.dialogs.get(tx.dialog.id)
    })
    await until('a NOTIFY', () => dialog.notifies.length > 0)
    expect(dialog.notifies[0]?.cseq).to.be.above(1)
  })

  it('goes on behind the numbers of one that took a phone from it and was stopped before it had seen that', async () => {
    await builder.end(one, 'close')
    const store = await openStore({ path: builder.path, synchronous: 'off', log: new Log().logger('store') })
    try {
      // It sees changes in its rounds alone, and these wait.
      store.onForeignChange = () => () => undefined
      one = await builder.begin({ options: FAST, store })
      const tx = await one.sip.subscribe('200')
      await until('a NOTIFY', () => tx.dialog.notifies.length === 1)
      const atomically = store.atomically.bind(store)
      let goOn = (): void => undefined
      const otherIsGone = new Promise<void>((resolve) => {
        goOn = resolve
      })
      store.atomically = (work) => otherIsGone.then(() => atomically(work))
      const refresh = await again(other, tx, tx.request.cseq.number + 1)
      await until('a NOTIFY of the other', () => refresh.dialog.notifies.length > 0)
      await builder.end(other, 'close')
      goOn()
      builder.lamps.set('200', 'on')
      const dialog = await until('that it is taken over', () => {
        const now = one.sip.dialogs.get(tx.dialog.id)
        return now === tx.dialog ? undefined : now
      })
      await until('the change', () => dialog.notifies.at(-1)?.text === 'on')
      expect(dialog.notifies[0]?.cseq).to.be.above(Math.max(...numbersOf([refresh.dialog])))
      expect(owned(one)).to.equal(1)
    } finally {
      await builder.end(one, 'close')
      await store.close()
    }
  })

  it('keeps its phones, which may have a connection to it, when the module is loaded anew', async () => {
    const tx = await one.sip.subscribe('200')
    const gone = await one.sip.subscribe('201')
    const { loader } = one.office
    const names = await loader.unload('res_pjsip_pubsub')
    const unloaded = Date.now()
    await until('that the other has looked', async () => {
      const [last] = await builder.query('SELECT max(beat) AS beat FROM presence_servers')
      return Number(last?.['beat']) > unloaded
    })
    // One goes there by itself meanwhile.
    expect((await again(other, gone, gone.request.cseq.number + 1)).status).to.equal(200)
    for (const name of names.toReversed()) await loader.load(name)
    builder.lamps.set('200', 'on')
    const dialog = await until('its dialog', () => one.sip.dialogs.get(tx.dialog.id))
    await until('the change', () => dialog.notifies.at(-1)?.text === 'on')
    expect(other.sip.dialogs.has(tx.dialog.id)).to.equal(false)
    expect(new Set(numbersOf([tx.dialog, dialog])).size).to.equal(tx.dialog.notifies.length + dialog.notifies.length)
    expect(owned(other)).to.equal(1)
  })

  it('keeps its phones though the module takes longer than unload_grace to go, as another program has the file', async () => {
    await builder.end(one, 'close')
    one = await builder.begin({ options: { ...FAST, unload_grace: '1' } })
    const tx = await one.sip.subscribe('200')
    await until('a NOTIFY', () => tx.dialog.notifies.length === 1)
    const { loader } = one.office
    one.pubsub.publicationHandler(new LampHandler())
    const unlock = await builder.lock()
    await one.sip.publish('100', 'on', { Event: 'lamp', Expires: '600' })
    const unloading = loader.unload('res_pjsip_pubsub')
    await pause(1300)
    await unlock()
    const names = await unloading
    for (const name of names.toReversed()) await loader.load(name)
    const dialog = await until('its dialog', () => one.sip.dialogs.get(tx.dialog.id))
    await until('a NOTIFY', () => dialog.notifies.length > 0)
    expect(dialog.last.state).to.match(/^active/)
  })

  it('leaves its phones to the other where the module stays away', async () => {
    const tx = await one.sip.subscribe('200')
    await until('a NOTIFY', () => tx.dialog.notifies.length === 1)
    await one.office.loader.unload('res_pjsip_pubsub')
    await builder.endLeases()
    const dialog = await until('that it is taken over', () => other.sip.dialogs.get(tx.dialog.id))
    await until('a NOTIFY', () => dialog.notifies.length > 0)
    expect(dialog.notifies[0]?.cseq).to.be.above(tx.dialog.last.cseq)
  })

  it('uses no number twice, though one is answered while its rows are written for the last time', async () => {
    await builder.end(one, 'close')
    const store = await openStore({ path: builder.path, synchronous: 'off', log: new Log().logger('store') })
    try {
      one = await builder.begin({ options: FAST, store })
      const tx = await one.sip.subscribe('200')
      await until('a NOTIFY', () => tx.dialog.notifies.length === 1)
      one.sip.autoAnswer = undefined
      await one.sip.again(tx)
      await until('one that is not answered', () => tx.dialog.flying.length === 1)
      await one.sip.again(tx)
      const atomically = store.atomically.bind(store)
      store.atomically = (work) =>
        atomically(async (at) => {
          let isLast = false
          const put: typeof at.put = (table, row) => {
            isLast ||= typeof row === 'object' && row !== null && 'local_cseq' in row && row.local_cseq === 2
            at.put(table, row)
          }
          const result = await work({ ...at, put })
          if (isLast) {
            tx.dialog.last.answer(200)
            await settled()
          }
          return result
        })
      const names = await one.office.loader.unload('res_pjsip_pubsub')
      store.atomically = atomically
      for (const name of names.toReversed()) await one.office.loader.load(name)
      const dialog = await until('its dialog', () => one.sip.dialogs.get(tx.dialog.id))
      await until('a NOTIFY', () => dialog.notifies.length > 0)
      expect(numbersOf([tx.dialog, dialog])).to.deep.equal([1, 2, 3])
    } finally {
      await builder.end(one, 'close')
      await store.close()
    }
  })

  it('lets go of what the other takes also after both were stopped for a while', async () => {
    const tx = await one.sip.subscribe('200')
    let cseq = tx.request.cseq.number
    for (let round = 0; round < 6; round++) await again(round % 2 === 0 ? other : one, tx, ++cseq)
    for (const office of [one, other]) await builder.end(office, 'close')
    // As an earlier version left it.
    await builder.query('DELETE FROM presence_servers')
    one = await builder.begin({ options: FAST })
    other = await builder.begin({ options: FAST })
    await until('that one of them has it', () => owned(one) + owned(other) === 1)
    const [before, after] = owned(one) === 1 ? [one, other] : [other, one]
    expect((await again(after, tx, ++cseq)).status).to.equal(200)
    await until('that the first lets go', () => owned(before) === 0)
    expect(owned(after)).to.equal(1)
  })

  it('leaves to the other what that took while the endpoint was not known here', async () => {
    const tx = await one.sip.subscribe('200')
    const left = await one.sip.subscribe('201')
    const endpoint = one.office.core.endpoints.files.endpoints.get('100')
    for (const office of [one, other]) await builder.end(office, 'close')
    one = await builder.begin({ options: FAST, endpoints: { 101: {} } })
    const [first] = await builder.query('SELECT id FROM presence_servers WHERE beat > 0')
    const id = String(first?.['id'])
    other = await builder.begin({ options: FAST })
    expect((await again(other, tx, tx.request.cseq.number + 1)).status).to.equal(200)
    const taken = Date.now()
    await until('that the first has looked', async () => {
      const [server] = await builder.query(`SELECT beat FROM presence_servers WHERE id = '${id}'`)
      return Number(server?.['beat']) > taken
    })
    one.office.core.endpoints.addSource({
      name: 'pbx',
      endpoint: async (id) => (id === '100' ? endpoint : undefined),
      aor: async () => undefined,
      auth: async () => undefined,
    })
    await until('what is still its own', () => one.sip.dialogs.has(left.dialog.id))
    expect([owned(one), owned(other)]).to.deep.equal([1, 1])
  })

  it('lets a phone that restarts choose another server, and forgets its old subscription everywhere', async () => {
    const before = await one.sip.subscribe('200')
    await until('a NOTIFY', () => before.dialog.notifies.length === 1)
    other.sip.autoAnswer = undefined
    const after = await other.sip.subscribe('200')
    const asked = await until('the question', () => other.sip.dialogs.get(before.dialog.id)?.flying[0])
    expect(asked.cseq).to.be.above(before.dialog.last.cseq)
    asked.answer(481)
    other.sip.autoAnswer = 200
    after.dialog.last.answer(200)
    await until('that the first lets go', () => owned(one) === 0)
    builder.lamps.set('200', 'on')
    await until('the change', () => after.dialog.notifies.at(-1)?.text === 'on')
    expect(before.dialog.notifies).to.have.length(1)
    await until('that the new one alone is in the table', async () => {
      const live = await builder.query('SELECT callid FROM active_watchers WHERE status = 1')
      return live.map(({ callid }) => callid).join() === after.request.callId
    })
  })

  it('leaves a phone both of its keys for one extension, whichever server each asks', async () => {
    const first = await one.sip.subscribe('200')
    await until('a NOTIFY', () => first.dialog.notifies.length === 1)
    const second = await other.sip.subscribe('200')
    await until('that one server has both', () => owned(one) === 0 && owned(other) === 2)
    builder.lamps.set('200', 'on')
    const dialog = await until('its dialog', () => other.sip.dialogs.get(first.dialog.id))
    await until('the change', () => [dialog, second.dialog].every(({ notifies }) => notifies.at(-1)?.text === 'on'))
    expect((await again(one, first, first.request.cseq.number + 1)).status).to.equal(200)
  })

  it('has room for all that a phone has had, when that restarts and asks the other', async () => {
    for (const { office } of [one, other]) {
      const { endpoints } = office.core
      const limited = endpoints.files.endpoints.get('100')
      if (!limited) throw new Error('no endpoint')
      endpoints.replace({ ...endpoints.files, endpoints: new Map([['100', { ...limited, subscription_limit: 2 }]]) })
    }
    for (const lamp of ['200', '201']) await one.sip.subscribe(lamp)
    await until('that it has all it may', () => owned(one) === 2)
    // It has not come to the questions about its old dialogs yet.
    other.sip.autoAnswer = undefined
    const anew = [await other.sip.subscribe('200'), await other.sip.subscribe('201')]
    expect(anew.map(({ status }) => status)).to.deep.equal([200, 200])
    await until('that the first lets go', () => owned(one) === 0)
    expect(owned(other)).to.equal(2)
  })

  it('drops unasked what a phone has at one, where it asks the other with the same Call-ID', async () => {
    const first = await one.sip.subscribe('200')
    await until('a NOTIFY', () => first.dialog.notifies.length === 1)
    await other.sip.subscribe('200', { 'Call-ID': first.request.callId })
    await until('that the first lets go', () => owned(one) === 0)
    expect(owned(other)).to.equal(1)
    expect(other.sip.dialogs.has(first.dialog.id)).to.equal(false)
  })

  it('keeps what a phone has at one, where a proxy had sent the same request to the other before, and that was slow', async () => {
    const first = await one.sip.subscribe('200')
    await until('a NOTIFY', () => first.dialog.notifies.length === 1)
    other.sip.autoAnswer = undefined
    const { callId, from } = first.request
    const late = await other.sip.subscribe('200', { 'Call-ID': callId, From: from.text })
    expect(late.status).to.equal(200)
    const asked = await until('the question', () => other.sip.dialogs.get(first.dialog.id)?.flying[0])
    late.dialog.last.answer(481)
    other.sip.autoAnswer = 200
    asked.answer(200)
    builder.lamps.set('200', 'on')
    await until('the change', () => other.sip.dialogs.get(first.dialog.id)?.notifies.at(-1)?.text === 'on')
    expect(late.dialog.disposed).to.equal(true)
    expect((await again(one, first, first.request.cseq.number + 1)).status).to.equal(200)
  })

  it('drops unasked what a phone has elsewhere, where max_subscriptions leaves no room for it', async () => {
    const full = await builder.begin({ options: { ...FAST, max_subscriptions: '1' } })
    const first = await one.sip.subscribe('200')
    expect((await full.sip.subscribe('200')).status).to.equal(200)
    await until('that the first lets go', () => owned(one) === 0)
    expect(owned(full)).to.equal(1)
    expect(full.sip.dialogs.has(first.dialog.id)).to.equal(false)
  })

  it('leaves to the other what it could not take from that as the disk was full', async () => {
    const store = await openStore({ path: builder.path, synchronous: 'off', log: new Log('error').logger('store') })
    const atomically: Store['atomically'] = store.atomically.bind(store)
    let isFull = false
    store.atomically = (work) =>
      atomically(async (at) => {
        const result = await work(at)
        if (isFull) throw new StoreUnavailable('the disk is full')
        return result
      })
    // What it has marked as over may go as soon as its clock is put right.
    let behind = 12_000
    const { now } = Date
    Date.now = () => now() - behind
    try {
      const full = await builder.begin({ options: { ...FAST, max_subscriptions: '1' }, store })
      Date.now = now
      const first = await one.sip.subscribe('200')
      isFull = true
      expect((await full.sip.subscribe('200')).status).to.equal(500)
      isFull = false
      behind = 0
      // A beat, and what else may have said that it lives.
      const right = now() + 600
      await until('that all three have looked', async () => {
        const alive = await builder.query(`SELECT 1 FROM presence_servers WHERE beat > ${right}`)
        return alive.length === 3
      })
      expect(await builder.query('SELECT status FROM active_watchers')).to.deep.equal([{ status: 1 }])
      builder.lamps.set('200', 'on')
      await until('the change', () => first.dialog.notifies.at(-1)?.text === 'on')
      await builder.end(full, 'close')
    } finally {
      Date.now = now
      await store.close()
    }
  })

  it('has once what comes back before it knew that the other had taken it', async () => {
    const slow = await builder.begin({ options: { notifier_poll_rate: '1' } })
    const first = await slow.sip.subscribe('200')
    expect((await again(other, first, first.request.cseq.number + 1)).status).to.equal(200)
    const second = await slow.sip.subscribe('200')
    expect([...slow.pubsub.subscriptions].map(({ dialog }) => dialog.id).sort()).to.deep.equal(
      [first.dialog.id, second.dialog.id].sort(),
    )
    await until('that the other lets go', () => owned(other) === 0)
  })

  it('leaves a phone what it has at one when it asks the other for another part of the state', async () => {
    Object.assign(builder.lamps, { narrows: (params: ReadonlyMap<string, string>) => params.get('bulb') ?? '' })
    const all = await one.sip.subscribe('200')
    const part = await one.sip.subscribe('200', { Event: 'lamp;bulb=2' })
    const anew = await other.sip.subscribe('200', { Event: 'lamp;bulb=2' })
    await until('that the first lets go of the part', () => owned(one) === 1)
    builder.lamps.set('200', 'on')
    await until('the change', () => [all, anew].every(({ dialog }) => dialog.notifies.at(-1)?.text === 'on'))
    expect(part.dialog.notifies.at(-1)?.text).to.equal('off')
  })

  it('goes on in a new file where the old one is damaged', async () => {
    const mine = await one.sip.subscribe('200')
    const theirs = await other.sip.subscribe('200', { Contact: '<sip:100@192.0.2.1:6001>' })
    await builder.query('PRAGMA wal_checkpoint(TRUNCATE)')
    writeFileSync(builder.path, Buffer.alloc(4096, 0x41), { flag: 'r+' })
    const said = (): string => [...one.office.logged, ...other.office.logged].join()
    await until('that somebody sees it', () => said().includes('is damaged'))
    const owners = async (): Promise<number> =>
      new Set((await builder.query('SELECT owner FROM active_watchers').catch(() => [])).map(({ owner }) => owner)).size
    await until('the rows of both', async () => (await owners()) === 2)
    builder.lamps.set('200', 'on')
    for (const tx of [mine, theirs]) await until('the change', () => tx.dialog.notifies.at(-1)?.text === 'on')
    const refresh = await again(other, mine, mine.request.cseq.number + 1)
    expect(refresh.status).to.equal(200)
    await until('a NOTIFY of the other', () => refresh.dialog.notifies.length > 0)
    expect(refresh.dialog.notifies[0]?.cseq).to.be.above(mine.dialog.last.cseq)
    await until('that the first lets go', () => owned(one) === 0)
  })

  it('goes on where somebody writes no number into a row and into the list of servers', async () => {
    const damaged = await one.sip.subscribe('201')
    const tx = await one.sip.subscribe('200')
    await until('a NOTIFY', () => tx.dialog.notifies.length === 1)
    await builder.query(`UPDATE active_watchers SET claim = 'x' WHERE dialog_id = '${damaged.dialog.id}'`)
    await builder.query("UPDATE presence_servers SET claims = 'x'")
    const refresh = await again(other, tx, tx.request.cseq.number + 1)
    expect(refresh.status).to.equal(200)
    await until('that the first lets go', () => !one.sip.dialogs.has(tx.dialog.id))
    expect((await again(one, tx, tx.request.cseq.number + 2)).status).to.equal(200)
    await until('that the other lets go', () => owned(other) === 0)
  })

  it('begins without the file where another program has it locked, and goes on when it can be read', async () => {
    one.pubsub.publicationHandler(new LampHandler())
    const tx = await one.sip.subscribe('200')
    await until('a NOTIFY', () => tx.dialog.notifies.length === 1)
    const published = await one.sip.publish('100', 'red', { Event: 'lamp', Expires: '600' })
    for (const office of [one, other]) await builder.end(office, 'close')
    const store = await openStore({ path: builder.path, synchronous: 'off', log: new Log('error').logger('store') })
    const lock = lockedStore(store)
    try {
      one = await builder.begin({ options: FAST, store: lock.store })
      one.pubsub.publicationHandler(new LampHandler())
      const refresh = (): Promise<FakeTransaction> => again(one, tx, tx.request.cseq.number + 1)
      const change = (): Promise<FakeTransaction> =>
        one.sip.publish('100', 'green', { Event: 'lamp', 'SIP-If-Match': published.header('SIP-ETag') })
      const anew = await one.sip.subscribe('201')
      const refused = [await refresh(), anew, await change()]
      expect(refused.map(({ status }) => status)).to.deep.equal([500, 500, 503])
      expect(refused.map((each) => each.header('Retry-After'))).to.deep.equal(['10', '10', '10'])
      lock.open()
      const dialog = await until('its dialog', () => one.sip.dialogs.get(tx.dialog.id))
      await until('a NOTIFY', () => dialog.notifies.length > 0)
      expect(dialog.notifies[0]?.cseq).to.be.above(tx.dialog.last.cseq)
      expect((await refresh()).status).to.equal(200)
      await until('what was published', () => one.pubsub.publications<Lamp>('lamp', '100', lampKind).value.length === 1)
      expect((await change()).status).to.equal(200)
    } finally {
      await builder.end(one, 'close')
      await store.close()
    }
  })

  describe('publications', () => {
    const handlers = (): LampHandler[] =>
      [one, other].map(({ pubsub }) => {
        const handler = new LampHandler()
        pubsub.publicationHandler(handler)
        return handler
      })
    const shown = ({ pubsub }: LampOffice): string =>
      pubsub
        .publications<Lamp>('lamp', '100', lampKind)
        .value.map((publication: Publication<Lamp>) => publication.state.light)
        .join()
    const watched = (office: LampOffice): string[] => {
      const seen: string[] = []
      office.pubsub.publications<Lamp>('lamp', '100', lampKind).watch({
        value: (all) => seen.push(all.map(({ state }) => state.light).join()),
      })
      return seen
    }
    const publish = (at: LampOffice, body: string, headers: Headers = {}): Promise<FakeTransaction> =>
      at.sip.publish('100', body, { Event: 'lamp', Expires: '600', ...headers })

    it('are seen at the other: new, changed, refreshed, taken back', async () => {
      handlers()
      const seen = watched(other)
      const first = await publish(one, 'red')
      expect(first.status).to.equal(200)
      await until('red', () => shown(other) === 'red')
      const second = await publish(one, 'green', { 'SIP-If-Match': first.header('SIP-ETag') })
      await until('green', () => shown(other) === 'green')
      const third = await publish(other, '', { 'SIP-If-Match': second.header('SIP-ETag') })
      expect(third.status).to.equal(200)
      const fourth = await publish(one, 'blue', { 'SIP-If-Match': third.header('SIP-ETag') })
      expect(fourth.status).to.equal(200)
      await until('blue', () => shown(other) === 'blue')
      expect((await publish(other, '', { 'SIP-If-Match': third.header('SIP-ETag') })).status).to.equal(412)
      const end = await publish(other, '', { 'SIP-If-Match': fourth.header('SIP-ETag'), Expires: '0' })
      expect(end.status).to.equal(200)
      await until('nothing', () => shown(one) === '' && shown(other) === '')
      expect(seen).to.deep.equal(['', 'red', 'green', 'blue', ''])
    })

    it('are there for who subscribes at the other before that has looked by itself', async () => {
      handlers()
      const lamp = new Watched<Lamp>({ light: 'red' })
      let said = 0
      other.lamps.find = (resource, { again }) => {
        if (other.pubsub.isPublished(resource)) return lamp
        if (!again) said++
        return undefined
      }
      for (let round = 0; round < 5; round++) {
        const published = await publish(one, 'red')
        expect((await other.sip.subscribe('100', { Expires: '0' })).status).to.equal(200)
        await publish(one, '', { 'SIP-If-Match': published.header('SIP-ETag'), Expires: '0' })
        await until('nothing', () => !other.pubsub.isPublished('100'))
      }
      said = 0
      expect((await other.sip.subscribe('100')).status).to.equal(404)
      expect(said, 'lines of the log').to.equal(1)
    })

    it('are there for a server that starts later, and after a kill', async () => {
      handlers()
      await publish(one, 'red')
      await builder.end(one, 'kill')
      one = await builder.begin({ options: FAST })
      one.pubsub.publicationHandler(new LampHandler())
      await until('red', () => shown(one) === 'red')
      await publish(one, 'green')
      await until('both', () => shown(other).split(',').sort().join() === 'green,red')
    })

    it('are seen at the other also where they had to wait for the file', async () => {
      handlers()
      const unlock = await builder.lock()
      expect((await publish(one, 'red')).status).to.equal(200)
      await unlock()
      await until('red', () => shown(other) === 'red')
    })

    it('that were taken back are gone at the other also where the tables are cleaned before it looks', async () => {
      await builder.end(other, 'close')
      other = await builder.begin({ options: { ...FAST, notifier_poll_rate: '1' } })
      handlers()
      const first = await publish(one, 'red')
      await until('red', () => shown(other) === 'red')
      // The other has just looked, and does so again in a second.
      await publish(one, '', { 'SIP-If-Match': first.header('SIP-ETag'), Expires: '0' })
      await one.office.run('presence cleanup')
      await until('nothing', () => shown(other) === '')
    })

    it('of a phone that goes to the other and begins anew are replaced there, before that looks by itself', async () => {
      await builder.end(other, 'close')
      other = await builder.begin({ options: { ...FAST, notifier_poll_rate: '1' } })
      handlers()
      const phone = { Contact: '<sip:a@192.0.2.1>;+sip.instance="<urn:uuid:1>"' }
      await publish(one, 'red', phone)
      await publish(other, 'green', phone)
      expect(shown(other)).to.equal('green')
      await until('the same at both', () => shown(one) === 'green')
    })

    it('that two servers took from one phone at the same time become the later one', async () => {
      handlers()
      const phone = { Contact: '<sip:a@192.0.2.1>;+sip.instance="<urn:uuid:1>"' }
      const unlock = await builder.lock()
      const first = publish(one, 'red', phone)
      await pause(5)
      const second = publish(other, 'green', phone)
      expect([(await first).status, (await second).status]).to.deep.equal([200, 200])
      await unlock()
      await until('the same at both', () => [one, other].every((office) => shown(office) === 'green'))
      await until(
        'one row',
        async () => (await builder.query('SELECT 1 FROM presentity WHERE expires > 0')).length === 1,
      )
    })

    it('that replace others leave no gap, whatever is asked for meanwhile', async () => {
      handlers()
      const phone = { Contact: '<sip:a@192.0.2.1>;+sip.instance="<urn:uuid:1>"' }
      await publish(one, 'red', phone)
      const of101 = { Event: 'lamp', Expires: '600', From: '<sip:101@pbx.example>;tag=101' }
      const elsewhere = await one.sip.publish('101', 'blue', of101)
      const seen = watched(one)
      const replacing = publish(one, 'green', phone)
      const condition = { 'SIP-If-Match': elsewhere.header('SIP-ETag') }
      expect((await one.sip.publish('101', '', { ...of101, ...condition })).status).to.equal(200)
      expect((await replacing).status).to.equal(200)
      expect(seen).to.deep.equal(['red', 'green'])
    })

    it('that replace others leave no gap at the other either', async () => {
      handlers()
      const phone = { Contact: '<sip:a@192.0.2.1>;+sip.instance="<urn:uuid:1>"' }
      await publish(one, 'red', phone)
      await until('red', () => shown(other) === 'red')
      const seen = watched(other)
      await publish(one, 'green', phone)
      await until('green', () => shown(other) === 'green')
      expect(seen).to.deep.equal(['red', 'green'])
    })

    it('of nobody, from a file, hold at both, and after a kill', async () => {
      handlers()
      const path = join(directory, 'lamp.txt')
      writeFileSync(path, 'red')
      const refresh = `presence refreshWatchers 100 lamp 2 hard ${path}`
      await one.office.run(refresh)
      await until('red', () => shown(other) === 'red')
      await builder.end(one, 'kill')
      one = await builder.begin({ options: FAST })
      one.pubsub.publicationHandler(new LampHandler())
      await until('red again', () => shown(one) === 'red')
      writeFileSync(path, 'green')
      await other.office.run(refresh)
      await until('green', () => [one, other].every((office) => shown(office) === 'green'))
      rmSync(path)
      await one.office.run(refresh)
      await until('nothing', () => [one, other].every((office) => shown(office) === ''))
    })

    it('are seen at the other where somebody writes no number into a row', async () => {
      handlers()
      await publish(one, 'red')
      await builder.query("UPDATE presentity SET changed = 'x'")
      await builder.query("UPDATE presence_counters SET value = 'x'")
      for (const [at, light] of [
        [one, 'green'],
        [other, 'blue'],
      ] as const) {
        await publish(at, light)
        await until(light, () => [one, other].every((office) => shown(office).includes(light)))
      }
    })

    it('are seen at the other where the file was begun anew and the one that takes them was started after that', async () => {
      handlers()
      const first = await publish(one, 'red')
      const second = await publish(one, 'green', { 'SIP-If-Match': first.header('SIP-ETag') })
      await until('green', () => shown(other) === 'green')
      for (const suffix of ['', '-wal', '-shm']) rmSync(builder.path + suffix, { force: true })
      const kept = async (): Promise<number> =>
        (await builder.query('SELECT 1 FROM presentity WHERE expires > 0').catch(() => [])).length
      await until('the row', async () => (await kept()) === 1)
      await builder.end(one, 'close')
      one = await builder.begin({ options: FAST })
      one.pubsub.publicationHandler(new LampHandler())
      await until('green', () => shown(one) === 'green')
      await publish(one, 'blue', { 'SIP-If-Match': second.header('SIP-ETag') })
      await until('blue', () => shown(other) === 'blue')
    })

    it('do not expire where another server has refreshed them', async () => {
      const [, handler] = handlers()
      const first = await publish(one, 'red', { Expires: '1' })
      await until('red', () => shown(other) === 'red')
      const refreshed = await publish(one, '', { 'SIP-If-Match': first.header('SIP-ETag'), Expires: '600' })
      expect(refreshed.status).to.equal(200)
      await pause(1200)
      expect([shown(one), shown(other)]).to.deep.equal(['red', 'red'])
      expect(handler?.called.join()).not.to.include('expire')
    })

    it('do not expire where another server has refreshed them while this one could not look', async () => {
      await builder.end(other, 'close')
      const store = await openStore({ path: builder.path, synchronous: 'off', log: new Log('error').logger('store') })
      const file = lockedStore(store)
      file.open()
      try {
        other = await builder.begin({ options: FAST, store: file.store })
        handlers()
        const first = await publish(one, 'red', { Expires: '1' })
        await until('red', () => shown(other) === 'red')
        file.lock()
        const refreshed = await publish(one, '', { 'SIP-If-Match': first.header('SIP-ETag'), Expires: '600' })
        expect(refreshed.status).to.equal(200)
        await until('that its time is over', () => shown(other) === '')
        file.open()
        await until('that it goes on', () => shown(other) === 'red')
        expect(shown(one)).to.equal('red')
      } finally {
        await builder.end(other, 'close')
        await store.close()
      }
    })

    it('that expire go without a word at both where `force_delete` has it so', async () => {
      const event = { Event: 'note', 'Content-Type': 'text/note' }
      const watchers: FakeTransaction[] = []
      for (const at of [one, other]) {
        at.office.file('pubsub.conf', { subs_db_mode: '3', ...FAST, notifier_processes: '0', force_delete: '1' })
        await at.office.loader.reload('res_pjsip_pubsub')
        at.pubsub.addEvent({ event: 'note', accept: ['text/note'] })
        // Two phones: what one has at one server would be the other's concern as well.
        const Contact = `<sip:100@192.0.2.7:${at === one ? 5062 : 5063}>`
        watchers.push(await at.sip.subscribe('100', { ...event, Contact }))
      }
      const published = await publish(one, 'in', event)
      await until('both know', () => watchers.every(({ dialog }) => dialog.last.text === 'in'))
      await publish(one, '', { ...event, 'SIP-If-Match': published.header('SIP-ETag'), Expires: '1' })
      // Its own timer is a moment late.
      for (const known of other.pubsub.allPublications) Object.assign(known, { fire: () => undefined })
      await until('both let go', () => [one, other].every((at) => [...at.pubsub.allPublications].length === 0))
      await settled(8)
      expect(watchers.map(({ dialog }) => dialog.last.text)).to.deep.equal(['in', 'in'])
      const later = await other.sip.subscribe('100', { ...event, From: '<sip:101@pbx.example>;tag=2' })
      await until('a NOTIFY', () => later.dialog.notifies.length === 1)
      expect(later.dialog.last.text).to.equal('')
    })

    describe('with a clock that is put back meanwhile', () => {
      const trueNow = Date.now
      let shift = 0
      beforeEach(async () => {
        shift = 0
        Date.now = () => trueNow() + shift
        for (const made of [one, other]) await builder.end(made, 'close')
        one = await builder.begin({ options: FAST })
        other = await builder.begin({ options: FAST })
        handlers()
      })
      afterEach(() => {
        Date.now = trueNow
      })

      it('are seen as they change', async () => {
        const first = await publish(one, 'red')
        await until('red', () => shown(other) === 'red')
        shift = -7_200_000
        await publish(one, 'green', { 'SIP-If-Match': first.header('SIP-ETag') })
        await until('green', () => shown(other) === 'green')
      })

      it('expire at the time they were given', async () => {
        await publish(one, 'red', { Expires: '1' })
        await until('red', () => shown(other) === 'red')
        shift = -7_200_000
        await until('nothing', () => shown(one) === '' && shown(other) === '')
      })
    })
  })
})

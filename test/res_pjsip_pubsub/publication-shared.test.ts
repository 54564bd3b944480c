/** Two servers that have the table of publications together, at hours of the test's own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { Log } from '../../core/log.ts'
import { openStore, type Store } from '../../core/store.ts'
import { StoreUnavailable } from '../../core/store-contract.ts'
import { SharedPublications } from '../../res_pjsip_pubsub/publishing/publication-shared.ts'
import type { KeptPublication } from '../../res_pjsip_pubsub/publishing/publication-store.ts'
import { until } from '../support/tools.ts'

const HOUR = 3_600_000

/** Another program has the file locked, or has not. */
function lockable(store: Store | undefined): { isLocked: boolean } {
  if (!store) throw new Error('there is no store')
  const lock = { isLocked: false }
  const atomically: Store['atomically'] = store.atomically.bind(store)
  store.atomically = (work) => (lock.isLocked ? Promise.reject(new StoreUnavailable('locked')) : atomically(work))
  return lock
}

describe('a server that stood still', () => {
  let directory: string
  let stores: Store[]
  let now: number

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'lamplighter-shared-'))
    stores = []
    now = Date.now()
  })
  afterEach(async () => {
    for (const store of stores) await store.close()
    rmSync(directory, { recursive: true, force: true })
  })

  /** `there`: what it holds, by ruid; it looks for what others wrote when it is told to. */
  async function server(there: Set<string>): Promise<SharedPublications> {
    const path = join(directory, 'presence.db')
    const store = await openStore({ path, synchronous: 'off', log: new Log('error').logger('store') })
    stores.push(store)
    const made = await SharedPublications.open({
      store,
      table: 'presentity',
      pageRows: 100,
      all: [],
      period: HOUR,
      now: () => now,
    })
    await made.load(({ facts }) => there.add(facts.ruid))
    made.follow({
      changed: ({ facts }) => there.add(facts.ruid),
      gone: (ruid) => there.delete(ruid),
      leaveOnly: (isThere) => {
        for (const ruid of there) if (!isThere(ruid)) there.delete(ruid)
      },
    })
    return made
  }
  const publication = (ruid: string): KeptPublication => ({
    ruid,
    event: 'lamp',
    resource: '100',
    domain: 'pbx.example',
    endpointId: '100',
    endpoint: undefined,
    publisher: 'sip:100@pbx.example',
    instance: '',
    contentType: 'text/plain',
    body: 'red',
    sender: '',
    priority: 0,
    received: now,
    entityTag: ruid,
    expires: now + HOUR,
  })

  it('is not told what the table says while that is older than what it has still to write', async () => {
    const there = new Set<string>()
    const one = await server(there)
    await one.keep(publication('red first'))
    const lock = lockable(stores[0])
    lock.isLocked = true
    await one.keep({ ...publication('red first'), body: 'green' })
    await one.sync()
    expect([...there]).to.deep.equal([])
    lock.isLocked = false
    await one.keep({ ...publication('red first'), body: 'blue' })
    await one.sync()
    expect([...there]).to.deep.equal(['red first'])
  })

  it('lets go of what was taken back meanwhile, though the row of it has gone', async () => {
    const there = new Set<string>()
    const one = await server(new Set())
    const other = await server(there)
    for (const ruid of ['kept', 'taken back']) await one.keep(publication(ruid))
    await other.sync()
    expect([...there]).to.deep.equal(['kept', 'taken back'])
    await one.forget({ ruid: 'taken back' })
    now += 20_000
    await one.keep(publication('new'))
    await one.clean(now, () => false)
    await until('those that there are', async () => {
      await other.sync()
      return [...there].sort().join() === 'kept,new'
    })
  })

  it('sees what was taken back while the file could not be written for long', async () => {
    const there = new Set<string>()
    const one = await server(new Set())
    const other = await server(there)
    const lock = lockable(stores[0])
    await one.keep(publication('taken back'))
    await other.sync()
    expect([...there]).to.deep.equal(['taken back'])
    lock.isLocked = true
    await one.forget({ ruid: 'taken back' })
    // The other does not stand still.
    for (let beat = 0; beat < 20; beat++) {
      now += 1000
      await other.sync()
    }
    lock.isLocked = false
    await one.keep(publication('new'))
    await until('those that there are', async () => {
      await other.sync()
      return [...there].join() === 'new'
    })
  })

  it('leaves what another refreshed while it had still to write that the time of it is over', async () => {
    const there = new Set<string>()
    const one = await server(new Set())
    const other = await server(there)
    const red = publication('red')
    await one.keep(red)
    await other.sync()
    const store = stores[1]
    if (!store) throw new Error('there is no store')
    const atomically: Store['atomically'] = store.atomically.bind(store)
    store.atomically = () => Promise.reject(new StoreUnavailable('locked'))
    there.delete('red')
    await other.expire(red)
    await one.keep({ ...red, entityTag: 'red again', expires: red.expires + HOUR })
    await other.sync()
    store.atomically = atomically
    await until('that it has it again', () => there.has('red'))
    // Nor does it go when those are deleted that are gone.
    now += 20_000
    await other.keep(publication('green'))
    const kept = new Set<string>()
    await server(kept)
    expect([...kept].sort()).to.deep.equal(['green', 'red'])
  })

  it('does not go back to what it had said before where its time is over before that could be written', async () => {
    const there = new Set<string>()
    const one = await server(there)
    const lit = publication('red')
    await one.keep(lit)
    const lock = lockable(stores[0])
    lock.isLocked = true
    const out = { ...lit, body: 'out', entityTag: 'out', expires: now + 60_000 }
    await one.keep(out)
    now += 60_000
    await one.expire(out)
    lock.isLocked = false
    const kept = async (): Promise<readonly unknown[]> => one.reread('lamp', ['100'], 'text/plain')
    await until('that it says so on disk', async () => JSON.stringify(await kept()).includes('"expires":0'))
    expect([...there]).to.deep.equal([])
  })

  it('writes once what is tried again while the first attempt still waits for its turn', async () => {
    const one = await server(new Set())
    const other = await server(new Set())
    const [store] = stores
    if (!store) throw new Error('there is no store')
    const atomically: Store['atomically'] = store.atomically.bind(store)
    const turns: (() => void)[] = []
    let done = 0
    let isLocked = true
    store.atomically = async (work) => {
      if (isLocked) throw new StoreUnavailable('locked')
      await new Promise<void>((resolve) => turns.push(resolve))
      return atomically(work).finally(() => done++)
    }
    await one.keep(publication('green'))
    isLocked = false
    const red = publication('red')
    const kept = one.keep(red)
    // Both are tried again, one after the other.
    await until('the attempt again', () => turns.length === 2)
    turns[1]?.()
    await until('that of the second', () => turns.length === 3)
    turns[0]?.()
    await kept
    await other.keep({ ...red, body: 'blue', entityTag: 'blue' })
    turns[2]?.()
    await until('the end of the last', () => done === 3)
    const shown = await other.reread('lamp', ['100'], 'text/plain')
    expect(shown.map(({ said }) => said.body).sort()).to.deep.equal(['blue', 'red'])
  })

  it('does not delete what is there again after it had gone', async () => {
    const one = await server(new Set())
    await one.keep(publication('red'))
    await one.forget({ ruid: 'red' })
    now += 20_000
    await one.keep(publication('red'))
    const kept = new Set<string>()
    await server(kept)
    expect([...kept]).to.deep.equal(['red'])
  })
})

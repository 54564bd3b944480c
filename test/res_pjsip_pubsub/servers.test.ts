import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { Log } from '../../core/log.ts'
import { openStore, type Store } from '../../core/store.ts'
import { Servers } from '../../res_pjsip_pubsub/storage/servers.ts'

describe('servers that share a database: leases', () => {
  let directory: string
  const stores: Store[] = []

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'lamplighter-servers-'))
  })
  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close()
    rmSync(directory, { recursive: true, force: true })
  })

  /** `ahead`: how far it was set. */
  async function serverAt(clock: { now: number; readonly ahead?: number }): Promise<Servers> {
    const log = new Log()
    const store = await openStore({ path: join(directory, 's.db'), synchronous: 'off', log: log.logger('store') })
    stores.push(store)
    return Servers.open(store, { sip: {}, now: () => clock.now, steady: () => clock.now - (clock.ahead ?? 0) })
  }
  const beat = (server: Servers): Promise<readonly string[]> =>
    server.round(async ({ dead, began }) => {
      server.confirm(began)
      return dead
    })

  /** For a lease nobody is dead, then who has not said that it lives. */
  async function takesAfterLease(clock: { now: number }, gone: Servers, one: Servers, other: Servers): Promise<void> {
    for (let passed = 0; passed < 4000; passed += 500) {
      expect(await beat(one)).to.deep.equal([])
      expect(await beat(other)).to.deep.equal([])
      clock.now += 500
    }
    clock.now += 500
    expect(await beat(one)).to.deep.equal([gone.id])
  }

  it('lets a server that was away hold its NOTIFYs before others take its phones', async () => {
    const clock = { now: 1000 }
    const [one, other] = [await serverAt(clock), await serverAt(clock)]
    await beat(one)
    for (let passed = 0; passed < 20_000; passed += 250) {
      clock.now += 250
      const dead = await beat(other)
      // Never both: one that still sends, and another that takes over.
      expect(one.holds && dead.includes(one.id)).to.equal(false)
    }
    expect(one.holds).to.equal(false)
    expect(await beat(other)).to.deep.equal([one.id])
    await beat(one)
    expect(one.holds).to.equal(true)
    expect(await beat(other)).to.deep.equal([])
  })

  it('takes the phones of one that died before the clock was set back, and no phones of one that lives', async () => {
    const clock = { now: 86_400_000 }
    const [gone, one, other] = [await serverAt(clock), await serverAt(clock), await serverAt(clock)]
    for (const server of [gone, one, other]) await beat(server)
    clock.now = 3_600_000
    // Others may take what is its own before it has said that it lives by this clock.
    expect(one.holds).to.equal(false)
    for (let passed = 0; passed <= 4000; passed += 500) {
      clock.now += 500
      expect(await beat(one)).to.deep.equal([])
      expect(await beat(other)).to.deep.equal([])
      expect([one.holds, other.holds]).to.deep.equal([true, true])
    }
    clock.now += 500
    expect(await beat(one)).to.deep.equal([gone.id])
    // And where it is set right again.
    clock.now += 86_400_000
    await beat(one)
    expect(one.holds).to.equal(true)
  })

  it('takes no phones of one that lives where the clock was put forward', async () => {
    const clock = { now: 3_600_000, ahead: 0 }
    const [gone, one, other] = [await serverAt(clock), await serverAt(clock), await serverAt(clock)]
    for (const server of [gone, one, other]) await beat(server)
    clock.ahead = 10_000
    clock.now += clock.ahead
    await takesAfterLease(clock, gone, one, other)
  })

  it('takes no phones of one that lives where none of them could write for a while', async () => {
    const clock = { now: 3_600_000 }
    const [gone, one, other] = [await serverAt(clock), await serverAt(clock), await serverAt(clock)]
    for (const server of [gone, one, other]) await beat(server)
    clock.now += 10_000
    await takesAfterLease(clock, gone, one, other)
  })

  it('nor where it was started while none of them could write', async () => {
    const clock = { now: 3_600_000 }
    const one = await serverAt(clock)
    await beat(one)
    clock.now += 1000
    const other = await serverAt(clock)
    clock.now += 4000
    expect(await beat(other)).to.deep.equal([])
  })

  it('counts claims up over all servers, also those that are struck off', async () => {
    const clock = { now: 1000 }
    const [one, other] = [await serverAt(clock), await serverAt(clock)]
    const claim = (server: Servers): Promise<number> => server.round(async ({ nextClaim }) => nextClaim())
    const claims = [await claim(one), await claim(other), await claim(one), await claim(one)]
    clock.now += 60_000
    await other.round(async ({ dead, strikeOff }) => dead.forEach(strikeOff))
    claims.push(await claim(other))
    expect(claims).to.deep.equal([1, 2, 3, 4, 5])
  })
  it('goes on with the claims of those that have left', async () => {
    const clock = { now: Date.now() }
    const [one, other] = [await serverAt(clock), await serverAt(clock)]
    const claim = (server: Servers): Promise<number> => server.round(async ({ nextClaim }) => nextClaim())
    await beat(other)
    for (let claims = 0; claims < 3; claims++) await claim(one)
    await one.leave()
    await other.leave()
    // Nobody waits for the lease of one that has left.
    const next = await serverAt(clock)
    expect(await next.round(async ({ dead, strikeOff }) => (dead.forEach(strikeOff), dead.length))).to.equal(2)
    expect([await claim(next), await beat(next)]).to.deep.equal([4, []])
  })
})

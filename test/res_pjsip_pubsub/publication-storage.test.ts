/** One suite for all modes of `publ_cache`: what the table holds when a PUBLISH is answered, what outlives the process. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { later } from '../support/core.ts'
import type { FakeTransaction, Headers } from '../support/fake-sip.ts'
import type { LampOffice } from '../support/lamp-office.ts'
import { LampHandler } from '../support/lamp-publications.ts'
import { type Lamp, lampKind } from '../support/lamps.ts'
import { ServerBuilder, STORAGE_MODES } from '../support/storage-modes.ts'
import { until } from '../support/tools.ts'

const MODES = [
  { cache: 0, name: 'database only', restores: true },
  { cache: 1, name: 'memory and database', restores: true },
  { cache: 2, name: 'memory', restores: false },
] as const

function conformance({ cache, restores }: (typeof MODES)[number], directory: () => string): void {
  let builder: ServerBuilder
  let office: LampOffice

  beforeEach(async () => {
    const [memory] = STORAGE_MODES
    if (!memory) throw new Error('there are no modes')
    builder = new ServerBuilder(directory(), memory)
    office = await begin()
  })
  afterEach(() => builder.close())

  async function begin(options: Readonly<Record<string, string>> = {}): Promise<LampOffice> {
    const made = await builder.begin({ options: { publ_cache: String(cache), ...options } })
    made.pubsub.publicationHandler(new LampHandler())
    return made
  }
  async function restart(how: 'close' | 'kill'): Promise<void> {
    await builder.end(office, how)
    office = await begin()
  }
  const publish = (body: string, headers: Headers = {}): Promise<FakeTransaction> =>
    office.sip.publish('100', body, { Event: 'lamp', Expires: '600', ...headers })
  const shown = (): string =>
    office.pubsub
      .publications<Lamp>('lamp', '100', lampKind)
      .value.map(({ state }) => state.light)
      .join()
  const rows = (): Promise<Record<string, unknown>[]> =>
    builder.query('SELECT * FROM presentity WHERE expires > 0').catch(() => [])

  it('has on disk what it answered, at that moment: new, changed, refreshed, taken back', async () => {
    const first = await publish('red')
    expect(first.status).to.equal(200)
    expect((await rows()).map(({ body, etag }) => [body, etag])).to.deep.equal(
      restores ? [['red', first.header('SIP-ETag')]] : [],
    )
    const second = await publish('green', { 'SIP-If-Match': first.header('SIP-ETag') })
    expect((await rows()).map(({ body, etag }) => [body, etag])).to.deep.equal(
      restores ? [['green', second.header('SIP-ETag')]] : [],
    )
    const before = Number((await rows())[0]?.['expires'])
    const third = await publish('', { 'SIP-If-Match': second.header('SIP-ETag'), Expires: '3000' })
    if (restores) expect(Number((await rows())[0]?.['expires'])).to.be.above(before + 2000)
    expect((await publish('', { 'SIP-If-Match': third.header('SIP-ETag'), Expires: '0' })).status).to.equal(200)
    expect(await rows()).to.deep.equal([])
    expect(shown()).to.equal('')
  })

  if (restores) {
    it('writes what tools that know Kamailio look for', async () => {
      const tx = await publish('red', { From: '<sip:100@pbx.example>;tag=x' })
      const [row] = await rows()
      expect(row).to.include({
        username: '100',
        domain: 'pbx.example',
        event: 'lamp',
        etag: tx.header('SIP-ETag'),
        body: 'red',
        sender: '',
        priority: 0,
      })
      expect(Number(row?.['expires']) - Date.now() / 1000).to.be.within(590, 601)
      expect(Number(row?.['received_time']) - Date.now() / 1000).to.be.within(-10, 0)
      expect(row?.['id']).to.be.a('number')
      expect(row?.['ruid']).to.be.a('string')
      expect(await builder.query("SELECT table_version FROM version WHERE table_name = 'presentity'")).to.deep.equal([
        { table_version: 5 },
      ])
    })

    it('lets a publication expire though the clock was behind when it was read, and is right since', async () => {
      await publish('red', { Expires: '2' })
      await builder.end(office, 'kill')
      office = await later(-86_400_000, () => begin({ min_expires: '1', default_expires: '1', max_expires: '1' }))
      await until('what was published', () => shown() === 'red')
      await until('its expiry', () => shown() === '')
      await until('an empty table', async () => (await rows()).length === 0)
    })
  }

  for (const how of ['close', 'kill'] as const) {
    it(`shows after a restart what was published, and takes its entity-tag, or knows nothing of it (${how})`, async () => {
      const tx = await publish('red')
      await restart(how)
      const condition = { 'SIP-If-Match': tx.header('SIP-ETag') }
      if (!restores) {
        expect((await publish('', condition)).status).to.equal(412)
        return
      }
      await until('what was published', () => shown() === 'red')
      expect((await publish('green', condition)).status).to.equal(200)
      expect(shown()).to.equal('green')
      expect((await publish('', condition)).status).to.equal(412)
    })
  }

  it('brings nothing back that expired or was taken back', async () => {
    await publish('red', { Expires: '1', Contact: '<sip:a@192.0.2.1>;+sip.instance="<urn:uuid:1>"' })
    const tx = await publish('green', { Contact: '<sip:a@192.0.2.1>;+sip.instance="<urn:uuid:2>"' })
    await publish('', { 'SIP-If-Match': tx.header('SIP-ETag'), Expires: '0' })
    expect(shown()).to.equal('red')
    await until('its expiry', () => shown() === '', 3000)
    await restart('kill')
    expect(shown()).to.equal('')
    await until('an empty table', async () => (await rows()).length === 0)
  })

  it('goes on while nothing can be written, and writes it later', async () => {
    await publish('red')
    const unlock = await builder.lock()
    const tx = await publish('green')
    expect(tx.status).to.equal(200)
    expect(shown().split(',')).to.have.members(['red', 'green'])
    await unlock()
    await until('both rows', async () => !restores || (await rows()).length === 2)
  })
}

describe('storage of publications', function () {
  this.timeout(60_000)
  let directory = ''

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'lamplighter-publications-'))
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  for (const mode of MODES)
    describe(`publ_cache = ${mode.cache}, ${mode.name}`, () => conformance(mode, () => directory))
})

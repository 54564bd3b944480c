/** Lists that watchers bring (RFC 5367), lists over a restart, and leave for each resource of a list. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { deflateSync, gzipSync } from 'node:zlib'
import { expect } from 'chai'
import * as fc from 'fast-check'
import type { Undo } from '../../core/scope.ts'
import { Watched } from '../../core/watch.ts'
import type { Watcher } from '../../res_pjsip_pubsub/contract.ts'
import res_pjsip_watcherinfo_body_generator from '../../res_pjsip_pubsub/res_pjsip_watcherinfo_body_generator.ts'
import type { Authorization } from '../../res_pjsip_pubsub/watchers/authorization.ts'
import type { FakeDialog } from '../support/fake-sip.ts'
import { settled } from '../support/lamp-office.ts'
import { Lamps, TEXT, XML } from '../support/lamps.ts'
import { ASK, ListOffice, lampsOf, resourceLists } from '../support/list-office.ts'
import { until } from '../support/tools.ts'
import { WatcherTable } from '../support/watcher-table.ts'

const FLOOR = { floor: { event: 'lamp', list_item: ['200', '201'] } }

describe('resource lists that watchers bring', () => {
  let office: ListOffice

  beforeEach(async () => {
    office = await ListOffice.open()
  })
  afterEach(() => office.close())

  it('are watched as others are, under the URIs and names that were brought', async () => {
    const body = resourceLists(['sip:200@other.example', 'The &lt;door>'], ['sip:201@x;a=b'], ['tel:+1'], ['sip:299@x'])
    const tx = await office.bring(body)
    expect([tx.status, tx.header('Require')]).to.deep.equal([200, 'eventlist'])
    const [first] = await office.told(tx.dialog)
    expect(first).to.include({ full: true, uri: 'sip:rls@pbx.example' })
    expect(first?.entries.map(({ uri, name, instance }) => [uri, name, instance?.state, instance?.body])).to.deep.equal(
      [
        ['sip:200@other.example', 'The <door>', 'active', 'off'],
        ['sip:201@x;a=b', '', 'active', 'off'],
        ['tel:+1', '', 'terminated', undefined],
        ['sip:299@x', '', 'terminated', undefined],
      ],
    )
    office.made.lamps.set('201', 'on')
    expect((await office.told(tx.dialog))[0]?.entries.map(({ uri }) => uri)).to.deep.equal(['sip:201@x;a=b'])
    expect(await office.made.office.run('pjsip show resource_lists')).to.include('List: rls/lamp')
  })

  it('are watched by whoever the owner is told of, however the name is written, with sip_uri_match', async () => {
    await office.close()
    office = await ListOffice.open({
      endpoints: { 100: {}, gate: {} },
      files: { 'pubsub.conf': { sip_uri_match: '1' } },
    })
    office.made.lamps.set('Gate', 'off')
    await office.made.office.load(res_pjsip_watcherinfo_body_generator)
    const tx = await office.bring(resourceLists(['sip:Gate@x']), { Accept: TEXT })
    await office.told(tx.dialog)
    const owner = await office.made.sip.subscribe('gate', {
      From: '<sip:gate@pbx.example>;tag=o',
      Event: 'lamp.winfo',
      Contact: '<sip:gate@192.0.2.9>',
    })
    const table = new WatcherTable()
    const seen = async (): Promise<string[]> => {
      await settled(8)
      for (const { text } of owner.dialog.notifies.splice(0)) await table.take(text)
      return [...table.rows.values()]
    }
    expect(await seen()).to.deep.equal(['sip:100@pbx.example active subscribe'])
    expect(await office.made.office.run('presence why gate')).to.include('of lamp in the list rls: active')
    await office.made.sip.again(tx, { ...ASK, Expires: '0' })
    expect(await seen()).to.deep.equal([])
  })

  it('have bodies that name them without parameters', async () => {
    const { dialog } = await office.bring(resourceLists(['sip:201@x;a=b']), { Accept: XML })
    await office.told(dialog)
    expect(office.table(dialog)['sip:201@x;a=b']).to.equal('<lamp version="0" entity="sip:201@x">off</lamp>')
  })

  it('are flattened, and each URI counts once', async () => {
    const inner =
      '<list name="a"><entry uri="sip:200@x"/><external anchor="http://x"/><list><entry uri="sip:201@x"/></list></list>'
    const body = `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">${inner}${inner}</resource-lists>`
    const { dialog } = await office.bring(body)
    expect((await office.told(dialog))[0]?.entries.map(({ uri }) => uri)).to.deep.equal(['sip:200@x', 'sip:201@x'])
  })

  for (const [coding, pack] of Object.entries({ deflate: deflateSync, Gzip: gzipSync })) {
    it(`may come packed (${coding}), as Linphone sends them`, async () => {
      const packed = pack(resourceLists(['sip:201@x'], ['sip:200@x']))
      const { status, dialog } = await office.bring(packed, { 'Content-Encoding': coding })
      expect(status).to.equal(200)
      expect((await office.told(dialog))[0]?.entries.map(({ uri }) => uri)).to.deep.equal(['sip:201@x', 'sip:200@x'])
    })
  }

  it('may be of another encoding than UTF-8', async () => {
    const list = `<?xml version="1.0" encoding="ISO-8859-1"?>${resourceLists(['sip:200@x', 'Büro'])}`
    const { dialog } = await office.bring(Buffer.from(list, 'latin1'))
    expect((await office.told(dialog))[0]?.entries.map(({ name }) => name)).to.deep.equal(['Büro'])
  })

  const many = resourceLists(...Array.from({ length: 1001 }, (_, at) => [`sip:${at}@x`] as const))
  const DEFLATED = { 'Content-Encoding': 'deflate' }
  const REFUSED: readonly (readonly [
    what: string,
    body: string | Buffer,
    headers: Record<string, string>,
    status: number,
  ])[] = [
    ['is no XML', '<resource-lists', {}, 400],
    ['is another document', '<presence/>', {}, 400],
    ['has no entry', resourceLists(), {}, 400],
    ['has too many entries', many, {}, 400],
    ['is of another type', 'sip:200@x', { 'Content-Type': 'text/plain' }, 415],
    ['is packed in a way that nobody knows', 'x', { 'Content-Encoding': 'compress' }, 415],
    ['is packed twice', 'x', { 'Content-Encoding': 'deflate, gzip' }, 415],
    ['is not packed as it says', resourceLists(['sip:200@x']), DEFLATED, 400],
    ['is packed and of any size', deflateSync(Buffer.alloc(2 ** 22, 32)), DEFLATED, 400],
    ['comes without Supported: eventlist', resourceLists(['sip:200@x']), { Supported: 'path' }, 421],
  ]
  for (const [what, body, headers, status] of REFUSED) {
    it(`are refused with ${status} where what is brought ${what}`, async () => {
      const tx = await office.bring(body, headers)
      expect(tx.status).to.equal(status)
      expect(office.made.sip.dialogs.size).to.equal(0)
    })
  }

  it('get an answer, whatever they are', async () => {
    const piece = fc.constantFrom('<', '>', '/', 'resource-lists', ' xmlns="', 'urn:ietf:params:xml:ns:resource-lists', '"', '<list>', '</list>', '<entry uri="sip:200@x"/>', '<entry', '\0', '&lt;', '<!DOCTYPE x>') // biome-ignore format: a table
    const body = fc.array(fc.oneof(piece, fc.string()), { maxLength: 20 }).map((pieces) => pieces.join(''))
    await fc.assert(
      fc.asyncProperty(body, async (text) => {
        expect((await office.bring(text)).status).to.be.oneOf([200, 400])
      }),
      { numRuns: 200 },
    )
  })

  it('say with a 415 what can be read, and with a 421 what is needed', async () => {
    const type = await office.bring('x', { 'Content-Type': 'text/plain' })
    expect(type.header('Accept')).to.equal('application/resource-lists+xml')
    expect(type.header('Accept-Encoding')).to.equal('deflate, gzip, identity')
    const extension = await office.bring(resourceLists(['sip:200@x']), { Supported: 'path' })
    expect(extension.header('Require')).to.equal('eventlist')
  })
})

describe('resource lists over a restart', () => {
  let directory: string
  let lamps: Lamps
  let office: ListOffice

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'lamplighter-lists-'))
    lamps = lampsOf(3)
  })
  afterEach(async () => {
    await office.close()
    rmSync(directory, { recursive: true, force: true })
  })

  const begin = async (): Promise<void> => {
    office = await ListOffice.open({ storePath: join(directory, 'lists.db'), lamps, lists: FLOOR })
  }

  async function back(callId: string): Promise<FakeDialog> {
    const found = [...office.made.sip.dialogs.values()].find((dialog) => dialog.callId === callId)
    if (!found) throw new Error('its dialog is gone')
    await until('NOTIFY', () => found.notifies.length > 0)
    return found
  }

  it('come back as lists, whole, with numbers higher than before', async () => {
    await begin()
    const configured = await office.subscribe('floor', { Accept: XML })
    const brought = await office.bring(resourceLists(['sip:202@x', 'Third'], ['sip:200@x']))
    const [before] = await office.told(configured.dialog)
    await office.told(brought.dialog)
    await office.made.office.store.flush()
    await office.close()
    lamps.set('200', 'on')
    await begin()
    const dialog = await back(configured.request.callId)
    const [after, ...more] = await office.told(dialog)
    expect(more).to.deep.equal([])
    expect(after?.full).to.equal(true)
    expect(after?.version).to.be.above(before?.version ?? 0)
    expect(after?.entries[0]?.instance?.id).to.equal(before?.entries[0]?.instance?.id)
    const version = Number(/version="(\d+)"/.exec(after?.entries[0]?.instance?.body ?? '')?.[1])
    expect(version).to.be.above(0)
    expect(dialog.last.header('Require')).to.equal('eventlist')
    const other = await back(brought.request.callId)
    const [again] = await office.told(other)
    expect(again?.entries.map(({ uri, name, instance }) => [uri, name, instance?.body])).to.deep.equal([
      ['sip:202@x', 'Third', 'off'],
      ['sip:200@x', '', 'on'],
    ])
    lamps.set('200', 'dim')
    expect((await office.told(dialog))[0]?.full).to.equal(false)
    expect(office.table(other)['sip:200@x']).to.equal('on')
    await office.told(other)
    expect(office.table(other)['sip:200@x']).to.equal('dim')
  })
})

describe('resource lists of which somebody cannot say everything', () => {
  let office: ListOffice
  const unsaid = new Set<string>()
  /** Milliseconds that a lookup takes. */
  let slowness = 0

  class SomeLamps extends Lamps {
    override find(resource: string, watcher: Watcher): ReturnType<Lamps['find']> {
      const found = unsaid.has(resource) ? 'unavailable' : super.find(resource, watcher)
      return slowness === 0 ? found : pause(slowness).then(() => found)
    }
  }

  beforeEach(async () => {
    unsaid.clear()
    slowness = 0
    const lamps = new SomeLamps()
    for (const name of ['200', '201', '202']) lamps.set(name, 'off')
    office = await ListOffice.open({ lamps, lists: FLOOR })
  })
  afterEach(() => office.close())

  it('are refused for now where nothing can be said', async () => {
    for (const name of ['200', '201']) unsaid.add(name)
    const tx = await office.subscribe('floor')
    expect([tx.status, tx.header('Retry-After')]).to.deep.equal([500, '10'])
  })

  it('show pending what nobody can say, and its state as soon as somebody can', async () => {
    unsaid.add('201')
    const { dialog } = await office.subscribe('floor')
    await office.told(dialog)
    expect(office.table(dialog)).to.deep.equal({ 'sip:200@pbx.example': 'off', 'sip:201@pbx.example': 'pending' })
    unsaid.clear()
    await until('the state', async () => (await office.told(dialog)).length > 0)
    expect(office.table(dialog)['sip:201@pbx.example']).to.equal('off')
  })

  for (const milliseconds of [0, 1500])
    it(`stay where they were granted before, and nothing can be said any more, in ${milliseconds} ms`, async () => {
      const { dialog } = await office.subscribe('floor')
      await office.told(dialog)
      for (const name of ['200', '201']) unsaid.add(name)
      slowness = milliseconds
      office.configure(({ endpoints }) => ({
        endpoints: new Map([...endpoints].map(([id, endpoint]) => [id, { ...endpoint, hintContext: 'elsewhere' }])),
      }))
      const states = async (): Promise<string> => {
        await office.told(dialog)
        return Object.values(office.table(dialog)).join()
      }
      await until('both pending', async () => (await states()) === 'pending,pending')
      unsaid.clear()
      slowness = 0
      await until('both states', async () => (await states()) === 'off,off')
      expect(dialog.last.state).to.match(/^active/)
    })

  it('hold what the configuration says, though it was read again while they were looked up', async () => {
    slowness = 250
    const subscribing = office.subscribe('floor')
    await settled()
    office.refill('floor', ['202'])
    slowness = 0
    const { dialog } = await subscribing
    await until('the new list', async () => {
      await office.told(dialog)
      return Object.keys(office.table(dialog)).join() === 'sip:202@pbx.example'
    })
  })
})

describe('leave for the resources of a list', () => {
  let office: ListOffice
  let unloadRules: Undo
  const loadRules = async (): Promise<void> => {
    unloadRules = office.made.pubsub.authorizer({
      authorize: ({ resource }) => {
        const found = decisions.get(resource)
        if (!found) throw new Error(`nobody should ask for ${resource}`)
        return found
      },
    })
    await settled()
  }
  const decisions = new Map<string, Watched<Authorization>>()
  const decide = (resource: string, handling: Authorization['handling']): void => {
    const decided = { handling, view: undefined, why: 'test' }
    const known = decisions.get(resource)
    if (known) known.set(decided)
    else decisions.set(resource, new Watched<Authorization>(decided))
  }

  beforeEach(async () => {
    decisions.clear()
    const lamps = Object.assign(lampsOf(3), { reqAuth: true })
    office = await ListOffice.open({
      lamps,
      endpoints: { 100: {}, 201: {} },
      lists: { floor: { event: 'lamp', list_item: ['200', '201', '202'] } },
    })
    for (const name of ['200', '201', '202']) decide(name, 'allow')
    await loadRules()
  })
  afterEach(() => office.close())

  it('is asked for each, and counts at once when it changes', async () => {
    decide('201', 'confirm')
    decide('202', 'block')
    const { dialog } = await office.subscribe('floor', { Accept: TEXT })
    await office.told(dialog)
    expect(office.table(dialog)).to.deep.equal({
      'sip:200@pbx.example': 'off',
      'sip:201@pbx.example': 'pending',
      'sip:202@pbx.example': 'terminated rejected',
    })
    decide('201', 'allow')
    decide('200', 'block')
    const [part] = await office.told(dialog)
    expect(part?.entries).to.have.length(2)
    expect(office.table(dialog)).to.deep.equal({
      'sip:200@pbx.example': 'terminated rejected',
      'sip:201@pbx.example': 'off',
      'sip:202@pbx.example': 'terminated rejected',
    })
    office.made.lamps.set('200', 'on')
    expect(await office.told(dialog)).to.deep.equal([])
  })

  it('is for the owner of each to see, with who waits for it (RFC 3857)', async () => {
    await office.made.office.load(res_pjsip_watcherinfo_body_generator)
    decide('201', 'confirm')
    const tx = await office.subscribe('floor', { Accept: TEXT })
    await office.told(tx.dialog)
    const from = { From: '<sip:201@pbx.example>;tag=o', Event: 'lamp.winfo', Contact: '<sip:201@192.0.2.9>' }
    const owner = await office.made.sip.subscribe('201', from)
    expect(owner.status).to.equal(200)
    const table = new WatcherTable()
    const seen = async (): Promise<string[]> => {
      await settled(8)
      for (const { text } of owner.dialog.notifies.splice(0)) await table.take(text)
      return [...table.rows.values()]
    }
    expect(await seen()).to.deep.equal(['sip:100@pbx.example pending subscribe'])
    decide('201', 'allow')
    expect(await seen()).to.deep.equal(['sip:100@pbx.example active approved'])
    await office.made.sip.again(tx, { ...ASK, Expires: '0' })
    expect(await seen()).to.deep.equal([])
  })

  it('is asked for anew after a reload and of new rules, and nobody is told what was so before', async () => {
    await office.made.office.load(res_pjsip_watcherinfo_body_generator)
    decide('201', 'confirm')
    const { dialog } = await office.subscribe('floor', { Accept: TEXT })
    await office.told(dialog)
    const from = { From: '<sip:201@pbx.example>;tag=o', Event: 'lamp.winfo', Contact: '<sip:201@192.0.2.9>' }
    const owner = await office.made.sip.subscribe('201', from)
    await settled()
    const before = [dialog.notifies.length, owner.dialog.notifies.length]
    office.configure(({ endpoints }) => ({
      endpoints: new Map([...endpoints].map(([id, endpoint]) => [id, { ...endpoint }])),
    }))
    await settled(8)
    await unloadRules()
    const old = decisions.get('201')
    decisions.delete('201')
    decide('201', 'confirm')
    await loadRules()
    office.made.lamps.set('200', 'on')
    await until('the change', () => dialog.notifies.length > (before[0] ?? 0))
    const [news, ...more] = await office.told(dialog)
    expect([news?.full, news?.entries.map(({ uri }) => uri), more]).to.deep.equal([false, ['sip:200@pbx.example'], []])
    expect(owner.dialog.notifies.length).to.equal(before[1])
    old?.set({ handling: 'allow', view: undefined, why: 'rules that hold no more' })
    expect(await office.told(dialog)).to.deep.equal([])
    decide('201', 'allow')
    await office.told(dialog)
    expect(office.table(dialog)['sip:201@pbx.example']).to.equal('off')
  })

  it('is asked for by the options that its endpoint has now', async () => {
    await unloadRules()
    const asked: (readonly [string, boolean])[] = []
    office.made.pubsub.authorizer({
      authorize: ({ resource, endpoint }) => {
        asked.push([resource, endpoint.trust_id_inbound])
        return decisions.get(resource) ?? new Watched<Authorization>({ handling: 'block', view: undefined, why: '' })
      },
    })
    const { dialog } = await office.subscribe('floor', { Accept: TEXT })
    await office.told(dialog)
    asked.length = 0
    office.configure(({ endpoints }) => ({
      endpoints: new Map([...endpoints].map(([id, endpoint]) => [id, { ...endpoint, trust_id_inbound: true }])),
    }))
    await settled(8)
    expect(asked).to.deep.equal([
      ['200', true],
      ['201', true],
      ['202', true],
    ])
  })
})

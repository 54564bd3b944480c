/** The event state compositor (RFC 3903): answers, entity-tags, who may publish, what there is, expiry, restarts. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import type { Undo } from '../../core/scope.ts'
import type { Pubsub } from '../../res_pjsip_pubsub/contract.ts'
import res_pjsip_pubsub from '../../res_pjsip_pubsub/res_pjsip_pubsub.ts'
import { later, pjsipConfig, TestCore, type TestCoreSettings } from '../support/core.ts'
import { FakeSip, type FakeTransaction, type Headers } from '../support/fake-sip.ts'
import { LampHandler } from '../support/lamp-publications.ts'
import { lampKind } from '../support/lamps.ts'
import { until } from '../support/tools.ts'

describe('PUBLISH', () => {
  let sip: FakeSip
  let office: TestCore
  let pubsub: Pubsub
  let handler: LampHandler
  let unregister: Undo

  /** Endpoint 100 with AOR desk, endpoint 101, AOR door, hint 200. */
  async function begin(settings: TestCoreSettings = {}): Promise<void> {
    sip = new FakeSip()
    office = await TestCore.start({
      sip,
      endpoints: { 100: { aors: ['desk'] }, 101: {} },
      aors: { desk: {}, door: {} },
      hints: { '200@default': ['Custom:200'] },
      ...settings,
    })
    pubsub = await office.load<Pubsub>(res_pjsip_pubsub)
    handler = new LampHandler()
    unregister = pubsub.publicationHandler(handler)
  }

  const anyMay = { 100: { aors: ['desk'], allow_publish: 'any' }, 101: { allow_publish: 'any' } }

  afterEach(() => office.close())

  const shown = (resource = '100'): string[] =>
    pubsub.publications('lamp', resource, lampKind).value.map(({ state }) => state.light)

  const from = (user: string): Headers => ({ From: `<sip:${user}@pbx.example>;tag=1` })

  async function published(body = 'on', headers: Headers = {}): Promise<string> {
    const tx = await sip.publish('100', body, headers)
    expect(tx.status, tx.given?.reason).to.equal(200)
    return tx.header('SIP-ETag') ?? ''
  }

  const again = (tag: string, body: string, headers: Headers = {}): Promise<FakeTransaction> =>
    sip.publish('100', body, { 'SIP-If-Match': tag, ...headers })

  describe('initial, refresh, modify, remove', () => {
    beforeEach(() => begin())

    it('gives an entity-tag and an expiry, and shows what was published', async () => {
      const tx = await sip.publish('100', 'on', { Expires: '600' })
      expect(tx.status).to.equal(200)
      expect(tx.header('Expires')).to.equal('600')
      expect(tx.header('SIP-ETag')).to.match(/^[0-9a-f]{32}$/)
      expect(shown()).to.deep.equal(['on'])
    })

    it('refreshes without a body, with a new entity-tag; the old one is 412', async () => {
      const first = await published()
      const tx = await again(first, '', { Expires: '60' })
      expect([tx.status, tx.header('Expires')]).to.deep.equal([200, '60'])
      const second = tx.header('SIP-ETag') ?? ''
      expect(second).to.not.equal(first)
      expect((await again(first, '')).status).to.equal(412)
      expect((await again(second, '')).status).to.equal(200)
      expect(shown()).to.deep.equal(['on'])
    })

    it('modifies, with what was said before at hand', async () => {
      const tag = await published()
      const tx = await again(tag, 'off')
      expect(tx.status).to.equal(200)
      expect(shown()).to.deep.equal(['off'])
      expect((await again(tx.header('SIP-ETag') ?? '', 'more')).status).to.equal(200)
      expect(shown()).to.deep.equal(['off+'])
      expect([...pubsub.allPublications].map(({ body }) => body)).to.deep.equal(['off+'])
    })

    it('does not read again what was said before, where equal bodies say the same', async () => {
      const first = await again(await published(), 'on')
      expect(handler.reads).to.equal(2)
      handler.equalsSayTheSame = true
      const [before] = pubsub.publications('lamp', '100', lampKind).value
      const state = before?.state
      const second = await again(first.header('SIP-ETag') ?? '', 'on')
      expect([second.status, handler.reads]).to.deep.equal([200, 2])
      expect(pubsub.publications('lamp', '100', lampKind).value[0]?.state).to.equal(state)
      await again(second.header('SIP-ETag') ?? '', 'off')
      expect(handler.reads).to.equal(3)
      expect(shown()).to.deep.equal(['off'])
    })

    it('removes, whatever body comes along', async () => {
      const tag = await published()
      const tx = await again(tag, 'broken', { Expires: '0' })
      expect([tx.status, tx.header('Expires')]).to.deep.equal([200, '0'])
      expect(tx.header('SIP-ETag')).to.be.a('string')
      expect(shown()).to.deep.equal([])
      expect((await again(tag, '', { Expires: '0' })).status).to.equal(412)
    })

    it('takes one with Expires 0 and no entity-tag, and keeps nothing', async () => {
      const tx = await sip.publish('100', 'on', { Expires: '0' })
      expect([tx.status, tx.header('Expires')]).to.deep.equal([200, '0'])
      expect([...pubsub.allPublications]).to.deep.equal([])
    })

    it('tells whoever watches of each step, and nobody of a refresh', async () => {
      const seen: string[][] = []
      const stop = pubsub.publications('lamp', '100', lampKind).watch({
        value: (all) => seen.push(all.map(({ state }) => state.light)),
      })
      const first = await published()
      const second = (await again(first, '')).header('SIP-ETag') ?? ''
      const third = (await again(second, 'off')).header('SIP-ETag') ?? ''
      await again(third, '', { Expires: '0' })
      expect(seen).to.deep.equal([[], ['on'], ['off'], []])
      void stop()
    })

    it('takes requests about one resource in the order in which they came', async () => {
      const tag = await published()
      const [one, two] = await Promise.all([again(tag, 'first'), again(tag, 'second')])
      expect([one.status, two.status]).to.deep.equal([200, 412])
      expect(shown()).to.deep.equal(['first'])
    })
  })

  describe('refusals', () => {
    beforeEach(() => begin())

    it('takes a body that is packed in no way, however that is said', async () => {
      for (const coding of ['identity', 'Identity', '']) await published('on', { 'Content-Encoding': coding })
    })

    for (const [what, headers, body, status, more] of [
      ['no Event', { Event: undefined }, 'on', 489, ['Allow-Events', 'lamp']],
      ['an Event nobody takes', { Event: 'weather' }, 'on', 489, ['Allow-Events', 'lamp']],
      ['a malformed Expires', { Expires: 'soon' }, 'on', 400, undefined],
      ['no body', {}, '', 400, undefined],
      ['a body of another type', { 'Content-Type': 'text/plain' }, 'on', 415, ['Accept', 'application/lamp']],
      ['a body of no type', { 'Content-Type': undefined }, 'on', 415, ['Accept', 'application/lamp']],
      ['a packed body', { 'Content-Encoding': 'gzip' }, 'on', 415, ['Accept-Encoding', 'identity']],
      ['an entity-tag nobody gave', { 'SIP-If-Match': 'a' }, '', 412, undefined],
      ['several entity-tags', { 'SIP-If-Match': 'a, b' }, 'on', 400, undefined],
      ['an empty entity-tag', { 'SIP-If-Match': '' }, 'on', 400, undefined],
      ['what is no entity-tag', { 'SIP-If-Match': '"a"' }, 'on', 400, undefined],
    ] as const) {
      it(`${status} for ${what}`, async () => {
        const tx = await sip.publish('100', body, headers)
        expect(tx.status).to.equal(status)
        if (more) expect(tx.header(more[0])).to.equal(more[1])
        expect([...pubsub.allPublications]).to.deep.equal([])
      })
    }

    it('400 with the words of who read the body, and what was said before stays', async () => {
      const tag = await published()
      const tx = await again(tag, 'broken')
      expect([tx.status, tx.given?.reason]).to.deep.equal([400, 'This Lamp Is Broken'])
      expect(shown()).to.deep.equal(['on'])
      expect((await again(tag, 'off')).status).to.equal(200)
    })

    it('413 for a body of more than 32768 bytes', async () => {
      expect((await sip.publish('100', 'x'.repeat(32769))).status).to.equal(413)
      expect((await sip.publish('100', 'x'.repeat(32768))).status).to.equal(200)
    })

    it('416 for a Request-URI that is no SIP URI', async () => {
      const tx = await sip.receive('PUBLISH', 'tel:100', { 'Content-Type': 'application/lamp' }, undefined, 'on')
      expect(tx.status).to.equal(416)
    })

    it('412 for the entity-tag of another resource, another event, another endpoint', async () => {
      await office.close()
      await begin({ endpoints: anyMay })
      const tag = await published()
      expect((await sip.publish('101', 'x', { 'SIP-If-Match': tag })).status).to.equal(412)
      expect((await again(tag, 'x', from('101'))).status).to.equal(412)
      const other = pubsub.publicationHandler(new LampHandler('lantern'))
      expect((await again(tag, 'x', { Event: 'lantern' })).status).to.equal(412)
      void other()
      expect((await again(tag, 'x')).status).to.equal(200)
    })
  })

  describe('expiry', () => {
    it('grants max_expires at most, default_expires without Expires, and tells expires_offset less', async () => {
      await begin({ files: { 'pubsub.conf': { max_expires: '100', default_expires: '90', expires_offset: '10' } } })
      expect((await sip.publish('100', 'on', { Expires: '4000' })).header('Expires')).to.equal('90')
      expect((await sip.publish('100', 'on', { Expires: undefined })).header('Expires')).to.equal('80')
      const [first] = pubsub.allPublications
      expect((first?.expires ?? 0) - Date.now()).to.be.within(95000, 100000)
    })

    it('refuses what is shorter than min_expires with 423, or grants that', async () => {
      await begin({ files: { 'pubsub.conf': { min_expires: '60' } } })
      const tx = await sip.publish('100', 'on', { Expires: '30' })
      expect([tx.status, tx.header('Min-Expires')]).to.deep.equal([423, '60'])
      office.file('pubsub.conf', { min_expires: '60', min_expires_action: '2' })
      await office.loader.reload('res_pjsip_pubsub')
      expect((await sip.publish('100', 'on', { Expires: '30' })).header('Expires')).to.equal('60')
    })

    it('ends what is not refreshed, at its second and not at a sweep', async () => {
      await begin()
      const seen: number[] = []
      const stop = pubsub.publications('lamp', '100', lampKind).watch({ value: (all) => seen.push(all.length) })
      const before = Date.now()
      await published('on', { Expires: '1' })
      await until('expiry', () => seen.length === 3)
      expect(seen).to.deep.equal([0, 1, 0])
      expect(Date.now() - before).to.be.at.least(990)
      expect(handler.called.at(-1)).to.equal('expire on')
      void stop()
    })

    it('goes on for the time of a refresh', async () => {
      await begin()
      const tag = await published('on', { Expires: '1' })
      await again(tag, '', { Expires: '600' })
      await published('two', { Expires: '1' })
      await until('expiry of the second', () => handler.called.includes('expire two'))
      expect(shown()).to.deep.equal(['on'])
    })

    it('shows what expired no more with force_delete either', async () => {
      await begin({ files: { 'pubsub.conf': { force_delete: 'yes' } } })
      const seen: number[] = []
      const stop = pubsub.publications('lamp', '100', lampKind).watch({ value: (all) => seen.push(all.length) })
      await published('on', { Expires: '1' })
      await until('expiry', () => handler.called.includes('expire on'))
      expect(seen).to.deep.equal([0, 1, 0])
      void stop()
    })
  })

  describe('who may publish what', () => {
    for (const [allow, resource, status] of [
      ['own', '100', 200],
      ['own', 'desk', 200],
      ['own', '101', 403],
      ['any', '101', 200],
      ['any', 'door', 200],
      ['no', '100', 403],
      ['^do+r$', 'door', 200],
      ['^do+r$', '100', 200],
      ['^do+r$', '101', 403],
    ] as const) {
      it(`allow_publish = ${allow}: ${resource} is ${status}`, async () => {
        await begin({ endpoints: { 100: { aors: ['desk'], allow_publish: allow }, 101: {} } })
        expect((await sip.publish(resource, 'on')).status).to.equal(status)
      })
    }

    it('what it may not publish any more is over as soon as it has something else to say of it', async () => {
      await begin({ endpoints: { 100: {}, 101: { allow_publish: 'no' } } })
      const tag = await published('on')
      expect((await again(tag, 'off', from('101'))).status).to.equal(403)
      expect((await sip.publish('100', 'off', from('101'))).status).to.equal(403)
      expect(shown()).to.deep.equal(['on'])
      office.core.endpoints.replace(pjsipConfig({ endpoints: { 100: { allow_publish: 'no' } } }))
      expect(shown()).to.deep.equal(['on'])
      expect((await again('other', 'off')).status).to.equal(403)
      expect(shown()).to.deep.equal(['on'])
      expect((await again(tag, 'off')).status).to.equal(403)
      expect(shown()).to.deep.equal([])
      expect(handler.called).to.include('expire on')
    })

    it('no more than publication_limit at once', async () => {
      await begin({ endpoints: { 100: { publication_limit: 2 } } })
      const tag = await published('one')
      await published('two')
      const third = await sip.publish('100', 'three')
      expect([third.status, third.given?.reason]).to.deep.equal([403, 'Too Many Publications'])
      expect((await again(tag, 'one more')).status).to.equal(200)
    })

    it('said in the log in few words, and once of one that tries all day', async () => {
      await begin()
      const name = 'x'.repeat(7000)
      for (let time = 0; time < 3; time++) expect((await sip.publish(name, 'on')).status).to.equal(403)
      const said = office.logged.filter((line) => line.includes('is refused'))
      expect(said).to.have.length(1)
      expect(said[0]).to.have.length.below(600)
    })

    it('no more about one resource than one body may hold, in however many publications', async () => {
      await begin({ endpoints: anyMay })
      const much = 'x'.repeat(20_000)
      const tag = await published(much)
      const second = await sip.publish('100', much)
      expect([second.status, second.given?.reason]).to.deep.equal([413, 'Too Much Published'])
      expect(office.logged.join('\n')).to.match(/PUBLISH of endpoint 100 .* is refused: .* more than 32768 bytes/)
      // Others, other resources, and what takes the place of its own.
      expect((await sip.publish('100', much, from('101'))).status).to.equal(200)
      expect((await sip.publish('desk', much)).status).to.equal(200)
      const changed = await again(tag, 'y'.repeat(32_000))
      expect(changed.status).to.equal(200)
      const small = await published('on')
      expect((await again(small, much)).status).to.equal(413)
      expect((await again(small, '')).status).to.equal(200)
      expect((await again(changed.header('SIP-ETag') ?? '', '', { Expires: '0' })).status).to.equal(200)
      await published(much)
    })

    it('what stands may say a little more where there is no room for another, and always as much as it did', async () => {
      await begin({ endpoints: anyMay })
      const tags: string[] = []
      for (let number = 0; number < 32; number++) tags.push(await published('x'.repeat(1024)))
      expect((await sip.publish('100', 'one more')).status).to.equal(413)
      const changed = await Promise.all(tags.map((tag) => again(tag, 'y'.repeat(1040))))
      expect(changed.map(({ status }) => status)).to.deep.equal(tags.map(() => 200))
      const [first, second] = changed.map((tx) => tx.header('SIP-ETag') ?? '')
      expect((await again(first ?? '', 'z'.repeat(20_000))).status).to.equal(413)
      expect((await again(second ?? '', 'off')).status).to.equal(200)
    })

    it('no more of what comes bit by bit, each of which adds to what was said before', async () => {
      await begin({ endpoints: anyMay })
      await published('x'.repeat(30_000))
      handler.added = 'y'.repeat(8000)
      let tag = await published('on')
      tag = (await again(tag, 'more')).header('SIP-ETag') ?? ''
      expect((await again(tag, 'more')).status).to.equal(413)
    })

    it('no more than that where several come at once, and what is refused takes no place', async () => {
      const directory = mkdtempSync(join(tmpdir(), 'lamplighter-limit-'))
      try {
        const storePath = join(directory, 'lamps.db')
        await begin({ storePath, endpoints: { 100: { aors: ['desk'], allow_publish: 'any', publication_limit: 1 } } })
        expect((await sip.publish('100', 'broken')).status).to.equal(400)
        const all = await Promise.all(['100', 'desk', '200'].map((resource) => sip.publish(resource, 'on')))
        expect(all.map(({ status }) => status)).to.have.members([200, 403, 403])
        const made = all.findIndex(({ status }) => status === 200)
        const gone = { 'SIP-If-Match': all[made]?.header('SIP-ETag') ?? '', Expires: '0' }
        expect((await sip.publish(['100', 'desk', '200'][made] ?? '', '', gone)).status).to.equal(200)
        expect((await sip.publish('200', 'on')).status).to.equal(200)
      } finally {
        rmSync(directory, { recursive: true, force: true })
      }
    })
  })

  describe('what there is', () => {
    it('hints, endpoints, AORs, and what is published already; 404 for anything else', async () => {
      await begin({ endpoints: anyMay })
      const statusOf = async (resource: string): Promise<number> => (await sip.publish(resource, 'on')).status
      expect(await statusOf('200')).to.equal(200)
      expect(await statusOf('101')).to.equal(200)
      expect(await statusOf('door')).to.equal(200)
      expect(await statusOf('nobody')).to.equal(404)
    })

    it('the same names, by another sip_uri_match from the next load of the module on', async () => {
      await begin({ endpoints: anyMay, aors: { Door: {} } })
      const tx = await sip.publish('Door', 'on')
      office.file('pubsub.conf', { sip_uri_match: '1' })
      await office.loader.reload('res_pjsip_pubsub')
      expect(shown('Door')).to.deep.equal(['on'])
      const gone = await sip.publish('Door', '', { 'SIP-If-Match': tx.header('SIP-ETag'), Expires: '0' })
      expect(gone.status).to.equal(200)
      expect(shown('Door')).to.deep.equal([])
      expect(pubsub.isPublished('Door')).to.equal(false)
    })

    it('anything with accept_unknown', async () => {
      await begin({ endpoints: anyMay, files: { 'pubsub.conf': { accept_unknown: 'yes' } } })
      expect((await sip.publish('nobody', 'on')).status).to.equal(200)
      expect(pubsub.isPublished('anybody')).to.equal(true)
      expect(
        (await sip.receive('PUBLISH', 'sip:pbx.example', { 'Content-Type': 'application/lamp' }, undefined, 'on'))
          .status,
      ).to.equal(404)
    })
  })

  describe('several publications', () => {
    const instance = (id: string): Headers => ({ Contact: `<sip:100@192.0.2.7>;+sip.instance="<urn:uuid:${id}>"` })

    it('a phone that lost its own replaces it, and its entity-tag is no longer good', async () => {
      await begin()
      const lost = await published('one', instance('a'))
      const fresh = await published('two', instance('a'))
      await published('three', instance('b'))
      expect(shown().toSorted()).to.deep.equal(['three', 'two'])
      expect((await again(lost, '')).status).to.equal(412)
      expect((await again(fresh, '')).status).to.equal(200)
    })

    it('knows a phone by its Contact where the handler says so', async () => {
      await begin()
      await published('one')
      await published('two')
      expect(shown()).to.have.length(2)
      handler.instanceByContact = true
      await published('three')
      await published('four')
      expect(shown()).to.have.length(3)
    })

    it('Expires 0 without an entity-tag takes back what the same phone had', async () => {
      await begin()
      await published('one', instance('a'))
      await published('ignored', { ...instance('a'), Expires: '0' })
      expect(shown()).to.deep.equal([])
    })

    it('the newest goes first, or the one of the highest priority', async () => {
      await begin({
        endpoints: { 100: { trust_id_inbound: true }, 101: { allow_publish: 'any' } },
        files: { 'pubsub.conf': { xavp_cfg: 'X-Pres' } },
      })
      await published('five', { 'X-Pres': 'priority=5' })
      await published('ten', { 'X-Pres': 'priority = 10;other=1' })
      await pause(2)
      await published('none', { ...from('101'), 'X-Pres': 'priority=99' })
      expect(shown()[0]).to.equal('none')
      office.file('pubsub.conf', { xavp_cfg: 'X-Pres', retrieve_order: '1' })
      await office.loader.reload('res_pjsip_pubsub')
      expect(shown()).to.deep.equal(['ten', 'five', 'none'])
    })
  })

  describe('modules', () => {
    beforeEach(() => begin())

    it('a second handler of an event throws; after its undoing publications wait for the next', async () => {
      await published()
      expect(() => pubsub.publicationHandler(handler)).to.throw('handler already')
      void unregister()
      expect(shown()).to.deep.equal([])
      expect((await sip.publish('100', 'x')).status).to.equal(489)
      expect([...pubsub.allPublications]).to.have.length(1)
      unregister = pubsub.publicationHandler(new LampHandler())
      await until('publications read again', () => shown().length === 1)
      expect(shown()).to.deep.equal(['on'])
    })

    /** Bodies are read when the promise resolves. */
    function slowly(): () => void {
      const read = handler.read.bind(handler)
      let finish = (): void => undefined
      const held = new Promise<void>((resolve) => {
        finish = resolve
      })
      Object.assign(handler, { read: async (body: Parameters<typeof read>[0]) => held.then(() => read(body)) })
      return finish
    }

    it('a body that is read while its handler goes, or is replaced, changes nothing and may be sent again', async () => {
      const finish = slowly()
      const first = sip.publish('100', 'on')
      void unregister()
      finish()
      const tx = await first
      expect([tx.status, tx.header('Retry-After')]).to.deep.equal([503, '10'])
      unregister = pubsub.publicationHandler(handler)
      const second = sip.publish('100', 'on')
      void unregister()
      unregister = pubsub.publicationHandler(new LampHandler())
      expect((await second).status).to.equal(503)
      expect([...pubsub.allPublications]).to.deep.equal([])
    })

    it('a publication that expires while its new body is read is gone', async () => {
      const tag = await published('on', { Expires: '1' })
      const finish = slowly()
      const late = again(tag, 'off')
      await until('expiry', () => handler.called.includes('expire on'))
      finish()
      expect((await late).status).to.equal(412)
      expect([...pubsub.allPublications]).to.deep.equal([])
    })

    it('watching what is published as another kind throws', () => {
      expect(() => pubsub.publications('lamp', '100', { name: 'weather' })).to.throw('not a weather')
    })

    it('are told what happens', async () => {
      const told: string[] = []
      const stop = pubsub.onPublication((what, { resource }) => told.push(`${what} ${resource}`))
      const tag = await published()
      const next = (await again(tag, 'off')).header('SIP-ETag') ?? ''
      await again((await again(next, '')).header('SIP-ETag') ?? '', '', { Expires: '0' })
      expect(told).to.deep.equal(['published 100', 'changed 100', 'refreshed 100', 'removed 100'])
      void stop()
    })
  })

  describe('over a restart', () => {
    let directory: string
    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), 'lamplighter-publish-'))
    })
    afterEach(() => rmSync(directory, { recursive: true, force: true }))

    it('publications and their entity-tags are kept', async () => {
      const storePath = join(directory, 'lamps.db')
      await begin({ storePath })
      const tag = await published('on', { Expires: '600' })
      await published('short', { Expires: '60' })
      await office.close()
      await later(60_000, () => begin({ storePath }))
      await until('publication', () => shown().length === 1)
      const [kept] = pubsub.allPublications
      expect(kept).to.include({ publisher: 'sip:100@pbx.example', domain: 'pbx.example', body: 'on' })
      expect(kept?.endpoint?.id).to.equal('100')
      expect((await again(tag, 'off')).status).to.equal(200)
      expect(shown()).to.deep.equal(['off'])
    })
  })
})

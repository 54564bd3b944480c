/** Resource lists (RFC 4662) on a wire of the test's own: who gets one, what is told of it, and what is not told again. */
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import type { TestCoreSettings } from '../support/core.ts'
import { settled } from '../support/lamp-office.ts'
import { type Lamps, lampText, XML } from '../support/lamps.ts'
import { ASK, ListOffice, lampsOf } from '../support/list-office.ts'
import { until } from '../support/tools.ts'

const LISTS = {
  floor: { event: 'lamp', list_item: ['200', '201'] },
  house: { event: 'lamp', list_item: ['floor', '202', '200', 'house'] },
}
describe('resource lists', () => {
  let office: ListOffice

  afterEach(() => office.close())

  async function begin(settings: TestCoreSettings & { lamps?: Lamps } = {}): Promise<void> {
    office = await ListOffice.open({ lists: LISTS, ...settings })
  }

  it('are told whole first, in one NOTIFY', async () => {
    await begin()
    const tx = await office.subscribe('floor')
    expect([tx.status, tx.header('Require')]).to.deep.equal([200, 'eventlist'])
    const [first, ...more] = await office.told(tx.dialog)
    expect(more).to.deep.equal([])
    expect(tx.dialog.last.header('Require')).to.equal('eventlist')
    expect(first).to.include({ full: true, version: 0, name: 'floor' })
    expect(first?.entries.map(({ uri, name, instance }) => [uri, name, instance?.state, instance?.body])).to.deep.equal(
      [
        ['sip:200@pbx.example', '200', 'active', 'off'],
        ['sip:201@pbx.example', '201', 'active', 'off'],
      ],
    )
  })

  it('tell only what changed, and make no body of anything else', async () => {
    const lamps = lampsOf(500)
    const items = [...lamps.lamps.keys()]
    await begin({ lamps, lists: { all: { event: 'lamp', list_item: items } } })
    const { dialog } = await office.subscribe('all')
    expect((await office.told(dialog))[0]?.entries).to.have.length(500)
    let generated = 0
    const generate = lampText.generate.bind(lampText)
    lampText.generate = (...args) => {
      generated++
      return generate(...args)
    }
    try {
      lamps.set('300', 'on')
      const [part, ...more] = await office.told(dialog)
      expect(more).to.deep.equal([])
      expect(part).to.include({ full: false, version: 1 })
      expect(part?.entries.map(({ uri, instance }) => [uri, instance?.body])).to.deep.equal([
        ['sip:300@pbx.example', 'on'],
      ])
      expect(generated).to.equal(1)
    } finally {
      lampText.generate = generate
    }
    lamps.set('300', 'on')
    expect(await office.told(dialog)).to.deep.equal([])
  })

  it('gather what changes at once into one NOTIFY', async () => {
    const lamps = lampsOf(500)
    await begin({ lamps, lists: { all: { event: 'lamp', list_item: [...lamps.lamps.keys()] } } })
    const { dialog } = await office.subscribe('all')
    await office.told(dialog)
    for (const name of lamps.lamps.keys()) lamps.set(name, 'on')
    const documents = await office.told(dialog)
    expect(documents.map(({ entries }) => entries.length)).to.deep.equal([500])
    expect(new Set(Object.values(office.table(dialog)))).to.deep.equal(new Set(['on']))
  })

  it('that are brought along are bounded for each endpoint, and make room again', async () => {
    await begin()
    const body = (size: number): string => {
      const entries = Array.from({ length: size }, (_, at) => `<entry uri="sip:n${at}@pbx.example"/>`).join('')
      return `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list>${entries}</list></resource-lists>`
    }
    const bring = (size: number): ReturnType<ListOffice['bring']> => office.bring(body(size))
    const first = await bring(1000)
    for (let list = 1; list < 20; list++) expect((await bring(1000)).status).to.equal(200)
    const refused = await bring(1)
    expect([refused.status, refused.given?.reason]).to.deep.equal([403, 'Too Many Subscriptions'])
    expect((await office.subscribe('floor')).status).to.equal(200)
    expect(office.made.office.logged.join('\n')).to.include(
      'endpoint 100 would watch more than 20000 resources in lists of its own',
    )
    await settled(20)
    expect((await office.made.sip.again(first, { ...ASK, Expires: '0' })).status).to.equal(200)
    await until('room', async () => (await bring(1)).status === 200)
  })

  it('wait for notification_batch_interval, but for who asks', async () => {
    await begin({ lists: { floor: { ...LISTS.floor, notification_batch_interval: 120 } } })
    const tx = await office.subscribe('floor')
    const { dialog } = tx
    await office.told(dialog)
    office.made.lamps.set('200', 'on')
    office.made.lamps.set('201', 'on')
    office.made.lamps.set('200', 'dim')
    expect(await office.told(dialog)).to.deep.equal([])
    await until('NOTIFY of the batch', () => dialog.notifies.length === 2)
    const [part] = await office.told(dialog)
    expect(part?.entries.map(({ instance }) => instance?.body)).to.deep.equal(['dim', 'on'])
    office.made.lamps.set('200', 'off')
    await office.made.sip.again(tx, ASK)
    const [refreshed] = await office.told(dialog)
    expect(refreshed).to.include({ full: true })
    expect(office.table(dialog)['sip:200@pbx.example']).to.equal('off')
    await pause(150)
    expect(await office.told(dialog)).to.deep.equal([])
  })

  it('tell all of it with full_state', async () => {
    await begin({ lists: { floor: { ...LISTS.floor, full_state: true } } })
    const { dialog } = await office.subscribe('floor')
    await office.told(dialog)
    office.made.lamps.set('201', 'on')
    const [second] = await office.told(dialog)
    expect(second).to.include({ full: true, version: 1 })
    expect(second?.entries.map(({ instance }) => instance?.body)).to.deep.equal(['off', 'on'])
  })

  it('hold lists, each resource once, and go in circles without harm', async () => {
    await begin()
    const { dialog } = await office.subscribe('house')
    const [first] = await office.told(dialog)
    expect(first?.entries.map(({ uri }) => uri)).to.deep.equal(['sip:floor@pbx.example', 'sip:202@pbx.example'])
    expect(first?.entries[0]?.list).to.include({ full: true, version: 0, name: 'floor', uri: 'sip:floor@pbx.example' })
    expect(office.table(dialog)).to.deep.equal({
      'sip:floor@pbx.example sip:200@pbx.example': 'off',
      'sip:floor@pbx.example sip:201@pbx.example': 'off',
      'sip:202@pbx.example': 'off',
    })
    office.made.lamps.set('202', 'on')
    office.made.lamps.set('201', 'on')
    const [second] = await office.told(dialog)
    expect(second?.entries.map(({ uri }) => uri)).to.deep.equal(['sip:floor@pbx.example', 'sip:202@pbx.example'])
    expect(second?.entries[0]?.list).to.include({ full: false, version: 1 })
    office.made.lamps.set('202', 'off')
    expect((await office.told(dialog))[0]?.entries.map(({ uri }) => uri)).to.deep.equal(['sip:202@pbx.example'])
    office.made.lamps.set('200', 'on')
    expect((await office.told(dialog))[0]?.entries[0]?.list).to.include({ full: false, version: 2 })
  })

  it('number the documents of a resource one by one', async () => {
    await begin()
    const { dialog } = await office.subscribe('floor', { Accept: XML })
    await office.told(dialog)
    office.made.lamps.set('200', 'on')
    await office.told(dialog)
    office.made.lamps.set('200', 'dim')
    office.made.lamps.set('201', 'dim')
    await office.told(dialog)
    const lamp = (version: number, name: string, light: string): string =>
      `<lamp version="${version}" entity="sip:${name}@pbx.example">${light}</lamp>`
    expect(office.table(dialog)).to.deep.equal({
      'sip:200@pbx.example': lamp(2, '200', 'dim'),
      'sip:201@pbx.example': lamp(1, '201', 'dim'),
    })
  })

  it('have the same instances and Content-IDs in all NOTIFYs', async () => {
    await begin()
    const { dialog } = await office.subscribe('floor')
    office.made.lamps.set('200', 'on')
    const documents = [...(await office.told(dialog))]
    office.made.lamps.set('200', 'off')
    documents.push(...(await office.told(dialog)))
    const ids = documents.map(({ entries }) => entries.find(({ uri }) => uri.includes('200'))?.instance?.id)
    expect(new Set(ids).size).to.equal(1)
    expect(dialog.last.body?.contentType).to.match(/;start="<[0-9a-f]+@pbx\.example>";boundary=[0-9a-f]{24}$/)
  })

  it('show what is not there as ended, and have it when it comes', async () => {
    await begin({ lists: { floor: { event: 'lamp', list_item: ['200', '299'] } } })
    const { dialog } = await office.subscribe('floor')
    const [first] = await office.told(dialog)
    expect(first?.entries[1]?.instance).to.include({ state: 'terminated', reason: 'noresource', body: undefined })
    office.made.lamps.set('299', 'on')
    office.configure(() => ({}))
    await until('the lamp that came', async () => (await office.told(dialog)).length > 0)
    expect(office.table(dialog)['sip:299@pbx.example']).to.equal('on')
    office.made.lamps.lamps.get('299')?.end('noresource')
    const [gone] = await office.told(dialog)
    expect(gone?.entries.map(({ instance }) => instance?.reason)).to.deep.equal(['noresource'])
  })

  it('follow their configuration without a new subscription, and end with it', async () => {
    await begin()
    const { dialog } = await office.subscribe('house')
    await office.told(dialog)
    office.refill('floor', ['201', '202'])
    await until('NOTIFY', () => dialog.notifies.length === 2)
    await office.told(dialog)
    expect(office.table(dialog)).to.deep.equal({
      'sip:floor@pbx.example sip:201@pbx.example': 'off',
      'sip:floor@pbx.example sip:202@pbx.example': 'off',
      'sip:200@pbx.example': 'off',
    })
    office.refill('house', ['200'])
    await until('NOTIFY', () => dialog.notifies.length === 3)
    await office.told(dialog)
    expect(office.table(dialog)).to.deep.equal({ 'sip:200@pbx.example': 'off' })
    expect(office.made.lamps.watchers('201')).to.equal(0)
    office.configure(() => ({ resourceLists: new Map() }))
    await until('the end', () => dialog.last.state.startsWith('terminated'))
    expect(dialog.last.state).to.equal('terminated;reason=noresource')
    expect(office.made.lamps.watchers('200')).to.equal(0)
  })

  it('expand patterns over endpoints, AORs and hints that are there', async () => {
    await begin({
      endpoints: { 100: {}, 200: {}, 202: {} },
      aors: { 201: {}, 2011: {}, 299: {} },
      lists: { all: { event: 'lamp', list_item: ['202', '_2XX'] } },
    })
    const { dialog } = await office.subscribe('all')
    const [first] = await office.told(dialog)
    expect(first?.entries.map(({ name }) => name)).to.deep.equal(['202', '200', '201'])
  })

  it('are refused with 421 to who does not say that it knows them, unless there is a resource of the name', async () => {
    await begin({
      lists: { ...LISTS, 200: { event: 'lamp', list_item: ['201'] }, other: { event: 'x', list_item: ['1'] } },
    })
    const refused = await office.made.sip.subscribe('floor')
    expect([refused.status, refused.header('Require')]).to.deep.equal([421, 'eventlist'])
    const plain = await office.made.sip.subscribe('200')
    await settled()
    expect(plain.dialog.last.text).to.equal('off')
    expect((await office.told((await office.subscribe('200')).dialog))[0]?.entries).to.have.length(1)
    expect((await office.subscribe('other')).status).to.equal(404)
    expect(office.made.office.logged.filter((line) => line.includes('which is for x'))).to.have.length(1)
  })

  it('come in one NOTIFY where they are fetched, which is the last', async () => {
    await begin()
    const { dialog } = await office.subscribe('floor', { Expires: '0' })
    const documents = await office.told(dialog)
    expect(documents.map(({ entries }) => entries.length)).to.deep.equal([2])
    expect(dialog.last.state).to.equal('terminated;reason=timeout')
    expect(office.made.lamps.watchers('200')).to.equal(0)
  })

  it('are whole again after a NOTIFY that failed', async () => {
    await begin({ files: { 'pubsub.conf': { notify_retry_interval: '10' } } })
    const { dialog } = await office.subscribe('floor')
    await office.told(dialog)
    office.made.sip.autoAnswer = 503
    office.made.lamps.set('200', 'on')
    await settled()
    office.made.sip.autoAnswer = 200
    await until('another try', () => dialog.notifies.length >= 3)
    const documents = await office.told(dialog)
    expect(documents.at(-1)?.full).to.equal(true)
    expect(office.table(dialog)['sip:200@pbx.example']).to.equal('on')
  })

  it('have one entity-tag for a state, however it was told (RFC 5839)', async () => {
    await begin()
    const tx = await office.subscribe('floor')
    const { dialog } = tx
    office.made.lamps.set('200', 'on')
    await office.told(dialog)
    const tag = dialog.last.header('SIP-ETag') ?? ''
    const { dialog: other } = await office.subscribe('floor', { Contact: '<sip:100@192.0.2.8>' })
    await office.told(other)
    expect(other.last.header('SIP-ETag')).to.equal(tag)
    const refreshed = await office.made.sip.again(tx, { ...ASK, 'Suppress-If-Match': tag })
    expect([refreshed.status, refreshed.header('Require')]).to.deep.equal([204, 'eventlist'])
  })

  it('are whole in the first document of a watcher that had the state already (RFC 5839)', async () => {
    await begin()
    const tx = await office.subscribe('floor')
    await office.told(tx.dialog)
    const has = { 'Suppress-If-Match': tx.dialog.last.header('SIP-ETag') ?? '', Contact: '<sip:100@192.0.2.8>' }
    const { dialog } = await office.subscribe('floor', has)
    expect(await office.told(dialog)).to.deep.equal([])
    expect(dialog.notifies).to.have.length(1)
    office.made.lamps.set('200', 'on')
    const [first] = await office.told(dialog)
    expect([first?.full, first?.version, first?.entries.length]).to.deep.equal([true, 0, 2])
    office.made.lamps.set('200', 'off')
    expect((await office.told(dialog))[0]?.full).to.equal(false)
  })

  it('are told without a body, not as resources without a state, while their generator is away', async () => {
    await begin()
    const tx = await office.subscribe('floor')
    await office.told(tx.dialog)
    await office.made.office.loader.unload('res_test_lamp_body')
    expect((await office.made.sip.again(tx, ASK)).status).to.equal(200)
    expect(await office.told(tx.dialog)).to.deep.equal([])
    expect(tx.dialog.notifies).to.have.length(2)
    await office.made.office.loader.load('res_test_lamp_body')
    await until('the list', async () => (await office.told(tx.dialog)).length > 0)
    expect(office.table(tx.dialog)).to.deep.equal({ 'sip:200@pbx.example': 'off', 'sip:201@pbx.example': 'off' })
  })

  it('go on after their package or generator was away', async () => {
    await begin()
    const { dialog } = await office.subscribe('floor')
    await office.told(dialog)
    await office.made.office.loader.unload('res_test_lamp')
    office.made.lamps.set('201', 'on')
    await office.made.office.loader.load('res_test_lamp')
    await until('NOTIFY', () => dialog.notifies.length === 2)
    await office.told(dialog)
    expect(office.table(dialog)['sip:201@pbx.example']).to.equal('on')
  })

  describe('under compat=asterisk', () => {
    const asterisk = { general: { compat: 'asterisk' } as const }

    it('leave out what is not there, prune empty lists, and answer 500 where nothing is', async () => {
      await begin({
        ...asterisk,
        lists: {
          some: { event: 'lamp', list_item: ['nobody', '299', '200'] },
          nobody: { event: 'lamp', list_item: ['298', '297'] },
        },
      })
      const { dialog } = await office.subscribe('some')
      expect((await office.told(dialog))[0]?.entries.map(({ name }) => name)).to.deep.equal(['200'])
      expect((await office.subscribe('nobody')).status).to.equal(500)
      expect((await office.made.sip.subscribe('some')).status).to.equal(404)
    })

    it('have new letters in each NOTIFY, and no start', async () => {
      await begin({ ...asterisk, lists: { ...LISTS } })
      const tx = await office.subscribe('floor')
      const { dialog } = tx
      office.made.lamps.set('200', 'on')
      const documents = [...(await office.told(dialog))]
      await office.made.sip.again(tx, ASK)
      documents.push(...(await office.told(dialog)))
      const ids = documents.flatMap(({ entries }) => entries.map(({ instance }) => instance?.id ?? ''))
      expect(ids).to.satisfy((all: string[]) => all.every((id) => /^[a-z]{5}$/.test(id)) && new Set(all).size === 4)
      expect(dialog.last.body?.contentType).to.match(
        /^multipart\/related;type="application\/rlmi\+xml";boundary=[a-z]{5}$/,
      )
    })

    it('end their instances with them', async () => {
      await begin({ ...asterisk, lists: { ...LISTS } })
      const tx = await office.subscribe('floor')
      const { dialog } = tx
      await office.told(dialog)
      await office.made.sip.again(tx, { ...ASK, Expires: '0' })
      const [last] = await office.told(dialog)
      expect(last?.entries.map(({ instance }) => instance?.state)).to.deep.equal(['terminated', 'terminated'])
    })

    it('end the instances of the lists within them, too', async () => {
      await begin({ ...asterisk, lists: { ...LISTS } })
      const tx = await office.subscribe('house')
      const { dialog } = tx
      const [first] = await office.told(dialog)
      expect(first?.entries.map(({ instance }) => instance?.state)).to.deep.equal(['active', 'active'])
      await office.made.sip.again(tx, { ...ASK, Expires: '0' })
      const [last] = await office.told(dialog)
      expect(last?.entries.map(({ instance }) => instance?.state)).to.deep.equal(['terminated', 'terminated'])
      expect(last?.entries[0]?.list?.entries.map(({ instance }) => instance?.state)).to.deep.equal([
        'terminated',
        'terminated',
      ])
    })
  })

  it('have watchers of their resources, whom modules and the console ask for', async () => {
    await begin()
    const { pubsub, office: console } = office.made
    const has = (event: string): boolean[] => ['200', '201', '202'].map((who) => pubsub.presHasSubscribers(who, event))
    const tx = await office.subscribe('floor')
    await settled()
    expect([has('lamp'), has('note')]).to.deep.equal([
      [true, true, false],
      [false, false, false],
    ])
    const line = 'sip:100@pbx.example  lamp  active  in the list floor'
    expect(await console.run('presence watcher_list basic 200')).to.equal(`${line}\n1 watchers`)
    expect(await console.run('presence watcher_list full 202')).to.equal('0 watchers')
    await office.made.sip.again(tx, { ...ASK, Expires: '0' })
    await settled()
    expect(has('lamp')).to.deep.equal([false, false, false])
  })

  it('are shown on the console', async () => {
    await begin({ lists: { ...LISTS, late: { event: 'lamp', list_item: ['_2XX'], notification_batch_interval: 50 } } })
    await office.subscribe('floor')
    const shown = await office.made.office.run('pjsip show resource_lists')
    expect(shown).to.include(
      '    List: floor/lamp\n   Items: 200,201\n   Holds: 2  Watchers: 1  FullState: no  Batch: 0\n',
    )
    expect(shown).to.include('List: house/lamp').and.include('Batch: 50').and.include('3 resource lists')
    expect(await office.made.office.run('pjsip show resource_lists like hous')).to.include('1 resource lists')
    const why = await office.made.office.run('presence why 200')
    expect(why).to.include('watcher sip:100@pbx.example (endpoint 100) of lamp in the list floor: active')
  })
})

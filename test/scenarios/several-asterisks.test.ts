import { expect } from 'chai'
import { type DemoPbx, startDemoPbx } from '../../core/demo/pbx.ts'
import { AriProxy } from '../support/ari-proxy.ts'
import { localOffice } from '../support/office.ts'
import { type PlainPbxData, pbxData } from '../support/pbx-data.ts'
import { TestPhone, type WireMessage } from '../support/phone.ts'
import { Scene } from '../support/scene.ts'
import { until } from '../support/tools.ts'

const office = { context: 'office' }
const account = (id: string, password: string): PlainPbxData => ({
  endpoints: { [id]: { ...office, auth: id, aors: id } },
  auths: { [id]: { auth_type: 'userpass', username: id, password } },
  aors: { [id]: {} },
})
const DESKS = ['500', '501', '502', '503', '504']

const [ONE, TWO, THREE] = [account('110', 'first'), account('110', 'second'), account('120', 'third')]
/** Extension 100 lives on one and two; 400 on two only; the desks on three only. */
const SERVERS = {
  one: pbxData({
    ...ONE,
    endpoints: { ...ONE.endpoints, 100: office, 101: office },
    hints: { office: { 100: 'PJSIP/100(Reception)', 110: 'PJSIP/110', 200: 'Custom:door', 201: 'Custom:door' } },
    mailboxes: { '100@default': '1,Alice', '101@default': '1,Bob' },
  }),
  two: pbxData({
    ...TWO,
    endpoints: { ...TWO.endpoints, 100: office, 102: office, 400: office },
    hints: {
      office: {
        100: 'PJSIP/100&Custom:night',
        110: 'PJSIP/110',
        200: 'Custom:door',
        201: 'Custom:gate',
        400: 'PJSIP/400',
      },
    },
    mailboxes: { '100@default': '1,Alice', '101@default': '1,Bob' },
  }),
  three: pbxData({
    ...THREE,
    endpoints: { ...THREE.endpoints, ...Object.fromEntries(DESKS.map((desk) => [desk, office])) },
    hints: { office: Object.fromEntries(DESKS.map((desk) => [desk, `PJSIP/${desk}`])) },
  }),
}
type Name = keyof typeof SERVERS
const NAMES: readonly Name[] = ['one', 'two', 'three']
/** Far more than a busy machine takes to answer a phone. */
const REQUEST_TIMEOUT = 10_000
const STALE_AFTER: Record<Name, number> = { one: 600, two: 4, three: 600 }

describe('several Asterisk servers, one set of lamps', function () {
  this.timeout(120_000)
  const servers = new Map<Name, DemoPbx>()
  let proxy: AriProxy
  let scene: Scene
  const phones: TestPhone[] = []

  const pbx = (name: Name): DemoPbx => {
    const found = servers.get(name)
    if (!found) throw new Error(`no server ${name}`)
    return found
  }
  const section = (name: Name): string => {
    const url = name === 'three' ? proxy.url : pbx(name).url
    return `[${name}]\ntype = server\nurl = ${url}\nusername = lamplighter\npassword = lamplighter\nreconnect_max = 1
mailbox_interval = 1\nhint_interval = 5\nrequest_timeout = ${REQUEST_TIMEOUT}\nstale_after = ${STALE_AFTER[name]}\n`
  }
  const configured = (...names: Name[]): Record<string, string> => ({
    'lamplighter.conf': `[general]\n${names.map(section).join('')}`,
  })
  const status = async (name: string): Promise<string> => scene.command(`ari show server ${name}`)
  const hasState = (name: Name, state: string): Promise<boolean> =>
    until(`${name} ${state}`, async () => new RegExp(`^State: +${state}\\b`, 'm').test(await status(name)))

  before(async () => {
    for (const name of NAMES) servers.set(name, await startDemoPbx({ port: 0, data: SERVERS[name] }))
    for (const id of ['100', '101', '110']) pbx('one').register(id, true)
    for (const id of ['100', '102', '400']) pbx('two').register(id, true)
    for (const id of DESKS) pbx('three').register(id, true)
    pbx('two').setMessages('100@default', { newMessages: 2, oldMessages: 1 })
    pbx('one').setCustom('door', 'NOT_INUSE')
    proxy = await AriProxy.before(pbx('three').url)
    const { 'extensions.conf': _, ...files } = localOffice()
    scene = await Scene.open({ ...files, ...configured(...NAMES) })
    for (const name of NAMES) await hasState(name, 'serving')
  })
  after(async () => {
    for (const phone of phones) await phone.close()
    await scene?.close()
    await proxy?.close()
    for (const server of servers.values()) await server.stop()
  })

  const notifies = (phone: TestPhone): WireMessage[] => phone.received.filter(({ method }) => method === 'NOTIFY')
  const latest = (phone: TestPhone): string => notifies(phone).at(-1)?.body ?? ''
  const dialogs = (phone: TestPhone): string[] =>
    [...latest(phone).matchAll(/<dialog id="([^"]*)".*?<state[^>]*>(\w+)<\/state>/gs)].map(
      ([, id = '', state]) => `${id.slice(id.indexOf('@') + 1)} ${state}`,
    )
  const shows = (phone: TestPhone, ...expected: string[]): Promise<boolean> =>
    until(expected.join(' and '), () => dialogs(phone).join() === expected.join()).catch((error: unknown) => {
      throw new Error(`${String(error)}; it shows ${dialogs(phone).join() || 'nothing'}`)
    })
  const watch = async (exten: string, event = 'dialog'): Promise<TestPhone> => {
    const [phone] = await scene.watching('100', exten, event)
    return phone
  }
  /** A phone whose account no file of ours has. */
  const stranger = async (user: string, password: string, exten: string): Promise<number> => {
    const { host, port } = scene.instance.address()
    const phone = await TestPhone.open({ server: { address: host, port }, user, password })
    phones.push(phone)
    return (await scene.subscribe(phone, exten, 'dialog')).status
  }

  it('a hint that two have is made of the devices of both', async () => {
    const lamp = await watch('100')
    await shows(lamp, '100 terminated')
    expect(await scene.command('core show hint 100')).to.match(/PJSIP\/100&Custom:night[^]*100@office from one, two/)
    pbx('two').setCustom('night', 'INUSE')
    await shows(lamp, '100 confirmed')
    pbx('two').setCustom('night', 'NOT_INUSE')
    await shows(lamp, '100 terminated')
  })

  it('a phone that is registered at one of them is there, and served with the password of the first', async () => {
    const lamp = await watch('110', 'presence')
    expect(latest(lamp)).to.match(/<basic>open/)
    expect(await scene.command('devstate list')).to.match(
      /PJSIP\/110 +NOT_INUSE (?=.*one: NOT_INUSE)(?=.*two: UNAVAILABLE)/,
    )
    expect(await stranger('110', 'first', '100')).to.equal(200)
    expect(await stranger('110', 'second', '100')).to.equal(401)
    expect(await stranger('120', 'third', '500')).to.equal(200)
  })

  it('a mailbox on two shows the newest counts, and an empty one hides nothing at the start', async () => {
    const [phone] = await scene.watching('100', '100', 'message-summary')
    expect(latest(phone)).to.match(/Voice-Message: 2\/1/)
    expect(await scene.command('mwi list')).to.match(/100@default .*one: 0 new, 0 old/)
    pbx('two').readMessages('100@default')
    await until('all read', () => /Voice-Message: 0\/3/.test(latest(phone)))
    pbx('one').leaveMessage('100@default')
    await until('the one at the other server', () => /Voice-Message: 1\/0/.test(latest(phone)))
  })

  it('of a Custom: device the last change counts, wherever it was', async () => {
    const lamp = await watch('200')
    pbx('one').setCustom('door', 'INUSE')
    await shows(lamp, '200 confirmed')
    pbx('two').setCustom('door', 'RINGING')
    await shows(lamp, '200 early')
    pbx('one').setCustom('door', 'NOT_INUSE')
    await shows(lamp, '200 terminated')
  })

  it('one that dies takes its calls and states with it after stale_after, and no others; its return mends them', async () => {
    const lamp = await watch('100')
    const desk = await watch('500')
    const only = await watch('400')
    const [newestAtOne] = await scene.watching('100', '100', 'message-summary')
    const [newestAtTwo] = await scene.watching('101', '101', 'message-summary')
    pbx('two').setMessages('101@default', { newMessages: 3, oldMessages: 0 })
    await until('three messages', () => /Voice-Message: 3\/0/.test(latest(newestAtTwo)))
    pbx('one').setMessages('100@default', { newMessages: 1, oldMessages: 0 })
    await until('one message', () => /Voice-Message: 1\/0/.test(latest(newestAtOne)))
    const call = pbx('one').call('101', '100')
    call.answer()
    await shows(lamp, 'one confirmed')
    const second = pbx('two').call('102', '100')
    await shows(lamp, 'one confirmed', 'two confirmed')
    expect(await scene.command('core show hint 100')).to.match(/InUse&Ringing/)
    pbx('two').call('400', '102').answer()
    await shows(only, 'two confirmed')
    await until('both callers', () => /sip:101@[^]*sip:102@/.test(latest(lamp)))
    const [before, elsewhere, counted] = [notifies(lamp).length, notifies(desk).length, notifies(newestAtOne).length]

    await pbx('two').stop()
    await hasState('two', 'away')
    expect(dialogs(lamp)).to.deep.equal(['one confirmed', 'two confirmed'])
    expect(notifies(lamp)).to.have.length(before)
    await hasState('two', 'stale')
    await shows(lamp, 'one confirmed')
    await shows(only, '400 terminated')
    expect(notifies(lamp)).to.have.length(before + 1)
    expect(await scene.command('devstate list')).to.match(/PJSIP\/100 +INUSE +.*two: UNAVAILABLE/)
    await until('what the other server has', () => /Voice-Message: 0\/0/.test(latest(newestAtTwo)))
    expect(await scene.command('mwi list')).not.to.match(/two:/)
    expect(await stranger('110', 'first', '100')).to.equal(200)

    second.hangUp()
    await pbx('two').listen()
    await hasState('two', 'serving')
    await shows(only, 'two confirmed')
    expect(dialogs(lamp)).to.deep.equal(['one confirmed'])
    expect(notifies(lamp), 'nothing differs there').to.have.length(before + 1)
    await until('the messages of the one that is back', () => /Voice-Message: 3\/0/.test(latest(newestAtTwo)))
    expect(notifies(newestAtOne), 'the newest is that of the other one').to.have.length(counted)
    expect(notifies(desk), 'nothing happened there').to.have.length(elsewhere)
    call.hangUp()
    await shows(lamp, '100 terminated')
  })

  it('the return of one is told to the phones whose lamps differ, and to no others', async () => {
    const lamps = new Map<string, TestPhone>()
    for (const desk of DESKS) lamps.set(desk, await watch(desk, 'presence'))
    const counts = (): number[] => [...lamps.values()].map((phone) => notifies(phone).length)
    expect(counts()).to.deep.equal([1, 1, 1, 1, 1])
    const away = pbx('three').dropLink(1500)
    await hasState('three', 'away')
    pbx('three').register('503', false)
    await away
    await hasState('three', 'serving')
    await until('a dark lamp', () => /<basic>closed/.test(latest(lamps.get('503') ?? expect.fail())))
    await scene.command('ari reconcile three')
    expect(counts()).to.deep.equal([1, 1, 1, 2, 1])
  })

  it('the console tells of each: connected since, round trip, events, repaired, last error', async () => {
    proxy.silent = true
    pbx('three').register('503', true)
    expect(await scene.command('ari reconcile three')).to.match(/PJSIP\/503 was believed UNAVAILABLE/)
    proxy.silent = false
    await until('every round trip', async () => !/ - /.test(await scene.command('ari show servers')))
    const [head = '', ...rows] = (await scene.command('ari show servers')).split('\n')
    const columns = (line: string): string[] => line.split(/ {2,}/)
    expect(columns(head).slice(4)).to.deep.equal([
      'Connected since',
      'Round trip',
      'Events',
      'Repaired',
      'Devices',
      'Last error',
    ])
    expect(rows.map((row) => columns(row)[0])).to.deep.equal([...NAMES])
    for (const [at, row] of rows.entries()) {
      const [, , state, , since = '', roundTrip = '', events, repaired, , error] = columns(row)
      expect(state).to.equal('serving')
      expect(Math.abs(Date.now() - Date.parse(since))).to.be.below(120_000)
      expect(Number.parseFloat(roundTrip)).to.be.within(0.01, 5000)
      expect(Number(events)).to.be.above(0)
      expect(repaired).to.equal(at === 2 ? '1' : '0')
      expect(error).to.match(at === 0 ? /^none$/ : /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ \S/)
    }
    const detail = await status('two')
    expect(detail).to.match(/Connects: +2\n/)
    expect(detail).to.match(/Last error: +\d{4}\S+Z .*(?:closed|ECONN)/)
  })

  it('one that hangs keeps no phone waiting that asks for what another has', async () => {
    pbx('two').freeze()
    pbx('one').setCustom('door', 'INUSE')
    const asked = Date.now()
    const lamp = await watch('201')
    expect(Date.now() - asked, 'not a time-out').to.be.below(REQUEST_TIMEOUT)
    await shows(lamp, '201 confirmed')
    pbx('two').thaw()
    pbx('two').setCustom('gate', 'RINGING')
    pbx('one').setCustom('door', 'NOT_INUSE')
    // It would be asked again at hint_interval.
    const asksAgain = async (): Promise<boolean> => {
      await scene.command('dialplan reload')
      return (await scene.command('core show hint 201')).includes('201@office from one, two')
    }
    await until('the hint of both', asksAgain, 30000)
    await shows(lamp, '201 early')
  })

  it('one that a reload removes takes its states and hints with it; one that comes back brings them', async () => {
    const shared = await watch('100')
    const only = await watch('400')
    pbx('two').setCustom('night', 'INUSE')
    await shows(shared, '100 confirmed')
    await scene.reload(configured('one', 'three'))
    await shows(shared, '100 terminated')
    await shows(only, '400 terminated')
    expect(await scene.command('devstate list')).not.to.match(/two:/)
    expect(await scene.command('mwi list')).not.to.match(/two:/)
    expect(await scene.command('core show hint 100')).not.to.match(/Custom:night/)
    await scene.reload(configured(...NAMES))
    await shows(shared, '100 confirmed')
    await shows(only, 'two confirmed')
  })

  it('the order of the file counts, also where a reload has changed it', async () => {
    await scene.reload(configured('two', 'one', 'three'))
    expect((await scene.command('ari show servers')).split('\n').map((row) => row.split(' ')[0])).to.deep.equal([
      'Name',
      'two',
      'one',
      'three',
    ])
    expect(await stranger('110', 'second', '100')).to.equal(200)
    expect(await stranger('110', 'first', '100')).to.equal(401)
    await scene.reload(configured('one', 'three'))
    await scene.reload(configured(...NAMES))
    await hasState('two', 'serving')
    expect(await stranger('110', 'first', '100')).to.equal(200)
  })
  it('a kill -9 of ours while one is away puts out no lamp of that one, and its return is followed', async () => {
    const lamp = await watch('500')
    const call = pbx('three').call('500', '501')
    call.answer()
    await shows(lamp, 'three confirmed')
    await pbx('three').stop()
    await hasState('three', 'away')
    const before = notifies(lamp).length
    await scene.instance.end('SIGKILL')
    await scene.instance.start()
    await pbx('three').listen()
    // A start that connects to all of them.
    await until('a NOTIFY', () => notifies(lamp).length > before, 60_000)
    call.hangUp()
    await shows(lamp, '500 terminated')
    const states = notifies(lamp).map(({ body }) => /<state>(\w+)/.exec(body)?.[1])
    expect(states.slice(before, -1)).to.deep.equal(Array(states.length - before - 1).fill('confirmed'))
    expect(states.length).to.be.above(before + 1)
  })
})

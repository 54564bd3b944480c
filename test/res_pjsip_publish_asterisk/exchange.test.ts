import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { TestCore } from '../support/core.ts'
import {
  configure,
  EID,
  publishing,
  type Sections,
  startServer,
  TAKES_ALL,
  TELLS_ALL,
  uriOf,
} from '../support/publishing.ts'
import { until } from '../support/tools.ts'

/** Two servers over UDP, each of which takes what the other brings. */
describe('Servers that exchange states', () => {
  let a: TestCore
  let b: TestCore

  const bothWays = (peer: TestCore, changed: Sections['outbound'] = {}): Sections => ({
    inbound: TAKES_ALL.inbound ?? {},
    asterisk: TELLS_ALL,
    outbound: {
      devices: { server_uri: [uriOf(peer)], event: 'asterisk-devicestate', ...changed['devices'] },
      mailboxes: { server_uri: [uriOf(peer)], event: 'asterisk-mwi', ...changed['mailboxes'] },
    },
  })

  async function connected(changed: Sections['outbound'] = {}): Promise<void> {
    for (const server of [a, b]) {
      configure(server, TAKES_ALL)
      await publishing(server)
    }
    configure(a, bothWays(b, changed))
    configure(b, bothWays(a, changed))
  }
  const sent = (server: TestCore): number => server.metric('publish.outbound.sent')
  const quiet = async (server: TestCore): Promise<boolean> =>
    !(await server.run('pjsip show publications outbound')).includes('sending')

  beforeEach(async () => {
    a = await startServer(EID.a)
    b = await startServer(EID.b)
  })
  afterEach(async () => {
    await a.close()
    await b.close()
  })

  it('tell each other all they know, and each change after that', async () => {
    a.core.devices.set('pbx1', 'PJSIP/100', 'INUSE')
    a.core.mailboxes.set('pbx1', '100@default', { newMessages: 3, oldMessages: 1 })
    b.core.devices.set('pbx2', 'PJSIP/200', 'RINGING')
    await connected()
    await until('100 at b', () => b.core.devices.get('PJSIP/100') === 'INUSE')
    await until('the mailbox at b', () => b.core.mailboxes.get('100@default').newMessages === 3)
    await until('200 at a', () => a.core.devices.get('PJSIP/200') === 'RINGING')
    expect(b.core.devices.reports('PJSIP/100').map(({ origin }) => origin)).to.deep.equal([EID.a])

    for (const state of ['ONHOLD', 'BUSY', 'NOT_INUSE'] as const) {
      a.core.devices.set('pbx1', 'PJSIP/100', state)
      await until(state, () => b.core.devices.get('PJSIP/100') === state)
    }
    a.core.mailboxes.set('pbx1', '100@default', { newMessages: 4, oldMessages: 1 })
    await until('one more message', () => b.core.mailboxes.get('100@default').newMessages === 4)
  })

  it('never send back what came from the other, and add up what both say of one device', async () => {
    await connected()
    await until('quiet', async () => (await quiet(a)) && (await quiet(b)))
    a.core.devices.set('local', 'Custom:door', 'INUSE')
    b.core.devices.set('pbx2', 'PJSIP/300', 'RINGING')
    await until('door at b', () => b.core.devices.get('Custom:door') === 'INUSE')
    await until('300 at a', () => a.core.devices.get('PJSIP/300') === 'RINGING')
    a.core.devices.set('pbx1', 'PJSIP/300', 'INUSE')
    await until('300 at b', () => b.core.devices.get('PJSIP/300') === 'RINGINUSE')
    await until('quiet', async () => (await quiet(a)) && (await quiet(b)))
    const before = [sent(a), sent(b)]
    a.core.devices.set('local', 'Custom:door', 'NOT_INUSE')
    a.core.devices.set('pbx1', 'PJSIP/300', 'NOT_INUSE')
    b.core.devices.set('pbx2', 'PJSIP/300', 'NOT_INUSE')
    await until('300 to be idle on both sides', () =>
      [a, b].every(({ core }) => core.devices.get('PJSIP/300') === 'NOT_INUSE'),
    )
    await until('door to be idle at b', () => b.core.devices.get('Custom:door') === 'NOT_INUSE')
    expect([sent(a), sent(b)]).to.deep.equal([(before[0] ?? 0) + 2, (before[1] ?? 0) + 1])
  })

  it('take what a device was said to be back when nobody says it any more', async () => {
    a.core.devices.set('pbx1', 'PJSIP/100', 'INUSE')
    await connected()
    await until('100 at b', () => b.core.devices.get('PJSIP/100') === 'INUSE')
    a.core.devices.set('pbx1', 'PJSIP/100', undefined)
    await until('100 unknown at b', () => b.core.devices.get('PJSIP/100') === 'INVALID')
  })

  it('leave what others say of a mailbox as it is when they know nothing of it any more', async () => {
    const counts = { newMessages: 3, oldMessages: 0 }
    for (const { core } of [a, b]) core.mailboxes.set('pbx1', '100@default', counts)
    await connected()
    const reports = ({ core }: TestCore): number => core.mailboxes.reports('100@default').length
    await until('both opinions', () => reports(a) === 2 && reports(b) === 2)
    a.core.mailboxes.silence('pbx1')
    await until('one opinion', () => reports(b) === 1)
    for (const { core } of [a, b]) expect(core.mailboxes.get('100@default')).to.deep.equal(counts)
    b.core.mailboxes.set('pbx1', '100@default', undefined)
    await until(
      'what a heard last',
      () => b.core.mailboxes.reports('100@default')[0]?.origin !== 'pbx1' && reports(b) === 1,
    )
    for (const { core } of [a, b]) expect(core.mailboxes.get('100@default')).to.deep.equal(counts)
  })

  it('refresh what they publish before it expires', async () => {
    a.core.devices.set('pbx1', 'PJSIP/100', 'INUSE')
    await connected({ devices: { expiration: 1 } })
    await until('100 at b', () => b.core.devices.get('PJSIP/100') === 'INUSE')
    const expired: string[] = []
    b.core.devices.onChange((name, state) => expired.push(`${name} ${state}`))
    const before = sent(a)
    await until('three refreshes', () => sent(a) >= before + 3)
    expect(b.core.devices.get('PJSIP/100')).to.equal('INUSE')
    expect(expired).to.deep.equal([])
  })

  it('drop what an origin said that has fallen silent', async () => {
    a.core.devices.set('pbx1', 'PJSIP/100', 'INUSE')
    a.core.mailboxes.set('pbx1', '100@default', { newMessages: 3, oldMessages: 1 })
    b.core.devices.set('pbx2', 'PJSIP/100', 'NOT_INUSE')
    await connected({ devices: { expiration: 1 }, mailboxes: { expiration: 1 } })
    await until('100 at b', () => b.core.devices.get('PJSIP/100') === 'INUSE')
    await until('the mailbox at b', () => b.core.mailboxes.get('100@default').newMessages === 3)
    await a.kill()
    await until('100 by what b knows itself', () => b.core.devices.get('PJSIP/100') === 'NOT_INUSE')
    await until('no messages', () => b.core.mailboxes.reports('100@default').length === 0)
  })

  it('say everything again to one that has lost it', async () => {
    a.core.devices.set('pbx1', 'PJSIP/100', 'INUSE')
    a.core.devices.set('pbx1', 'PJSIP/101', 'BUSY')
    await connected()
    await until('101 at b', () => b.core.devices.get('PJSIP/101') === 'BUSY')
    const port = b.port
    await b.close()
    b = await startServer(EID.b, { transports: { udp: { bind: `127.0.0.1:${port}` } } })
    configure(b, TAKES_ALL)
    await publishing(b)
    // The entity-tag is unknown there: 412.
    a.core.devices.set('pbx1', 'PJSIP/102', 'RINGING')
    await until('all three at b', () =>
      ['PJSIP/100', 'PJSIP/101', 'PJSIP/102'].every((name) => b.core.devices.get(name) !== 'INVALID'),
    )
    expect(b.core.devices.get('PJSIP/101')).to.equal('BUSY')
  })

  it('ask for everything when they start', async () => {
    a.core.devices.set('pbx1', 'PJSIP/100', 'INUSE')
    await connected()
    await until('100 at b', () => b.core.devices.get('PJSIP/100') === 'INUSE')
    await until('quiet', async () => (await quiet(a)) && (await quiet(b)))
    // Behind its back: nobody but a knows, and nothing changes there.
    b.core.devices.set(EID.a, 'PJSIP/100', undefined)
    await b.loader.reload()
    await until('100 at b again', () => b.core.devices.get('PJSIP/100') === 'INUSE')
  })

  it('say everything under another entity id, and nothing under the last one', async () => {
    a.core.devices.set('pbx1', 'PJSIP/100', 'INUSE')
    await connected()
    await until('100 at b', () => b.core.devices.get('PJSIP/100') === 'INUSE')
    const eid = '02:00:00:00:00:0c'
    a.general({ asterisk_eid: eid })
    await a.loader.reload()
    await until(
      '100 under the new one',
      () =>
        b.core.devices
          .reports('PJSIP/100')
          .map(({ origin }) => origin)
          .join() === eid,
    )
  })

  it('withdraw what they publish when the section is gone', async () => {
    a.core.devices.set('pbx1', 'PJSIP/100', 'INUSE')
    await connected()
    await until('100 at b', () => b.core.devices.get('PJSIP/100') === 'INUSE')
    configure(a, TAKES_ALL)
    await until('100 unknown at b', () => b.core.devices.reports('PJSIP/100').length === 0)
  })

  it('publish and take only what the filters let through', async () => {
    a.core.devices.set('pbx1', 'PJSIP/100', 'INUSE')
    a.core.devices.set('pbx1', 'PJSIP/900', 'INUSE')
    a.core.devices.set('pbx1', 'Custom:x', 'INUSE')
    a.core.devices.set('local', 'PJSIP/101', 'INUSE')
    configure(b, { ...TAKES_ALL, asterisk: { all: { device_state: true, device_state_filter: '^pjsip/1' } } })
    const outbound = { server_uri: [uriOf(b)], event: 'asterisk-devicestate' } as const
    configure(a, {
      outbound: { devices: { ...outbound, '@device_state_filter': '^PJSIP/', '@origin_filter': '^pbx' } },
    })
    await publishing(b)
    await publishing(a)
    await until('100 at b', () => b.core.devices.get('PJSIP/100') === 'INUSE')
    await until('quiet', () => quiet(a))
    expect(b.core.devices.namesOf(EID.a)).to.deep.equal(['PJSIP/100'])
    expect(sent(a)).to.equal(2)
    configure(b, { ...TAKES_ALL, asterisk: { all: { device_state: false } } })
    expect(b.core.devices.namesOf(EID.a)).to.deep.equal([])
  })

  it('pass over what comes under their own entity id, and say so', async () => {
    a.general({ asterisk_eid: EID.b })
    a.core.devices.set('pbx1', 'PJSIP/100', 'INUSE')
    await connected()
    await until('a warning', () => b.logged.some((line) => line.includes('under our own entity id')))
    expect(b.core.devices.reports('PJSIP/100')).to.deep.equal([])
  })

  it('take back what they brought when the receiver turns out to be a server of theirs after it has said who it is', async () => {
    const pbx1 = { name: 'pbx1', url: 'http://198.51.100.7:8088', entityId: '', connected: false }
    let servers = [pbx1]
    Object.assign(a.core, { servers: () => servers })
    a.core.devices.set('pbx1', 'PJSIP/100', 'INUSE')
    b.core.devices.set('local', 'Custom:hello', 'INUSE')
    await connected()
    await until(
      'each other',
      () => b.core.devices.get('PJSIP/100') === 'INUSE' && a.core.devices.namesOf(EID.b).length > 0,
    )
    servers = [{ ...pbx1, entityId: EID.b, connected: true }]
    let rings = false
    await until('all of it taken back', () => {
      rings = !rings
      a.core.devices.set('pbx1', 'PJSIP/200', rings ? 'RINGING' : 'NOT_INUSE')
      return b.core.devices.get('PJSIP/100') === 'INVALID'
    })
  })

  it('ask a server whose ARI is away for what was passed over while it was not', async () => {
    let isConnected = true
    const pbx1 = { name: 'pbx1', url: 'http://198.51.100.7:8088', entityId: EID.a }
    Object.assign(b.core, { servers: () => [{ ...pbx1, connected: isConnected }] })
    b.core.devices.set('pbx1', 'PJSIP/100', 'INUSE')
    a.core.devices.set('local', 'PJSIP/100', 'INUSE')
    a.core.devices.set('local', 'PJSIP/101', 'INUSE')
    await connected()
    await until('101 at b', () => b.core.devices.get('PJSIP/101') === 'INUSE')
    await until('quiet', async () => (await quiet(a)) && (await quiet(b)))
    expect(b.core.devices.reportOf(EID.a, 'PJSIP/100')).to.equal(undefined)
    isConnected = false
    b.core.devices.set('pbx1', 'PJSIP/100', 'UNAVAILABLE')
    let rings = false
    await until('what it publishes', () => {
      rings = !rings
      b.core.devices.set('pbx1', 'PJSIP/200', rings ? 'RINGING' : 'NOT_INUSE')
      return b.core.devices.get('PJSIP/100') === 'INUSE'
    })
  })

  it('answer a challenge with their outbound_auth', async () => {
    await b.close()
    b = await startServer(EID.b, {
      endpoints: { lamps: { auth: ['lamps'] } },
      auths: { lamps: { username: 'lamps', password: 'secret' } },
    })
    a.core.endpoints.replace({ ...a.core.endpoints.files, auths: new Map(b.core.endpoints.files.auths) })
    a.core.devices.set('pbx1', 'PJSIP/100', 'INUSE')
    configure(b, TAKES_ALL)
    await publishing(b)
    configure(a, bothWays(b, { devices: { outbound_auth: ['lamps'] } }))
    await publishing(a)
    await until('100 at b', () => b.core.devices.get('PJSIP/100') === 'INUSE')
    const shown = /devices\/asterisk-devicestate\n.*\n.*published/
    await until('its lease', async () => shown.test(await a.run('pjsip show publications outbound')))
  })

  it('try again at once after a reload, and where the console says so', async () => {
    await b.close()
    b = await startServer(EID.b, {
      endpoints: { lamps: { auth: ['lamps'] } },
      auths: { lamps: { username: 'lamps', password: 'secret' } },
    })
    const right = b.core.endpoints.files.auths
    const password = (auths: typeof right): void => a.core.endpoints.replace({ ...a.core.endpoints.files, auths })
    password(new Map([...right].map(([id, auth]) => [id, { ...auth, password: 'wrong' }])))
    a.core.devices.set('pbx1', 'PJSIP/100', 'INUSE')
    configure(b, TAKES_ALL)
    await publishing(b)
    configure(a, bothWays(b, { devices: { outbound_auth: ['lamps'], max_auth_attempts: 1 } }))
    await publishing(a)
    const rests = async (): Promise<boolean> =>
      /devices\/asterisk-devicestate\n.*\n.*waiting/.test(await a.run('pjsip show publications outbound'))
    await until('its rest', rests)
    const before = sent(a)
    await a.run('pjsip send publish devices')
    expect(sent(a)).to.equal(before + 1)
    await until('its rest', rests)
    password(right)
    await until('100 at b', () => b.core.devices.get('PJSIP/100') === 'INUSE')
  })

  it('go to the next server where one does not answer, with everything', async () => {
    await a.close()
    a = await startServer(EID.a, { system: { timer_t1: 20, timer_b: 200 } })
    a.core.devices.set('pbx1', 'PJSIP/100', 'INUSE')
    a.core.devices.set('pbx1', 'PJSIP/101', 'BUSY')
    configure(b, TAKES_ALL)
    await publishing(b)
    configure(a, bothWays(b, { devices: { server_uri: ['sip:lamps@127.0.0.1:9', uriOf(b)] } }))
    await publishing(a)
    await until('both at b', () => b.core.devices.get('PJSIP/101') === 'BUSY')
    expect(b.core.devices.get('PJSIP/100')).to.equal('INUSE')
    expect(await a.run('pjsip show publications outbound')).to.include(`Server: ${uriOf(b)}`)
  })

  describe('and restart', () => {
    let directory: string
    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), 'published-'))
    })
    afterEach(() => rmSync(directory, { recursive: true }))

    /** a has a store and these devices, b takes everything, and nothing is published yet. Returns the path of the store. */
    async function keepA(...devices: readonly string[]): Promise<string> {
      await a.close()
      const storePath = join(directory, 'a.db')
      a = await startServer(EID.a, { storePath })
      for (const name of devices) a.core.devices.set('pbx1', name, 'INUSE')
      configure(b, TAKES_ALL)
      await publishing(b)
      return storePath
    }

    it('know what was published to them, and by whom, until it expires', async () => {
      await b.close()
      const storePath = join(directory, 'b.db')
      b = await startServer(EID.b, { storePath })
      a.core.devices.set('pbx1', 'PJSIP/100', 'INUSE')
      a.core.devices.set('pbx1', 'PJSIP/101', 'BUSY')
      await connected({ devices: { expiration: 2 } })
      await until('both at b', () => b.core.devices.get('PJSIP/101') === 'BUSY')
      await a.kill()
      await b.close()
      b = await startServer(EID.b, { storePath })
      configure(b, TAKES_ALL)
      await publishing(b)
      expect(b.core.devices.get('PJSIP/100')).to.equal('INUSE')
      expect(b.core.devices.get('PJSIP/101')).to.equal('BUSY')
      await until('the end of it', () => b.core.devices.namesOf(EID.a).length === 0)
    })

    it('take no more than the files let through now of what was published to them', async () => {
      await b.close()
      const storePath = join(directory, 'b.db')
      b = await startServer(EID.b, { storePath })
      for (const name of ['PJSIP/100', 'PJSIP/900']) a.core.devices.set('pbx1', name, 'INUSE')
      a.core.mailboxes.set('pbx1', '100@default', { newMessages: 3, oldMessages: 1 })
      await connected()
      await until('all at b', () => b.core.devices.namesOf(EID.a).length === 2 && b.core.mailboxes.list().length > 0)
      await until('quiet', () => quiet(a))
      await b.close()
      b = await startServer(EID.b, { storePath })
      configure(b, { ...TAKES_ALL, asterisk: { all: { device_state: true, device_state_filter: '^PJSIP/1' } } })
      await publishing(b)
      expect(b.core.devices.namesOf(EID.a)).to.deep.equal(['PJSIP/100'])
      expect(b.core.mailboxes.namesOf(EID.a)).to.deep.equal([])
    })

    it('publish anew what they published, and leave one publication of each', async () => {
      const storePath = await keepA('PJSIP/100')
      configure(a, bothWays(b))
      await publishing(a)
      await until('100 at b', () => b.core.devices.get('PJSIP/100') === 'INUSE')
      await until('quiet', () => quiet(a))
      await a.close()
      expect(b.core.devices.get('PJSIP/100')).to.equal('INUSE')
      a = await startServer(EID.a, { storePath })
      a.core.devices.set('pbx1', 'PJSIP/100', 'ONHOLD')
      configure(a, bothWays(b))
      await publishing(a)
      await until('100 on hold at b', () => b.core.devices.get('PJSIP/100') === 'ONHOLD')
      const active = async (): Promise<string> => b.run('pjsip show publications inbound')
      await until('one of each', async () => (await active()).includes('2 active publications'))
    })

    it('take back everything where there is nothing to be published any more', async () => {
      const storePath = await keepA('PJSIP/100')
      const outbound = { devices: { server_uri: [uriOf(b)], event: 'asterisk-devicestate' } } as const
      configure(a, { outbound })
      await publishing(a)
      await until('100 at b', () => b.core.devices.get('PJSIP/100') === 'INUSE')
      await until('quiet', () => quiet(a))
      await a.close()
      a = await startServer(EID.a, { storePath })
      configure(a, { outbound: { devices: { ...outbound.devices, '@device_state_filter': '^SIP/' } } })
      await publishing(a)
      await until('nothing at b', () => b.core.devices.namesOf(EID.a).length === 0)
    })

    for (const [what, eid, filter] of [
      ['that the filter does not let through any more', EID.a, '^PJSIP/100'],
      ['that was said under another entity id', '02:00:00:00:00:0c', ''],
    ] as const)
      it(`take back ${what}`, async () => {
        const storePath = await keepA('PJSIP/100', 'PJSIP/900')
        configure(a, bothWays(b))
        await publishing(a)
        await until('both at b', () => b.core.devices.namesOf(EID.a).length === 2)
        await until('quiet', () => quiet(a))
        await a.close()
        a = await startServer(eid, { storePath })
        for (const name of ['PJSIP/100', 'PJSIP/900']) a.core.devices.set('pbx1', name, 'NOT_INUSE')
        configure(a, bothWays(b, { devices: { '@device_state_filter': filter } }))
        await publishing(a)
        await until('what it says now', () => b.core.devices.get('PJSIP/100') === 'NOT_INUSE')
        await until('the end of the other', () => b.core.devices.get('PJSIP/900') !== 'INUSE')
      })
  })
})

import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { type DemoPbx, startDemoPbx } from '../../../core/demo/pbx.ts'
import type { Hint } from '../../../core/states/hint.ts'
import { AriProxy } from '../../support/ari-proxy.ts'
import { type BridgeRig, bridgeTo } from '../../support/bridge-rig.ts'
import { pbxData } from '../../support/pbx-data.ts'
import { until } from '../../support/tools.ts'

/** Milliseconds that a connection may take on a busy machine: each attempt starts a thread, which compiles what it runs. */
const CONNECTS = 20_000
const LAMPS = Array.from({ length: 40 }, (_, at) => `lamp${at}`)

const DATA = pbxData({
  endpoints: { 100: { aors: '100', auth: '' }, 101: { aors: '101', auth: '' } },
  hints: {
    default: {
      100: 'PJSIP/100',
      101: 'PJSIP/101',
      ...Object.fromEntries(LAMPS.map((lamp) => [lamp, `Custom:${lamp}`])),
    },
  },
})

describe('The bridge, when Asterisk goes away', function () {
  this.timeout(60_000)
  let pbx: DemoPbx
  let rig: BridgeRig
  let proxy: AriProxy | undefined

  beforeEach(async () => {
    pbx = await startDemoPbx({ port: 0, data: DATA })
    pbx.register('100', true)
    pbx.register('101', true)
    for (const lamp of LAMPS) pbx.setCustom(lamp, 'NOT_INUSE')
  })

  afterEach(async () => {
    await rig.bridge.close()
    await proxy?.close()
    proxy = undefined
    await pbx.stop()
  })

  const hintsOf = async (extens: readonly string[]): Promise<Hint[]> =>
    Promise.all(
      extens.map(async (exten) => {
        const hint = await rig.hints.find('default', exten)
        if (!hint || hint === 'unreachable') throw new Error(`no hint ${exten}`)
        hint.watch({ value: () => undefined })
        return hint
      }),
    )

  const allRight = (): boolean =>
    LAMPS.every((lamp) => rig.devices.get(`Custom:${lamp}`) === pbx.deviceState(`Custom:${lamp}`))

  it('has every lamp right after the link dropped in the middle of changes', async () => {
    rig = bridgeTo(pbx.url)
    await rig.bridge.settled
    await hintsOf(LAMPS)
    for (const lamp of LAMPS) pbx.setCustom(lamp, 'INUSE')
    const down = pbx.dropLink(100)
    for (const [at, lamp] of LAMPS.entries()) if (at % 3 === 0) pbx.setCustom(lamp, 'RINGING')
    for (const [at, lamp] of LAMPS.entries()) if (at % 5 === 0) pbx.setCustom(lamp, 'NOT_INUSE')
    await down
    await until('every lamp right', allRight)
    await until(
      'service',
      () => rig.bridge.status().state === 'serving' && rig.bridge.status().connects === 2,
      CONNECTS,
    )
    expect(allRight()).to.equal(true)
    pbx.setCustom('lamp1', 'BUSY')
    await until('the next change', () => rig.devices.get('Custom:lamp1') === 'BUSY')
  })

  it('learns what changed while Asterisk restarted, ends its calls, and shows only differences', async () => {
    rig = bridgeTo(pbx.url)
    await rig.bridge.settled
    const [hint, other] = await hintsOf(['101', 'lamp0'])
    pbx.call('100', '101').answer()
    await until('the call', () => hint?.value.calls[0]?.state === 'confirmed' && hint.value.state === 1)
    let told = 0
    other?.watch({ value: () => told++ })
    await pbx.restart(50)
    await until(
      'a second connect',
      () => rig.bridge.status().connects === 2 && rig.bridge.status().state === 'serving',
      CONNECTS,
    )
    await until('no call', () => hint?.value.calls.length === 0 && hint.value.state === 0)
    expect(told).to.equal(1)
    expect(rig.logged('which has restarted')).to.have.length(1)
    pbx.setCustom('lamp0', 'INUSE')
    await until('the next change', () => other?.value.state === 1)
  })

  it('keeps lamps for stale_after, then shows devices unavailable, and comes back', async () => {
    rig = bridgeTo(pbx.url, { stale_after: 1 })
    await rig.bridge.settled
    const [hint, custom] = await hintsOf(['100', 'lamp0'])
    expect(hint?.value.state).to.equal(0)
    // On a slow machine the first connect takes longer than that, too.
    const before = rig.logged('its devices are unavailable').length
    const down = pbx.dropLink(2500)
    await until('the loss', () => rig.bridge.status().state === 'away')
    expect(hint?.value.state).to.equal(0)
    await until('unavailable', () => hint?.value.state === 4)
    expect(rig.bridge.status().state).to.equal('stale')
    expect(custom?.value.state, 'Custom: belongs to nobody').to.equal(0)
    await down
    await until('the return', () => hint?.value.state === 0, CONNECTS)
    expect(rig.logged('its devices are unavailable')).to.have.length(before + 1)
  })

  it('has calls for as long as their devices are there, so that none seems to end with the connection', async () => {
    rig = bridgeTo(pbx.url, { stale_after: 1 })
    await rig.bridge.settled
    const [hint] = await hintsOf(['101'])
    pbx.call('100', '101').answer()
    await until('the call', () => hint?.value.calls[0]?.state === 'confirmed' && hint.value.state === 1)
    const ended: string[] = []
    const stop = rig.calls.onChange((device) => {
      if (rig.calls.of('PJSIP/101').length === 0) ended.push(`${device} ${rig.devices.get(device)}`)
    })
    const down = pbx.dropLink(2500)
    await until('the end', () => ended.length > 0)
    expect(ended).to.include('PJSIP/101 UNAVAILABLE').and.not.include('PJSIP/101 INUSE')
    await stop()
    await down
  })

  it('forgets after a reconnect what nobody needs any more', async () => {
    rig = bridgeTo(pbx.url)
    await rig.bridge.settled
    pbx.setCustom('stranger', 'INUSE')
    await until('the stranger', () => rig.devices.get('Custom:stranger') === 'INUSE')
    await pbx.dropLink(10)
    await until(
      'a second connect',
      () => rig.bridge.status().connects === 2 && rig.bridge.status().state === 'serving',
      CONNECTS,
    )
    expect(rig.devices.reportOf('pbx1', 'Custom:stranger')).to.equal(undefined)
  })

  it('notices by its pings that nothing answers any more', async () => {
    rig = bridgeTo(pbx.url, { ping_interval: 1, request_timeout: 3000 })
    await rig.bridge.settled
    pbx.freeze()
    await until('the loss', () => rig.bridge.status().state === 'away')
    expect(rig.logged('no pong within 3000 ms')).to.have.length(1)
    pbx.thaw()
    await until('the return', () => rig.bridge.status().state === 'serving', CONNECTS)
  })

  it('keeps the event socket of an Asterisk that hangs until the next one has taken its place', async () => {
    proxy = await AriProxy.before(pbx.url)
    rig = bridgeTo(proxy.url, { request_timeout: 1000 })
    // A first attempt that takes longer than that settles the bridge, too, and a later one serves.
    await until('service', () => rig.bridge.status().state === 'serving', CONNECTS)
    pbx.freeze()
    for (const lamp of LAMPS.slice(0, 3)) await rig.devices.need(`Custom:${lamp}`).ready
    await until('the loss', () => rig.logged('3 requests in a row went without an answer').length === 1)
    await until('an attempt', () => rig.bridge.status().reason.includes('no answer within 1000 ms'), CONNECTS)
    expect(proxy.sockets).to.equal(1)
    pbx.thaw()
    await until('the return', () => rig.bridge.status().state === 'serving', CONNECTS)
    await until('one socket', () => proxy?.sockets === 1)
    expect(proxy.mostSockets).to.equal(2)
    expect(rig.logged('another client uses')).to.deep.equal([])
    pbx.setCustom('lamp0', 'BUSY')
    await until('the next change', () => rig.devices.get('Custom:lamp0') === 'BUSY')
  })

  it('goes on following the events of an Asterisk that cuts requests off, all of its HTTP sessions being in use', async () => {
    proxy = await AriProxy.before(pbx.url)
    rig = bridgeTo(proxy.url, { reconcile_interval: 1, ping_interval: 1 })
    await rig.bridge.settled
    proxy.rules.push({ path: /./, answer: (_, response) => void response.destroy() })
    for (const lamp of LAMPS.slice(0, 4)) await rig.devices.need(`Custom:${lamp}`).ready
    await until('the complaint', () => rig.logged('raise sessionlimit').length === 1)
    pbx.setCustom('lamp0', 'BUSY')
    await until('the change', () => rig.devices.get('Custom:lamp0') === 'BUSY')
    pbx.setCustom('lamp1', 'BUSY')
    proxy.rules.length = 0
    await until('requests', () => rig.logged('Asterisk answers requests again').length === 1)
    const { state, connects } = rig.bridge.status()
    expect([state, connects]).to.deep.equal(['serving', 1])
  })

  it('answers a look-up in bounded time while Asterisk is silent', async () => {
    // Nothing else gives a request up within this test's own time.
    rig = bridgeTo(pbx.url, { request_timeout: 3000, ping_interval: 600 })
    await rig.bridge.settled
    const [known] = await hintsOf(['100'])
    pbx.freeze()
    expect(await rig.hints.find('default', '101')).to.equal('unreachable')
    await rig.devices.need('PJSIP/101').ready
    expect(known?.value.state).to.equal(0)
    pbx.thaw()
  })

  it('begins anew after request_timeout where nobody answers while it connects', async () => {
    proxy = await AriProxy.before(pbx.url)
    let asked = 0
    proxy.rules.push({ path: /api-docs\/resources/, answer: () => ++asked === 1 })
    rig = bridgeTo(proxy.url, { request_timeout: 3000, reconnect_max: 1 })
    // Less than the time that is allowed for all of the api-docs.
    await until('the connection', () => rig.bridge.status().state === 'serving', CONNECTS)
  })

  it('repairs what drifted, logs it and counts it', async () => {
    proxy = await AriProxy.before(pbx.url)
    rig = bridgeTo(proxy.url)
    await rig.bridge.settled
    const [hint] = await hintsOf(['100'])
    await hintsOf(LAMPS)
    expect((await rig.bridge.reconcile()).repaired).to.deep.equal([])
    proxy.silent = true
    pbx.register('100', false)
    pbx.setCustom('lamp7', 'BUSY')
    const { repaired } = await rig.bridge.reconcile()
    expect(repaired.map(({ what, believed, found }) => [what, believed, found])).to.have.deep.members([
      ['PJSIP/100', 'NOT_INUSE', 'UNAVAILABLE'],
      ['Custom:lamp7', 'NOT_INUSE', 'BUSY'],
    ])
    await until('the lamp', () => hint?.value.state === 4)
    expect(rig.logged('PJSIP/100 was believed NOT_INUSE, Asterisk says UNAVAILABLE; repaired')).to.have.length(1)
    expect(rig.metrics.counter('ari.pbx1.repaired').value).to.equal(2)
    expect((await rig.bridge.reconcile()).repaired).to.deep.equal([])
  })

  it('asks for a device under the name that Asterisk has for it, which may be spelled otherwise in the hint', async () => {
    proxy = await AriProxy.before(pbx.url)
    // A conference is a device by its events alone, and those say `confbridge:`, whatever the dialplan says.
    proxy.rules.push({
      path: /deviceStates\/./,
      answer: ({ url = '' }, response) => {
        const name = decodeURIComponent(url.replace(/.*\//, ''))
        const state = name === 'confbridge:301' ? 'INUSE' : 'INVALID'
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ name, state }))
      },
    })
    rig = bridgeTo(proxy.url)
    await rig.bridge.settled
    const { ready } = rig.devices.need('ConfBridge:301')
    await ready
    const device_state = { name: 'confbridge:301', state: 'INUSE' }
    proxy.send(JSON.stringify({ type: 'DeviceStateChanged', application: 'lamplighter', device_state }))
    await until('the conference', () => rig.devices.get('ConfBridge:301') === 'INUSE')
    expect((await rig.bridge.reconcile()).repaired).to.deep.equal([])
    expect(rig.devices.get('ConfBridge:301')).to.equal('INUSE')
  })

  it('is away, with a reason, while there is no Asterisk, and connects when there is one', async () => {
    const { url, port } = pbx
    await pbx.stop()
    rig = bridgeTo(url)
    await rig.bridge.settled
    expect(rig.bridge.status().state).to.equal('away')
    expect(rig.logged('cannot reach Asterisk at')).to.have.length(1)
    expect(await rig.hints.find('default', '100')).to.equal('unreachable')
    await pause(1500)
    expect(rig.logged('cannot reach Asterisk at'), 'said once').to.have.length(1)
    pbx = await startDemoPbx({ port, data: DATA })
    await until('service', () => rig.bridge.status().state === 'serving', CONNECTS)
  })

  it('says that Asterisk is not reached where a tunnel before it takes connections and ends them', async () => {
    const tunnel = createServer((socket) =>
      socket
        .on('error', () => undefined)
        .resume()
        .end(),
    )
    await once(tunnel.listen(0, '127.0.0.1'), 'listening')
    rig = bridgeTo(`http://127.0.0.1:${(tunnel.address() as AddressInfo).port}`)
    await rig.bridge.settled
    tunnel.close()
    expect(rig.logged('cannot reach Asterisk at')).to.have.length(1)
    expect(rig.bridge.status().lastError?.text).to.equal('socket hang up')
  })
})

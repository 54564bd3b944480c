import { expect } from 'chai'
import type { ServerOptions } from '../../../core/ari/bridge-contract.ts'
import { Bridges } from '../../../core/ari/bridges.ts'
import { type DemoPbx, startDemoPbx } from '../../../core/demo/pbx.ts'
import { defaultsOf } from '../../../core/options.ts'
import { serverOptions } from '../../../core/settings.ts'
import { type StateModel, stateModel } from '../../support/bridge-rig.ts'
import { pbxData } from '../../support/pbx-data.ts'
import { until } from '../../support/tools.ts'

const DATA = pbxData({
  endpoints: {
    100: { context: 'office', aors: '100', auth: '100' },
    101: { context: 'office', aors: '101', auth: '101' },
  },
  auths: { 100: { auth_type: 'userpass', username: '100', password: 'secret' } },
  hints: { office: { 100: 'PJSIP/100', 101: 'PJSIP/101' } },
})

describe('The bridges of a configuration', () => {
  let pbx: DemoPbx
  let model: StateModel
  let bridges: Bridges
  let flushes: number
  /** What stands in Asterisk's extensions.conf. */
  let written: Set<string>

  beforeEach(async () => {
    pbx = await startDemoPbx({ port: 0, data: DATA })
    for (const id of ['100', '101']) pbx.register(id, true)
    model = stateModel()
    flushes = 0
    const store = { flush: async () => void flushes++ }
    written = new Set(['100@office'])
    bridges = new Bridges(model, store, model.log, (context, exten) => written.has(`${exten}@${context}`))
  })

  afterEach(async () => {
    await bridges.close()
    await pbx.stop()
  })

  async function configure(asterisk_config: string, more: Partial<ServerOptions> = {}): Promise<void> {
    const login = { url: pbx.url, username: 'lamplighter', password: 'lamplighter' }
    const server = { name: 'pbx1', options: { ...defaultsOf(serverOptions), ...login, ...more } }
    await bridges.configure({
      servers: [{ ...server, place: { file: 'lamplighter.conf', line: 1 } }],
      general: { asterisk_config },
    })
    await bridges.settled(20_000)
  }

  it('ask Asterisk for endpoints no more once its files are read, nor for the hints in them', async () => {
    await configure('')
    expect(await model.hints.find('office', '101')).to.be.an('object')
    expect((await model.endpoints.endpoint('100'))?.context).to.equal('office')
    await configure('/etc/asterisk')
    expect(await model.hints.find('office', '100')).to.equal(undefined)
    expect(model.endpoints.endpoint('100')).to.equal(undefined)
  })

  it('ask Asterisk for both from when its files are read no more', async () => {
    await configure('/etc/asterisk')
    expect(await model.hints.find('office', '100')).to.equal(undefined)
    await configure('')
    expect(await model.hints.find('office', '100')).to.be.an('object')
    expect((await model.endpoints.endpoint('100'))?.context).to.equal('office')
  })

  it('ask Asterisk for hints that its files do not tell: of a parking lot, or with a function', async () => {
    await configure('/etc/asterisk')
    const hint = await model.hints.find('office', '101')
    if (!hint || hint === 'unreachable') throw new Error('no hint')
    expect(hint.definition).to.deep.include({ devices: ['PJSIP/101'], source: 'pbx1' })
    const call = pbx.call('100', '101')
    await until('it rings', () => hint.value.state === 8)
    call.hangUp()
    expect(await model.hints.find('office', '999')).to.equal(undefined)
  })

  it('keep every lamp over that, and end no call that goes on', async () => {
    await configure('')
    const hint = await model.hints.find('office', '101')
    if (!hint || hint === 'unreachable') throw new Error('no hint')
    const call = pbx.call('100', '101')
    call.answer()
    await until('the call', () => hint.value.calls[0]?.state === 'confirmed' && hint.value.state === 1)
    const seen: string[] = []
    const stop = hint.watch({ value: ({ state, calls }) => seen.push(`${state} ${calls.length}`) })
    await configure('/etc/asterisk')
    expect(new Set(seen)).to.deep.equal(new Set(['1 1']))
    call.hangUp()
    await until('idle', () => hint.value.state === 0 && hint.value.calls.length === 0)
    await stop()
  })

  it('have what was said written when a connection is lost', async () => {
    await configure('')
    expect(flushes).to.equal(0)
    await pbx.stop()
    await until('the loss', () => bridges.all[0]?.status().state === 'away')
    expect(flushes).to.equal(1)
  })

  it('go by another stale_after also while Asterisk is away already', async () => {
    await configure('', { stale_after: 3600 })
    await pbx.stop()
    await until('the loss', () => bridges.all[0]?.status().state === 'away')
    await configure('', { stale_after: 1800 })
    expect(bridges.all[0]?.status().state).to.equal('away')
    await configure('', { stale_after: 0 })
    await until('unavailable devices', () => bridges.all[0]?.status().state === 'stale')
  })

  it('stay as they are where only other options change', async () => {
    await configure('')
    const [before] = bridges.all
    await configure('', { stale_after: 5 })
    expect(bridges.all[0]).to.equal(before)
    expect(before?.status().connects).to.equal(1)
  })
})

import { expect } from 'chai'
import { CAUSE } from '../../../core/demo/channels.ts'
import type { DemoPbx } from '../../../core/demo/pbx.ts'
import { ask, Listener, officePbx } from '../../support/demo-pbx.ts'
import { until } from '../../support/tools.ts'

describe('a call on the demo PBX', () => {
  let pbx: DemoPbx
  let listener: Listener

  beforeEach(async () => {
    pbx = await officePbx()
    for (const id of ['100', '102', '103']) pbx.register(id, true)
    listener = await Listener.open(pbx, 'app=lamp&subscribeAll=true')
  })
  afterEach(() => pbx.stop())

  /** The events since the last call of this. */
  async function story(): Promise<string[]> {
    pbx.setDevice('Mark:end', 'INUSE')
    pbx.setDevice('Mark:end', 'NOT_INUSE')
    await until('the mark', () => listener.devices.at(-1) === 'Mark:end NOT_INUSE')
    const lines = listener.story.filter((line) => !line.startsWith('device Mark'))
    listener.events.length = 0
    return lines
  }

  it('tells its events in the order of a real one', async () => {
    const call = pbx.call('103', '100')
    expect(await story()).to.deep.equal([
      'ChannelCreated PJSIP/103 Ring',
      'device PJSIP/103 INUSE',
      'ChannelDialplan PJSIP/103 Ring',
      'ChannelCreated PJSIP/100 Down',
      'Dial PJSIP/100',
      'ChannelStateChange PJSIP/100 Ringing',
      'device PJSIP/100 RINGING',
      'Dial PJSIP/100 RINGING',
    ])
    call.answer()
    expect(await story()).to.deep.equal([
      'ChannelStateChange PJSIP/100 Up',
      'device PJSIP/100 INUSE',
      'Dial PJSIP/100 ANSWER',
      'ChannelStateChange PJSIP/103 Up',
      'ChannelConnectedLine PJSIP/103 Up',
      'BridgeCreated',
      'ChannelEnteredBridge PJSIP/100 Up',
      'ChannelEnteredBridge PJSIP/103 Up',
    ])
    call.hold('103')
    expect(await story()).to.deep.equal(['ChannelHold PJSIP/103 Up', 'device PJSIP/100 ONHOLD'])
    call.unhold()
    expect(await story()).to.deep.equal(['ChannelUnhold PJSIP/103 Up', 'device PJSIP/100 INUSE'])
    call.hangUp('100')
    expect(await story()).to.deep.equal([
      'ChannelHangupRequest PJSIP/100 Up',
      'ChannelLeftBridge PJSIP/103 Up',
      'ChannelLeftBridge PJSIP/100 Up',
      'BridgeDestroyed',
      'ChannelDestroyed PJSIP/100 Up',
      'device PJSIP/100 NOT_INUSE',
      'ChannelDestroyed PJSIP/103 Up',
      'device PJSIP/103 NOT_INUSE',
    ])
    expect((await ask(pbx, 'GET', 'channels')).json).to.deep.equal([])
  })

  it('names both parties, and the SIP dialog of each leg', async () => {
    pbx.call('103', '100')
    const channels = (await ask(pbx, 'GET', 'channels')).json as Record<string, unknown>[]
    const [caller, callee] = channels
    expect(caller).to.deep.include({ state: 'Ring', caller: { name: 'Bob Example', number: '103' } })
    expect(callee).to.deep.include({
      state: 'Ringing',
      caller: { name: 'Alice', number: '100' },
      connected: { name: 'Bob Example', number: '103' },
    })
    const id = String(callee?.['id'])
    const { json } = await ask(
      pbx,
      'GET',
      `channels/${id}/variable?variable=${encodeURIComponent('CHANNEL(pjsip,call-id)')}`,
    )
    expect(json).to.deep.equal({ value: callee?.['protocol_id'] })
    const ids = (await ask(pbx, 'GET', 'endpoints/PJSIP/100')).json
    expect(ids).to.have.deep.property('channel_ids', [id])
  })

  it('stops ringing at the others when one of a group answers', async () => {
    const call = pbx.call('103', ['100', '102'], { exten: '800', caller: { name: 'Grace', number: '555' } })
    expect(pbx.deviceState('PJSIP/100')).to.equal('RINGING')
    expect(pbx.deviceState('PJSIP/102')).to.equal('RINGING')
    call.answer('102')
    expect(pbx.deviceState('PJSIP/100')).to.equal('NOT_INUSE')
    expect(pbx.deviceState('PJSIP/102')).to.equal('INUSE')
    await story()
    call.hangUp()
    expect(call.state).to.equal('ended')
    call.hangUp()
    expect((await story()).filter((line) => line.startsWith('ChannelDestroyed'))).to.have.lengthOf(2)
  })

  it('is RINGINUSE for who rings while talking, and BUSY at device_state_busy_at', async () => {
    pbx.call('103', '100').answer()
    pbx.call('102', '100')
    expect(pbx.deviceState('PJSIP/100')).to.equal('RINGINUSE')
    pbx.register('101', true)
    pbx.call('101', '102')
    expect(pbx.deviceState('PJSIP/101')).to.equal('BUSY')
  })

  it('ends as Asterisk says why', async () => {
    pbx.call('103', '100').hangUp('100', CAUSE.BUSY)
    await until('the end', () => listener.of('ChannelDestroyed').length === 2)
    expect(listener.of('ChannelDestroyed')[0]).to.deep.include({ cause: 17, cause_txt: 'User busy' })
    expect(listener.of('Dial').at(-1)).to.include({ dialstatus: 'BUSY' })
  })

  it('ends when ARI ends one of its channels', async () => {
    const call = pbx.call('103', '100')
    call.answer()
    const id = call.channel('100')?.id ?? ''
    expect((await ask(pbx, 'DELETE', `channels/${id}`)).status).to.equal(204)
    expect(call.state).to.equal('ended')
    expect(pbx.deviceState('PJSIP/103')).to.equal('NOT_INUSE')
  })

  it('refuses what cannot be', () => {
    pbx.register('100', false)
    expect(() => pbx.call('103', '100')).to.throw('none of 100 is registered')
    expect(() => pbx.call('nobody', '102')).to.throw("no endpoint 'nobody'")
    const call = pbx.call('103', '102')
    expect(() => call.hold('103')).to.throw('the call is ringing, not up')
    call.answer()
    expect(() => call.unhold()).to.throw('not on hold')
    expect(() => call.answer()).to.throw('the call is up, not ringing')
  })
})

describe('registrations at the demo PBX', () => {
  it('are told as a real one tells them', async () => {
    const pbx = await officePbx()
    try {
      const listener = await Listener.open(pbx, 'app=lamp&subscribeAll=true')
      pbx.register('100', 'sip:100@192.0.2.1:6170;ob')
      pbx.register('100', false)
      pbx.register('100', false)
      await until('the last event', () => listener.devices.length === 2)
      expect(listener.devices).to.deep.equal(['PJSIP/100 NOT_INUSE', 'PJSIP/100 UNAVAILABLE'])
      expect(listener.of('PeerStatusChange').map(({ peer }) => peer)).to.deep.equal([
        { peer_status: 'Reachable' },
        { peer_status: 'Unreachable' },
      ])
      expect(listener.of('ContactStatusChange')[0]).to.deep.include({
        contact_info: {
          uri: 'sip:100@192.0.2.1:6170;ob',
          contact_status: 'NonQualified',
          aor: '100',
          roundtrip_usec: '0',
        },
      })
    } finally {
      await pbx.stop()
    }
  })
})

import { expect } from 'chai'
import { CallTracker } from '../../../core/ari/call-tracker.ts'
import type { AriAnswer, Channel, ChannelChange } from '../../../core/ari/protocol.ts'
import { Calls } from '../../../core/states/calls.ts'
import { Devices } from '../../../core/states/devices.ts'
import { FakeLink, found, refused, unreadable } from '../../support/fake-link.ts'
import { until } from '../../support/tools.ts'

const channel = (id: string, name: string, changes: Partial<Channel> = {}): Channel => ({
  id,
  name,
  state: 'Down',
  caller: { name: '', number: '' },
  connected: { name: '', number: '' },
  exten: '',
  application: '',
  created: 1000,
  ...changes,
})

describe('Calls from channel events', () => {
  let calls: Calls
  let devices: Devices
  let variables: Record<string, string>
  let listed: unknown[]
  /** ARI is switched off. */
  let isOff: boolean
  let tracker: CallTracker

  beforeEach(() => {
    calls = new Calls()
    devices = new Devices()
    variables = {}
    listed = []
    isOff = false
    const link = new FakeLink([], (operation, { variable }): AriAnswer => {
      if (isOff) return refused(404, 'Resource not found')
      if (operation === 'channels.list') return found(listed)
      const value = variables[variable ?? '']
      return value === undefined ? unreadable : found({ value })
    })
    tracker = new CallTracker('pbx1', calls, devices, link)
  })

  const see = (change: ChannelChange, seen: Channel): void => tracker.event({ type: 'channel', change, channel: seen })

  it('shows nobody before Asterisk has said that the caller may be shown', async () => {
    devices.need('PJSIP/101')
    variables['CONNECTEDLINE(num-pres)'] = 'allowed_passed_screen'
    see('created', channel('1', 'PJSIP/101-1', { connected: { name: 'Alice', number: '100' } }))
    expect(calls.of('PJSIP/101')[0]?.remote).to.deep.equal({ number: '', name: '', restricted: false })
    await until('the caller', () => calls.of('PJSIP/101')[0]?.remote.number === '100')
    expect(calls.of('PJSIP/101')[0]?.remote.name).to.equal('Alice')
  })

  it('marks a caller who does not want to be shown', async () => {
    devices.need('PJSIP/101')
    variables['CONNECTEDLINE(num-pres)'] = 'prohib_passed_screen'
    see('created', channel('1', 'PJSIP/101-1', { connected: { name: 'Alice', number: '100' } }))
    await until('the mark', () => calls.of('PJSIP/101')[0]?.remote.restricted)
  })

  it('leaves out the name of a caller who withholds the name alone', async () => {
    devices.need('PJSIP/101')
    variables['CONNECTEDLINE(num-pres)'] = 'allowed_passed_screen'
    variables['CONNECTEDLINE(name-pres)'] = 'prohib_not_screened'
    see('created', channel('1', 'PJSIP/101-1', { connected: { name: 'Alice', number: '100' } }))
    await until('the number', () => calls.of('PJSIP/101')[0]?.remote.number === '100')
    expect(calls.of('PJSIP/101')[0]?.remote).to.deep.equal({ number: '100', name: 'anonymous', restricted: false })
  })

  it('ends calls that were left by who had this origin before, and leaves those of other origins', async () => {
    see('created', channel('1', 'PJSIP/101-1', { state: 'Up' }))
    const left = calls.of('PJSIP/101')[0]
    if (!left) throw new Error('no call')
    calls.set({ ...left, id: 'left' })
    calls.set({ ...left, id: 'left', origin: 'pbx2' })
    listed = [{ id: '1', name: 'PJSIP/101-1', state: 'Up' }]
    const differences = await tracker.refresh()
    expect(differences.map(({ what, found: now }) => `${what} ${now}`)).to.deep.equal(['call left of PJSIP/101 over'])
    expect(calls.of('PJSIP/101').map(({ origin, id }) => `${origin} ${id}`)).to.deep.equal(['pbx1 1', 'pbx2 left'])
  })

  it('says which of the two differs, the state or who is on the other end', async () => {
    see('created', channel('1', 'PJSIP/101-1'))
    see('created', channel('2', 'PJSIP/102-1', { connected: { name: '', number: '100' } }))
    listed = [
      { id: '1', name: 'PJSIP/101-1', state: 'Down', connected: { name: 'Alice', number: '100' } },
      { id: '2', name: 'PJSIP/102-1', state: 'Ringing', connected: { name: '', number: '100' } },
      { id: '3', name: 'PJSIP/103-1', state: 'Up' },
    ]
    const differences = await tracker.compare()
    expect(differences.map(({ believed, found: now }) => [believed, now])).to.deep.equal([
      ['Down with nobody', 'Down with Alice <100>'],
      ['Down with <100>', 'Ringing with <100>'],
      ['not known', 'Up with nobody'],
    ])
  })

  it('asks nothing about calls that nobody watches, until somebody does', async () => {
    variables['CHANNEL(pjsip,call-id)'] = 'c1'
    variables['CHANNEL(pjsip,local_tag)'] = 'l1'
    variables['CHANNEL(pjsip,remote_tag)'] = 'r1'
    see('created', channel('1', 'PJSIP/101-1', { connected: { name: '', number: '100' } }))
    await new Promise((resolve) => setImmediate(resolve))
    expect(calls.of('PJSIP/101')[0]?.sip).to.equal(undefined)
    await tracker.needed('pjsip/101')
    expect(calls.of('PJSIP/101')[0]?.sip?.callId).to.equal('c1')
    expect(calls.of('PJSIP/101')[0]?.remote.number).to.equal('100')
  })

  it('shows nobody where Asterisk could not be asked, and asks again when calls are compared', async () => {
    await devices.need('PJSIP/101').ready
    variables['CONNECTEDLINE(num-pres)'] = 'prohib_passed_screen'
    variables['CHANNEL(pjsip,call-id)'] = 'c1'
    isOff = true
    see('created', channel('1', 'PJSIP/101-1', { state: 'Up', connected: { name: 'Alice', number: '100' } }))
    await new Promise((resolve) => setImmediate(resolve))
    expect(calls.of('PJSIP/101')[0]?.remote).to.deep.equal({ number: '', name: '', restricted: false })

    isOff = false
    listed = [{ id: '1', name: 'PJSIP/101-1', state: 'Up', connected: { name: 'Alice', number: '100' } }]
    expect(await tracker.compare()).to.deep.equal([])
    await until('the mark', () => calls.of('PJSIP/101')[0]?.remote.restricted)
    expect(calls.of('PJSIP/101')[0]?.sip?.callId).to.equal('c1')
  })

  it('tells the tags as the phone has them, and asks again for one that the phone has yet to give', async () => {
    devices.need('PJSIP/101')
    variables['CHANNEL(pjsip,call-id)'] = 'c1'
    variables['CHANNEL(pjsip,local_tag)'] = 'of-asterisk'
    variables['CHANNEL(pjsip,remote_tag)'] = ''
    see('created', channel('1', 'PJSIP/101-1', { state: 'Down' }))
    const sip = { callId: 'c1', localTag: '', remoteTag: 'of-asterisk' }
    await until('the leg', () => calls.of('PJSIP/101')[0]?.sip)
    expect(calls.of('PJSIP/101')[0]?.sip).to.deep.equal(sip)
    variables['CHANNEL(pjsip,remote_tag)'] = 'of-the-phone'
    see('state', channel('1', 'PJSIP/101-1', { state: 'Ringing' }))
    await until('the tag', () => calls.of('PJSIP/101')[0]?.sip?.localTag !== '')
    expect(calls.of('PJSIP/101')[0]?.sip).to.deep.equal({ ...sip, localTag: 'of-the-phone' })
  })

  it('holds both ends of a dial, and lets both go', () => {
    const caller = channel('1', 'PJSIP/100-1', { state: 'Ring', exten: '101' })
    const peer = channel('2', 'PJSIP/101-2', { state: 'Ringing' })
    tracker.event({ type: 'dial', status: 'RINGING', caller, peer })
    expect(calls.of('PJSIP/100')[0]).to.include({ state: 'early', direction: 'initiator' })
    expect(calls.of('PJSIP/100')[0]?.remote.number).to.equal('101')
    see('hold', { ...peer, state: 'Up' })
    expect([calls.of('PJSIP/100')[0]?.held, calls.of('PJSIP/101')[0]?.held]).to.deep.equal([true, true])
    see('unhold', { ...peer, state: 'Up' })
    expect([calls.of('PJSIP/100')[0]?.held, calls.of('PJSIP/101')[0]?.held]).to.deep.equal([false, false])
  })

  it('takes a channel for that of who calls where it was made before it rang, as by chan_sip', () => {
    see('created', channel('1', 'SIP/300-1', { exten: '100' }))
    see('state', channel('1', 'SIP/300-1', { exten: '100', state: 'Ring' }))
    const call = calls.of('SIP/300')[0]
    expect([call?.direction, call?.remote.number]).to.deep.equal(['initiator', '100'])
    see('state', channel('1', 'SIP/300-1', { state: 'Up', application: 'AppDial2' }))
    expect(calls.of('SIP/300')[0]?.direction).to.equal('initiator')
  })

  it('moves a call with its channel when a masquerade renames it', () => {
    see('created', channel('1', 'PJSIP/100-1', { state: 'Up' }))
    see('state', channel('1', 'PJSIP/102-9', { state: 'Up' }))
    expect(calls.of('PJSIP/100')).to.deep.equal([])
    expect(calls.of('PJSIP/102')).to.have.length(1)
  })

  it('does not bring back a call that ended while channels were listed', async () => {
    see('created', channel('1', 'PJSIP/100-1', { state: 'Up' }))
    listed = [
      { id: '1', name: 'PJSIP/100-1', state: 'Up' },
      { id: '2', name: 'PJSIP/101-1', state: 'Up' },
    ]
    const refreshing = tracker.refresh()
    tracker.event({ type: 'channel-gone', channel: channel('1', 'PJSIP/100-1') })
    await refreshing
    expect(calls.list().map(({ id }) => id)).to.deep.equal(['2'])
    listed = []
    expect((await tracker.refresh()).map(({ what, found: state }) => [what, state])).to.deep.equal([
      ['call PJSIP/101-1', 'over'],
    ])
    expect(calls.list()).to.deep.equal([])
  })

  it('does not bring back a call of which Asterisk tells more after its end, until its channel is created anew', () => {
    const ringing = channel('1', 'PJSIP/104-1', { application: 'AppQueue' })
    const over = { ...ringing, connected: { name: 'Alice', number: '102' } }
    const caller = channel('2', 'PJSIP/102-2', { state: 'Up' })
    see('created', caller)
    see('created', ringing)
    tracker.event({ type: 'dial', status: 'CANCEL', caller, peer: over })
    tracker.event({ type: 'channel-gone', channel: over })
    see('connected', over)
    tracker.event({ type: 'dial', status: 'CANCEL', caller, peer: over })
    expect(calls.list().map(({ id }) => id)).to.deep.equal(['2'])
    see('created', ringing)
    expect(calls.list().map(({ id }) => id)).to.deep.equal(['2', '1'])
  })

  it('follows a channel that Asterisk shows again under an id of one that is over', async () => {
    see('created', channel('desk', 'PJSIP/100-1', { state: 'Up' }))
    tracker.event({ type: 'channel-gone', channel: channel('desk', 'PJSIP/100-1') })
    listed = [{ id: 'desk', name: 'PJSIP/100-2', state: 'Ringing' }]
    await tracker.refresh()
    see('state', channel('desk', 'PJSIP/100-2', { state: 'Up' }))
    expect(calls.of('PJSIP/100').map(({ state }) => state)).to.deep.equal(['confirmed'])
  })
})

/** Devices as events tell of them, and as they are read. */
import { expect } from 'chai'
import { Complaints } from '../../../core/ari/complaints.ts'
import { DeviceReader } from '../../../core/ari/device-reader.ts'
import { Probe } from '../../../core/ari/probe.ts'
import { Log } from '../../../core/log.ts'
import { type DeviceState, Devices } from '../../../core/states/devices.ts'
import { FakeLink, found } from '../../support/fake-link.ts'

const LOCAL = 'Local/100@internal'

describe('Devices of an Asterisk', () => {
  let devices: Devices

  beforeEach(() => {
    devices = new Devices()
  })

  function readerOf(link: FakeLink, mostUnneeded?: number): DeviceReader {
    const log = new Log('error').logger('ari')
    const complaints = new Complaints(log)
    const probe = new Probe(link, () => 'lamplighter', complaints, log)
    return new DeviceReader('pbx1', devices, { link, probe, complaints, log }, () => 5000, mostUnneeded)
  }

  it('are forgotten where there are too many that nobody needs, those told of longest ago first', () => {
    const reader = readerOf(new FakeLink([], () => found({})), 3)
    devices.need('confbridge:0')
    for (let at = 0; at < 10; at++) {
      reader.event(`confbridge:${at}`, 'INUSE')
      reader.event(`confbridge:${at}`, 'NOT_INUSE')
      reader.event('ConfBridge:1', 'INUSE')
    }
    expect(devices.list().map(({ name, state }) => `${name} ${state}`)).to.deep.equal([
      'ConfBridge:1 INUSE',
      'confbridge:0 NOT_INUSE',
      'confbridge:8 NOT_INUSE',
      'confbridge:9 NOT_INUSE',
    ])
  })

  it('are read again where they are Local channels that changed while no lamp showed them', async () => {
    let state: DeviceState = 'NOT_INUSE'
    const link = new FakeLink([], (_, { deviceName }) => found({ name: deviceName, state }))
    const reader = readerOf(link)
    devices.addReader(reader)

    const first = devices.need(LOCAL)
    await first.ready
    expect(devices.get(LOCAL)).to.equal('NOT_INUSE')
    void first.release()
    state = 'INUSE'
    reader.event(LOCAL, state)
    await devices.need(LOCAL).ready
    expect(devices.get(LOCAL)).to.equal('INUSE')
    expect(link.requests).to.have.length(2)
  })
})

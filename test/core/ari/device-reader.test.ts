/** Devices as events tell of them. */
import { expect } from 'chai'
import { Complaints } from '../../../core/ari/complaints.ts'
import { DeviceReader } from '../../../core/ari/device-reader.ts'
import { Probe } from '../../../core/ari/probe.ts'
import { Log } from '../../../core/log.ts'
import { Devices } from '../../../core/states/devices.ts'
import { FakeLink, found } from '../../support/fake-link.ts'

describe('Devices that events tell of', () => {
  it('are forgotten where there are too many that nobody needs, those told of longest ago first', () => {
    const log = new Log('error').logger('ari')
    const link = new FakeLink([], () => found({}))
    const probe = new Probe(link, () => 'lamplighter', new Complaints(log), log)
    const devices = new Devices()
    const reader = new DeviceReader('pbx1', devices, link, probe, () => 5000, 3)
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
})

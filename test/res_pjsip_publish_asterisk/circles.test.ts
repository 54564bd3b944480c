import { expect } from 'chai'
import type { AsteriskServer } from '../../core/core.ts'
import { defaultsOf } from '../../core/options.ts'
import { type OutboundPublish, outboundPublishOptions } from '../../core/publication-options.ts'
import { Devices } from '../../core/states/devices.ts'
import { Client } from '../../res_pjsip_publish_asterisk/client.ts'
import type { PublishClient, Saying } from '../../res_pjsip_publish_asterisk/contract.ts'
import { deviceStates } from '../../res_pjsip_publish_asterisk/exchange.ts'
import { statePublisher } from '../../res_pjsip_publish_asterisk/state-publisher.ts'
import { TestCore } from '../support/core.ts'
import { FakeSip } from '../support/fake-sip.ts'

const EID = { pbx1: '02:fc:00:00:00:01', pbx2: '02:fc:00:00:00:02', other: '02:fc:00:00:00:09' }

/** What an Asterisk is brought comes back from it over ARI as its own. */
describe('States that would go in circles', () => {
  let office: TestCore
  before(async () => {
    office = await TestCore.start({ sip: new FakeSip() })
  })
  after(() => office.close())

  const SERVERS: AsteriskServer[] = [
    { name: 'pbx1', url: 'http://192.0.2.1:8088', entityId: EID.pbx1, connected: true },
    { name: 'pbx2', url: 'http://192.0.2.2:8088', entityId: EID.pbx2, connected: true },
  ]

  function clientTo(server_uri: string, changed: Partial<OutboundPublish> = {}): Client {
    const section = { ...defaultsOf(outboundPublishOptions), id: 'out', server_uri: [server_uri], ...changed }
    const { metrics, log } = office.core
    let now = 0
    return new Client(section, {
      core: { ...office.core, servers: () => SERVERS },
      log: log.logger('test'),
      tags: { get: () => undefined, set: () => undefined, all: [] },
      // Each question a while after the last.
      now: () => (now += 10_000),
      common: () => [],
      sent: metrics.counter('sent'),
      failed: metrics.counter('failed'),
      withdrawals: { take: () => undefined, leave: () => undefined },
    })
  }
  const notFor = (client: Client): string[] => ['pbx1', 'pbx2', 'local'].filter((origin) => client.isFrom(origin))

  it('are not brought to a server of ours that has the address of the receiver', () => {
    expect(notFor(clientTo('sip:lamps@192.0.2.1'))).to.deep.equal(['pbx1', 'pbx2'])
    expect(notFor(clientTo('sip:lamps@192.0.2.77'))).to.deep.equal([])
    expect(notFor(clientTo('sip:lamps@192.0.2.1', { '@origin_filter': '^pbx' }))).to.deep.equal([])
  })

  it('are told apart by the entity ids that were heard last, however many there were', () => {
    const client = clientTo('sip:lamps@198.51.100.7')
    const numbered = (number: number): string =>
      `02:fc:01:00:${Math.floor(number / 256).toString(16)}:${(number % 256).toString(16)}`
    client.met(EID.pbx2)
    // As of a receiver in a container, which has another one after each start.
    for (let number = 0; number < 5000; number++) {
      client.met(numbered(number))
      if (number % 500 === 0) expect(client.met(EID.pbx2)).to.equal(false)
    }
    expect(client.met(numbered(0)), 'forgotten').to.equal(true)
    expect(client.met(numbered(4999)), 'known').to.equal(false)
    expect(notFor(client)).to.deep.equal(['pbx1', 'pbx2'])
  })

  it('are told apart by entity id as soon as the receiver has told its own', () => {
    const far = clientTo('sip:lamps@198.51.100.7')
    expect(far.met(EID.pbx2)).to.equal(true)
    expect(far.met(EID.pbx2)).to.equal(false)
    expect(notFor(far)).to.deep.equal(['pbx1', 'pbx2'])
    const same = clientTo('sip:lamps@192.0.2.1')
    same.met(EID.other)
    expect(notFor(same)).to.deep.equal([])
    const meant = clientTo('sip:lamps@198.51.100.7', { '@origin_filter': '^pbx' })
    meant.met(EID.pbx2)
    expect(notFor(meant)).to.deep.equal(['pbx2'])
  })

  it('are taken back where it turns out later', async () => {
    const devices = new Devices()
    const said: string[] = []
    let from: readonly string[] = []
    const client: PublishClient = {
      section: clientTo('sip:lamps@192.0.2.1').section,
      say: ({ body }: Saying) => said.push(String(body()?.content)),
      again: () => undefined,
      anew: () => undefined,
      end: () => undefined,
      isFrom: (origin) => from.includes(origin),
      left: () => new Map(),
    }
    devices.set('pbx1', 'PJSIP/100', 'INUSE')
    devices.set('pbx1', 'PJSIP/101', 'INUSE')
    devices.set('local', 'PJSIP/101', 'RINGING')
    devices.set(EID.pbx2, 'PJSIP/102', 'INUSE')
    const all = { ...deviceStates(devices), broughtFilter: () => '' }
    const running = statePublisher(all, () => EID.other).start(client)
    const words = (): string[] =>
      said.splice(0).map((text) => /"device":"(.*?)","state":"(.*?)"/.exec(text)?.slice(1).join(' ') ?? '')
    expect(words()).to.deep.equal(['PJSIP/100 INUSE', 'PJSIP/101 RINGINUSE'])
    from = ['pbx1']
    running.reload?.()
    expect(words()).to.deep.equal(['PJSIP/100 INVALID', 'PJSIP/101 RINGING'])
    devices.set('pbx1', 'PJSIP/100', 'NOT_INUSE')
    running.reload?.()
    expect(words()).to.deep.equal([])
    await running.stop()
  })
})

import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { Instance } from '../support/instance.ts'
import { localOffice } from '../support/office.ts'
import { Sipp } from '../support/sipp.ts'
import { needTool, until } from '../support/tools.ts'

/** sipp on both sides: one phone publishes its calls, another one's lamp follows. */
describe('sipp publishing and watching', function () {
  this.timeout(60_000)
  let instance: Instance

  before(async function () {
    needTool(this, 'sipp')
    instance = new Instance(localOffice(['udp', 'tcp']))
    await instance.start()
  })
  after(() => instance?.dispose())

  /** Plays a scenario as this endpoint, about extension 101. */
  function play(protocol: 'udp' | 'tcp', scenario: string, endpoint: string): Sipp {
    const path = fileURLToPath(new URL(scenario, import.meta.url))
    return new Sipp({ server: instance.address(protocol), protocol, scenario: path, user: endpoint, resource: '101' })
  }

  for (const protocol of ['udp', 'tcp'] as const) {
    it(`over ${protocol}: initial, modify, refresh, a stale entity-tag, remove, and a NOTIFY for each change`, async () => {
      const watching = play(protocol, 'watch.xml', '100')
      const subscribed = async (): Promise<boolean> =>
        watching.over || (await instance.command('pjsip show subscriptions inbound')).stdout.includes('101/dialog')
      await until('subscription to 101', subscribed)
      const publishing = play(protocol, 'publish.xml', '101')
      expect(await publishing.ended, publishing.said).to.equal(0)
      expect(await watching.ended, watching.said).to.equal(0)
    })
  }
})

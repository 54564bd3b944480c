import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { Instance } from '../support/instance.ts'
import { localOffice } from '../support/office.ts'
import { Sipp } from '../support/sipp.ts'
import { needTool, until } from '../support/tools.ts'

/** sipp plays the phone: an implementation that knows nothing of ours on the other end of the wire. */
describe('sipp as the phone', function () {
  this.timeout(60_000)
  let instance: Instance

  before(async function () {
    needTool(this, 'sipp')
    instance = new Instance(localOffice(['udp', 'tcp']))
    await instance.start()
  })
  after(() => instance?.dispose())

  for (const protocol of ['udp', 'tcp'] as const) {
    it(`subscribes over ${protocol} with digest, sees the lamp idle and in use, and unsubscribes`, async () => {
      await instance.command('devstate change Custom:door NOT_INUSE')
      const scenario = fileURLToPath(new URL('subscribe.xml', import.meta.url))
      const sipp = new Sipp({ server: instance.address(protocol), protocol, scenario, user: '100', resource: '200' })
      const shown = async () =>
        (await instance.command('pjsip show subscriptions inbound')).stdout.includes('200/dialog')
      await until('subscription of 200', async () => sipp.over || (await shown()))
      await instance.command('devstate change Custom:door INUSE')
      expect(await sipp.ended, sipp.said).to.equal(0)
    })
  }
})

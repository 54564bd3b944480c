import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import type { TestCore } from '../support/core.ts'
import { freeUdpPort } from '../support/free-port.ts'
import { configure, EID, publishing, startServer } from '../support/publishing.ts'
import { SippProcess } from '../support/sipp.ts'
import { needTool, until } from '../support/tools.ts'

/** sipp as the one that is published to. */
describe('sipp as an event state compositor', function () {
  this.timeout(60_000)
  let sipp: SippProcess | undefined
  let office: TestCore

  before(async function () {
    needTool(this, 'sipp')
    const port = await freeUdpPort()
    const scenario = fileURLToPath(new URL('esc.xml', import.meta.url))
    sipp = new SippProcess('-sf', scenario, '-i', '127.0.0.1', '-p', String(port), '-t', 'u1', '-m', '3')
    office = await startServer(EID.a, {
      auths: { sipp: { username: 'lamps', password: 'between-servers', realm: 'sipp' } },
    })
    const section = { server_uri: [`sip:lamps@127.0.0.1:${port}`], event: 'asterisk-devicestate' } as const
    configure(office, { outbound: { sipp: { ...section, outbound_auth: ['sipp'] } } })
    await publishing(office)
  })
  after(async () => {
    sipp?.kill()
    await office?.kill()
  })

  it('takes our credentials, and gets the last entity-tag back with each change', async () => {
    const tags: string[] = []
    const matched: string[] = []
    office.core.sip.trace((text) =>
      matched.push(...[...text.matchAll(/^SIP-If-Match: (\S+)/gm)].map(([, tag = '']) => tag)),
    )
    for (const [at, state] of (['INUSE', 'RINGING', 'NOT_INUSE'] as const).entries()) {
      office.core.devices.set('local', 'PJSIP/100', state)
      const shown = await until(`answer ${at + 1} (${sipp?.said})`, async () => {
        const text = await office.run('pjsip show publications outbound')
        const tag = /published\s+0\s+(etag\S+)/.exec(text)?.[1]
        return tag === tags.at(-1) ? undefined : tag
      })
      tags.push(shown)
    }
    expect(await sipp?.ended, sipp?.said).to.equal(0)
    expect(tags).to.deep.equal(['etag1', 'etag2', 'etag3'])
    // Each with credentials and without.
    expect(matched).to.deep.equal(['etag1', 'etag1', 'etag2', 'etag2'])
    expect(office.metric('publish.outbound.failed')).to.equal(0)
  })
})

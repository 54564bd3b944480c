import { expect } from 'chai'
import { createAuthenticator, type RunningAuthenticator } from '../../../core/auth/authenticator.ts'
import { type DemoPbx, startDemoPbx } from '../../../core/demo/pbx.ts'
import { type BridgeRig, bridgeTo } from '../../support/bridge-rig.ts'
import { FakeFlow, FakeSip, FakeTransaction, requestOf } from '../../support/fake-sip.ts'
import { pbxData } from '../../support/pbx-data.ts'
import { until } from '../../support/tools.ts'

const DATA = pbxData({
  endpoints: { 100: { context: 'office', auth: '100', aors: '100' } },
  auths: { 100: { auth_type: 'userpass', username: '100', password: 'secret' } },
})

describe('A phone whose endpoint only an Asterisk knows', () => {
  let pbx: DemoPbx | undefined
  let rig: BridgeRig
  let auth: RunningAuthenticator

  async function begin(url: string): Promise<void> {
    rig = bridgeTo(url)
    auth = createAuthenticator(rig)
    await rig.bridge.settled
  }

  afterEach(async () => {
    auth.close()
    await rig.bridge.close()
    await pbx?.stop()
    pbx = undefined
  })

  async function answerTo(user: string): Promise<FakeTransaction> {
    const request = requestOf('SUBSCRIBE', 'sip:200@pbx.example', { From: `<sip:${user}@pbx.example>;tag=1` })
    const tx = new FakeTransaction(request, new FakeFlow(), new FakeSip())
    expect(await auth.identify(tx)).to.equal(undefined)
    return tx
  }

  it('is asked to come back, not for a password, while that Asterisk is away', async () => {
    await begin('http://127.0.0.1:9')
    const tx = await answerTo('100')
    expect([tx.status, tx.header('Retry-After')]).to.deep.equal([503, '10'])
    expect(rig.metrics.counter('auth.unasked').value).to.equal(1)
  })

  it('is challenged while Asterisk is there, and so is a stranger', async () => {
    pbx = await startDemoPbx({ port: 0, data: DATA })
    await begin(pbx.url)
    expect((await answerTo('100')).status).to.equal(401)
    expect((await answerTo('777')).status).to.equal(401)
    expect((await answerTo('no such name')).status).to.equal(401)
  })

  it('is challenged by what is remembered after Asterisk has gone; others are asked to come back', async () => {
    pbx = await startDemoPbx({ port: 0, data: DATA })
    await begin(pbx.url)
    await answerTo('100')
    await pbx.stop()
    await until('away', () => rig.bridge.status().state === 'away')
    expect((await answerTo('100')).status).to.equal(401)
    expect((await answerTo('101')).status).to.equal(503)
  })

  it('is asked to come back where its auth could not be read, for nobody can be told by a guess', async () => {
    pbx = await startDemoPbx({ port: 0, data: DATA })
    await begin(pbx.url)
    await rig.endpoints.endpoint('100')
    await pbx.stop()
    await until('away', () => rig.bridge.status().state === 'away')
    expect((await answerTo('100')).status).to.equal(503)
    expect(rig.logged('which does not exist')).to.deep.equal([])
  })
})

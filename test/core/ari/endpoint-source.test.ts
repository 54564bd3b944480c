import { expect } from 'chai'
import { pbxData } from '../../../core/demo/data.ts'
import { type DemoPbx, startDemoPbx } from '../../../core/demo/pbx.ts'
import { type BridgeRig, bridgeTo } from '../../support/bridge-rig.ts'

/** Endpoints of the dynamic configuration in which something cannot be read. */
const DATA = pbxData({
  endpoints: {
    good: { context: 'office', auth: 'good', aors: 'good', deny: '0.0.0.0/0', permit: '192.0.2.0/24' },
    open: { context: 'office', auth: 'good', deny: '0.0.0.0/zero' },
    unread: { context: 'office', auth: 'good', contact_deny: 'everybody' },
    odd: { context: 'office', auth: 'good', sub_min_expiry: 'soon' },
  },
  auths: {
    good: { auth_type: 'userpass', username: 'good', password: 'secret' },
    strange: { auth_type: 'palmistry', username: 'strange' },
  },
})

describe('Endpoints from the dynamic configuration', () => {
  let pbx: DemoPbx
  let rig: BridgeRig

  before(async () => {
    pbx = await startDemoPbx({ port: 0, data: DATA })
    rig = bridgeTo(pbx.url)
    await rig.bridge.settled
  })

  after(async () => {
    await rig.bridge.close()
    await pbx.stop()
  })

  it('are used where everything in them can be read', async () => {
    expect((await rig.endpoints.endpoint('good'))?.deny).to.have.length(1)
    expect(rig.logged('endpoint good')).to.deep.equal([])
  })

  it('are refused where a rule of access cannot be read, which is said once', async () => {
    for (const id of ['open', 'unread']) {
      expect(await rig.endpoints.endpoint(id), id).to.equal(undefined)
      expect(await rig.endpoints.endpoint(id), id).to.equal(undefined)
      const [line, ...more] = rig.logged(`endpoint ${id} is not used`)
      expect(line?.level).to.equal('warning')
      expect(line?.message).to.match(/deny = '.*' is not valid, expected/)
      expect(more).to.deep.equal([])
    }
  })

  it('are used with the default of another option that cannot be read', async () => {
    expect((await rig.endpoints.endpoint('odd'))?.sub_min_expiry).to.equal(0)
    expect(rig.logged('endpoint odd is used with defaults: pbx1:endpoint/odd:')).to.have.length(1)
  })

  it('are refused an auth that cannot be read', async () => {
    expect((await rig.endpoints.auth('good'))?.password).to.equal('secret')
    expect(await rig.endpoints.auth('strange')).to.equal(undefined)
    expect(rig.logged('auth strange is not used: ')).to.have.length(1)
    expect(rig.lines.some(({ message }) => message.includes('secret'))).to.equal(false)
  })
})

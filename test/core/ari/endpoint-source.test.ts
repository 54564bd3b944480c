import { expect } from 'chai'
import { Complaints } from '../../../core/ari/complaints.ts'
import { AriEndpointSource } from '../../../core/ari/endpoint-source.ts'
import { AriHintSource } from '../../../core/ari/hint-source.ts'
import { Probe } from '../../../core/ari/probe.ts'
import type { AriAnswer } from '../../../core/ari/protocol.ts'
import { type DemoPbx, startDemoPbx } from '../../../core/demo/pbx.ts'
import { Log } from '../../../core/log.ts'
import { type BridgeRig, bridgeTo } from '../../support/bridge-rig.ts'
import { FakeLink, found, refused, unreadable } from '../../support/fake-link.ts'
import { pbxData } from '../../support/pbx-data.ts'

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

describe('Endpoints of an Asterisk that does not show them for a while', () => {
  const OBJECT = [
    { attribute: 'auth', value: 'good' },
    { attribute: 'context', value: 'office' },
  ]
  const REFUSALS = [
    [404, 'Resource not found', 'res_ari_asterisk.so is unloaded'],
    [404, "configClass 'res_pjsip' not found", 'res_pjsip.so is not there'],
    [404, '<!DOCTYPE HTML>\r\n<title>404 Not Found</title>', 'ARI is switched off, or has another prefix'],
    [503, '<!DOCTYPE HTML>\r\n<title>503 Service Unavailable</title>', 'it ends'],
  ] as const

  for (const [status, message, why] of REFUSALS)
    it(`stand, and those not known yet are no strangers: ${why}`, async () => {
      let isShown = true
      const link = new FakeLink(['asterisk.getObject'], () => (isShown ? found(OBJECT) : refused(status, message)))
      const log = new Log('notice').logger('ari')
      const complaints = new Complaints(log)
      const source = new AriEndpointSource('pbx1', { link, complaints, log })
      expect((await source.endpoint('known'))?.id).to.equal('known')

      isShown = false
      source.refresh()
      expect((await source.endpoint('known'))?.id).to.equal('known')
      expect(await source.endpoint('unknown')).to.equal(undefined)
      expect(source.couldNotAsk('endpoint', 'unknown')).to.equal(true)
      expect(complaints.open).to.have.length(1)

      isShown = true
      expect((await source.endpoint('unknown'))?.id).to.equal('unknown')
      expect(complaints.open).to.deep.equal([])
    })
})

describe('What is wrong with an endpoint that only Asterisk has', () => {
  it('is to do no more where it is gone', async () => {
    let isThere = true
    const wrong = [
      { attribute: 'auth', value: 'good' },
      { attribute: 'allow_subscribe', value: 'perhaps' },
    ]
    const link = new FakeLink(['asterisk.getObject'], () =>
      isThere ? found(wrong) : refused(404, "Object with id '100' not found"),
    )
    const log = new Log('notice').logger('ari')
    const complaints = new Complaints(log)
    const source = new AriEndpointSource('pbx1', { link, complaints, log })
    expect((await source.endpoint('100'))?.id).to.equal('100')
    expect(complaints.open).to.have.length(1)
    isThere = false
    source.refresh()
    expect(await source.endpoint('100')).to.equal(undefined)
    expect(complaints.open).to.deep.equal([])
  })
})

describe('What an Asterisk was asked for before the clock was put back', () => {
  const clock = Date.now
  const log = new Log('notice').logger('ari')

  afterEach(() => {
    Date.now = clock
  })

  it('is asked for anew: endpoints, and hints that were not there', async () => {
    let isThere = false
    const link = new FakeLink(
      ['asterisk.getObject', 'channels.create', 'channels.getChannelVar'],
      (operation, { variable }) => {
        if (operation === 'asterisk.getObject')
          return isThere ? found([{ attribute: 'auth', value: 'good' }]) : refused(404, 'Object not found')
        if (operation !== 'channels.getChannelVar') return found({})
        if (variable?.startsWith('HINT(')) return isThere ? found({ value: 'PJSIP/100' }) : unreadable
        return found({ value: 'UNKNOWN' })
      },
    )
    const complaints = new Complaints(log)
    const endpoints = new AriEndpointSource('pbx1', { link, complaints, log })
    const probe = new Probe(link, () => 'lamplighter', complaints, log)
    const settings = { options: () => ({ unknown_hint_ttl: 30, contexts: [] }) }
    const hints = new AriHintSource('pbx1', { list: () => [] }, { link, probe, complaints, log }, settings)
    const ask = async (): Promise<unknown> => [
      (await endpoints.endpoint('100'))?.id,
      (await hints.lookup('office', '100')) !== undefined,
    ]
    expect(await ask()).to.deep.equal([undefined, false])
    isThere = true
    expect(await ask()).to.deep.equal([undefined, false])
    Date.now = () => clock() - 3_600_000
    expect(await ask()).to.deep.equal(['100', true])
  })
})

describe('Endpoints that strangers ask for', () => {
  const ENDPOINT = [
    { attribute: 'auth', value: 'good' },
    { attribute: 'context', value: 'office' },
  ]
  const answerTo = (id: string | undefined): AriAnswer =>
    id === 'good' || id === 'other' ? found(ENDPOINT) : refused(404, 'Object not found')

  function sourceOf(link: FakeLink): AriEndpointSource {
    const log = new Log('notice').logger('ari')
    return new AriEndpointSource('pbx1', { link, complaints: new Complaints(log), log })
  }

  it('do not pile up before Asterisk, and who has one of those names comes again', async () => {
    const waiting: (() => void)[] = []
    const link = new FakeLink(
      ['asterisk.getObject'],
      (_, { id }) => new Promise((resolve) => waiting.push(() => resolve(answerTo(id)))),
    )
    const source = sourceOf(link)
    const answerAll = (): void => {
      for (const answer of waiting.splice(0)) answer()
    }
    const known = source.endpoint('good', true)
    answerAll()
    expect((await known)?.id).to.equal('good')

    const strangers = Array.from({ length: 5000 }, (_, n) => source.endpoint(`stranger${n}`, true))
    expect(waiting.length).to.be.below(2000)
    expect(source.couldNotAsk('endpoint', 'stranger4999')).to.equal(true)
    expect((await source.endpoint('good', true))?.id).to.equal('good')
    // Neither a known one that is asked for anew, nor one that we look for ourselves, waits for room.
    source.refresh()
    const again = [source.endpoint('good', true), source.endpoint('other')]
    answerAll()
    expect((await Promise.all(again)).map((one) => one?.id)).to.deep.equal(['good', 'other'])
    expect(new Set(await Promise.all(strangers))).to.deep.equal(new Set([undefined]))

    const later = source.endpoint('stranger4999', true)
    expect(waiting).to.have.length(1)
    answerAll()
    expect(await later).to.equal(undefined)
  })

  it('push out none that are known, which stand while Asterisk is away', async () => {
    const link = new FakeLink(['asterisk.getObject'], (_, { id }) => answerTo(id))
    const source = sourceOf(link)
    expect((await source.endpoint('good', true))?.id).to.equal('good')
    for (let n = 0; n < 20_001; n++) await source.endpoint(`stranger${n}`, true)
    source.refresh()
    link.connected = false
    expect((await source.endpoint('good', true))?.id).to.equal('good')
  })
})

/** Phones that challenge our NOTIFYs, over real sockets, with the credentials of pjsip.conf. */
import { createHash } from 'node:crypto'
import { expect } from 'chai'
import type { Auth } from '../../core/endpoints.ts'
import res_pjsip_mwi from '../../res_pjsip_mwi/res_pjsip_mwi.ts'
import res_pjsip_mwi_body_generator from '../../res_pjsip_mwi/res_pjsip_mwi_body_generator.ts'
import res_pjsip_pubsub from '../../res_pjsip_pubsub/res_pjsip_pubsub.ts'
import { TestCore } from '../support/core.ts'
import { Lamps, lampModules } from '../support/lamps.ts'
import { TestPhone, type WireMessage } from '../support/phone.ts'
import { until } from '../support/tools.ts'

const CHALLENGE = (realm: string): string => `Digest realm="${realm}", nonce="n1", algorithm=MD5, qop="auth"`

/** The response that a request's credentials should have. */
function expected(request: WireMessage, header: string, password: string): string {
  const of = (name: string): string => new RegExp(`\\b${name}="?([^",]*)"?`).exec(request.header(header))?.[1] ?? ''
  const md5 = (text: string): string => createHash('md5').update(text).digest('hex')
  const secret = md5(`${of('username')}:${of('realm')}:${password}`)
  return md5(`${secret}:${of('nonce')}:${of('nc')}:${of('cnonce')}:auth:${md5(`${request.method}:${of('uri')}`)}`)
}

describe('a phone that challenges NOTIFYs', () => {
  let office: TestCore
  let phone: TestPhone

  async function begin(auth: Partial<Auth>): Promise<void> {
    office = await TestCore.start({
      endpoints: {
        100: { aors: ['100'], mailboxes: ['100'], outbound_auth: ['nothing', 'out'] },
      },
      aors: { 100: { max_contacts: 1 } },
      auths: { out: { username: 'lamps', password: 'lamp-secret', ...auth } },
      contacts: 'registrar',
    })
    const lamps = new Lamps()
    lamps.set('200', 'off')
    const { packageModule, bodyModule } = lampModules(lamps)
    await office.load(res_pjsip_pubsub, packageModule, bodyModule)
    const server = { address: '127.0.0.1', port: office.port }
    phone = await TestPhone.open({ server, user: '100', autoAnswer: false })
  }

  afterEach(async () => {
    await phone.close()
    await office.close()
  })

  const watch = (): Promise<WireMessage> =>
    phone.request('SUBSCRIBE', { uri: 'sip:200@127.0.0.1', headers: [['Event', 'lamp']] })

  for (const [status, asks, answers] of [
    [401, 'WWW-Authenticate', 'authorization'],
    [407, 'Proxy-Authenticate', 'proxy-authorization'],
  ] as const) {
    it(`with ${status} gets the credentials of outbound_auth`, async () => {
      await begin({})
      await watch()
      phone.respond(await phone.next('NOTIFY'), status, [[asks, CHALLENGE('phone')]])
      const second = await phone.next('NOTIFY')
      expect(second.param(answers, 'username') ?? second.header(answers)).to.include('lamps')
      expect(second.header(answers)).to.include(`response="${expected(second, answers, 'lamp-secret')}"`)
      phone.respond(second, 200)
      await until('its answer', () => office.metric('pubsub.notify.answered') === 1)
      expect(office.metric('pubsub.subscriptions.active')).to.equal(1)
      expect(office.logged.join('\n')).to.not.include('lamp-secret')
    })
  }

  it('of another realm than the section names gets none, and is not subscribed any more', async () => {
    await begin({ realm: 'office' })
    await watch()
    phone.respond(await phone.next('NOTIFY'), 401, [['WWW-Authenticate', CHALLENGE('phone')]])
    await until('the end', () => office.metric('pubsub.subscriptions.active') === 0)
    expect(phone.received.filter(({ method }) => method === 'NOTIFY')).to.have.length(1)
    expect(office.logged.join('\n')).to.include("challenges for realm 'phone', which none of its outbound_auth")
  })

  it('gets what it did not ask for, too', async () => {
    await begin({})
    await office.load(res_pjsip_mwi, res_pjsip_mwi_body_generator)
    office.core.mailboxes.set('pbx1', '100@default', { newMessages: 1, oldMessages: 0 })
    await phone.request('REGISTER', { uri: 'sip:127.0.0.1', to: '<sip:100@127.0.0.1>' })
    phone.respond(await phone.next('NOTIFY'), 401, [['WWW-Authenticate', CHALLENGE('phone')]])
    const second = await phone.next('NOTIFY')
    expect(second.header('authorization')).to.include(`response="${expected(second, 'authorization', 'lamp-secret')}"`)
    expect(second.body).to.include('Voice-Message: 1/0')
    phone.respond(second, 200)
  })
})

import { expect } from 'chai'
import { answerChallenge } from '../../../core/auth/digest.ts'
import res_pjsip_dialog_info_body_generator from '../../../res_pjsip_exten_state/res_pjsip_dialog_info_body_generator.ts'
import res_pjsip_exten_state from '../../../res_pjsip_exten_state/res_pjsip_exten_state.ts'
import res_pjsip_pubsub from '../../../res_pjsip_pubsub/res_pjsip_pubsub.ts'
import { TestCore } from '../../support/core.ts'
import { TestPhone } from '../../support/phone.ts'

/** Phones answer a refresh with the nonce they know. It may be too old: then they must be told so, and lose nothing. */
describe('A subscription whose nonce went stale', () => {
  let office: TestCore
  let phone: TestPhone

  beforeEach(async () => {
    office = await TestCore.start({
      endpoints: { 100: { auth: ['100'] } },
      auths: { 100: { password: 'secret' } },
      hints: { '200@default': ['Custom:door'] },
    })
    await office.load(res_pjsip_pubsub, res_pjsip_exten_state, res_pjsip_dialog_info_body_generator)
    const server = { address: '127.0.0.1', port: office.port }
    phone = await TestPhone.open({ server, user: '100', password: 'secret' })
  })
  afterEach(async () => {
    await phone.close()
    await office.close()
  })

  it('is refreshed in its dialog after another challenge with stale=true', async () => {
    const dialog = phone.dialog('sip:200@127.0.0.1')
    const headers: [string, string][] = [
      ['Event', 'dialog'],
      ['Expires', '600'],
    ]
    const first = await phone.request('SUBSCRIBE', { dialog, headers })
    expect(first.status).to.equal(200)
    await phone.next('NOTIFY')
    // A nonce we never made, as after a restart of ours, answered with the right password.
    const challenge = 'Digest realm="asterisk",nonce="from.before.the-restart",algorithm=MD5,qop="auth"'
    const who = {
      username: '100',
      auth_type: 'userpass',
      password: 'secret',
      md5_cred: '',
      password_digest: [],
    } as const
    const old = answerChallenge({ method: 'SUBSCRIBE', requestUri: dialog.target, challenges: [challenge] }, who)
    const again = await phone.request('SUBSCRIBE', {
      dialog,
      headers: [...headers, ['Authorization', old ?? '']],
    })
    expect(again.status).to.equal(200)
    const challenged = phone.received.filter(({ status }) => status === 401)
    expect(challenged.map((answer) => answer.header('www-authenticate').includes('stale=true'))).to.deep.equal([
      false,
      true,
    ])
    expect(again.param('to', 'tag')).to.equal(first.param('to', 'tag'))
    expect((await phone.next('NOTIFY')).header('subscription-state')).to.match(/^active/)
    expect(office.core.hints.list().map(({ watchers }) => watchers)).to.deep.equal([1])
  })
})

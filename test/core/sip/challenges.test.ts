/** Requests of ours that are challenged, over real sockets: once more with credentials, and no more than once for each who asks. */
import { expect } from 'chai'
import { answerChallenge } from '../../../core/auth/digest.ts'
import type { CredentialsFor, Dialog, HeaderLine, Outcome } from '../../../core/sip/contract.ts'
import type { Stack } from '../../../core/sip/stack.ts'
import { TestPhone } from '../../support/phone.ts'
import { testStack } from '../../support/stack.ts'

const CHALLENGE = 'Digest realm="phone", nonce="abc", qop="auth", opaque="o"'
const secret = { username: 'u', auth_type: 'userpass', password: 'p', md5_cred: '', password_digest: [] } as const

/** Each asked is answered with a digest, or a moment later. */
const credentials =
  (asked: string[], late: boolean): CredentialsFor =>
  ({ method, requestUri, response }) => {
    asked.push(`${response.status} ${method} ${requestUri}`)
    const challenges = response.headers('WWW-Authenticate')
    const value = answerChallenge({ method, requestUri, challenges }, secret)
    const lines: HeaderLine[] = value === undefined ? [] : [['Authorization', value]]
    return late ? Promise.resolve(lines) : lines
  }

describe('challenges to requests of ours', () => {
  let stack: Stack
  let phone: TestPhone
  let dialog: Dialog | undefined
  const asked: string[] = []

  beforeEach(async () => {
    asked.length = 0
    dialog = undefined
    stack = await testStack()
    stack.handle('SUBSCRIBE', (tx) => {
      dialog = stack.createDialog(tx, { followFlow: false })
      tx.answer({ status: 200, dialog })
    })
    const [server] = stack.listening
    if (!server) throw new Error('nothing listens')
    phone = await TestPhone.open({ server, user: '100', autoAnswer: false })
  })

  afterEach(async () => {
    await phone.close()
    await stack.close()
  })

  const outOfDialog = (method: string, which: CredentialsFor): Promise<Outcome> => {
    const { address, port } = phone.local
    const uris = { requestUri: `sip:100@${address}:${port}`, from: '<sip:a@b>', to: '<sip:c@d>' }
    return new Promise((resolve) => {
      stack.request({ method, ...uris, credentials: which }, resolve)
    })
  }

  for (const late of [false, true]) {
    it(`are answered once in a dialog${late ? ', also where the credentials take time' : ''}`, async () => {
      await phone.request('SUBSCRIBE')
      const outcome = new Promise<Outcome>((resolve) => {
        dialog?.request('NOTIFY', { headers: [['Event', 'x']] }, resolve, credentials(asked, late))
      })
      const first = await phone.next('NOTIFY')
      expect(first.header('authorization')).to.equal('')
      phone.respond(first, 401, [['WWW-Authenticate', CHALLENGE]])
      const second = await phone.next('NOTIFY')
      expect(second.cseq).to.equal(first.cseq + 1)
      expect(second.header('call-id')).to.equal(first.header('call-id'))
      expect(second.header('event')).to.equal('x')
      expect(second.header('authorization')).to.match(/^Digest username="u", realm="phone", nonce="abc"/)
      expect(second.header('authorization')).to.include(`uri="${second.uri}"`).and.include('opaque="o"')
      phone.respond(second, 401, [['WWW-Authenticate', CHALLENGE]])
      const ended = await outcome
      expect(ended.kind === 'response' && ended.response.status).to.equal(401)
      expect(asked).to.deep.equal([`401 NOTIFY ${first.uri}`])
      expect(phone.received.filter(({ method }) => method === 'NOTIFY')).to.have.length(2)
    })
  }

  it('are answered out of a dialog with the same Call-ID and tag', async () => {
    const outcome = outOfDialog('NOTIFY', credentials(asked, false))
    const first = await phone.next('NOTIFY')
    phone.respond(first, 401, [['WWW-Authenticate', CHALLENGE]])
    const second = await phone.next('NOTIFY')
    expect(second.cseq).to.equal(2)
    expect([second.header('call-id'), second.header('from')]).to.deep.equal([
      first.header('call-id'),
      first.header('from'),
    ])
    expect(second.param('via', 'branch')).to.not.equal(first.param('via', 'branch'))
    phone.respond(second, 200)
    const ended = await outcome
    expect(ended.kind === 'response' && ended.response.status).to.equal(200)
  })

  it('of a proxy and of who is behind it are both answered, each with a count of its nonce that rises', async () => {
    const both: CredentialsFor = ({ method, requestUri, response, count }) => {
      const isProxy = response.status === 407
      const challenges = response.headers(isProxy ? 'Proxy-Authenticate' : 'WWW-Authenticate')
      const value = answerChallenge({ method, requestUri, challenges, count }, secret) ?? ''
      return [[isProxy ? 'Proxy-Authorization' : 'Authorization', value]]
    }
    const outcome = outOfDialog('SUBSCRIBE', both)
    phone.respond(await phone.next('SUBSCRIBE'), 407, [
      ['Proxy-Authenticate', 'Digest realm="p", nonce="1", qop="auth"'],
    ])
    const second = await phone.next('SUBSCRIBE')
    expect(second.header('proxy-authorization')).to.include('nonce="1"').and.include('nc=00000001')
    phone.respond(second, 401, [['WWW-Authenticate', CHALLENGE]])
    const third = await phone.next('SUBSCRIBE')
    expect(third.cseq).to.equal(3)
    expect(third.header('proxy-authorization')).to.include('nonce="1"').and.include('nc=00000002')
    expect(third.header('authorization')).to.include('nonce="abc"').and.include('nc=00000001')
    phone.respond(third, 407, [['Proxy-Authenticate', 'Digest realm="p", nonce="2", qop="auth"']])
    const ended = await outcome
    expect(ended.kind === 'response' && ended.response.status).to.equal(407)
  })

  it('are the outcome where there are no credentials, or the dialog is over meanwhile', async () => {
    await phone.request('SUBSCRIBE')
    const outcome = (which: CredentialsFor): Promise<Outcome> =>
      new Promise((resolve) => {
        dialog?.request('NOTIFY', { headers: [] }, resolve, which)
      })
    const refused = outcome(() => [])
    phone.respond(await phone.next('NOTIFY'), 401, [['WWW-Authenticate', CHALLENGE]])
    expect((await refused).kind).to.equal('response')
    const over = outcome((challenged) => {
      dialog?.dispose()
      return credentials(asked, true)(challenged)
    })
    phone.respond(await phone.next('NOTIFY'), 401, [['WWW-Authenticate', CHALLENGE]])
    expect(await over).to.deep.equal({ kind: 'unreachable', reason: 'the dialog is over' })
  })
})

import { expect } from 'chai'
import { array, assert, nat, property, string, tuple } from 'fast-check'
import { readAclRules } from '../../../core/auth/acl.ts'
import {
  type AuthenticatorSettings,
  createAuthenticator,
  type RunningAuthenticator,
} from '../../../core/auth/authenticator.ts'
import {
  answerChallenge,
  type Credentials,
  digestHash,
  digestResponse,
  parseDigest,
} from '../../../core/auth/digest.ts'
import { createLimits } from '../../../core/auth/limits.ts'
import { type Endpoint, Endpoints } from '../../../core/endpoints.ts'
import { Log } from '../../../core/log.ts'
import { Metrics } from '../../../core/metrics.ts'
import type { Address } from '../../../core/sip/contract.ts'
import type { SipUri } from '../../../core/sip/uri.ts'
import { pjsipConfig, type TestCoreSettings } from '../../support/core.ts'
import { FakeFlow, FakeSip, FakeTransaction, type Headers, requestOf } from '../../support/fake-sip.ts'
import { until } from '../../support/tools.ts'

const deny = (text: string): ReturnType<typeof readAclRules> => readAclRules(false, [text], [0])

const OFFICE = {
  endpoints: { 100: { auth: ['100'] }, 101: { auth: ['101-auth'] }, open: {} },
  auths: { 100: { password: 'secret' }, '101-auth': { username: 'alice', password: 'wonder' } },
} satisfies TestCoreSettings

const from = (user: string): Headers => ({ From: `<sip:${user}@pbx.example>;tag=1` })

describe('Authenticator', () => {
  let time: number
  let lines: string[]
  let endpoints: Endpoints
  let auth: RunningAuthenticator
  let metrics: Metrics

  function start(settings: TestCoreSettings = OFFICE, more: Partial<AuthenticatorSettings> = {}): void {
    time = 1_700_000_000_000
    lines = []
    metrics = new Metrics()
    const log = new Log('notice')
    log.addSink(({ message }) => lines.push(message))
    endpoints = new Endpoints(pjsipConfig(settings))
    const now = (): number => time
    const limits = createLimits({ endpoints, log, metrics, now })
    auth = createAuthenticator({ endpoints, log, metrics, limits, now, ...more })
  }

  afterEach(() => auth.close())

  const tx = (headers: Headers, address = '192.0.2.7', uri = 'sip:200@pbx.example'): FakeTransaction =>
    new FakeTransaction(
      requestOf('SUBSCRIBE', uri, { Contact: '<sip:100@192.0.2.7:5062>', ...headers }),
      new FakeFlow('UDP', { address, port: 5062 }),
      new FakeSip(),
    )

  /** What it is at once: a promise here would be one too many. */
  function identify(asked: FakeTransaction): Endpoint | undefined {
    const found = auth.identify(asked)
    if (found instanceof Promise) throw new Error('a promise where everything is in files')
    return found
  }

  const challengesOf = (asked: FakeTransaction): string[] =>
    (asked.given?.headers ?? []).filter(([name]) => name === 'WWW-Authenticate').map(([, value]) => value)

  function credentials(challenges: readonly string[], username: string, password: string, uri: string): string {
    const who: Credentials = { username, auth_type: 'userpass', password, md5_cred: '', password_digest: [] }
    return answerChallenge({ method: 'SUBSCRIBE', requestUri: uri, challenges }, who) ?? ''
  }

  /** The same credentials for user 100 with another count. */
  function counted(value: string, nc: string): string {
    const params = parseDigest(value)
    const input = {
      nonce: params?.get('nonce') ?? '',
      uri: params?.get('uri') ?? '',
      qop: 'auth',
      nc,
      cnonce: params?.get('cnonce') ?? '',
    }
    const response = digestResponse('MD5', digestHash('MD5', '100:asterisk:secret'), 'SUBSCRIBE', input)
    return value.replace('nc=00000001', `nc=${nc}`).replace(/response="[^"]*"/, `response="${response}"`)
  }

  /** Challenged, and asked again with this. */
  function prove(
    user: string,
    password: string,
    { name = user, uri = 'sip:200@pbx.example', headers = {} }: { name?: string; uri?: string; headers?: Headers } = {},
  ): { first: FakeTransaction; second: FakeTransaction; found: Endpoint | undefined; value: string } {
    const first = tx({ ...from(user), ...headers })
    expect(identify(first)).to.equal(undefined)
    const value = credentials(challengesOf(first), name, password, uri)
    const second = tx({ ...from(user), ...headers, Authorization: value })
    return { first, second, found: identify(second), value }
  }

  describe('by digest', () => {
    beforeEach(() => start())

    it('challenges with the default realm and takes the right password', () => {
      const { first, found } = prove('100', 'secret')
      expect(first.status).to.equal(401)
      const params = parseDigest(challengesOf(first)[0] ?? '')
      expect([params?.get('realm'), params?.get('algorithm'), params?.get('qop')]).to.deep.equal([
        'asterisk',
        'MD5',
        'auth',
      ])
      expect(found?.id).to.equal('100')
      expect(lines).to.deep.equal([])
    })

    it('takes any algorithm and any realm that is offered, one after the other, and the password of now', () => {
      const files = (password: string, realm: string): TestCoreSettings => ({
        endpoints: OFFICE.endpoints,
        auths: { 100: { password, realm, supported_algorithms_uas: ['SHA-256', 'MD5'] } },
      })
      start(files('secret', 'one'))
      const answers = (password: string): (string | undefined)[] => {
        const first = tx(from('100'))
        identify(first)
        return challengesOf(first).map((challenge) => {
          const value = credentials([challenge], '100', password, 'sip:200@pbx.example')
          return identify(tx({ ...from('100'), Authorization: value }))?.id
        })
      }
      expect([...answers('secret'), ...answers('secret')]).to.deep.equal(['100', '100', '100', '100'])
      endpoints.replace(pjsipConfig(files('secret', 'two')))
      expect(answers('secret')).to.deep.equal(['100', '100'])
      endpoints.replace(pjsipConfig(files('changed', 'two')))
      expect([...answers('secret'), ...answers('changed')]).to.deep.equal([undefined, undefined, '100', '100'])
    })

    it('takes the user name of the auth section, not the endpoint’s', () => {
      expect(prove('101', 'wonder', { name: 'alice' }).found?.id).to.equal('101')
      expect(prove('101', 'wonder').found).to.equal(undefined)
    })

    it('answers a wrong password with another 401, and says so once in a while', () => {
      for (let n = 0; n < 5; n++) {
        const { second, found } = prove('100', 'guess')
        expect([found, second.status]).to.deep.equal([undefined, 401])
        expect(challengesOf(second)[0]).to.not.match(/stale/)
      }
      expect(lines).to.have.length(1)
      expect(lines[0]).to.match(/endpoint '100', failed to authenticate/)
      expect(lines.join()).to.not.match(/guess|secret/)
    })

    it('does not challenge an endpoint without auth', () => {
      const asked = tx(from('open'))
      expect(identify(asked)?.id).to.equal('open')
      expect(asked.answered).to.equal(false)
    })

    it('lets nobody in where the auth section is missing', () => {
      start({ endpoints: { 100: { auth: ['gone'] } } })
      const { second, found } = prove('100', '')
      expect([found, second.status]).to.deep.equal([undefined, 401])
      expect(lines.join()).to.match(/auth 'gone', which does not exist/)
    })

    it('answers for a name nobody has as for one somebody has', () => {
      const nobody = prove('999', 'secret')
      const somebody = prove('100', 'guess')
      const shape = (asked: FakeTransaction): unknown => [
        asked.status,
        challengesOf(asked).map((text) => text.replace(/nonce="[^"]*"/, 'nonce')),
      ]
      expect(nobody.found).to.equal(undefined)
      expect(shape(nobody.first)).to.deep.equal(shape(somebody.first))
      expect(shape(nobody.second)).to.deep.equal(shape(somebody.second))
    })

    it('says that a nonce was stale where only that was wrong', () => {
      const { value } = prove('100', 'secret')
      time += 33_000
      const late = tx({ ...from('100'), Authorization: value })
      expect(identify(late)).to.equal(undefined)
      expect(challengesOf(late)[0]).to.match(/stale=true/)
      const again = credentials(challengesOf(late), '100', 'secret', 'sip:200@pbx.example')
      expect(identify(tx({ ...from('100'), Authorization: again }))?.id).to.equal('100')
      expect(lines).to.deep.equal([])
    })

    it('takes no answer twice, and goes on with a higher count', () => {
      const { value } = prove('100', 'secret')
      const replayed = tx({ ...from('100'), Authorization: value })
      expect(identify(replayed)).to.equal(undefined)
      expect(challengesOf(replayed)[0]).to.match(/stale=true/)
      const forged = tx({ ...from('100'), Authorization: value.replace('nc=00000001', 'nc=00000002') })
      expect(identify(forged), 'a count that the hash does not cover').to.equal(undefined)
      expect(challengesOf(forged)[0]).to.not.match(/stale/)
      expect(identify(tx({ ...from('100'), Authorization: counted(value, '00000002') }))?.id).to.equal('100')
    })

    it('takes a count without the zeros that lead, as some clients write it, and no longer one', () => {
      const { value } = prove('100', 'secret')
      const asked = (nc: string): string | undefined =>
        identify(tx({ ...from('100'), Authorization: counted(value, nc) }))?.id
      expect(['2', '0000003', '3', '00000003', '000000004', '', 'x', '4'].map(asked)).to.deep.equal([
        '100',
        '100',
        undefined,
        undefined,
        undefined,
        undefined,
        undefined,
        '100',
      ])
    })

    const inDialog = (value: string): Headers => ({
      ...from('100'),
      To: '<sip:200@pbx.example>;tag=ours',
      Authorization: value,
    })

    it('takes an old nonce in a dialog with compat=asterisk, from the same phone and not with the same count', () => {
      auth.close()
      start(OFFICE, { compat: () => 'asterisk' })
      const { value } = prove('100', 'secret')
      for (let other = 0; other < 2000; other++) prove('101', 'wonder', { name: 'alice' })
      time += 3_500_000
      for (let other = 0; other < 2000; other++) prove('101', 'wonder', { name: 'alice' })
      const next = counted(value, '00000002')
      const stranger = tx(inDialog(next), '203.0.113.9')
      expect(identify(stranger), 'from another address').to.equal(undefined)
      const first = tx({ ...from('100'), Authorization: next })
      expect(identify(first), 'out of a dialog').to.equal(undefined)
      expect(identify(tx(inDialog(next)))?.id).to.equal('100')
      const replayed = tx(inDialog(next))
      expect(identify(replayed), 'the same count').to.equal(undefined)
      for (const asked of [stranger, first, replayed]) expect(challengesOf(asked)[0]).to.match(/stale=true/)
      expect(lines).to.deep.equal([])
    })

    it('challenges anew for an old nonce in a dialog without it', () => {
      const { value } = prove('100', 'secret')
      time += 33_000
      expect(identify(tx(inDialog(counted(value, '00000002'))))).to.equal(undefined)
    })

    it('takes nobody else’s nonce, nor one from another address', () => {
      const { value } = prove('100', 'secret')
      const fresh = tx(from('100'))
      identify(fresh)
      const stolen = credentials(challengesOf(fresh), '100', 'secret', 'sip:200@pbx.example')
      expect(identify(tx({ ...from('100'), Authorization: stolen }, '203.0.113.9'))).to.equal(undefined)
      expect(value).to.not.equal(stolen)
    })

    it('wants credentials for the resource that is asked for', () => {
      const { second, found } = prove('100', 'secret', { uri: 'sip:201@pbx.example' })
      expect([found, second.status]).to.deep.equal([undefined, 400])
    })

    for (const uri of ['sip:pbx.example', 'sip:200@192.0.2.1:5060;transport=udp', 'sip:200@pbx.example']) {
      it(`takes ${uri} for sip:200@pbx.example, as phones write it`, () => {
        expect(prove('100', 'secret', { uri }).found?.id).to.equal('100')
      })
    }

    it('takes an answer without qop once', () => {
      const first = tx(from('100'))
      identify(first)
      const old = challengesOf(first).map((text) => text.replace(',qop="auth"', ''))
      const value = credentials(old, '100', 'secret', 'sip:200@pbx.example')
      expect(identify(tx({ ...from('100'), Authorization: value }))?.id).to.equal('100')
      expect(identify(tx({ ...from('100'), Authorization: value }))).to.equal(undefined)
    })

    for (const [what, change] of Object.entries<(value: string) => string>({
      'a -sess algorithm': (value) => value.replace('algorithm=MD5', 'algorithm=MD5-sess'),
      'an algorithm that was not offered': (value) => value.replace('algorithm=MD5', 'algorithm=SHA-256'),
      'another realm': (value) => value.replace('realm="asterisk"', 'realm="other"'),
      'auth-int': (value) => value.replace('qop=auth', 'qop=auth-int'),
      'a short count': (value) => value.replace('nc=00000001', 'nc=1'),
      'no count': (value) => value.replace('nc=00000001, ', ''),
      'no response': (value) => value.replace(/response="[^"]*"/, 'response=""'),
      'a nonce of its own': (value) => value.replace(/nonce="[^"]*"/, 'nonce="x"'),
      nonsense: () => 'Digest ,,,=,"',
    })) {
      it(`challenges again after ${what}`, () => {
        const first = tx(from('100'))
        identify(first)
        const value = credentials(challengesOf(first), '100', 'secret', 'sip:200@pbx.example')
        const wrong = tx({ ...from('100'), Authorization: change(value) })
        expect(identify(wrong)).to.equal(undefined)
        expect(wrong.status).to.equal(401)
        expect(challengesOf(wrong)).to.have.length(1)
        expect(identify(tx({ ...from('100'), Authorization: value }))?.id, 'nothing was used up').to.equal('100')
      })
    }

    it('says which realm and algorithm it did not offer', () => {
      const { value } = prove('100', 'secret')
      identify(tx({ ...from('100'), Authorization: value.replace('algorithm=MD5', 'algorithm=MD5-sess') }))
      expect(lines.join()).to.match(/realm 'asterisk' and algorithm 'MD5-sess', which are not offered/)
    })

    it('lets nobody in, and stumbles over nothing, whatever the credentials look like', () => {
      const { value } = prove('100', 'secret')
      const edit = tuple(nat({ max: value.length }), nat({ max: 9 }), string({ maxLength: 6 }))
      const edited = array(edit, { minLength: 1, maxLength: 4 }).map((edits) =>
        edits.reduce((text, [at, gone, put]) => text.slice(0, at) + put + text.slice(at + gone), value),
      )
      assert(
        property(edited, (text) => {
          const asked = tx({ ...from('100'), Authorization: text.replace(/[\0-\x1f]/g, ' ') })
          expect(identify(asked)).to.equal(undefined)
          expect(asked.status).to.be.oneOf([400, 401])
        }),
        { numRuns: 500 },
      )
    })

    it('finds the good credentials among several', () => {
      const first = tx(from('100'))
      identify(first)
      const good = credentials(challengesOf(first), '100', 'secret', 'sip:200@pbx.example')
      const values = ['Digest realm="proxy",nonce="x",username="y"', good]
      expect(identify(tx({ ...from('100'), Authorization: values }))?.id).to.equal('100')
    })

    it('offers several algorithms, the best first, and takes each', () => {
      start({
        endpoints: { 100: { auth: ['100'] } },
        auths: { 100: { password: 'secret', supported_algorithms_uas: ['SHA-512-256', 'SHA-256', 'MD5'] } },
      })
      const first = tx(from('100'))
      identify(first)
      const offered = challengesOf(first)
      expect(offered.map((text) => parseDigest(text)?.get('algorithm'))).to.deep.equal([
        'SHA-512-256',
        'SHA-256',
        'MD5',
      ])
      for (const challenge of offered) {
        const value = credentials([challenge], '100', 'secret', 'sip:200@pbx.example')
        expect(identify(tx({ ...from('100'), Authorization: value }))?.id, challenge).to.equal('100')
      }
    })

    it('offers only what a section with hashes has a hash for', () => {
      start({
        endpoints: { 100: { auth: ['100'] } },
        auths: {
          100: {
            auth_type: 'md5',
            md5_cred: '4a3ba9ad92b4c3b9a7c8f3ab4a8f8f0c',
            supported_algorithms_uas: ['SHA-256', 'MD5'],
          },
        },
      })
      const first = tx(from('100'))
      identify(first)
      expect(challengesOf(first).map((text) => parseDigest(text)?.get('algorithm'))).to.deep.equal(['MD5'])
    })

    it('takes the password of a digest section, where it has no hash for the algorithm', () => {
      const hash = digestHash('MD5', '100:asterisk:hashed')
      const section = { auth_type: 'digest', password: 'secret' } as const
      start({
        endpoints: { 100: { auth: ['100'] }, 101: { auth: ['101'] } },
        auths: { 100: section, 101: { ...section, username: '100', password_digest: [`MD5:${hash}`] } },
      })
      expect(prove('100', 'secret').found?.id).to.equal('100')
      expect(prove('101', 'hashed', { name: '100' }).found?.id).to.equal('101')
      expect(prove('101', 'secret', { name: '100' }).found).to.equal(undefined)
    })

    it('lets nobody in where there is no secret for what is offered, whatever is taken for one', () => {
      const hash = 'a'.repeat(64)
      for (const section of [
        { password: '' },
        { auth_type: 'md5' as const },
        { auth_type: 'md5' as const, md5_cred: 'short' },
        { auth_type: 'digest' as const, password_digest: [`SHA-256:${hash}`] },
      ]) {
        start({ endpoints: { 100: { auth: ['100'] } }, auths: { 100: section } })
        const { found, value } = prove('100', 'guess')
        expect(found).to.equal(undefined)
        const params = parseDigest(value)
        const [nonce, cnonce] = [params?.get('nonce') ?? '', params?.get('cnonce') ?? '']
        const input = { nonce, cnonce, uri: params?.get('uri') ?? '', qop: 'auth', nc: '00000001' }
        for (const secret of ['', 'short', 'undefined', digestHash('MD5', '100:asterisk:')]) {
          const response = digestResponse('MD5', secret, 'SUBSCRIBE', input)
          const forged = value.replace(/response="[^"]*"/, `response="${response}"`)
          const who = identify(tx({ ...from('100'), Authorization: forged }))
          expect(who, `${JSON.stringify(section)} with '${secret}'`).to.equal(undefined)
        }
      }
    })

    it('takes the hash or the password that there is, whatever auth_type says, as Asterisk does', () => {
      const md5_cred = digestHash('MD5', '100:asterisk:secret')
      for (const section of [{ md5_cred }, { auth_type: 'md5' as const, password: 'secret' }]) {
        start({ endpoints: { 100: { auth: ['100'] } }, auths: { 100: section } })
        expect(prove('100', 'secret').found?.id, JSON.stringify(section)).to.equal('100')
        expect(prove('100', '').found, JSON.stringify(section)).to.equal(undefined)
      }
    })

    it('challenges for the realms of all its auth sections', () => {
      start({
        endpoints: { 100: { auth: ['a', 'b'] } },
        auths: { a: { password: 'one', realm: 'first' }, b: { password: 'two', realm: 'second' } },
      })
      const first = tx(from('100'))
      identify(first)
      expect(challengesOf(first).map((text) => parseDigest(text)?.get('realm'))).to.deep.equal(['first', 'second'])
      const value = credentials(challengesOf(first).slice(1), 'b', 'two', 'sip:200@pbx.example')
      expect(identify(tx({ ...from('100'), Authorization: value }))?.id).to.equal('100')
    })
  })

  describe('finds the endpoint', () => {
    it('by user and domain before user', () => {
      start({ endpoints: { 100: {}, '100@one.example': {} } })
      expect(identify(tx({ From: '<sip:100@one.example>;tag=1' }))?.id).to.equal('100@one.example')
      expect(identify(tx({ From: '<sip:100@two.example>;tag=1' }))?.id).to.equal('100')
    })

    it('by the user name of the credentials where the endpoint says so', () => {
      start({
        endpoints: { phone: { auth: ['phone'], identify_by: ['auth_username'] } },
        auths: { phone: { password: 'secret' } },
      })
      expect(prove('display-name', 'secret', { name: 'phone' }).found?.id).to.equal('phone')
      expect(prove('phone', 'secret', { name: 'other' }).found).to.equal(undefined)
    })

    it('by the user name of those credentials that name one, where others are for another realm', () => {
      start({
        endpoints: { phone: { auth: ['phone'], identify_by: ['auth_username'] } },
        auths: { phone: { password: 'secret' } },
      })
      const first = tx(from('x'))
      identify(first)
      const own = credentials(challengesOf(first), 'phone', 'secret', 'sip:200@pbx.example')
      const other = 'Digest username="elsewhere", realm="other", nonce="n", uri="sip:x", response="r"'
      expect(identify(tx({ ...from('x'), Authorization: [other, own] }))?.id).to.equal('phone')
    })

    it('by credentials also where those before could be of somebody who cannot be asked for', async () => {
      start({
        endpoints: { phone: { auth: ['phone'], identify_by: ['auth_username'] } },
        auths: { phone: { password: 'secret' } },
      })
      const first = tx(from('x'))
      identify(first)
      const none = async (): Promise<undefined> => undefined
      const couldNotAsk = (): boolean => true
      endpoints.addSource({ name: 'pbx1', endpoint: none, auth: none, aor: none, couldNotAsk })
      const own = credentials(challengesOf(first), 'phone', 'secret', 'sip:200@pbx.example')
      const other = 'Digest username="elsewhere", realm="other", nonce="n", uri="sip:x", response="r"'
      expect((await auth.identify(tx({ ...from('x'), Authorization: [other, own] })))?.id).to.equal('phone')
      const stranger = tx({ ...from('x'), Authorization: other })
      expect([await auth.identify(stranger), stranger.status]).to.deep.equal([undefined, 503])
    })

    it('without the options of the user with ignore_uri_user_options', () => {
      start({ endpoints: { 100: {} }, global: { ignore_uri_user_options: true } })
      expect(identify(tx(from('100;phone-context=pbx.example')))?.id).to.equal('100')
      start({ endpoints: { 100: {} } })
      expect(identify(tx(from('100;phone-context=pbx.example')))).to.equal(undefined)
    })

    it('by address, the narrowest network first, and before the user name', () => {
      start({
        endpoints: { trunk: {}, lobby: {}, 100: {} },
        identifies: {
          a: { endpoint: 'trunk', match: ['192.0.2.0/24'] },
          b: { endpoint: 'lobby', match: ['192.0.2.7'] },
        },
      })
      expect(identify(tx(from('100'), '192.0.2.7'))?.id).to.equal('lobby')
      expect(identify(tx(from('100'), '192.0.2.8'))?.id).to.equal('trunk')
      expect(identify(tx(from('100'), '203.0.113.9'))?.id).to.equal('100')
    })

    it('in the order of endpoint_identifier_order', () => {
      start({
        endpoints: { trunk: {}, 100: {} },
        identifies: { a: { endpoint: 'trunk', match: ['192.0.2.0/24'] } },
        global: { endpoint_identifier_order: ['username', 'ip'] },
      })
      expect(identify(tx(from('100')))?.id).to.equal('100')
      expect(identify(tx(from('nobody')))?.id).to.equal('trunk')
    })

    it('by a header, as text and as an expression', () => {
      start({
        endpoints: { lobby: {}, door: {} },
        identifies: {
          a: { endpoint: 'lobby', match_header: 'X-Phone: the lobby' },
          b: { endpoint: 'door', match_header: 'X-Phone: /^door-[0-9]+$/' },
        },
      })
      expect(identify(tx({ ...from('x'), 'X-Phone': 'the lobby' }))?.id).to.equal('lobby')
      expect(identify(tx({ ...from('x'), 'X-Phone': 'door-12' }))?.id).to.equal('door')
      expect(identify(tx({ ...from('x'), 'X-Phone': 'door-x' }))).to.equal(undefined)
    })

    it('only by what its identify_by allows', () => {
      start({
        endpoints: { trunk: { identify_by: ['username'] } },
        identifies: { a: { endpoint: 'trunk', match: ['192.0.2.0/24'] } },
      })
      expect(identify(tx(from('x')))).to.equal(undefined)
      expect(identify(tx(from('trunk')))?.id).to.equal('trunk')
    })

    it('by the addresses of a host name, once they are known, and after a reload by the new ones', async () => {
      const names = new Map([['trunk.example', ['192.0.2.7', '2001:db8::7']]])
      const resolve = async (host: string): Promise<readonly string[]> => {
        const found = names.get(host)
        if (!found) throw new Error('not found')
        return found
      }
      const settings: TestCoreSettings = {
        endpoints: { trunk: {} },
        identifies: { a: { endpoint: 'trunk', match: ['trunk.example', 'gone.example'] } },
      }
      start(settings, { resolve })
      await auth.ready
      expect(identify(tx(from('x'), '2001:DB8:0::7'))?.id).to.equal('trunk')
      expect(lines.join()).to.match(/'gone\.example' of endpoint 'trunk' cannot be resolved/)
      names.set('trunk.example', ['192.0.2.9'])
      endpoints.replace(pjsipConfig(settings))
      await auth.ready
      expect(identify(tx(from('x'), '192.0.2.7'))).to.equal(undefined)
      expect(identify(tx(from('x'), '192.0.2.9'))?.id).to.equal('trunk')
    })

    it('by what a host name led to before a reload, until it is looked up again, and not by one that is gone', async () => {
      const settings = (...match: string[]): TestCoreSettings => ({
        endpoints: { trunk: {} },
        identifies: { a: { endpoint: 'trunk', match } },
      })
      let answer = (): Promise<string[]> => Promise.resolve(['192.0.2.7'])
      start(settings('trunk.example'), { resolve: () => answer() })
      await auth.ready
      answer = () => new Promise(() => undefined)
      endpoints.replace(pjsipConfig(settings('trunk.example')))
      expect(identify(tx(from('x'), '192.0.2.7'))?.id).to.equal('trunk')
      answer = () => Promise.reject(new Error('no name server'))
      endpoints.replace(pjsipConfig(settings('trunk.example')))
      await auth.ready
      expect(identify(tx(from('x'), '192.0.2.7'))?.id).to.equal('trunk')
      endpoints.replace(pjsipConfig(settings('other.example')))
      await auth.ready
      expect(identify(tx(from('x'), '192.0.2.7'))).to.equal(undefined)
    })

    it('by a host name that led nowhere at the start, as soon as it does, and says once that it did not', async () => {
      let asked = 0
      const resolve = async (): Promise<readonly string[]> => {
        if (++asked < 4) throw new Error('no address')
        return ['192.0.2.7']
      }
      const identifies = { a: { endpoint: 'trunk', match: ['trunk.example'] } }
      start({ endpoints: { trunk: {} }, identifies }, { resolve, resolveAgain: 1 })
      await auth.ready
      expect(identify(tx(from('x'), '192.0.2.7'))).to.equal(undefined)
      await until('the fourth look', () => asked === 4)
      await until('its address', () => identify(tx(from('x'), '192.0.2.7'))?.id === 'trunk')
      expect(lines.filter((line) => line.includes('cannot be resolved'))).to.have.length(1)
    })

    it('by a host name that is known, which is not asked for with each look for one that leads nowhere', async () => {
      const asked: string[] = []
      const resolve = async (host: string): Promise<readonly string[]> => {
        asked.push(host)
        if (host === 'misspelt.example') throw new Error('no address')
        return ['192.0.2.7']
      }
      const identifies = { a: { endpoint: 'trunk', match: ['trunk.example', 'misspelt.example'] } }
      start({ endpoints: { trunk: {} }, identifies }, { resolve, resolveAgain: 1 })
      await until('the fourth look', () => asked.filter((host) => host === 'misspelt.example').length > 3)
      expect(asked.filter((host) => host === 'trunk.example')).to.have.length(1)
      expect(identify(tx(from('x'), '192.0.2.7'))?.id).to.equal('trunk')
    })

    it('by a host name though another one before it is still looked up, the last of the file where both lead there', async () => {
      const answers = new Map<string, (addresses: string[]) => void>()
      const resolve = (host: string): Promise<string[]> => new Promise((known) => answers.set(host, known))
      start(
        {
          endpoints: { one: {}, two: {} },
          identifies: {
            a: { endpoint: 'one', match: ['one.example'] },
            b: { endpoint: 'two', match: ['two.example'] },
          },
        },
        { resolve },
      )
      answers.get('two.example')?.(['192.0.2.7'])
      await until('the second', () => identify(tx(from('x'), '192.0.2.7'))?.id === 'two')
      answers.get('one.example')?.(['192.0.2.7', '192.0.2.8'])
      await auth.ready
      expect(identify(tx(from('x'), '192.0.2.7'))?.id).to.equal('two')
      expect(identify(tx(from('x'), '192.0.2.8'))?.id).to.equal('one')
    })

    it('by a host name that the system knows', async () => {
      start({
        endpoints: { here: {} },
        identifies: { a: { endpoint: 'here', match: ['localhost'], srv_lookups: false } },
      })
      await auth.ready
      expect(identify(tx(from('x'), '127.0.0.1'))?.id).to.equal('here')
    })

    it('says what is wrong in an identify section and goes on', () => {
      start({
        endpoints: { trunk: {} },
        identifies: { a: { endpoint: 'trunk', match: ['10.0.0.0/99', '192.0.2.7'], match_header: 'X: /(/' } },
      })
      expect(lines).to.have.length(2)
      expect(identify(tx(from('x'), '192.0.2.7'))?.id).to.equal('trunk')
    })

    it('named anonymous where nobody else fits and the order names it', () => {
      start({ endpoints: { anonymous: {}, 100: {} } })
      expect(identify(tx(from('anonymous')))?.id).to.equal('anonymous')
      expect(identify(tx(from('stranger')))?.id).to.equal('anonymous')
      start({ endpoints: { anonymous: {} }, global: { endpoint_identifier_order: ['ip', 'username'] } })
      expect(identify(tx(from('stranger')))).to.equal(undefined)
      expect(identify(tx(from('anonymous')))).to.equal(undefined)
    })

    it('in a source that is not the files, after a wait', async () => {
      start({})
      const [one] = pjsipConfig({ endpoints: { far: { auth: ['far'] } } }).endpoints.values()
      const [secret] = pjsipConfig({ auths: { far: { password: 'secret' } } }).auths.values()
      endpoints.addSource({
        name: 'pbx1',
        endpoint: async (id) => (id === 'far' ? one : undefined),
        auth: async (id) => (id === 'far' ? secret : undefined),
        aor: async () => undefined,
      })
      const first = tx(from('far'))
      expect(await auth.identify(first)).to.equal(undefined)
      const value = credentials(challengesOf(first), 'far', 'secret', 'sip:200@pbx.example')
      expect(await auth.identify(tx({ ...from('far'), Authorization: value }))).to.equal(one)
    })
  })

  describe('refuses', () => {
    it('addresses that an ACL denies, with 403', () => {
      start({ endpoints: { 100: {} }, acls: { office: { deny: deny('192.0.2.0/24') } } })
      const asked = tx(from('100'))
      expect([identify(asked), asked.status]).to.deep.equal([undefined, 403])
      expect(identify(tx(from('100'), '198.51.100.1'))?.id).to.equal('100')
    })

    it('addresses that the endpoint denies, and Contacts that it denies', () => {
      start({ endpoints: { 100: { deny: deny('192.0.2.0/24'), contact_deny: deny('10.0.0.0/8') }, 101: {} } })
      expect(identify(tx(from('101')))?.id).to.equal('101')
      const asked = tx(from('100'))
      expect([identify(asked), asked.status]).to.deep.equal([undefined, 403])
      const contact = tx({ ...from('100'), Contact: '<sip:100@10.1.1.1>' }, '198.51.100.1')
      expect([identify(contact), contact.status]).to.deep.equal([undefined, 403])
    })

    it('Contacts by what a request to them is sent to, however that is written', async () => {
      const asked: string[] = []
      const targetsOf = async ({ host }: SipUri): Promise<readonly Address[]> => {
        asked.push(host)
        const address = { 'inside.example': '10.1.1.1', '10.257': '10.0.1.1', 'outside.example': '192.0.2.9' }[host]
        return address === undefined ? [] : [{ address, port: 5060 }]
      }
      const guarded = { contact_deny: deny('10.0.0.0/8') }
      start(
        { endpoints: { 100: guarded, 101: { ...guarded, auth: ['101'] }, 102: { ...guarded, rewrite_contact: true } } },
        { targetsOf },
      )
      const ask = async (contact: string, user = '100'): Promise<number | string | undefined> => {
        const request = tx({ ...from(user), Contact: `<${contact}>` })
        return (await auth.identify(request))?.id ?? request.status
      }
      expect(await ask('sip:100@192.0.2.7;maddr=10.1.1.1')).to.equal(403)
      expect(await ask('sip:100@10.1.1.1;maddr=192.0.2.7')).to.equal(403)
      expect(await ask('sip:100@192.0.2.7;maddr=192.0.2.8')).to.equal('100')
      expect(asked).to.deep.equal([])
      expect(await ask('sip:100@inside.example')).to.equal(403)
      expect(await ask('sip:100@10.257')).to.equal(403)
      expect(await ask('sip:100@nowhere.example')).to.equal(403)
      expect(await ask('sip:100@outside.example')).to.equal('100')
      expect(asked).to.deep.equal(['inside.example', '10.257', 'nowhere.example', 'outside.example'])
      // Nobody who has proved nothing makes us look names up, and where nothing is sent to the Contact none is.
      expect(await ask('sip:101@inside.example', '101')).to.equal(401)
      expect(await ask('sip:102@inside.example', '102')).to.equal('102')
      expect(asked).to.have.length(4)
    })

    it('an endpoint that asks too often, with 503', () => {
      start({ endpoints: { 100: {} }, global: { endpoint_request_limit: 1 } })
      expect(identify(tx(from('100')))?.id).to.equal('100')
      const asked = tx(from('100'))
      expect([identify(asked), asked.status, asked.header('Retry-After')]).to.deep.equal([undefined, 503, '1'])
    })

    it('strangers, and logs their attempts once a period when there are many', () => {
      start({})
      for (let n = 0; n < 4; n++) identify(tx(from('scanner')))
      expect(lines).to.deep.equal([])
      for (let n = 0; n < 20; n++) identify(tx(from('scanner')))
      expect(lines).to.have.length(1)
      expect(lines[0]).to.match(/no matching endpoint found after 5 tries/)
      time += 6000
      for (let n = 0; n < 5; n++) identify(tx(from('scanner')))
      expect(lines).to.have.length(2)
      expect(metrics.counter('auth.unidentified').value).to.equal(29)
    })

    it('strangers at any number of addresses, of whom the log hears a hundred times a minute and no more', () => {
      start({ ...OFFICE, acls: { wall: { deny: deny('10.0.0.0/8') } } })
      const long = { From: `<sip:${'x'.repeat(4000)}@h>;tag=1`, 'Call-ID': 'y'.repeat(4000) }
      for (let n = 0; n < 500; n++) identify(tx(long, `10.0.${n >> 8}.${n & 255}`))
      expect(metrics.counter('auth.forbidden').value).to.equal(500)
      expect(lines).to.have.length(100)
      expect(lines[0]?.length).to.be.lessThan(600)
      // They keep nobody from hearing of a phone whose password is wrong.
      prove('100', 'guess')
      expect(lines.slice(100).join()).to.match(/endpoint '100', failed to authenticate/)
      time += 60_000
      identify(tx(long, '10.1.0.1'))
      expect(lines).to.have.length(102)
    })
  })
})

import { expect } from 'chai'
import {
  answerChallenge,
  type Credentials,
  type DigestAlgorithm,
  digestResponse,
  digestSecret,
  formatChallenge,
  parseDigest,
  readAlgorithms,
  sameDigest,
  sameSecret,
} from '../../../core/auth/digest.ts'
import { computed } from '../../support/tools.ts'

const mufasa = (password: string): Credentials => ({
  username: 'Mufasa',
  auth_type: 'userpass',
  password,
  md5_cred: '',
  password_digest: [],
})

function responseOf(algorithm: DigestAlgorithm, realm: string, password: string, input: object): string {
  const secret = digestSecret(mufasa(password), algorithm, realm) ?? ''
  const base = { uri: '/dir/index.html', qop: 'auth', nc: '00000001', cnonce: '', nonce: '' }
  return digestResponse(algorithm, secret, 'GET', { ...base, ...input })
}

describe('Digest arithmetic', () => {
  const rfc7616 = {
    nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
    cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
  }

  it('gives the response of the MD5 example of RFC 7616 3.9.1', () => {
    const response = responseOf('MD5', 'http-auth@example.org', 'Circle of Life', rfc7616)
    expect(response).to.equal('8ca523f5e9506fed4657c9700eebdbec')
  })

  it('gives the response of the SHA-256 example of RFC 7616 3.9.1', () => {
    const response = responseOf('SHA-256', 'http-auth@example.org', 'Circle of Life', rfc7616)
    expect(response).to.equal('753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1')
  })

  const rfc2617 = { nonce: 'dcd98b7102dd2f0e8b11d0f600bfb0c093', cnonce: '0a4f113b' }

  it('gives the response of the example of RFC 2617 3.5', () => {
    const response = responseOf('MD5', 'testrealm@host.com', 'Circle Of Life', rfc2617)
    expect(response).to.equal('6629fae49393a05397450978507c4ef1')
  })

  it('gives the response of RFC 2069 where there is no qop', () => {
    const response = responseOf('MD5', 'testrealm@host.com', 'Circle Of Life', { ...rfc2617, qop: undefined })
    expect(response).to.equal('670fd8c2df070c60b045671b8b24ff02')
  })

  it('takes the hash of an md5 section as it is, and has none for other algorithms', () => {
    const section: Credentials = { ...mufasa(''), auth_type: 'md5', md5_cred: '939E7578ED9E3C518A452ACEE763BCE9' }
    expect(digestSecret(section, 'MD5', 'testrealm@host.com')).to.equal('939e7578ed9e3c518a452acee763bce9')
    expect(digestSecret(section, 'SHA-256', 'testrealm@host.com')).to.equal(undefined)
    expect(digestSecret(mufasa('Circle Of Life'), 'MD5', 'testrealm@host.com')).to.equal(
      '939e7578ed9e3c518a452acee763bce9',
    )
  })

  it('finds the hash of each algorithm in a digest section', () => {
    const section: Credentials = {
      ...mufasa(''),
      auth_type: 'digest',
      password_digest: ['md5:0123456789abcdef0123456789abcdef', `SHA-256:${'A'.repeat(64)}`],
    }
    expect(digestSecret(section, 'MD5', 'x')).to.equal('0123456789abcdef0123456789abcdef')
    expect(digestSecret(section, 'SHA-256', 'x')).to.equal('a'.repeat(64))
    expect(digestSecret(section, 'SHA-512-256', 'x')).to.equal(undefined)
  })

  it('compares hashes whole, whatever their case, and never takes an empty or a longer one', () => {
    const hash = '8ca523f5e9506fed4657c9700eebdbec'
    expect(sameDigest('MD5', hash, hash.toUpperCase())).to.equal(true)
    expect(sameDigest('MD5', hash, `${hash}00`)).to.equal(false)
    expect(sameDigest('MD5', hash, hash.slice(0, 31))).to.equal(false)
    expect(sameDigest('MD5', '', '')).to.equal(false)
  })

  it('compares secrets whole, and takes no long one for its beginning', () => {
    const same = (a: string, b: string): boolean => sameSecret(a, b)
    expect(same('abc', 'abc')).to.equal(true)
    expect([same('abc', 'abd'), same('abc', 'ab'), same('abc', 'abc\0'), same('', 'a')]).to.deep.equal(
      Array.from({ length: 4 }, () => false),
    )
    const long = 'x'.repeat(70)
    expect(same(long, `${long.slice(0, -1)}y`)).to.equal(false)
    // Nothing of the one before is left.
    expect(same('ab', 'ab')).to.equal(true)
  })

  it('reads lists of algorithms and refuses what it does not know', () => {
    expect(readAlgorithms('sha-256, MD5')).to.deep.equal(['SHA-256', 'MD5'])
    expect(() => readAlgorithms('MD5-sess')).to.throw(/expected MD5, SHA-256/)
  })
})

describe('Digest headers', () => {
  it('are read with quotes, without, and in any case', () => {
    const params = parseDigest('digest Username="a\\"b",REALM = "x, y" , nc=00000001,qop=auth')
    expect(params && [...params]).to.deep.equal([
      ['username', 'a"b'],
      ['realm', 'x, y'],
      ['nc', '00000001'],
      ['qop', 'auth'],
    ])
  })

  for (const [what, text] of Object.entries({
    'another scheme': 'Basic YWxhZGRpbjpvcGVuc2VzYW1l',
    'a name given twice': 'Digest realm="a", realm="b"',
    'an open quote': 'Digest realm="a',
    'nothing at all': 'Digest ',
  })) {
    it(`are not read where there is ${what}`, () => {
      expect(parseDigest(text)).to.equal(undefined)
    })
  }

  it('take a time in proportion to their length', () => {
    const before = computed()
    parseDigest(`Digest ${'a="'.repeat(20000)}`)
    parseDigest(`Digest ${'a, '.repeat(20000)}`)
    parseDigest(`Digest x="${'\\'.repeat(60000)}`)
    expect(computed() - before).to.be.below(500)
  })
})

describe('Answers to challenges', () => {
  const credentials: Credentials = { ...mufasa('secret'), username: 'lamp' }
  const request = { method: 'NOTIFY', requestUri: 'sip:100@192.0.2.7:5060' }

  it('use the first challenge of a realm that can be answered', () => {
    const challenges = [
      'Digest realm="pbx",nonce="n0",algorithm=SHA-999,qop="auth"',
      'Digest realm="pbx",nonce="n1",algorithm=SHA-256,qop="auth-int,auth",opaque="o"',
      'Digest realm="pbx",nonce="n2",algorithm=MD5,qop="auth"',
    ]
    const params = parseDigest(answerChallenge({ ...request, challenges }, credentials, 'c') ?? '')
    expect(params?.get('nonce')).to.equal('n1')
    expect(params?.get('algorithm')).to.equal('SHA-256')
    expect(params?.get('opaque')).to.equal('o')
    const secret = digestSecret(credentials, 'SHA-256', 'pbx') ?? ''
    const input = { nonce: 'n1', uri: request.requestUri, qop: 'auth', nc: '00000001', cnonce: 'c' }
    expect(params?.get('response')).to.equal(digestResponse('SHA-256', secret, 'NOTIFY', input))
  })

  it('leave out qop where the challenge has none', () => {
    const challenges = ['Digest realm="pbx", nonce="n", stale=TRUE']
    expect(answerChallenge({ ...request, challenges }, credentials)).to.not.match(/qop|cnonce|nc=/)
  })

  it('are none where nothing offered can be answered', () => {
    const challenges = ['Basic realm="pbx"', 'Digest realm="pbx",nonce="n",qop="auth-int"']
    expect(answerChallenge({ ...request, challenges }, credentials)).to.equal(undefined)
  })

  it('answer what formatChallenge writes', () => {
    const challenge = formatChallenge({ realm: 'the "pbx"', nonce: 'n', algorithm: 'MD5', stale: true })
    const answer = answerChallenge({ ...request, challenges: [challenge] }, credentials)
    expect(parseDigest(answer ?? '')?.get('realm')).to.equal('the "pbx"')
  })
})

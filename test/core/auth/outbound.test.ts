import { expect } from 'chai'
import { credentialLines } from '../../../core/auth/outbound.ts'
import type { Auth } from '../../../core/endpoints.ts'
import { defaultsOf } from '../../../core/options.ts'
import { authOptions } from '../../../core/pjsip-options.ts'
import type { HeaderLine } from '../../../core/sip/contract.ts'
import { parseMessage } from '../../../core/sip/message.ts'

const auth = (id: string, values: Partial<Auth>): Auth => ({ ...defaultsOf(authOptions), id, ...values })

function lines(status: number, challenges: readonly string[], auths: readonly Auth[]): readonly HeaderLine[] {
  const name = status === 407 ? 'Proxy-Authenticate' : 'WWW-Authenticate'
  const text = [
    `SIP/2.0 ${status} No`,
    'Via: SIP/2.0/UDP a;branch=z9hG4bK1',
    ...challenges.map((challenge) => `${name}: ${challenge}`),
  ].join('\r\n')
  const response = parseMessage(
    `${text}\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 1 NOTIFY\r\n\r\n`,
  )
  if (response.kind !== 'response') throw new Error('not a response')
  return credentialLines({ method: 'NOTIFY', requestUri: 'sip:100@192.0.2.7', response }, auths)
}

const challenge = (realm: string, more = ''): string => `Digest realm="${realm}",nonce="n",qop="auth"${more}`
const users = (found: readonly HeaderLine[]): string[] =>
  found.map(([name, value]) => `${name} ${/username="([^"]*)"/.exec(value)?.[1]} ${/realm="([^"]*)"/.exec(value)?.[1]}`)

describe('credentials for requests of ours', () => {
  const any = auth('any', { username: 'any', password: 'p' })
  const star = auth('star', { username: 'star', password: 'p', realm: '*' })
  const office = auth('office', { username: 'office', password: 'p', realm: 'office' })
  const hash = auth('hash', { username: 'hash', auth_type: 'md5', md5_cred: '0'.repeat(32) })

  it('are of the section that names the realm, else of one for any', () => {
    expect(users(lines(401, [challenge('office')], [any, office]))).to.deep.equal(['Authorization office office'])
    expect(users(lines(401, [challenge('phone')], [office, any]))).to.deep.equal(['Authorization any phone'])
    expect(users(lines(407, [challenge('phone')], [office, star]))).to.deep.equal(['Proxy-Authorization star phone'])
    expect(users(lines(401, [challenge('a'), challenge('office')], [any, office]))).to.deep.equal([
      'Authorization any a',
      'Authorization office office',
    ])
  })

  it('are not given to another realm', () => {
    expect(lines(401, [challenge('phone')], [office])).to.deep.equal([])
    expect(lines(401, [challenge('Office')], [office]), 'realms compare as they are written').to.deep.equal([])
  })

  it('of a hash are for the realm that its section names, and no other', () => {
    expect(lines(401, [challenge('phone')], [hash])).to.deep.equal([])
    const named = { ...hash, realm: 'phone' }
    expect(users(lines(401, [challenge('phone')], [named]))).to.deep.equal(['Authorization hash phone'])
    expect(lines(401, [challenge('phone', ',algorithm=SHA-256')], [named])).to.deep.equal([])
    const both = { ...hash, password: 'p' }
    expect(lines(401, [challenge('phone')], [both]), 'a password beside it changes nothing').to.deep.equal([])
    const other = { ...hash, auth_type: 'userpass' } as const
    expect(users(lines(401, [challenge('phone')], [other, any])), 'no password').to.deep.equal([
      'Authorization any phone',
    ])
    const digest = auth('digest', { username: 'digest', auth_type: 'digest', password: 'p' })
    expect(users(lines(401, [challenge('phone')], [digest]))).to.deep.equal(['Authorization digest phone'])
  })

  it('do not answer what is no Digest, or cannot be', () => {
    expect(lines(401, ['Basic realm="x"', 'Digest', challenge('x', ',algorithm=none'), ''], [any])).to.deep.equal([])
    expect(lines(401, [], [any])).to.deep.equal([])
  })
})

/** Servers that have failed come last for a while. */
import { expect } from 'chai'
import { Avoided } from '../../../core/sip/avoided.ts'
import type { Outcome } from '../../../core/sip/contract.ts'
import { parseMessage } from '../../../core/sip/message.ts'
import type { Target } from '../../../core/sip/resolve.ts'

describe('servers of a name that have failed', () => {
  const [one, two, three]: readonly [Target, Target, Target] = [target(1), target(2), target(3)]
  let now = 0
  let avoided = new Avoided(() => now)
  const order = (): string =>
    avoided
      .last([one, two, three])
      .map(({ port }) => port)
      .join()

  beforeEach(() => {
    now = 0
    avoided = new Avoided(() => now)
  })

  it('come last for five minutes, then one request goes to see', () => {
    expect(order()).to.equal('1,2,3')
    avoided.failed(one, { kind: 'timeout' })
    avoided.failed(two, { kind: 'unreachable', reason: 'closed' })
    expect(order()).to.equal('3,1,2')
    now = 299_999
    expect(order()).to.equal('3,1,2')
    now = 300_000
    expect([order(), order()]).to.deep.equal(['1,2,3', '3,1,2'])
    now += 60_000
    expect([order(), order()]).to.deep.equal(['1,2,3', '3,1,2'])
    avoided.answered(one)
    expect(order()).to.equal('1,3,2')
  })

  it('come last for as long as a 503 says, and not at all where it does not', () => {
    avoided.failed(one, unavailable())
    expect(order()).to.equal('1,2,3')
    avoided.failed(one, unavailable('Retry-After: 20'))
    expect(order()).to.equal('2,3,1')
    now = 20_000
    expect(order()).to.equal('1,2,3')
  })
})

function unavailable(...headers: readonly string[]): Outcome {
  const lines = [
    'SIP/2.0 503 Later',
    'Via: SIP/2.0/UDP h;branch=z9hG4bK1',
    'From: <sip:a@h>;tag=1',
    'To: <sip:b@h>;tag=2',
  ]
  const response = parseMessage([...lines, 'Call-ID: 1', 'CSeq: 1 PUBLISH', ...headers, '\r\n'].join('\r\n'))
  if (response.kind !== 'response') throw new Error('no response')
  return { kind: 'response', response }
}

function target(port: number): Target {
  return { protocol: 'UDP', address: '192.0.2.1', port }
}

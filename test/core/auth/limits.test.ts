import { expect } from 'chai'
import { Buckets, createLimits } from '../../../core/auth/limits.ts'
import { Endpoints } from '../../../core/endpoints.ts'
import { Log } from '../../../core/log.ts'
import { Metrics } from '../../../core/metrics.ts'
import { pjsipConfig } from '../../support/core.ts'
import { FakeFlow, requestOf } from '../../support/fake-sip.ts'

describe('Limits', () => {
  let time = 0
  const lines: string[] = []
  const metrics = new Metrics()
  const limitsOf = (global: object): ReturnType<typeof createLimits> => {
    const log = new Log('warning')
    log.addSink(({ message }) => lines.push(message))
    lines.length = 0
    time = 1_000_000
    const endpoints = new Endpoints(pjsipConfig({ global, endpoints: { 100: {}, 101: {} } }))
    return createLimits({ endpoints, log, metrics, now: () => time })
  }
  const request = requestOf('SUBSCRIBE', 'sip:100@pbx.example', {})
  const asker =
    (limits: ReturnType<typeof createLimits>) =>
    (address: string): unknown =>
      limits.beforeRequest(request, { address, port: 5060 }, new FakeFlow())

  it('let everything pass where they are off', () => {
    const ask = asker(limitsOf({}))
    for (let n = 0; n < 1000; n++) expect(ask('192.0.2.7')).to.equal('accept')
  })

  it('drop what one source sends too much, with one line in the log, and nobody else’s', () => {
    const ask = asker(limitsOf({ request_limit: 10 }))
    const answers = Array.from({ length: 30 }, () => ask('192.0.2.7'))
    expect(answers.filter((answer) => answer === 'accept')).to.have.length(10)
    expect(answers.at(-1)).to.equal('drop')
    expect(ask('192.0.2.8')).to.equal('accept')
    expect(lines).to.have.length(1)
    expect(lines[0]).to.match(/192\.0\.2\.7/)
    time += 100
    expect([ask('192.0.2.7'), ask('192.0.2.7')]).to.deep.equal(['accept', 'drop'])
    expect(lines).to.have.length(1)
    time += 5000
    for (let n = 0; n < 11; n++) ask('192.0.2.7')
    expect(lines).to.have.length(2)
  })

  it('count an IPv6 network of 64 bits as one source', () => {
    const ask = asker(limitsOf({ request_limit: 1 }))
    expect(ask('2001:db8::1')).to.equal('accept')
    expect(ask('2001:db8:0:0:1::2')).to.equal('drop')
    expect(ask('2001:db8:0:1::1')).to.equal('accept')
    expect(ask('::ffff:192.0.2.7')).to.equal('accept')
    expect(ask('192.0.2.7')).to.equal('drop')
  })

  it('answer an endpoint that asks too much with 503 and Retry-After', () => {
    const limits = limitsOf({ endpoint_request_limit: 2 })
    const files = pjsipConfig({ endpoints: { 100: {}, 101: {} } }).endpoints
    const [one, other] = [files.get('100'), files.get('101')]
    if (!one || !other) throw new Error('no endpoints')
    expect([limits.endpoint(one), limits.endpoint(one)]).to.deep.equal([undefined, undefined])
    expect(limits.endpoint(one)?.status).to.equal(503)
    expect(limits.endpoint(one)?.headers).to.deep.equal([['Retry-After', '1']])
    expect(limits.endpoint(other)).to.equal(undefined)
    expect(lines).to.have.length(1)
    time += 1000
    expect(limits.endpoint(one)).to.equal(undefined)
  })

  it('keep a bounded number of buckets', () => {
    const buckets = new Buckets(() => time, 100)
    const take = (n: number): string => buckets.take(`source ${n}`, 1)
    for (let n = 0; n < 5000; n++) take(n)
    expect(take(4901)).to.equal('just dry')
    // Forgotten, and so full again.
    expect(take(4899)).to.equal('yes')
  })
})

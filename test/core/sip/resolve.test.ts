/** RFC 3263 against name servers of the test's own. */
import { promises as dns } from 'node:dns'
import { expect } from 'chai'
import type { Protocol } from '../../../core/sip/contract.ts'
import { parseUri } from '../../../core/sip/parse-uri.ts'
import { type NameServer, Resolver, type Target } from '../../../core/sip/resolve.ts'
import { systemNames } from '../../../core/sip/system-names.ts'
import { NameServerOfTest } from '../../support/name-server.ts'

interface Zone {
  readonly naptr?: Record<string, readonly [order: number, preference: number, service: string, replacement: string][]>
  readonly srv?: Record<string, readonly [priority: number, weight: number, port: number, name: string][]>
  readonly a?: Record<string, readonly string[]>
  readonly aaaa?: Record<string, readonly string[]>
}

class Names implements NameServer {
  readonly asked: string[] = []
  zone: Zone
  isDead = false
  /** Types of questions that nobody answers. */
  silent: readonly string[] = []
  ttl = 60

  constructor(zone: Zone) {
    this.zone = zone
  }

  async naptr(name: string): ReturnType<NameServer['naptr']> {
    return this.#found('NAPTR', name, this.zone.naptr).map(([order, preference, service, replacement]) => ({
      flags: 's',
      regexp: '',
      order,
      preference,
      service,
      replacement,
    }))
  }

  async srv(name: string): ReturnType<NameServer['srv']> {
    return this.#found('SRV', name, this.zone.srv).map(([priority, weight, port, target]) => ({
      priority,
      weight,
      port,
      name: target,
    }))
  }

  async addresses(name: string, family: 4 | 6): ReturnType<NameServer['addresses']> {
    const found = this.#found(family === 4 ? 'A' : 'AAAA', name, family === 4 ? this.zone.a : this.zone.aaaa)
    return found.map((address) => ({ address, ttl: this.ttl }))
  }

  #found<T>(type: string, name: string, records: Record<string, readonly T[]> | undefined): readonly T[] {
    this.asked.push(`${type} ${name}`)
    const found = records?.[name]
    const isSilent = this.isDead || this.silent.includes(type)
    if (isSilent || !found) throw Object.assign(new Error('none'), { code: isSilent ? 'ETIMEOUT' : 'ENOTFOUND' })
    return found
  }
}

describe('resolving SIP URIs', () => {
  const all = (_protocol: Protocol, family: 4 | 6): boolean => family === 4

  const resolve = async (uri: string, names: NameServer, offers = all): Promise<string[]> => {
    const parsed = parseUri(uri)
    if (!parsed) throw new Error(uri)
    return (await new Resolver({ offers, names }).resolve(parsed)).map(text)
  }
  const text = ({ protocol, address, port }: Target): string => `${protocol} ${address} ${port}`

  it('answers numeric hosts at once, without asking anybody', () => {
    const names = new Names({})
    const resolver = new Resolver({ offers: () => true, names })
    const cases: [string, string[]][] = [
      ['sip:100@192.0.2.1', ['UDP 192.0.2.1 5060']],
      ['sip:100@192.0.2.1:5070;transport=TCP', ['TCP 192.0.2.1 5070']],
      ['sips:100@192.0.2.1', ['TLS 192.0.2.1 5061']],
      ['sip:100@192.0.2.1;transport=tls', ['TLS 192.0.2.1 5061']],
      ['sip:100@[2001:db8::1]:5062', ['UDP 2001:db8::1 5062']],
      ['sip:100@phone.example;maddr=192.0.2.9', ['UDP 192.0.2.9 5060']],
      ['sip:100@phone.example;maddr=[2001:db8::9]', ['UDP 2001:db8::9 5060']],
    ]
    for (const [uri, expected] of cases) {
      const parsed = parseUri(uri)
      const targets = parsed && resolver.resolve(parsed)
      if (!targets || targets instanceof Promise) throw new Error(`${uri} was not answered at once`)
      expect(targets.map(text)).to.deep.equal(expected)
    }
    expect(names.asked).to.deep.equal([])
  })

  it('has no target of a protocol or family that no transport has', async () => {
    const names = new Names({ a: { h: ['192.0.2.1'] }, aaaa: { h: ['2001:db8::1'] } })
    const udpOnly = (protocol: Protocol, family: 4 | 6): boolean => protocol === 'UDP' && family === 6
    expect(await resolve('sip:100@192.0.2.1', names, udpOnly)).to.deep.equal([])
    expect(await resolve('sip:100@h:5060', names, udpOnly)).to.deep.equal(['UDP 2001:db8::1 5060'])
    expect(await resolve('sip:100@h:5060;transport=tcp', names, udpOnly)).to.deep.equal([])
  })

  it('asks for addresses alone where the port is given', async () => {
    const names = new Names({ a: { 'a.example': ['192.0.2.1', '192.0.2.2'] } })
    expect(await resolve('sip:100@a.example:5070', names)).to.deep.equal(['UDP 192.0.2.1 5070', 'UDP 192.0.2.2 5070'])
    expect(names.asked).to.deep.equal(['A a.example'])
  })

  it('follows NAPTR in its order, to the protocols we have', async () => {
    const names = new Names({
      naptr: {
        'a.example': [
          [20, 1, 'SIP+D2U', '_sip._udp.a.example'],
          [10, 2, 'SIP+D2T', '_sip._tcp.a.example'],
          [10, 1, 'SIPS+D2T', '_sips._tcp.a.example'],
          [5, 1, 'SIP+D2W', '_sip._ws.a.example'],
        ],
      },
      srv: { '_sip._tcp.a.example': [[1, 1, 5065, 'b.example']], '_sip._udp.a.example': [[1, 1, 5066, 'b.example']] },
      a: { 'b.example': ['192.0.2.3'] },
    })
    const noTls = (protocol: Protocol, family: 4 | 6): boolean => protocol !== 'TLS' && family === 4
    expect(await resolve('sip:100@a.example', names, noTls)).to.deep.equal(['TCP 192.0.2.3 5065', 'UDP 192.0.2.3 5066'])
    expect(names.asked).to.not.include('SRV _sips._tcp.a.example')
  })

  it('asks for SRV of the stated protocol, and of sips for TLS only', async () => {
    const names = new Names({
      srv: {
        '_sips._tcp.a.example': [[1, 1, 5071, 'b.example']],
        '_sip._tcp.a.example': [[1, 1, 5072, 'b.example']],
        '_sip._udp.a.example': [[1, 1, 5073, 'b.example']],
      },
      a: { 'b.example': ['192.0.2.3'] },
    })
    expect(await resolve('sips:100@a.example', names)).to.deep.equal(['TLS 192.0.2.3 5071'])
    expect(await resolve('sip:100@a.example;transport=tcp', names)).to.deep.equal(['TCP 192.0.2.3 5072'])
    expect(await resolve('sip:100@a.example', names)).to.deep.equal([
      'UDP 192.0.2.3 5073',
      'TCP 192.0.2.3 5072',
      'TLS 192.0.2.3 5071',
    ])
  })

  it('takes the host itself where there is no SRV', async () => {
    const names = new Names({ a: { 'a.example': ['192.0.2.1'] } })
    expect(await resolve('sip:100@a.example', names)).to.deep.equal(['UDP 192.0.2.1 5060'])
    expect(await resolve('sips:100@a.example', names)).to.deep.equal(['TLS 192.0.2.1 5061'])
    expect(await resolve('sip:100@b.example', names)).to.deep.equal([])
  })

  it('orders SRV by priority, and draws by weight within one (RFC 2782)', async () => {
    const srv = {
      '_sip._udp.a.example': [
        [2, 1, 1, 'c'],
        [1, 1, 2, 'c'],
        [1, 99, 3, 'c'],
      ] as const,
    }
    let heavyFirst = 0
    for (let i = 0; i < 200; i++) {
      const names = new Names({
        srv: { '_sip._udp.a.example': [...srv['_sip._udp.a.example']].map((r) => [...r]) },
        a: { c: ['192.0.2.1'] },
      })
      const ports = (await resolve('sip:100@a.example;transport=udp', names)).map((target) => target.split(' ')[2])
      expect(ports[2]).to.equal('1')
      if (ports[0] === '3') heavyFirst++
    }
    // 99 of 100 are expected; so few as 160 of 200 come once in far more runs than there will ever be.
    expect(heavyFirst).to.be.above(160)
  })

  it('remembers answers for a minute, and that there is none for ten seconds', async () => {
    let now = 0
    const names = new Names({ a: { a: ['192.0.2.1'] } })
    const resolver = new Resolver({ offers: all, names, now: () => now })
    const ask = async (uri: string): Promise<number> => {
      const parsed = parseUri(uri)
      return parsed ? (await resolver.resolve(parsed)).length : -1
    }
    expect(await ask('sip:100@a:5060')).to.equal(1)
    expect(await ask('sip:200@a:5060')).to.equal(1)
    expect(names.asked).to.have.length(1)
    now = 61_000
    names.zone = { a: {} }
    expect(await ask('sip:100@a:5060')).to.equal(0)
    names.zone = { a: { a: ['192.0.2.1'] } }
    expect(await ask('sip:100@a:5060')).to.equal(0)
    now += 11_000
    expect(await ask('sip:100@a:5060')).to.equal(1)
  })

  for (const [ttl, uri, seconds] of [
    [30, 'sip:100@a:5060', 30],
    [900, 'sip:100@a:5060', 900],
    [0, 'sip:100@a:5060', 5],
    [86_400, 'sip:100@a:5060', 3600],
    [30, 'sip:100@a', 30],
    // Of NAPTR and SRV, and that there are none, nobody tells for how long.
    [900, 'sip:100@a', 60],
    [900, 'sip:100@own:5060', 60],
  ] as const)
    it(`remembers ${uri} for ${seconds} s where its addresses may be kept ${ttl}`, async () => {
      let now = 0
      const names = new Names({ a: { a: ['192.0.2.1'] } })
      names.ttl = ttl
      const withOwn: NameServer = Object.assign(names, { local: async () => ['192.0.2.7'] })
      const resolver = new Resolver({ offers: all, names: withOwn, now: () => now })
      const parsed = parseUri(uri)
      if (!parsed) throw new Error('no URI')
      await resolver.resolve(parsed)
      const { length } = names.asked
      now = seconds * 1000 - 1
      await resolver.resolve(parsed)
      expect(names.asked, 'before').to.have.length(length)
      now += 1
      await resolver.resolve(parsed)
      expect(names.asked, 'after').to.have.length(2 * length)
    })

  it('keeps what was found for a day where no name server answers, and asks again after ten seconds', async () => {
    let now = 0
    const names = new Names({ srv: { '_sip._udp.a': [[1, 1, 5070, 'b']] }, a: { b: ['192.0.2.1'] } })
    const resolver = new Resolver({ offers: all, names, now: () => now })
    const ask = async (): Promise<string> => {
      const parsed = parseUri('sip:100@a;transport=udp')
      return parsed ? (await resolver.resolve(parsed)).map(text).join() : ''
    }
    expect(await ask()).to.equal('UDP 192.0.2.1 5070')
    names.isDead = true
    now = 61_000
    expect(await ask()).to.equal('UDP 192.0.2.1 5070')
    now += 11_000
    expect(await ask()).to.equal('UDP 192.0.2.1 5070')
    names.isDead = false
    names.zone = { srv: { '_sip._udp.a': [[1, 1, 5080, 'b']] }, a: { b: ['192.0.2.2'] } }
    now += 11_000
    expect(await ask()).to.equal('UDP 192.0.2.2 5080')
    names.zone = {}
    now += 61_000
    expect(await ask(), 'taken back').to.equal('')
    names.zone = { a: { a: ['192.0.2.3'] } }
    now += 11_000
    expect(await ask()).to.equal('UDP 192.0.2.3 5060')
    names.isDead = true
    now += 86_401_000
    expect(await ask(), 'after a day').to.equal('')
  })

  it('keeps what SRV records have said, and does not take the host itself, where they are not answered now', async () => {
    let now = 0
    const names = new Names({ srv: { '_sip._udp.a': [[1, 1, 5070, 'b']] }, a: { a: ['192.0.2.9'], b: ['192.0.2.1'] } })
    const resolver = new Resolver({ offers: all, names, now: () => now })
    const ask = async (uri: string): Promise<string> => {
      now += 61_000
      const parsed = parseUri(uri)
      return parsed ? (await resolver.resolve(parsed)).map(text).join() : ''
    }
    for (const uri of ['sip:100@a;transport=udp', 'sip:100@a']) {
      names.silent = []
      expect(await ask(uri)).to.equal('UDP 192.0.2.1 5070')
      names.silent = ['NAPTR', 'SRV']
      expect(await ask(uri)).to.equal('UDP 192.0.2.1 5070')
      expect(await ask(uri)).to.equal('UDP 192.0.2.1 5070')
    }
    names.silent = []
    names.zone = { a: { a: ['192.0.2.9'] } }
    expect(await ask('sip:100@a'), 'there are none any more').to.equal('UDP 192.0.2.9 5060')
    names.silent = ['SRV']
    names.zone = { a: { a: ['192.0.2.8'], c: ['192.0.2.5'] } }
    expect(await ask('sip:100@c')).to.equal('UDP 192.0.2.5 5060')
    names.zone = { a: { c: ['192.0.2.6'] } }
    expect(await ask('sip:100@c'), 'where they are never answered').to.equal('UDP 192.0.2.6 5060')
  })

  it('keeps it also where a reload comes while they are asked, and what they say of before that is not taken', async () => {
    const names = new Names({ a: { a: ['192.0.2.1'] } })
    const parsed = parseUri('sip:100@a:5060')
    if (!parsed) throw new Error('no URI')
    const resolver = new Resolver({ offers: all, names })
    const ask = async (): Promise<string> => (await resolver.resolve(parsed)).map(text).join()
    expect(await ask()).to.equal('UDP 192.0.2.1 5060')
    names.isDead = true
    resolver.expire()
    const before = ask()
    resolver.expire()
    expect(await Promise.all([before, ask()])).to.deep.equal(['UDP 192.0.2.1 5060', 'UDP 192.0.2.1 5060'])
    names.isDead = false
    resolver.expire()
    const old = ask()
    names.zone = { a: { a: ['192.0.2.2'] } }
    resolver.expire()
    expect([await old, await ask()]).to.deep.equal(['UDP 192.0.2.1 5060', 'UDP 192.0.2.2 5060'])
  })

  it('asks this machine for names that name servers do not know, and for no others', async () => {
    const dual = (protocol: Protocol): boolean => protocol === 'UDP'
    const names = new Names({ a: { known: ['192.0.2.1'] } })
    const asked: string[] = []
    const local: NameServer['local'] = async (name, family) => {
      asked.push(`${name} ${family}`)
      return ['192.0.2.7', '2001:db8::7']
    }
    const both: NameServer = Object.assign(names, { local })
    expect(await resolve('sip:100@known:5060', both, dual)).to.deep.equal(['UDP 192.0.2.1 5060'])
    expect(asked).to.deep.equal([])
    expect(await resolve('sip:100@own:5060', both, dual)).to.deep.equal(['UDP 192.0.2.7 5060', 'UDP 2001:db8::7 5060'])
    expect(await resolve('sip:100@own:5060', both)).to.deep.equal(['UDP 192.0.2.7 5060'])
    expect(asked).to.deep.equal(['own 0', 'own 4'])
  })

  it('gives up after a while where nobody answers', async () => {
    const never = (): Promise<never> => new Promise(() => undefined)
    const names: NameServer = { naptr: never, srv: never, addresses: never }
    const parsed = parseUri('sip:100@a.example')
    if (!parsed) throw new Error('no URI')
    expect(await new Resolver({ offers: all, names, limit: 30 }).resolve(parsed)).to.deep.equal([])
  })

  it('does without what name servers pass over: NAPTR, SRV and AAAA, or all for a name of this machine', async () => {
    const never = (): Promise<never> => new Promise(() => undefined)
    const dual = (protocol: Protocol): boolean => protocol === 'UDP'
    const zone = new Names({ a: { 'a.example': ['192.0.2.1'] } })
    const addresses: NameServer['addresses'] = (name, family) => (family === 6 ? never() : zone.addresses(name, family))
    const deaf: NameServer = { naptr: never, srv: never, addresses }
    const dead: NameServer = { naptr: never, srv: never, addresses: never, local: async () => ['192.0.2.7'] }
    for (const [uri, names, target] of [
      ['sip:100@a.example', deaf, 'UDP 192.0.2.1 5060'],
      ['sip:100@a.example:5070', deaf, 'UDP 192.0.2.1 5070'],
      ['sip:100@own', dead, 'UDP 192.0.2.7 5060'],
    ] as const) {
      const parsed = parseUri(uri)
      if (!parsed) throw new Error(uri)
      const found = await new Resolver({ offers: dual, names, limit: 100 }).resolve(parsed)
      expect(found.map(text), uri).to.deep.equal([target])
    }
  })

  it('asks the name servers that this machine has by then', async () => {
    const servers = [
      await NameServerOfTest.open({ pbx: '192.0.2.1' }),
      await NameServerOfTest.open({ pbx: '192.0.2.2' }),
    ]
    let [asked] = servers
    const make = (): dns.Resolver => {
      const resolver = new dns.Resolver()
      resolver.setServers([asked?.address ?? ''])
      return resolver
    }
    const names = systemNames(make, () => asked?.address ?? '')
    const found = (): Promise<string[]> => resolve('sip:100@pbx:5060', names)
    try {
      expect(await found()).to.deep.equal(['UDP 192.0.2.1 5060'])
      asked = servers[1]
      expect(await found()).to.deep.equal(['UDP 192.0.2.2 5060'])
      expect(await names.addresses('pbx', 4)).to.deep.equal([{ address: '192.0.2.2', ttl: 1 }])
    } finally {
      for (const server of servers) server.close()
    }
  })

  it('finds localhost with the names of the system', async () => {
    const parsed = parseUri('sip:100@localhost:5060')
    if (!parsed) throw new Error('no URI')
    const found = await new Resolver({ offers: all }).resolve(parsed)
    expect(found.map(text)).to.deep.equal(['UDP 127.0.0.1 5060'])
  })

  it('finds all names of this machine that are asked for at once, as after a reload', async () => {
    const none = (): Promise<never> => Promise.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' }))
    const resolver = new Resolver({ offers: all, names: { ...systemNames(), naptr: none, srv: none, addresses: none } })
    const ports = ['5061', '5062', '5063', '5064']
    const found = await Promise.all(
      ports.map(async (port) => {
        const parsed = parseUri(`sip:100@localhost:${port}`)
        return parsed ? resolver.resolve(parsed) : []
      }),
    )
    expect(found.flat().map(text)).to.deep.equal(ports.map((port) => `UDP 127.0.0.1 ${port}`))
  })
})

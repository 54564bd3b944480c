import { expect } from 'chai'
import { parseBind } from '../../../core/conf/bind.ts'

describe('bind', () => {
  const good: [string, 'udp' | 'tcp' | 'tls', string, number][] = [
    ['0.0.0.0', 'udp', '0.0.0.0', 5060],
    ['0.0.0.0', 'tls', '0.0.0.0', 5061],
    ['192.0.2.1:5070', 'tcp', '192.0.2.1', 5070],
    ['127.0.0.1:0', 'udp', '127.0.0.1', 0],
    ['::', 'udp', '::', 5060],
    ['::1:5060', 'udp', '::1:5060', 5060],
    ['[::]', 'tls', '::', 5061],
    ['[2001:db8::1]:5062', 'udp', '2001:db8::1', 5062],
    ['[fe80::1%eth0]:5060', 'udp', 'fe80::1%eth0', 5060],
  ]
  for (const [text, protocol, address, port] of good) {
    it(`${text} (${protocol})`, () => {
      expect(parseBind(text, protocol)).to.deep.equal({ address, port })
    })
  }

  for (const text of [
    '',
    ':',
    ':5060',
    '[',
    '[::',
    '[]',
    '[::]x',
    '[::]5060',
    '1.2.3',
    '1.2.3.256',
    'pbx',
    'pbx:5060',
    '1.2.3.4.5',
  ]) {
    it(`refuses '${text}' as an address`, () => {
      expect(() => parseBind(text)).to.throw('expected an address and a port, 0.0.0.0:5060 or [::]:5060')
    })
  }
  for (const text of ['0.0.0.0:', '0.0.0.0:x', '0.0.0.0:65536', '[::]:', '[::]:-1', '0.0.0.0:5060 ']) {
    it(`refuses '${text}' for its port`, () => {
      expect(() => parseBind(text)).to.throw('expected a port from 0 to 65535 after the last colon')
    })
  }
})

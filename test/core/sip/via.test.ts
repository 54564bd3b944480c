import { expect } from 'chai'
import type { Address } from '../../../core/sip/contract.ts'
import { parseVia, viaBeforeBranch, viaForAnswer } from '../../../core/sip/via.ts'

const source = { address: '198.51.100.9', port: 40001 }

function answered(text: string, from: Address, forceRport: boolean): string | undefined {
  const via = parseVia(text)
  return via && viaForAnswer(via, from, forceRport)
}

describe('Via', () => {
  it('is read with white space nearly anywhere', () => {
    expect(parseVia('SIP /  2.0 / udp   Host.Example.com : 5062 ; Branch = z9hG4bK1 ; rport')).to.include({
      protocol: 'UDP',
      host: 'host.example.com',
      port: 5062,
      branch: 'z9hG4bK1',
    })
    expect(parseVia('SIP/2.0/TLS [2001:db8::1]:5061;branch=z9')).to.include({ host: '2001:db8::1', port: 5061 })
    expect(parseVia('SIP/2.0/UDP h')?.branch).to.equal(undefined)
  })

  for (const text of [
    '',
    'SIP/2.0',
    'SIP/2.0/UDP',
    'SIP/2.0/UDP;branch=1',
    'SIP/2.0/UDPhost;branch=1/',
    'SIP/2.0/UDP h i',
    'SIP/2.0/UDP h:70000',
    'SIP/2.0/UDP 192.0.2.15;;,;,,',
    'SIP/2.0/UDP h;branch=1;branch=2',
    'SIP 2.0 UDP h',
  ]) {
    it(`is refused: ${text}`, () => expect(parseVia(text)).to.equal(undefined))
  }

  const answers: readonly (readonly [what: string, via: string, force: boolean, expected: string])[] = [
    [
      'the source is the sent-by: as it was',
      'SIP/2.0/UDP 198.51.100.9:5060;branch=z9',
      false,
      'SIP/2.0/UDP 198.51.100.9:5060;branch=z9',
    ],
    [
      'another address: received',
      'SIP/2.0/UDP 10.0.0.5:5060;branch=z9;x="a;received=b"',
      false,
      'SIP/2.0/UDP 10.0.0.5:5060;branch=z9;x="a;received=b";received=198.51.100.9',
    ],
    [
      'a host name: received',
      'SIP/2.0/UDP phone.example.com;branch=z9',
      false,
      'SIP/2.0/UDP phone.example.com;branch=z9;received=198.51.100.9',
    ],
    [
      'rport asked for: both, even where the address is right',
      'SIP/2.0/UDP 198.51.100.9:5060;rport;branch=z9',
      false,
      'SIP/2.0/UDP 198.51.100.9:5060;branch=z9;received=198.51.100.9;rport=40001',
    ],
    [
      'rport asked for at the end, in capitals, with white space',
      'SIP/2.0/UDP 198.51.100.9:5060 ; branch=z9 ; RPort',
      false,
      'SIP/2.0/UDP 198.51.100.9:5060;branch=z9;received=198.51.100.9;rport=40001',
    ],
    [
      'rport asked for, and something that looks like it in quotes',
      'SIP/2.0/UDP 198.51.100.9:5060;x=";rport;";rport;branch=z9',
      false,
      'SIP/2.0/UDP 198.51.100.9:5060;x=";rport;";branch=z9;received=198.51.100.9;rport=40001',
    ],
    [
      'rport forced',
      'SIP/2.0/UDP 10.0.0.5:5060;branch=z9',
      true,
      'SIP/2.0/UDP 10.0.0.5:5060;branch=z9;received=198.51.100.9;rport=40001',
    ],
    [
      'made up by the sender: not believed',
      'SIP/2.0/UDP 198.51.100.9:5060;received=203.0.113.1;branch=z9',
      false,
      'SIP/2.0/UDP 198.51.100.9:5060;branch=z9',
    ],
    [
      'made up by the sender, with rport',
      'SIP/2.0/UDP 10.0.0.5;received=203.0.113.1;RPORT=1;branch=z9',
      false,
      'SIP/2.0/UDP 10.0.0.5;branch=z9;received=198.51.100.9;rport=40001',
    ],
  ]
  for (const [what, via, force, expected] of answers) {
    it(`goes back: ${what}`, () => expect(answered(via, source, force)).to.equal(expected))
  }

  it('goes back with a scoped IPv6 source, without the scope', () => {
    expect(answered('SIP/2.0/UDP [fe80::1];branch=z9', { address: 'fe80::2%eth0', port: 5060 }, false)).to.equal(
      'SIP/2.0/UDP [fe80::1];branch=z9;received=fe80::2',
    )
  })

  it('is written up to the branch', () => {
    expect(viaBeforeBranch({ protocol: 'TCP', host: '2001:db8::1', port: 5060 })).to.equal(
      'SIP/2.0/TCP [2001:db8::1]:5060;rport;branch=',
    )
    expect(viaBeforeBranch({ protocol: 'UDP', host: 'h', rport: false })).to.equal('SIP/2.0/UDP h;branch=')
  })
})

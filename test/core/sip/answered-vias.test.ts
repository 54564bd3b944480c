import { expect } from 'chai'
import { AnsweredVias } from '../../../core/sip/answered-vias.ts'
import { type ParsedResponse, parseMessage } from '../../../core/sip/message.ts'
import { parseVia } from '../../../core/sip/via.ts'

const BRANCH = 'z9hG4bK4f0a1c93b7d25e68a1f03c7700012a'
const OTHER = 'z9hG4bK00ff1c93b7d25e68a1f03c7700012b'

/** As phones send our Via back. */
const SENT_BACK = [
  'SIP/2.0/UDP 192.0.2.1:5060;rport;branch=B',
  'SIP/2.0/UDP 192.0.2.1:5060;rport=5060;branch=B;received=192.0.2.1',
  'SIP/2.0/UDP 192.0.2.1:5060;branch=B;received=192.0.2.1;rport=5060',
  'SIP / 2.0 / UDP 192.0.2.1:5060 ; rport ; branch = B',
  'SIP/2.0/TLS Example.COM;branch=B',
  'SIP/2.0/TCP [2001:db8::1]:5060;branch=B;x="a;branch=B"',
  'SIP/2.0/UDP 192.0.2.1:5060;x=";branch=";branch=B',
]

function answer(via: string | undefined): ParsedResponse {
  const lines = ['SIP/2.0 200 OK', ...(via === undefined ? [] : [`Via: ${via}`]), 'CSeq: 1 NOTIFY', '', '']
  const message = parseMessage(lines.join('\r\n'))
  if (message.kind !== 'response') throw new Error('no response')
  return message
}

function looked(via: ReturnType<AnsweredVias['of']>): unknown {
  return via && { protocol: via.protocol, host: via.host, port: via.port, branch: via.branch }
}

describe('the Via of answers', () => {
  it('reads what a reader of each Via reads, whatever came before, and of more forms than are kept', () => {
    const vias = new AnsweredVias()
    for (let round = 0; round < 200; round++) {
      for (const form of SENT_BACK) {
        const text = form.replaceAll('B', round % 2 === 0 ? BRANCH : `${OTHER}${round}`)
        const read = parseVia(text)
        expect(looked(vias.of(answer(text))), text)
          .to.deep.equal(looked(read))
          .and.not.equal(undefined)
      }
    }
  })

  it('does not take for a branch what is none, though the rest is as before', () => {
    const vias = new AnsweredVias()
    const form = 'SIP/2.0/UDP 192.0.2.1:5060;rport;branch=B;received=192.0.2.1'
    vias.of(answer(form.replace('B', BRANCH)))
    for (const branch of ['', ';', 'a b', 'a;branch=b', '"', 'a,b', 'a;received=192.0.2.9', 'é', 'a;rport']) {
      const text = form.replace('B', branch)
      const [first = ''] = branch === 'a,b' ? text.split(',') : [text]
      expect(looked(vias.of(answer(text))), text).to.deep.equal(looked(parseVia(first)))
    }
    expect(vias.of(answer(undefined))).to.equal(undefined)
  })

  it('takes the first of several in one line', () => {
    const vias = new AnsweredVias()
    for (const branch of [BRANCH, OTHER]) {
      const text = `SIP/2.0/UDP 192.0.2.1;branch=${branch},SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKx`
      expect(vias.of(answer(text))).to.include({ host: '192.0.2.1', branch })
    }
  })

  it('keeps to the first Via line', () => {
    const vias = new AnsweredVias()
    const lines = (branch: string): string =>
      `SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=${branch}\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKx\r\n\r\n`
    for (const branch of [BRANCH, OTHER]) {
      const message = parseMessage(lines(branch))
      expect(message.kind === 'response' && vias.of(message)).to.include({ host: '192.0.2.1', branch })
    }
  })
})

/** The messages of RFC 4475, one file each, and what becomes of them. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { checkRequest, checkResponse } from '../../../core/sip/check.ts'
import { StreamFramer } from '../../../core/sip/frame.ts'
import { parseMessage } from '../../../core/sip/message.ts'
import { parseAuthValue } from '../../../core/sip/values.ts'
import { requestOf, responseOf, textOf, writeResponse } from '../../support/sip-text.ts'

const folder = fileURLToPath(new URL('torture/', import.meta.url))
const read = (name: string): Buffer => readFileSync(`${folder}${name}.sip`)

/** `accepted`, `dropped`, or the refusal. */
const OUTCOMES: Readonly<Record<string, string>> = {
  // 3.1.1 valid messages; methods of nobody are good messages all the same
  wsinv: 'accepted',
  intmeth: '501',
  esc01: 'accepted',
  escnull: 'accepted',
  esc02: '501',
  lwsdisp: 'accepted',
  longreq: 'accepted',
  dblreq: 'accepted',
  semiuri: 'accepted',
  transports: 'accepted',
  mpart01: 'accepted',
  unreason: 'accepted',
  noreason: 'accepted',
  // 3.1.2 invalid messages
  badinv01: '400 Malformed Via',
  clerr: '400 Content-Length Beyond Message',
  ncl: '400 Malformed Content-Length',
  scalar02: '400 Malformed CSeq',
  scalarlg: 'dropped',
  quotbal: '400 Malformed To',
  ltgtruri: '400 Malformed Request-URI',
  lwsruri: '400 Malformed Request-URI',
  lwsstart: '400 Malformed Request-URI',
  trws: '400 Malformed Start-Line',
  escruri: '400 Malformed Request-URI',
  // the Date is of no use to us
  baddate: 'accepted',
  regbadct: '400 Malformed Contact',
  badaspec: '400 Malformed To',
  baddn: 'accepted',
  badvers: '505 Version Not Supported',
  mismatch01: '400 CSeq Method Mismatch',
  mismatch02: '400 CSeq Method Mismatch',
  bigcode: 'dropped',
  // 3.2 transaction layer: the branch says nothing, so it is matched as in RFC 2543
  badbranch: 'accepted',
  // 3.3 application layer
  insuf: '400 Missing From',
  unkscm: '416',
  novelsc: '416',
  // for the registrar, who knows no such resource
  unksm2: 'accepted',
  bext01: '420 Unsupported: nothingSupportsThis, nothingSupportsThisEither',
  invut: 'accepted',
  regaut01: 'accepted',
  multi01: '400 Duplicate From',
  mcl01: '400 Duplicate Content-Length',
  bcast: 'accepted',
  zeromf: 'accepted',
  cparam01: 'accepted',
  cparam02: 'accepted',
  regescrt: 'accepted',
  sdp01: 'accepted',
  // 3.4 backward compatibility
  inv2543: 'accepted',
}

function outcomeOf(bytes: Buffer): string {
  const message = parseMessage(textOf(bytes))
  if (message.kind === 'failure') return message.answerable ? `${message.status} ${message.why}` : 'dropped'
  if (message.kind === 'response') return checkResponse(message) === undefined ? 'accepted' : 'dropped'
  const refusal = checkRequest(message, () => ['eventlist'])
  if (!refusal) return 'accepted'
  const lines = (refusal.headers ?? []).map(([name, value]) => `${name}: ${value}`)
  return [refusal.status, refusal.reason, ...lines].filter((part) => part !== undefined).join(' ')
}

describe('RFC 4475 torture messages', () => {
  it('are all there', () => {
    const names = readdirSync(folder).flatMap((file) => (file.endsWith('.sip') ? [file.slice(0, -4)] : []))
    expect(names.sort()).to.deep.equal(Object.keys(OUTCOMES).sort())
  })

  for (const [name, outcome] of Object.entries(OUTCOMES)) {
    it(`${name}: ${outcome}`, () => expect(outcomeOf(read(name))).to.equal(outcome))
  }

  it('get an answer that reads, where they get one', () => {
    for (const name of Object.keys(OUTCOMES)) {
      const message = parseMessage(textOf(read(name)))
      const request = message.kind === 'failure' ? message.answerable : message.kind === 'request' ? message : undefined
      if (!request) continue
      const answer = writeResponse({
        request,
        status: 400,
        toTag: 'ours',
        source: { address: '192.0.2.7', port: 5060 },
      })
      const response = responseOf(answer)
      expect(response.topVia?.branch, name).to.equal(request.topVia?.branch)
      expect(response.topVia?.host, name).to.equal(request.topVia?.host)
      expect([response.callId, response.cseq, response.from.text], name).to.deep.equal([
        request.callId,
        request.cseq,
        request.from.text,
      ])
    }
  })

  it('wsinv: white space everywhere says nothing', () => {
    const request = requestOf(read('wsinv'))
    expect(request.to).to.include({ uriText: 'sip:vivekg@chair-dnrc.example.com', tag: '1918181833n' })
    expect(request.from).to.include({ display: 'J Rosenberg \\"', tag: '98asjd8' })
    expect(request.cseq).to.deep.equal({ number: 9, method: 'INVITE' })
    expect(request.header('Max-Forwards')).to.equal('0068')
    expect(request.header('Subject')).to.equal('')
    expect(request.header('NewFangledHeader')).to.equal('newfangled value continued newfangled value')
    expect(request.header('UnknownHeaderWithUnusualValue')).to.equal(';;,,;;,;')
    expect(request.headers('Via')).to.have.length(3)
    expect(request.topVia).to.include({ protocol: 'UDP', host: '192.0.2.2', branch: '390skdjuw' })
    const [contact] = request.contacts
    expect(contact).to.include({ display: 'Quoted string ""', uriText: 'sip:jdrosen@example.com' })
    expect([...(contact?.params ?? [])]).to.deep.equal([
      ['newparam', 'newvalue'],
      ['secondparam', ''],
      ['q', '0.33'],
    ])
    expect(request.body.toString()).to.match(/^v=0\r\n/)
  })

  it('intmeth: every character that is allowed', () => {
    const request = requestOf(read('intmeth'))
    expect(request.method).to.equal("!interesting-Method0123456789_*+`.%indeed'~")
    expect(request.uri?.user).to.equal("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*")
    expect(request.uri?.password).to.equal("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)")
    expect(request.to.display).to.equal('BEL:\x07 NUL:\0 DEL:\x7f')
    expect(request.from.display).to.equal("token1~` token2'+_ token3*%!.-")
    expect(request.from.tag).to.equal("_token~1'+`*%!-.")
    expect(request.from.params.get("fromparam''~+*_!.-%")).to.equal('работающий')
    expect(request.cseq).to.deep.equal({ number: 139122385, method: request.method })
    expect(request.header("extensionHeader-!.%*+_`'~")).to.equal('大停電')
  })

  it('esc01, escnull, esc02, semiuri: escapes stand for characters in URIs, and only there', () => {
    const esc01 = requestOf(read('esc01'))
    expect(esc01.uri).to.include({ user: 'sips:user@example.com', host: 'example.net' })
    expect(esc01.to.uri?.user).to.equal('user')
    expect(esc01.from.uri?.user).to.equal('I have spaces')
    expect([...(esc01.contacts[0]?.uri?.params ?? [])]).to.deep.equal([
      ['lr', ''],
      ['name', 'value%41'],
    ])
    const escnull = requestOf(read('escnull'))
    expect(escnull.to.uri?.user).to.equal('null-\0-null')
    expect(escnull.contacts.map(({ uri }) => uri?.user)).to.deep.equal(['\0', '\0\0'])
    const esc02 = requestOf(read('esc02'))
    expect(esc02.method).to.equal('RE%47IST%45R')
    expect(esc02.to.display).to.equal('%Z%45')
    expect(esc02.contacts).to.have.length(2)
    expect(requestOf(read('semiuri')).uri).to.include({ user: 'user;par=u@example.net', host: 'example.com' })
  })

  it('lwsdisp, cparam01, cparam02: names and parameters belong where they belong', () => {
    expect(requestOf(read('lwsdisp')).from).to.include({ display: 'caller', tag: '323' })
    const [header] = requestOf(read('cparam01')).contacts
    expect([header?.params.has('unknownparam'), header?.uri?.params.size]).to.deep.equal([true, 0])
    const [uri] = requestOf(read('cparam02')).contacts
    expect([uri?.params.size, uri?.uri?.params.has('unknownparam')]).to.deep.equal([0, true])
  })

  it('longreq, transports, mpart01, dblreq: long, strange and binary', () => {
    const longreq = requestOf(read('longreq'))
    expect(longreq.headers('Via')).to.have.length(33)
    expect(longreq.from.tag).to.have.length.greaterThan(200)
    expect(longreq.to.uri?.port).to.equal(6000)
    expect(requestOf(read('transports')).headers('Via')[3]).to.match(/^SIP\/2.0\/UNKNOWN t4/)
    const mpart01 = requestOf(read('mpart01'))
    expect(mpart01.body).to.have.length(Number(mpart01.header('Content-Length')))
    expect(mpart01.body.includes(0)).to.equal(true)
    expect(requestOf(read('dblreq')).body).to.have.length(0)
    const frames = new StreamFramer().push(read('dblreq'))
    expect(frames.map((frame) => frame.kind === 'message' && requestOf(frame.text).method)).to.deep.equal([
      'REGISTER',
      'INVITE',
    ])
  })

  it('unreason, noreason, bcast: responses', () => {
    expect(responseOf(read('unreason'))).to.include({
      status: 200,
      reason: '= 2**3 * 5**2 но сто девяносто девять - простое',
    })
    expect(responseOf(read('noreason'))).to.include({ status: 100, reason: '' })
    expect(responseOf(read('bcast')).headers('Via')).to.have.length(2)
  })

  it('regaut01, unksm2, regescrt: left to those whose matter they are', () => {
    expect(parseAuthValue(requestOf(read('regaut01')).header('Authorization') ?? '')?.scheme).to.equal(
      'nooneknowsthisscheme',
    )
    const unksm2 = requestOf(read('unksm2'))
    expect([unksm2.to.uriText, unksm2.to.uri]).to.deep.equal(['isbn:2983792873', undefined])
    expect(unksm2.contacts[0]?.uriText).to.equal('name:John_Smith')
    expect(requestOf(read('regescrt')).contacts[0]?.uri?.headers).to.equal('Route=%3Csip:sip.example.com%3E')
  })
})

/**
 * SIP as the generator needs it: messages from templates, and as little reading as the checks allow. It speaks to
 * servers whose answers are tested elsewhere; whatever does not look as expected is counted as wrong, not understood.
 */

export interface Head {
  via: string
  from: string
  to: string
  callId: string
  cseq: string
  contact: string
  event: string
  state: string
  expires: string
  entityTag: string
  challenge: string
  length: number
}

export const BRANCH = 'z9hG4bKb-'

/** Status of an answer; 0 for a request. */
export function statusOf(text: string): number {
  return text.startsWith('SIP/2.0 ') ? Number(text.slice(8, 11)) : 0
}

/** First letters of the names that `keep` knows, by their place in the alphabet, however they are written. */
const LOOKED_AT = Array.from({ length: 32 }, (_, letter) => 'vftimcoesxlw'.includes(String.fromCharCode(letter + 0x60)))

/** Reads the header lines that are looked at. `via` keeps all Via lines, as they stand. */
export function readHead(text: string, bodyAt: number): Head {
  const head: Head = {
    via: '',
    from: '',
    to: '',
    callId: '',
    cseq: '',
    contact: '',
    event: '',
    state: '',
    expires: '',
    entityTag: '',
    challenge: '',
    length: -1,
  }
  let at = text.indexOf('\r\n') + 2
  while (at < bodyAt - 2) {
    const end = text.indexOf('\r\n', at)
    if (LOOKED_AT[text.charCodeAt(at) & 0x1f]) keep(head, text, at, end)
    at = end + 2
  }
  return head
}

function keep(head: Head, text: string, at: number, end: number): void {
  const colon = text.indexOf(':', at)
  const value = text.slice(text.charCodeAt(colon + 1) === 0x20 ? colon + 2 : colon + 1, end)
  switch (text.slice(at, colon).toLowerCase()) {
    case 'via':
    case 'v':
      head.via += text.slice(at, end + 2)
      break
    case 'from':
    case 'f':
      head.from = value
      break
    case 'to':
    case 't':
      head.to = value
      break
    case 'call-id':
    case 'i':
      head.callId = value
      break
    case 'cseq':
      head.cseq = value
      break
    case 'contact':
    case 'm':
      head.contact = value
      break
    case 'event':
    case 'o':
      head.event = value
      break
    case 'subscription-state':
      head.state = value
      break
    case 'expires':
      head.expires = value
      break
    case 'sip-etag':
      head.entityTag = value
      break
    case 'www-authenticate':
      head.challenge = value
      break
    case 'content-length':
    case 'l':
      head.length = Number(value)
      break
    default:
  }
}

export function tagOf(address: string): string {
  const at = address.indexOf(';tag=')
  if (at < 0) return ''
  const end = address.indexOf(';', at + 5)
  return end < 0 ? address.slice(at + 5) : address.slice(at + 5, end)
}

export function uriOf(contact: string): string {
  const open = contact.indexOf('<')
  return open < 0 ? contact : contact.slice(open + 1, contact.indexOf('>', open))
}

/** The number after a mark: `w123` in a URI, `s12-3` in a branch. -1 where there is none. */
export function numberAfter(text: string, from: number): number {
  let value = -1
  for (let at = from; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 0x30
    if (digit < 0 || digit > 9) break
    value = (value < 0 ? 0 : value) * 10 + digit
  }
  return value
}

export function okTo(head: Head): string {
  const { via, from, to, callId, cseq } = head
  return `SIP/2.0 200 OK\r\n${via}From: ${from}\r\nTo: ${to}\r\nCall-ID: ${callId}\r\nCSeq: ${cseq}\r\nContent-Length: 0\r\n\r\n`
}

export interface Request {
  readonly method: string
  readonly uri: string
  readonly branch: string
  readonly from: string
  readonly to: string
  readonly callId: string
  readonly cseq: number
  /** Address of the socket it leaves by: `127.0.0.1:40000`. */
  readonly local: string
  /** More header lines, each with its CRLF. */
  readonly more: string
  readonly body: string
}

export function printRequest({ method, uri, branch, from, to, callId, cseq, local, more, body }: Request): string {
  return (
    `${method} ${uri} SIP/2.0\r\nVia: SIP/2.0/UDP ${local};rport;branch=${BRANCH}${branch}\r\nMax-Forwards: 70\r\n` +
    `From: ${from}\r\nTo: ${to}\r\nCall-ID: ${callId}\r\nCSeq: ${cseq} ${method}\r\n${more}` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  )
}

/** Via values (RFC 3261 20.42, 18.2.1; RFC 3581). White space may stand nearly anywhere in them. */
import type { Address } from './contract.ts'
import { endOfQuoted, endOfToken, scannedParam, scanParams, skipSpace, trimSpace } from './grammar.ts'
import { parseHostPort, printHostPort } from './parse-uri.ts'
import { withoutZone } from './zone.ts'

export interface Via {
  /** Upper case: UDP, TCP, TLS, or something we do not speak. */
  readonly protocol: string
  /** The sent-by: lower case, IPv6 without brackets. */
  readonly host: string
  readonly port: number | undefined
  readonly branch: string | undefined
  /** The sender asks for the answer to come to the port it sends from (RFC 3581 3). */
  readonly asksRport: boolean
  /** The sender says where it comes from. */
  readonly saysReceived: boolean
  /** The value as it was written. */
  readonly text: string
}

/** Undefined where it is malformed. */
export function parseVia(text: string): Via | undefined {
  // sent-protocol = protocol-name SLASH protocol-version SLASH transport; what the start line says decides the version
  if (text.startsWith('SIP/2.0/UDP ')) return parseSentBy(text, 'UDP', 11)
  const name = part(text, 0)
  const version = name && slashPart(text, name.end)
  const transport = version && slashPart(text, version.end)
  return transport && parseSentBy(text, transport.text.toUpperCase(), transport.end)
}

function parseSentBy(text: string, protocol: string, from: number): Via | undefined {
  const start = skipSpace(text, from)
  if (start === from) return undefined
  let paramsAt = text.indexOf(';', start)
  if (paramsAt === -1) paramsAt = text.length
  const sentBy = parseHostPort(text, start, paramsAt) ?? parseSpacedHostPort(text.slice(start, paramsAt))
  if (!sentBy || !scanParams(text, paramsAt)) return undefined
  const branch = scannedParam('branch')
  const asksRport = scannedParam('rport') !== undefined
  const saysReceived = scannedParam('received') !== undefined
  return { protocol, host: sentBy.host, port: sentBy.port, branch, asksRport, saysReceived, text }
}

interface Part {
  readonly text: string
  readonly end: number
}

function part(text: string, from: number): Part | undefined {
  const start = skipSpace(text, from)
  const end = endOfToken(text, start)
  return end === start ? undefined : { text: text.slice(start, end), end }
}

function slashPart(text: string, from: number): Part | undefined {
  const slash = skipSpace(text, from)
  return text.charCodeAt(slash) === 0x2f ? part(text, slash + 1) : undefined
}

// RFC 3261 25.1: COLON = SWS ":" SWS, also in sent-by
function parseSpacedHostPort(sentBy: string): ReturnType<typeof parseHostPort> {
  const trimmed = trimSpace(sentBy)
  const colon = trimmed.lastIndexOf(':')
  if (colon === -1) return parseHostPort(trimmed)
  return parseHostPort(`${trimSpace(trimmed.slice(0, colon))}:${trimSpace(trimmed.slice(colon + 1))}`)
}

/**
 * A Via value as the answer carries it: with the source address where the sent-by is not it (RFC 3261 18.2.1), and with
 * source address and port where the sender asked for `rport` or it is forced (RFC 3581 4). What the sender itself put
 * into `received` is not believed.
 */
export function viaForAnswer(via: Via, source: Address, forceRport: boolean): string {
  const { text } = via
  const address = withoutZone(source.address)
  const wantsRport = forceRport || via.asksRport
  const isThere = via.host === address || via.host === address.toLowerCase()
  if (!wantsRport && isThere && !via.saysReceived) return text
  const answered = withoutSource(via)
  if (wantsRport) return `${answered};received=${address};rport=${source.port}`
  return isThere ? answered : `${answered};received=${address}`
}

/** Without `received` and `rport`. */
function withoutSource({ text, asksRport, saysReceived }: Via): string {
  if (!asksRport && !saysReceived) return text
  if (!saysReceived && !text.includes('"')) {
    if (text.endsWith(';rport')) return text.slice(0, -6)
    const at = text.indexOf(';rport;')
    if (at !== -1) return text.slice(0, at) + text.slice(at + 6)
  }
  let answered = ''
  for (const piece of splitAtSemicolons(text)) {
    const name = piece.slice(0, endOfToken(piece, 0)).toLowerCase()
    if (answered === '') answered = piece
    else if (name !== 'received' && name !== 'rport') answered += `;${piece}`
  }
  return answered
}

function splitAtSemicolons(text: string): string[] {
  const pieces: string[] = []
  let start = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x22) {
      const end = endOfQuoted(text, at)
      if (end === -1) break
      at = end - 1
    } else if (code === 0x3b) {
      pieces.push(trimSpace(text.slice(start, at)))
      start = at + 1
    }
  }
  pieces.push(trimSpace(text.slice(start)))
  return pieces
}

export interface ViaParts {
  readonly protocol: string
  /** Host and port that answers come to; an IPv6 host without brackets. */
  readonly host: string
  readonly port?: number
  /** Ask for the source port back (RFC 3581 3). */
  readonly rport?: boolean
}

/** Everything of a Via but the branch, which goes right after it. */
export function viaBeforeBranch({ protocol, host, port, rport = true }: ViaParts): string {
  return `SIP/2.0/${protocol} ${printHostPort(host, port)}${rport ? ';rport' : ''};branch=`
}

/** Via values (RFC 3261 20.42, 18.2.1; RFC 3581). White space may stand nearly anywhere in them. */
import type { Address } from './contract.ts'
import { endOfQuoted, endOfToken, parseParams, skipSpace, trimSpace } from './grammar.ts'
import { parseHostPort, printHostPort } from './parse-uri.ts'

export interface Via {
  /** Upper case: UDP, TCP, TLS, or something we do not speak. */
  readonly protocol: string
  /** The sent-by: lower case, IPv6 without brackets. */
  readonly host: string
  readonly port: number | undefined
  readonly branch: string | undefined
  /** Names in lower case. `rport` without a value is the empty string. */
  readonly params: ReadonlyMap<string, string>
  /** The value as it was written. */
  readonly text: string
}

/** Undefined where it is malformed. */
export function parseVia(text: string): Via | undefined {
  // sent-protocol = protocol-name SLASH protocol-version SLASH transport; what the start line says decides the version
  const name = part(text, 0)
  const version = name && slashPart(text, name.end)
  const transport = version && slashPart(text, version.end)
  if (!transport) return undefined
  const sentByStart = skipSpace(text, transport.end)
  if (sentByStart === transport.end) return undefined
  let paramsAt = text.indexOf(';', sentByStart)
  if (paramsAt === -1) paramsAt = text.length
  const sentBy = parseHostPort(withoutSpaceAroundColon(text.slice(sentByStart, paramsAt).trimEnd()))
  const params = sentBy && parseParams(text, paramsAt)
  if (!params) return undefined
  return {
    protocol: transport.text.toUpperCase(),
    host: sentBy.host,
    port: sentBy.port,
    branch: params.get('branch'),
    params,
    text,
  }
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
function withoutSpaceAroundColon(sentBy: string): string {
  if (!sentBy.includes(' ') && !sentBy.includes('\t')) return sentBy
  const colon = sentBy.lastIndexOf(':')
  return colon === -1 ? sentBy : `${sentBy.slice(0, colon).trimEnd()}:${sentBy.slice(colon + 1).trimStart()}`
}

/**
 * A Via value as the answer carries it: with the source address where the sent-by is not it (RFC 3261 18.2.1), and with
 * source address and port where the sender asked for `rport` or it is forced (RFC 3581 4). What the sender itself put
 * into `received` is not believed.
 */
export function viaForAnswer(text: string, source: Address, forceRport: boolean): string {
  const via = parseVia(text)
  if (!via) return text
  const address = source.address.split('%', 1)[0] ?? source.address
  const wantsRport = forceRport || via.params.has('rport')
  if (!wantsRport && via.host === address.toLowerCase() && !via.params.has('received')) return text
  let answered = ''
  for (const piece of splitAtSemicolons(text)) {
    const name = piece.slice(0, endOfToken(piece, 0)).toLowerCase()
    if (answered === '') answered = piece
    else if (name !== 'received' && name !== 'rport') answered += `;${piece}`
  }
  if (wantsRport) return `${answered};received=${address};rport=${source.port}`
  return via.host === address.toLowerCase() ? answered : `${answered};received=${address}`
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

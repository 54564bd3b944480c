/** Writing requests: strings with one character per byte. Those of a dialog have most of their header block prepared. */

import { detached } from '../text.ts'
import type { RequestContent } from './contract.ts'
import { isToken } from './grammar.ts'
import { writtenName } from './headers.ts'
import type { Origin } from './origin.ts'
import { headerBlock, headerLine, wireValue, writtenBody } from './serialize.ts'

/** What is the same in all requests of a dialog. */
export interface TemplateParts {
  readonly method: string
  /** Where they come from. */
  readonly origin: Origin
  readonly requestUri: string
  readonly maxForwards: number
  /** Header values, with their tags. */
  readonly from: string
  readonly to: string
  readonly callId: string
  readonly contact?: string
  /** Values of Route, topmost first. */
  readonly routes?: readonly string[]
  readonly compact?: boolean
}

export interface RequestParts extends TemplateParts {
  readonly branch: string
  readonly cseq: number
  readonly content: RequestContent
}

export function writeRequest(parts: RequestParts): string {
  return new RequestTemplate(parts).write(parts.branch, parts.cseq, parts.content)
}

/** Requests of one dialog: what is the same in all of them is written once. */
export class RequestTemplate {
  readonly method: string
  readonly origin: Origin
  readonly #compact: boolean
  readonly #beforeOrigin: string
  readonly #beforeCseq: string

  constructor(parts: TemplateParts) {
    const { method, compact = false, routes = [] } = parts
    if (!isToken(method)) throw new Error(`'${method}' is no method`)
    this.method = method
    this.origin = parts.origin
    this.#compact = compact
    const requestUri = wireValue(parts.requestUri).replaceAll(' ', '%20')
    this.#beforeOrigin = detached(`${method} ${requestUri} SIP/2.0\r\n${writtenName('Via', compact)}: `)
    const lines = [`\r\nMax-Forwards: ${parts.maxForwards}\r\n`]
    for (const route of routes) lines.push(headerLine('Route', route, compact))
    lines.push(
      headerLine('From', parts.from, compact),
      headerLine('To', parts.to, compact),
      headerLine('Call-ID', parts.callId, compact),
      parts.contact === undefined ? '' : headerLine('Contact', parts.contact, compact),
      'CSeq: ',
    )
    this.#beforeCseq = detached(lines.join(''))
  }

  /** `branch` is a token. */
  write(branch: string, cseq: number, content: RequestContent): string {
    const compact = this.#compact
    return (
      `${this.#beforeOrigin}${this.origin.beforeBranch}${branch}${this.#beforeCseq}${cseq}${afterCseq(this.method)}` +
      (content.written ? content.written(compact) : headerBlock(content.headers, compact)) +
      (content.body?.written?.(compact) ?? writtenBody(content.body?.contentType, content.body?.content, compact))
    )
  }
}

let lastMethod = ''
let lastAfterCseq = ''

/** Nearly all are of one method. */
function afterCseq(method: string): string {
  if (method !== lastMethod) {
    lastMethod = method
    lastAfterCseq = ` ${method}\r\n`
  }
  return lastAfterCseq
}

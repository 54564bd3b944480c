/** The answers that requests are refused with, and the headers that belong to them. */
import type { EncodingFault } from '../core/documents/encoding.ts'
import type { HeaderLine, Refusal, ServerTransaction } from '../core/sip/contract.ts'
import type { ResponseData } from './contract.ts'

export const DECLINED: Refusal = { status: 603 }
export const UNSUPPORTED_SCHEME: Refusal = { status: 416 }
export const NO_SUBSCRIPTION: Refusal = { status: 481, reason: 'Subscription Does Not Exist' }
export const NOT_FOUND: Refusal = { status: 404 }
/** The rules of the presentity block the watcher. */
export const FORBIDDEN: Refusal = { status: 403 }
export const NO_FETCH: Refusal = { status: 400 }
export const OVER_ENDPOINT_LIMIT: Refusal = { status: 403, reason: 'Too Many Subscriptions' }

export const badRequest = (reason: string): Refusal => ({ status: 400, reason })

/** A body is packed where none may be (RFC 3261 8.2.3). */
export function packed(types: readonly string[]): Refusal {
  return { status: 415, headers: [...listHeader('Accept', types), ['Accept-Encoding', 'identity']] }
}

/** What nobody here reads is a type that is not taken (RFC 3261 21.4.13). */
export function notDecoded({ isUnknown, fault }: EncodingFault, types: readonly string[]): Refusal {
  return isUnknown ? { status: 415, reason: fault, headers: listHeader('Accept', types) } : badRequest(fault)
}

/** RFC 6665 8.3.2: with the events there are packages for. Asterisk says only 489. */
export function badEvent(events: readonly string[], compat: 'rfc' | 'asterisk'): Refusal {
  return { status: 489, headers: compat === 'asterisk' ? [] : listHeader('Allow-Events', events) }
}

/** RFC 6665 4.2.1.1. Asterisk answers 489. */
export function notAcceptable(types: readonly string[], compat: 'rfc' | 'asterisk'): Refusal {
  return compat === 'asterisk' ? { status: 489 } : { status: 406, headers: listHeader('Accept', types) }
}

/** RFC 6665 4.2.1.1: with the shortest that is granted. Asterisk does not tell. */
export function tooBrief(seconds: number, compat: 'rfc' | 'asterisk'): Refusal {
  return { status: 423, headers: compat === 'asterisk' ? [] : [['Min-Expires', String(seconds)]] }
}

export function tryLater(status: 500 | 503, seconds: number): Refusal {
  return { status, headers: [['Retry-After', String(seconds)]] }
}

export function listHeader(name: string, values: readonly string[]): HeaderLine[] {
  return values.length === 0 ? [] : [[name, values.join(', ')]]
}

/** What was to come of the request does not. */
export function refuse(tx: ServerTransaction, answer: ResponseData): undefined {
  tx.answer(answer)
}

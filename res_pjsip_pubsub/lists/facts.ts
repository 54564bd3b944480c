/** That a subscription is for a resource list (RFC 4662), and how its row says so. */
import type { HeaderLine, SipRequest } from '../../core/sip/contract.ts'
import { hasOptionTag } from '../../core/sip/values.ts'
import { isObject, isText, readJson } from '../storage/cells.ts'

export const EVENTLIST = 'eventlist'
export const RECIPIENT_LIST = 'recipient-list-subscribe'

/** An entry of a list that a watcher brought itself (RFC 5367). */
export interface ListEntry {
  readonly uri: string
  /** User part of the URI; empty where nothing here can be meant. */
  readonly resource: string
  /** Its display name; empty for none. */
  readonly name: string
}

/** `entries`: what the watcher brought; undefined where the list is a section of pjsip.conf. */
export interface ListFacts {
  readonly entries: readonly ListEntry[] | undefined
}

/** RFC 4662 4.4: what answers and NOTIFYs of a list carry. */
export function requiredOf(list: ListFacts | undefined): readonly HeaderLine[] {
  return list ? REQUIRED : []
}

const REQUIRED: readonly HeaderLine[] = [['Require', EVENTLIST]]

/** What we say we can, in answers to OPTIONS and elsewhere; Asterisk knows no lists that a watcher brings. */
export function supportedLists({ compat }: { readonly compat: 'rfc' | 'asterisk' }): readonly HeaderLine[] {
  return [['Supported', compat === 'asterisk' ? EVENTLIST : `${EVENTLIST}, ${RECIPIENT_LIST}`]]
}

/** Whether an option tag is in these headers. */
export function hasTag(request: SipRequest, headers: readonly string[], tag: string): boolean {
  return headers.some((name) => hasOptionTag(request.headers(name), tag))
}

interface KeptType {
  /** Of the bodies of its resources. */
  readonly contentType: string
  readonly list?: ListFacts | undefined
  /** What of the state the parameters of Event asked for; empty for all of it. */
  readonly narrowed: string
}

/** The column content_type: of a list, and where a part of the state is asked for, JSON, which no type begins like. */
export function writeType({ contentType, list, narrowed }: KeptType): string {
  if (!list && narrowed === '') return contentType
  const entries = list && { entries: list.entries ?? null }
  return JSON.stringify({ type: contentType, ...entries, ...(narrowed !== '' && { narrowed }) })
}

/** Undefined where somebody else wrote it, and it cannot be read. */
export function readType(column: string): KeptType | undefined {
  if (!column.startsWith('{')) return { contentType: column, narrowed: '' }
  const read = readJson(column)
  if (!isObject(read) || typeof read['type'] !== 'string') return undefined
  const { type, entries, narrowed = '' } = read
  if (typeof narrowed !== 'string') return undefined
  if (entries === undefined && narrowed !== '') return { contentType: type, narrowed }
  if (entries === null) return { contentType: type, list: { entries: undefined }, narrowed }
  return Array.isArray(entries) && entries.every(isEntry)
    ? { contentType: type, list: { entries }, narrowed }
    : undefined
}

function isEntry(read: unknown): read is ListEntry {
  return isObject(read) && ['uri', 'resource', 'name'].every((name) => isText(read[name]))
}

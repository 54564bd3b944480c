/**
 * What is kept of an answer for repetitions of its request: not what it repeats of that, which comes again with it.
 *
 *     flags tag LF contact-line status-line rest
 */
import type { OwnParts } from './write-response.ts'

const FORCE_RPORT = 1
const RECORD_ROUTE = 2
const COMPACT = 4
const CONTACT = 8

/** Without what it has in common with others, where that is shared. */
export function keptText(own: OwnParts): string {
  const flags =
    (own.forceRport ? FORCE_RPORT : 0) |
    (own.recordRoute ? RECORD_ROUTE : 0) |
    (own.compact ? COMPACT : 0) |
    (own.contactLine === '' ? 0 : CONTACT)
  const { shared, statusLine, rest } = own.common
  const text = `${FLAGS[flags]}${own.toTag}\n${own.contactLine}`
  return shared === undefined ? text + statusLine + rest : text
}

/** From the whole text, the shared part included. */
export function ownPartsOf(text: string): OwnParts {
  const flags = Number.parseInt(text.slice(0, 1), 16)
  const tagEnd = text.indexOf('\n')
  const contactEnd = flags & CONTACT ? text.indexOf('\n', tagEnd + 1) : tagEnd
  const statusEnd = text.indexOf('\n', contactEnd + 1)
  return {
    common: { statusLine: text.slice(contactEnd + 1, statusEnd + 1), rest: text.slice(statusEnd + 1) },
    toTag: text.slice(1, tagEnd),
    contactLine: text.slice(tagEnd + 1, contactEnd + 1),
    forceRport: (flags & FORCE_RPORT) !== 0,
    recordRoute: (flags & RECORD_ROUTE) !== 0,
    compact: (flags & COMPACT) !== 0,
  }
}

const FLAGS: readonly string[] = Array.from({ length: 16 }, (_, flags) => flags.toString(16))

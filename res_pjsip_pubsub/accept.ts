/**
 * Which body type a watcher gets: what it accepts, of the types there is a generator for (RFC 3261 20.1, RFC 6665 4.2.1.1).
 *
 * As in Asterisk the type follows Accept among all generators for the package's kind of state, so `Event: presence`
 * with `Accept: application/dialog-info+xml` gives dialog-info.
 */
import { type AcceptRange, parseAccept } from '../core/sip/values.ts'

/** Types of a resource list's wrapping, which no generator makes (RFC 4662). */
const WRAPPINGS: ReadonlySet<string> = new Set(['multipart/related', 'application/rlmi+xml'])
/** More are not looked at, as in Asterisk. */
const MOST_RANGES = 32

export interface Offer {
  /** The package's own types, best first. */
  readonly preferred: readonly string[]
  /** Whether there is a generator for this type and the package's kind. */
  readonly has: (type: string) => boolean
  /** All types there are generators for, for ranges like `application/*`. */
  readonly all: () => readonly string[]
}

/**
 * `accept`: the values of Accept, undefined where the request has none. `listedOrder`: the first of them that can be
 * made, whatever its q, as in Asterisk. Undefined: nothing the watcher accepts can be made.
 */
export function chooseType(
  accept: readonly string[] | undefined,
  offer: Offer,
  listedOrder: boolean,
): string | undefined {
  const ranges = parseAccept(accept?.slice(0, MOST_RANGES) ?? [])
  const wanted = ranges.filter((range) => !WRAPPINGS.has(range.type))
  const saysNothing = accept === undefined || (wanted.length === 0 && (ranges.length > 0 || listedOrder))
  if (saysNothing) return offer.preferred.find((type) => offer.has(type))
  const refused = new Set(listedOrder ? [] : wanted.filter((range) => range.q === 0).map((range) => range.type))
  for (const range of listedOrder ? wanted : byPreference(wanted)) {
    const found = refused.has(range.type) ? undefined : typeFor(range.type, offer, refused)
    if (found !== undefined) return found
  }
  return undefined
}

/** The best quality first, then the more specific, then as listed. */
function byPreference(ranges: readonly AcceptRange[]): AcceptRange[] {
  return [...ranges].sort((a, b) => b.q - a.q || Number(isWild(a.type)) - Number(isWild(b.type)))
}

function typeFor(range: string, offer: Offer, refused: ReadonlySet<string>): string | undefined {
  if (!isWild(range)) return offer.has(range) ? range : undefined
  const prefix = range === '*/*' ? '' : range.slice(0, -1)
  const fits = (type: string): boolean => type.startsWith(prefix) && !refused.has(type) && offer.has(type)
  return offer.preferred.find(fits) ?? offer.all().find(fits)
}

function isWild(range: string): boolean {
  return range.endsWith('/*')
}

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

interface Offer {
  /** The package's own types, best first. */
  readonly preferred: readonly string[]
  /** Whether there is a generator for this type and the package's kind. */
  readonly has: (type: string) => boolean
  /** All types there are generators for, for ranges like `application/*`. */
  readonly all: () => readonly string[]
}

/**
 * `accept`: the values of Accept, a lone empty one where it is empty; undefined where the request has none.
 * `listedOrder`: as in Asterisk the first of them that can be made, for which it has to be a type as it is written,
 * without parameters; where Asterisk finds none of those, what RFC 3261 says. Undefined: nothing the watcher accepts
 * can be made.
 */
export function chooseType(
  accept: readonly string[] | undefined,
  offer: Offer,
  listedOrder: boolean,
): string | undefined {
  const values = accept?.slice(0, MOST_RANGES) ?? []
  const ranges = parseAccept(values)
  const wanted = ranges.filter((range) => !WRAPPINGS.has(range.type))
  const saysNothing = wanted.length === 0 && (ranges.length > 0 || (listedOrder && values.join('') === ''))
  if (accept === undefined || saysNothing) return offer.preferred.find((type) => offer.has(type))
  const asWritten = listedOrder ? values.find((value) => offer.has(value)) : undefined
  if (asWritten !== undefined) return asWritten
  for (const range of byPreference(wanted)) {
    const found = typeFor(range.type, offer, wanted)
    if (found !== undefined) return found
  }
  return undefined
}

/** The best quality first, then the more specific, then as listed; without what is refused. */
function byPreference(ranges: readonly AcceptRange[]): AcceptRange[] {
  return ranges.filter(({ q }) => q > 0).sort((a, b) => b.q - a.q || Number(isWild(a.type)) - Number(isWild(b.type)))
}

/** A wild range speaks for types that none of the `ranges` names more closely (RFC 2616 14.1, by RFC 3261 20.1). */
function typeFor(range: string, offer: Offer, ranges: readonly AcceptRange[]): string | undefined {
  if (!isWild(range)) return offer.has(range) ? range : undefined
  const prefix = prefixOf(range)
  const fits = (type: string): boolean =>
    type.startsWith(prefix) &&
    !ranges.some((other) => prefixOf(other.type).length > prefix.length && isIn(type, other.type)) &&
    offer.has(type)
  return offer.preferred.find(fits) ?? offer.all().find(fits)
}

/** The whole of a type. */
function prefixOf(range: string): string {
  if (range === '*/*') return ''
  return isWild(range) ? range.slice(0, -1) : range
}

function isIn(type: string, range: string): boolean {
  return isWild(range) ? type.startsWith(prefixOf(range)) : type === range
}

function isWild(range: string): boolean {
  return range.endsWith('/*')
}

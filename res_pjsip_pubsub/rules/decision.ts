/** What a document says of one watcher at one time: the rules that match, and all they grant together (RFC 4745 10). */
import { SUB_HANDLINGS, type SubHandling } from '../watchers/authorization.ts'
import {
  type Components,
  type Condition,
  type Many,
  most,
  type Named,
  type One,
  type Rule,
  type Ruleset,
  type Transformations,
  USER_INPUTS,
} from './document.ts'

/** Who asks. */
export interface Requester {
  /** False for a guest: no identity condition holds. */
  readonly authenticated: boolean
  /** All names it has proved to have: of the endpoint and its AORs, or the one that a trusted endpoint asserts. */
  readonly users: readonly string[]
  /** In lower case. Only asserted ones are more than a claim. */
  readonly domain: string
  readonly asserted: boolean
}

export interface Circumstances {
  readonly requester: Requester
  /** Spheres the presentity is in (RFC 4480 3.9); empty where it says none, or they are not looked at. */
  readonly spheres: readonly string[]
  /** Epoch milliseconds. */
  readonly now: number
  /** Domains whose users are our endpoints; empty for all. */
  readonly domains: readonly string[]
  readonly sameName: (one: string, other: string) => boolean
}

export interface Granted {
  /** Ids of the rules that match. */
  readonly rules: readonly string[]
  /** Undefined: no rule says anything about it. */
  readonly handling: SubHandling | undefined
  /** Undefined: none of them has transformations. */
  readonly transformations: Transformations | undefined
}

export function granted({ rules }: Ruleset, circumstances: Circumstances): Granted {
  const matching = rules.filter((rule) => rule.conditions.every((condition) => holds(condition, circumstances)))
  return {
    rules: matching.map(({ id }) => id),
    handling: most(
      SUB_HANDLINGS,
      matching.flatMap(({ handling }) => handling ?? []),
    ),
    transformations: matching
      .flatMap(({ transformations }) => transformations ?? [])
      .reduce<Transformations | undefined>((sum, one) => (sum ? combined(sum, one) : one), undefined),
  }
}

/** The next time, in epoch milliseconds, that the decision may be another one because of what the clock says. */
export function nextChange({ rules }: Ruleset, now: number): number | undefined {
  const times = rules.flatMap(validities).filter((time) => time > now)
  return times.length === 0 ? undefined : Math.min(...times)
}

export function hasSpheres({ rules }: Ruleset): boolean {
  return rules.some(({ conditions }) => conditions.some(({ kind }) => kind === 'sphere'))
}

/** A period holds still at its end, and no more a millisecond later. */
function validities({ conditions }: Rule): number[] {
  return conditions.flatMap((condition) =>
    condition.kind === 'validity' ? condition.periods.flatMap(({ from, until }) => [from, until + 1]) : [],
  )
}

function holds(condition: Condition, circumstances: Circumstances): boolean {
  switch (condition.kind) {
    case 'identity':
      return circumstances.requester.authenticated && condition.anyOf.some((one) => isMeant(one, circumstances))
    case 'sphere':
      return circumstances.spheres.includes(condition.value)
    case 'validity':
      return condition.periods.some(({ from, until }) => from <= circumstances.now && circumstances.now <= until)
    default:
      return false
  }
}

function isMeant(whom: One | Many, circumstances: Circumstances): boolean {
  if (whom.kind === 'one') return isNamed(whom, circumstances)
  if (whom.domain !== undefined && !isOf(whom.domain, circumstances)) return false
  return (
    !whom.except.some((one) => isNamed(one, circumstances)) &&
    !whom.exceptDomains.some((domain) => isOf(domain, circumstances))
  )
}

/**
 * Our endpoints prove their names, not a domain: what stands in From counts for nothing, or a watcher could choose its
 * way past a rule. A trusted endpoint's assertion is taken whole.
 */
function isNamed({ user, host }: Named, { requester, domains, sameName }: Circumstances): boolean {
  if (!requester.users.some((own) => sameName(own, user))) return false
  if (host === '') return true
  if (!requester.asserted) return domains.length === 0 || domains.includes(host)
  return host === requester.domain || (domains.includes(host) && domains.includes(requester.domain))
}

function isOf(domain: string, { requester, domains }: Circumstances): boolean {
  if (requester.asserted) return domain === requester.domain
  return domains.length === 0 || domains.includes(domain)
}

function combined(one: Transformations, other: Transformations): Transformations {
  const both = (a: Components, b: Components): Components => ({
    all: a.all || b.all,
    selected: new Set([...a.selected, ...b.selected]),
  })
  return {
    services: both(one.services, other.services),
    persons: both(one.persons, other.persons),
    devices: both(one.devices, other.devices),
    userInput: most(USER_INPUTS, [one.userInput, other.userInput]) ?? 'false',
    attributes: new Set([...one.attributes, ...other.attributes]),
    unknownAttributes: new Set([...one.unknownAttributes, ...other.unknownAttributes]),
    allAttributes: one.allAttributes || other.allAttributes,
  }
}

/**
 * Authorization documents (RFC 4745, RFC 5025) as data. What cannot be read is a fault of the whole document: a rule that
 * is skipped might be the one that blocks.
 */
import { parseUri } from '../../core/sip/parse-uri.ts'
import { parseXml, XmlError, type XmlNode } from '../../core/xml.ts'
import { SUB_HANDLINGS, type SubHandling } from '../watchers/authorization.ts'

const COMMON_POLICY = 'urn:ietf:params:xml:ns:common-policy'
const PRES_RULES = 'urn:ietf:params:xml:ns:pres-rules'

/** The document says something that has no meaning. */
export class RulesFault extends Error {}

export interface Ruleset {
  readonly rules: readonly Rule[]
}

export interface Rule {
  readonly id: string
  /** All of them have to hold; without any the rule is about everybody. */
  readonly conditions: readonly Condition[]
  /** Undefined: the rule says nothing about it. */
  readonly handling: SubHandling | undefined
  /** Undefined: the rule has no transformations at all, or an empty element. */
  readonly transformations: Transformations | undefined
}

export type Condition =
  | { readonly kind: 'identity'; readonly anyOf: readonly (One | Many)[] }
  | { readonly kind: 'sphere'; readonly value: string }
  | { readonly kind: 'validity'; readonly periods: readonly Period[] }
  /** RFC 4745 10.2: a condition that nobody here knows does not hold. */
  | { readonly kind: 'unknown'; readonly name: string }

/** Whom an `id` names, read once: it is compared with each watcher. */
export interface Named {
  readonly user: string
  /** Empty: at whatever domain. */
  readonly host: string
}
export interface One extends Named {
  readonly kind: 'one'
}
export interface Many {
  readonly kind: 'many'
  /** Undefined: whoever has proved who it is. */
  readonly domain: string | undefined
  readonly except: readonly Named[]
  readonly exceptDomains: readonly string[]
}
/** Epoch milliseconds, both included. */
interface Period {
  readonly from: number
  readonly until: number
}

/** RFC 5025 3.3.1: services, persons and devices that are shown. */
export interface Components {
  readonly all: boolean
  /** `class:work`, `occurrence-id:t1`, `service-uri:sip:a@b`, `service-uri-scheme:sip`, `deviceID:urn:…` */
  readonly selected: ReadonlySet<string>
}
export const USER_INPUTS = ['false', 'bare', 'thresholds', 'full'] as const
export type UserInput = (typeof USER_INPUTS)[number]

/** RFC 5025 3.3. What is not named is not shown. */
export interface Transformations {
  readonly services: Components
  readonly persons: Components
  readonly devices: Components
  readonly userInput: UserInput
  /** Local names of attributes that are shown: `activities`, `note`. */
  readonly attributes: ReadonlySet<string>
  /** `namespace name` of those this house does not know. */
  readonly unknownAttributes: ReadonlySet<string>
  readonly allAttributes: boolean
}

/** Attributes with a permission of their own: `provide-` and this. */
const ATTRIBUTES: ReadonlySet<string> = new Set([
  'activities', 'class', 'deviceID', 'mood', 'place-is', 'place-type', 'privacy', 'relationship',
  'sphere', 'status-icon', 'time-offset', 'note',
]) // biome-ignore format: a table

const COMPONENTS = {
  'provide-services': { all: 'all-services', by: ['class', 'occurrence-id', 'service-uri', 'service-uri-scheme'] },
  'provide-persons': { all: 'all-persons', by: ['class', 'occurrence-id'] },
  'provide-devices': { all: 'all-devices', by: ['class', 'occurrence-id', 'deviceID'] },
} as const

/** Throws RulesFault. */
export function readRuleset(text: string): Ruleset {
  let root: XmlNode
  try {
    root = parseXml(text)
  } catch (error) {
    if (error instanceof XmlError) throw new RulesFault(error.message)
    throw error
  }
  if (root.name !== 'ruleset' || root.ns !== COMMON_POLICY) throw new RulesFault(`<${root.name}> is no <ruleset>`)
  return { rules: policy(root, 'rule').map(readRule) }
}

function readRule(node: XmlNode): Rule {
  const id = node.attribute('id') ?? ''
  if (id === '') throw new RulesFault('a rule without id')
  const within = <T>(read: () => T): T => {
    try {
      return read()
    } catch (error) {
      throw error instanceof RulesFault ? new RulesFault(`rule ${id}: ${error.message}`) : error
    }
  }
  return within(() => ({
    id,
    conditions: policy(node, 'conditions').flatMap(({ children }) => children.map(readCondition)),
    handling: readHandling(policy(node, 'actions')),
    transformations: readTransformations(policy(node, 'transformations')),
  }))
}

function readCondition(node: XmlNode): Condition {
  if (node.ns === COMMON_POLICY && node.name === 'identity') return { kind: 'identity', anyOf: readIdentities(node) }
  if (node.ns === COMMON_POLICY && node.name === 'sphere') return { kind: 'sphere', value: required(node, 'value') }
  if (node.ns === COMMON_POLICY && node.name === 'validity') return { kind: 'validity', periods: readPeriods(node) }
  return { kind: 'unknown', name: node.name }
}

/** What is unknown in an identity is nobody. */
function readIdentities(node: XmlNode): (One | Many)[] {
  const ones = policy(node, 'one').map((one): One => ({ kind: 'one', ...named(required(one, 'id')) }))
  const many = policy(node, 'many').map((all): Many => {
    const except = policy(all, 'except')
    const given = (name: string): string[] => except.flatMap((one) => one.attribute(name)?.trim() ?? [])
    for (const one of except)
      if (one.attribute('id') === undefined && one.attribute('domain') === undefined)
        throw new RulesFault('<except> needs an id or a domain')
    return {
      kind: 'many',
      domain: all.attribute('domain')?.trim().toLowerCase(),
      except: given('id').map(named),
      exceptDomains: given('domain').map((domain) => domain.toLowerCase()),
    }
  })
  return [...ones, ...many]
}

/** `sip:`, `sips:`, `pres:` and no scheme name the same people; `tel:` has no domain. */
function named(id: string): Named {
  if (/^tel:/i.test(id)) return { user: id.slice('tel:'.length), host: '' }
  const uri = parseUri(id.replace(/^pres:/i, 'sip:')) ?? parseUri(`sip:${id}`)
  if (!uri) return { user: id, host: '' }
  // A name alone was read as a host, which is in lower case.
  return uri.user === '' ? { user: nameAlone(id), host: '' } : { user: uri.user, host: uri.host }
}

function nameAlone(id: string): string {
  return id.replace(/^(?:sips?|pres):/i, '').replace(/[:;?].*$/, '')
}

/** RFC 4745 7.3: pairs of from and until, in their order. */
function readPeriods(node: XmlNode): Period[] {
  const times = node.children.filter(({ ns }) => ns === COMMON_POLICY)
  const periods: Period[] = []
  for (let at = 0; at < times.length; at += 2) {
    const [from, until] = [times[at], times[at + 1]]
    if (from?.name !== 'from' || until?.name !== 'until')
      throw new RulesFault('<validity> needs pairs of from and until')
    periods.push({ from: readTime(from.text), until: readTime(until.text) })
  }
  return periods
}

/** xs:dateTime with its time zone; without one it would mean something else at every place (RFC 4745 7.3). */
function readTime(text: string): number {
  const value = text.trim()
  const form = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/
  const time = form.test(value) ? Date.parse(value) : Number.NaN
  if (Number.isNaN(time)) throw new RulesFault(`'${value}' is no time, expected 2026-12-24T18:00:00+01:00`)
  return time
}

/** Several are combined as those of several rules are: the most counts. */
function readHandling(actions: readonly XmlNode[]): SubHandling | undefined {
  const said = actions
    .flatMap((node) => rules(node, 'sub-handling'))
    .map(({ text }) => {
      const value = text.trim()
      const found = SUB_HANDLINGS.find((one) => one === value)
      if (!found) throw new RulesFault(`sub-handling '${value}', expected one of: ${SUB_HANDLINGS.join(', ')}`)
      return found
    })
  return most(SUB_HANDLINGS, said)
}

function readTransformations(nodes: readonly XmlNode[]): Transformations | undefined {
  // Permissions add up from none (RFC 4745 10): an empty element says no more than none at all.
  if (nodes.every(({ children }) => children.length === 0)) return undefined
  const provided = nodes.flatMap(({ children }) => children).filter(({ ns }) => ns === PRES_RULES)
  const named = (name: string): XmlNode[] => provided.filter((node) => node.name === name)
  const attributes = new Set<string>()
  for (const node of provided) {
    const name = node.name.startsWith('provide-') ? node.name.slice('provide-'.length) : ''
    if (ATTRIBUTES.has(name) && readBoolean(node)) attributes.add(name)
  }
  return {
    services: readComponents('provide-services', named('provide-services')),
    persons: readComponents('provide-persons', named('provide-persons')),
    devices: readComponents('provide-devices', named('provide-devices')),
    userInput: most(USER_INPUTS, named('provide-user-input').map(readUserInput)) ?? 'false',
    attributes,
    unknownAttributes: new Set(
      named('provide-unknown-attribute')
        .filter(readBoolean)
        .map((node) => `${required(node, 'ns')} ${required(node, 'name')}`),
    ),
    allAttributes: named('provide-all-attributes').some(isGranted),
  }
}

function readComponents(kind: keyof typeof COMPONENTS, nodes: readonly XmlNode[]): Components {
  const { all, by } = COMPONENTS[kind]
  const children = nodes.flatMap((node) => node.children).filter(({ ns }) => ns === PRES_RULES)
  const known: readonly string[] = by
  return {
    all: children.some((node) => node.name === all && isGranted(node)),
    selected: new Set(
      children.filter(({ name }) => known.includes(name)).map(({ name, text }) => `${name}:${text.trim()}`),
    ),
  }
}

function readUserInput({ text }: XmlNode): UserInput {
  const value = text.trim()
  const found = USER_INPUTS.find((one) => one === value)
  if (!found) throw new RulesFault(`provide-user-input '${value}', expected one of: ${USER_INPUTS.join(', ')}`)
  return found
}

/** Of those that have no content (RFC 5025 7): who writes one as in the others means what it says. */
function isGranted(node: XmlNode): boolean {
  return node.text.trim() === '' || readBoolean(node)
}

/** xs:boolean. */
function readBoolean({ name, text }: XmlNode): boolean {
  const value = text.trim()
  if (value === 'true' || value === '1') return true
  if (value === 'false' || value === '0') return false
  throw new RulesFault(`${name} '${value}', expected true or false`)
}

/** Blanks around a URI are none of it (XML Schema 2, 4.3.6): what is excepted by one is excepted. */
function required(node: XmlNode, attribute: string): string {
  const value = node.attribute(attribute)?.trim()
  if (value === undefined || value === '') throw new RulesFault(`<${node.name}> needs ${attribute}`)
  return value
}

/** The highest of a list that goes up; undefined for none. */
export function most<T>(order: readonly T[], values: readonly T[]): T | undefined {
  return order[Math.max(...values.map((value) => order.indexOf(value)))]
}

function policy(node: XmlNode, name: string): XmlNode[] {
  return node.children.filter((child) => child.ns === COMMON_POLICY && child.name === name)
}

function rules(node: XmlNode, name: string): XmlNode[] {
  return node.children.filter((child) => child.ns === PRES_RULES && child.name === name)
}

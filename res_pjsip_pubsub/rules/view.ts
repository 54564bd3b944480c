/** What transformations leave of a presence document (RFC 5025 3.3). */
import { equalUris } from '../../core/sip/equal-uris.ts'
import { parseUri, schemeOf } from '../../core/sip/parse-uri.ts'
import type { XmlElement } from '../../core/xml.ts'
import type { View } from '../watchers/authorization.ts'
import type { Components, Transformations, UserInput } from './document.ts'

const PIDF = 'urn:ietf:params:xml:ns:pidf'
const DATA_MODEL = 'urn:ietf:params:xml:ns:pidf:data-model'
const RPID = 'urn:ietf:params:xml:ns:pidf:rpid'
const DEVICE = `${DATA_MODEL} device`
const DEVICE_ID = `${DATA_MODEL} deviceID`

/** Element → the permission it needs. */
const PERMISSIONS: ReadonlyMap<string, string> = new Map([
  ...[
    'activities', 'class', 'mood', 'place-is', 'place-type', 'privacy', 'relationship', 'sphere', 'status-icon', 'time-offset',
  ].map((name) => [`${RPID} ${name}`, name] as const),
  [DEVICE_ID, 'deviceID'],
  [`${DATA_MODEL} note`, 'note'],
  [`${RPID} note`, 'note'],
  [`${PIDF} note`, 'note'],
]) // biome-ignore format: a table

/** RFC 5025 3.3.2: what comes with a component that is shown. */
const ALWAYS: ReadonlySet<string> = new Set([
  `${PIDF} contact`,
  `${PIDF} timestamp`,
  `${PIDF} basic`,
  `${DATA_MODEL} timestamp`,
  `${RPID} service-class`,
])
const OF_URI = 'service-uri:'
const OF_SCHEME = 'service-uri-scheme:'
const USER_INPUT = `${RPID} user-input`
/** Attributes of it that are left out. */
const HIDDEN: Readonly<Record<UserInput, readonly string[]>> = {
  false: [],
  bare: ['idle-threshold', 'last-input'],
  thresholds: ['last-input'],
  full: [],
}

/** Undefined where everything is shown. */
export function viewOf(shown: Transformations): View | undefined {
  const { services, persons, devices, allAttributes } = shown
  if (services.all && persons.all && devices.all && allAttributes) return undefined
  return {
    key: keyOf(shown),
    shows(type) {
      if (type === 'application/pidf+xml') return 'part'
      // These have no parts that could be left out: availability in one, and with it what persons do; calls in the other.
      const isAvailability = type === 'application/xpidf+xml' || type === 'application/cpim-pidf+xml'
      const tells = isAvailability
        ? persons.all && (allAttributes || shown.attributes.has('activities'))
        : allAttributes
      return services.all && tells ? 'all' : 'nothing'
    },
    filter: (doc) => (isElement(doc) ? filterPresence(doc, shown) : doc),
  }
}

/** Equal for transformations that show the same. */
function keyOf({
  services,
  persons,
  devices,
  userInput,
  attributes,
  unknownAttributes,
  allAttributes,
}: Transformations): string {
  const set = (values: ReadonlySet<string>): string[] => [...values].sort()
  const some = ({ all, selected }: Components): unknown => (all ? true : set(selected))
  const known = allAttributes ? true : [userInput, set(attributes), set(unknownAttributes)]
  return JSON.stringify([some(services), some(persons), some(devices), known])
}

/** Prefix → namespace; the empty prefix is the default one. */
type Scope = ReadonlyMap<string, string>

function filterPresence(root: XmlElement, shown: Transformations): XmlElement {
  const scope = within(new Map(), root)
  return withChildren(root, (child) => {
    const inner = within(scope, child)
    const name = nameOf(child, inner)
    const components = componentsOf(name, shown)
    if (!components) return attribute(child, inner, shown)
    return isSelected(child, inner, components) ? component(child, inner, shown) : undefined
  })
}

function componentsOf(name: string, { services, persons, devices }: Transformations): Components | undefined {
  if (name === `${PIDF} tuple`) return services
  if (name === `${DATA_MODEL} person`) return persons
  return name === DEVICE ? devices : undefined
}

function isSelected(element: XmlElement, scope: Scope, { all, selected }: Components): boolean {
  if (all || selected.has(`occurrence-id:${element.attributes.get('id') ?? ''}`)) return true
  return element.children.some((child) => {
    const text = child.text.trim()
    const name = nameOf(child, within(scope, child))
    if (name === `${RPID} class`) return selected.has(`class:${text}`)
    if (name === DEVICE_ID) return selected.has(`deviceID:${text}`)
    return name === `${PIDF} contact` && isContactSelected(text, selected)
  })
}

/** RFC 5025 3.3.1.1: by the rules of its scheme. */
function isContactSelected(text: string, selected: ReadonlySet<string>): boolean {
  const scheme = schemeOf(text)
  const uri = parseUri(text)
  for (const one of selected) {
    if (one.startsWith(OF_SCHEME) && one.slice(OF_SCHEME.length).toLowerCase() === scheme) return true
    if (!one.startsWith(OF_URI)) continue
    const wanted = one.slice(OF_URI.length)
    if (wanted === text) return true
    const other = uri && parseUri(wanted)
    if (other && equalUris(uri, other)) return true
  }
  return false
}

function component(element: XmlElement, scope: Scope, shown: Transformations): XmlElement {
  const isDevice = nameOf(element, scope) === DEVICE
  return withChildren(element, (child) => {
    const inner = within(scope, child)
    const name = nameOf(child, inner)
    // RFC 5025 3.3.2.3: the permission is about that of a service. A device is none without it (RFC 4479 3.5).
    if (isDevice && name === DEVICE_ID) return child
    return name === `${PIDF} status` ? component(child, inner, shown) : attribute(child, inner, shown)
  })
}

/** The attribute as it is shown; undefined where it is not. */
function attribute(element: XmlElement, scope: Scope, shown: Transformations): XmlElement | undefined {
  const name = nameOf(element, scope)
  if (ALWAYS.has(name) || shown.allAttributes) return element
  if (name === USER_INPUT) return userInput(element, shown)
  const permission = PERMISSIONS.get(name)
  const permitted = permission === undefined ? shown.unknownAttributes.has(name) : shown.attributes.has(permission)
  return permitted ? element : undefined
}

/** RFC 5025 3.3.2.14. */
function userInput(element: XmlElement, { userInput: shown }: Transformations): XmlElement | undefined {
  if (shown === 'false') return undefined
  const hidden = HIDDEN[shown]
  const attributes = [...element.attributes].filter(([name]) => !hidden.includes(name))
  const { name, children, text } = element
  return { name, attributes: new Map(attributes), children, text }
}

function withChildren(element: XmlElement, shown: (child: XmlElement) => XmlElement | undefined): XmlElement {
  const { name, attributes, children, text } = element
  return { name, attributes, children: children.flatMap((child) => shown(child) ?? []), text }
}

function within(scope: Scope, { attributes }: XmlElement): Scope {
  const declared = [...attributes].filter(([name]) => name === 'xmlns' || name.startsWith('xmlns:'))
  if (declared.length === 0) return scope
  return new Map([...scope, ...declared.map(([name, ns]) => [name.slice('xmlns:'.length), ns] as const)])
}

/** `namespace name` */
function nameOf({ name }: XmlElement, scope: Scope): string {
  const colon = name.indexOf(':')
  const prefix = colon < 0 ? '' : name.slice(0, colon)
  return `${scope.get(prefix) ?? ''} ${name.slice(colon + 1)}`
}

function isElement(doc: unknown): doc is XmlElement {
  return typeof doc === 'object' && doc !== null && 'attributes' in doc && 'children' in doc && 'name' in doc
}

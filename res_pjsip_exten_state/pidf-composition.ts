/**
 * Several presence documents as one: what Asterisk says of an extension, and what was published about it.
 *
 * Tuples and devices are told apart by their ids; of two that have one, the better source's stays. There is one person to
 * a presentity (RFC 4479 3.2), so persons become one: activities add up, and of what else they say the better source's
 * stays.
 */
import { element, type XmlElement } from '../core/xml.ts'
import { cloneXml } from '../core/xml-copy.ts'
import { idApart } from './mapping.ts'
import type { Published, PublishedPresence } from './published.ts'

const TUPLE = 'tuple'
const NOTE = 'note'
const PERSON = 'dm:person'
const DEVICE = 'dm:device'
const ACTIVITIES = 'rpid:activities'

/** Tuple, note and person: what Asterisk says alone. */
const MOST_ALONE = 3

/** Adds what was published to a document of Asterisk's own, whose children it puts in the schema's order. */
export function addPublished(document: XmlElement, { presence, ahead, alone }: Published): void {
  const own = alone ? [] : document.children
  const before = presence.slice(0, ahead).map(childrenOf)
  const behind = presence.slice(ahead).map(childrenOf)
  const all = [...before.flat(), ...own, ...behind.flat()]
  document.children.splice(
    0,
    document.children.length,
    ...distinct(
      all.filter(({ name }) => name === TUPLE),
      idOf,
    ),
  )
  document.children.push(
    ...distinct(
      all.filter(({ name }) => name === NOTE),
      textOf,
    ),
  )
  for (const { declarations } of presence)
    for (const [name, namespace] of declarations) document.attributes.set(name, namespace)
  document.children.push(...all.filter(({ name }) => name === PERSON))
  document.children.push(
    ...distinct(
      all.filter(({ name }) => name === DEVICE),
      deviceOf,
    ),
  )
  document.children.push(...all.filter(({ name }) => ![TUPLE, NOTE, PERSON, DEVICE].includes(name)))
}

/**
 * What all persons say goes to the first. Last of all, when what a watcher is not shown has been left out: that goes by
 * the class or id of each as it was published (RFC 5025 3.3.1.2), and with one of them the others would be shown.
 */
export function joinPersons(document: XmlElement): void {
  const [known, ...others] = document.children.filter(({ name }) => name === PERSON)
  if (!known || others.length === 0) return
  for (const person of others) addPerson(known, person)
  const { children } = document
  children.splice(0, children.length, ...children.filter((child) => child === known || child.name !== PERSON))
}

/**
 * An id is of one element of the document (xs:ID in the schemata of RFC 3863 and RFC 4479), and publishers do not know
 * those of others. Tuples keep theirs; a device is known by its deviceID, and of persons there is one.
 */
export function distinguishIds({ children }: XmlElement): void {
  if (children.length <= MOST_ALONE && !children.some(({ name }) => name === DEVICE)) return
  const uses = new Map<string, number>()
  for (const child of children) uses.set(idOf(child), (uses.get(idOf(child)) ?? 0) + 1)
  for (const child of children) {
    const id = idOf(child)
    if (id === '' || uses.get(id) === 1 || (child.name !== PERSON && child.name !== DEVICE)) continue
    const of = child.name === PERSON ? PERSON : deviceOf(child)
    child.attributes.set('id', idApart(id, of))
  }
}

function addPerson(known: XmlElement, person: XmlElement): void {
  for (const child of person.children) {
    const same = known.children.filter(({ name }) => name === child.name)
    if (child.name === ACTIVITIES && same[0]) addActivities(same[0], child)
    else if (same.length === 0 || (isNote(child) && !same.some((one) => textOf(one) === textOf(child))))
      insert(known, child)
  }
}

function childrenOf({ tuples, notes, persons, devices, others }: PublishedPresence): XmlElement[] {
  return [...tuples, ...notes, ...persons, ...devices, ...others].map(cloneXml)
}

/** RFC 4480 3.2: `unknown` says nothing beside an activity, and notes come first. */
function addActivities(known: XmlElement, more: XmlElement): void {
  const named = new Set(known.children.map(nameAndText))
  const all = [...known.children, ...more.children.filter((child) => !named.has(nameAndText(child)))]
  const notes = all.filter(({ name }) => name === 'rpid:note')
  const activities = all.filter(({ name }) => name !== 'rpid:note')
  const told = activities.filter(({ name }) => name !== 'rpid:unknown')
  known.children.splice(0, known.children.length, ...notes, ...(told.length > 0 ? told : activities))
}

/** RFC 4479 3.2: notes and the timestamp come behind everything else. */
function insert(person: XmlElement, child: XmlElement): void {
  const rank = (one: XmlElement): number => (one.name === 'dm:timestamp' ? 2 : isNote(one) ? 1 : 0)
  const at = person.children.findIndex((one) => rank(one) > rank(child))
  person.children.splice(at < 0 ? person.children.length : at, 0, child)
}

function isNote({ name }: XmlElement): boolean {
  return name === 'dm:note'
}

function distinct(elements: readonly XmlElement[], keyOf: (one: XmlElement) => string): XmlElement[] {
  const first = new Map<string, XmlElement>()
  for (const one of elements) if (!first.has(keyOf(one))) first.set(keyOf(one), one)
  return [...first.values()]
}

const idOf = ({ attributes }: XmlElement): string => attributes.get('id') ?? ''
const nameAndText = ({ name, text }: XmlElement): string => `${name}\0${text.trim()}`
const textOf = ({ attributes, text }: XmlElement): string => `${attributes.get('xml:lang') ?? ''}\0${text.trim()}`
const deviceOf = (device: XmlElement): string =>
  device.children.find(({ name }) => name === 'dm:deviceID')?.text.trim() ?? idOf(device)

/** For phones that cannot read a document without a tuple (`force_dummy_presence`). */
export function dummyTuple(id: string): XmlElement {
  return element(TUPLE, { id }, [element('status', {}, [element('basic', {}, 'open')])])
}

/** A presence document (RFC 3863) as a device state. Notes say what RPID has no word for, as Asterisk writes them. */
import { activitiesOf, basicOf, isModel, isPidf, noteIn, readPidf, tuplesOf } from '../../core/documents/pidf.ts'
import type { DeviceState } from '../../core/states/devices.ts'
import type { XmlNode } from '../../core/xml.ts'
import type { Reading } from './events.ts'

const NOTES: ReadonlyMap<string, DeviceState> = new Map([
  ['ringing', 'RINGING'],
  ['on hold', 'ONHOLD'],
])

export function readPresence(text: string): Reading<DeviceState> {
  const { root, fault } = readPidf(text)
  return fault === undefined ? { state: stateOf(root) } : { fault }
}

function stateOf(root: XmlNode): DeviceState {
  const tuples = tuplesOf(root)
  const open = tuples.find((tuple) => basicOf(tuple) === 'open')
  if (!open) return 'UNAVAILABLE'
  const activities = new Set(root.children.filter((child) => isModel(child, 'person')).flatMap(activitiesOf))
  if (activities.has('on-the-phone')) {
    const note = noteIn(open) ?? root.children.find((child) => isPidf(child, 'note'))?.text.trim() ?? ''
    return NOTES.get(note.toLowerCase()) ?? 'INUSE'
  }
  return activities.has('busy') ? 'BUSY' : 'NOT_INUSE'
}

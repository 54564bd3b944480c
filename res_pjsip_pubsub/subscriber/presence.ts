/** A presence document (RFC 3863) as a device state. Notes say what RPID has no word for, as Asterisk writes them. */
import { activitiesOf, basicOf, isModel, isPidf, noteIn, pidfFault, tuplesOf } from '../../core/documents/pidf.ts'
import type { DeviceState } from '../../core/states/devices.ts'
import { parseXml, XmlError, type XmlNode } from '../../core/xml.ts'
import type { Reading } from './events.ts'

const NOTES: ReadonlyMap<string, DeviceState> = new Map([
  ['ringing', 'RINGING'],
  ['on hold', 'ONHOLD'],
])

export async function readPresence(body: Buffer): Promise<Reading<DeviceState>> {
  let root: XmlNode
  try {
    root = await parseXml(body.toString('utf8'))
  } catch (error) {
    if (error instanceof XmlError) return { fault: 'Presence Document Is Not XML' }
    throw error
  }
  const fault = pidfFault(root)
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

/** What a phone makes of a NOTIFY's body: the light of a lamp, and the words on its display. */
import { parseXml, type XmlNode } from '../xml.ts'

/** off, lit, flashing (it rings), winking (on hold), dark (not there), away (or not to be disturbed), message (voicemail waits). */
export type Light = 'off' | 'lit' | 'flashing' | 'winking' | 'dark' | 'away' | 'message'

export interface Reading {
  readonly light: Light
  readonly words: string
  /** dialog-info's version. */
  readonly version?: number
}

export type LampEvent = 'dialog' | 'presence' | 'message-summary'

export const ACCEPT: Record<LampEvent, string> = {
  dialog: 'application/dialog-info+xml',
  presence: 'application/pidf+xml',
  'message-summary': 'application/simple-message-summary',
}

/** Rejects with an Error that says what is wrong with the body. */
export async function readBody(event: LampEvent, body: string): Promise<Reading> {
  if (event === 'message-summary') return readMessageSummary(body)
  const root = parseXml(body)
  return event === 'dialog' ? readDialogInfo(root) : readPidf(root)
}

function readDialogInfo(root: XmlNode): Reading {
  expectRoot(root, 'dialog-info', 'urn:ietf:params:xml:ns:dialog-info')
  const version = Number(root.attribute('version') ?? Number.NaN)
  if (!Number.isInteger(version) || version < 0) throw new Error('dialog-info has no usable version')
  if (root.attribute('state') !== 'full') throw new Error('dialog-info is not a full one')
  if (!root.attribute('entity')) throw new Error('dialog-info names no entity')
  const readings = childrenOf(root, 'dialog').map(readDialog)
  const best = readings.sort((a, b) => URGENCY.indexOf(b.light) - URGENCY.indexOf(a.light))[0]
  return { ...(best ?? { light: 'off', words: 'idle' }), version }
}

/** What a phone shows of several dialogs: the last of these that there is. */
const URGENCY: readonly Light[] = ['off', 'winking', 'lit', 'flashing']

function readDialog(dialog: XmlNode): Reading {
  if (!dialog.attribute('id')) throw new Error('a dialog has no id')
  const state = child(dialog, 'state')?.text.trim()
  const party = remoteParty(dialog)
  const incoming = dialog.attribute('direction') === 'recipient'
  switch (state) {
    case 'trying':
    case 'proceeding':
    case 'early':
      return incoming || party === ''
        ? { light: 'flashing', words: `ringing${party && ` from ${party}`}` }
        : { light: 'lit', words: `calling ${party}` }
    case 'confirmed':
      return isHeld(dialog)
        ? { light: 'winking', words: `on hold${party && ` by ${party}`}` }
        : { light: 'lit', words: party ? `in a call with ${party}` : 'in use' }
    case 'terminated':
      return { light: 'off', words: 'idle' }
    default:
      throw new Error(`a dialog has the unknown state '${state ?? ''}'`)
  }
}

function remoteParty(dialog: XmlNode): string {
  const remote = child(dialog, 'remote')
  const identity = remote && child(remote, 'identity')
  const uri = identity?.text.trim() ?? ''
  const user = uri.includes('@') ? uri.slice(uri.indexOf(':') + 1, uri.indexOf('@')) : uri
  return identity?.attribute('display') ?? user
}

/** RFC 4235 4.1.6.2: `+sip.rendering` no means on hold. Asterisk writes pvalue for pval. */
function isHeld(dialog: XmlNode): boolean {
  const target = child(dialog, 'local') ?? undefined
  const params = target ? childrenOf(child(target, 'target') ?? target, 'param') : []
  return params.some(
    (param) =>
      param.attribute('pname') === '+sip.rendering' && (param.attribute('pval') ?? param.attribute('pvalue')) === 'no',
  )
}

const PIDF = 'urn:ietf:params:xml:ns:pidf'

function readPidf(root: XmlNode): Reading {
  expectRoot(root, 'presence', PIDF)
  if (!root.attribute('entity')) throw new Error('presence names no entity')
  const tuples = childrenOf(root, 'tuple')
  const basics = tuples.map((tuple) => descend(tuple, 'status', 'basic')?.text.trim())
  if (basics.length === 0) throw new Error('presence has no tuple')
  if (basics.some((basic) => basic !== 'open' && basic !== 'closed'))
    throw new Error('a tuple is neither open nor closed')
  const activities = descend(root, 'person', 'activities')?.children.map(({ name }) => name) ?? []
  const note = [...childrenOf(root, 'note'), ...tuples.flatMap((tuple) => childrenOf(tuple, 'note'))]
    .map(({ text }) => text.trim())
    .find((text) => text !== '')
  const closed = basics.every((basic) => basic === 'closed')
  return { light: lightOf(activities, closed, note ?? ''), words: (note ?? (closed ? 'closed' : 'open')).toLowerCase() }
}

function lightOf(activities: readonly string[], closed: boolean, note: string): Light {
  if (note === 'Ringing') return 'flashing'
  if (note === 'On hold') return 'winking'
  if (activities.includes('on-the-phone')) return 'lit'
  // RFC 4480 has no do-not-disturb: it is said as busy.
  if (activities.includes('away') || activities.includes('busy')) return 'away'
  return closed ? 'dark' : 'off'
}

/** RFC 3842: `Messages-Waiting: yes`, `Voice-Message: 2/1 (0/0)`. */
function readMessageSummary(body: string): Reading {
  const lines = new Map(
    body
      .split('\r\n')
      .filter((line) => line !== '')
      .map((line) => {
        const colon = line.indexOf(':')
        return [line.slice(0, Math.max(colon, 0)).toLowerCase(), line.slice(colon + 1).trim()]
      }),
  )
  const waiting = lines.get('messages-waiting')
  if (waiting !== 'yes' && waiting !== 'no') throw new Error('the message summary does not say whether messages wait')
  const counts = /^([0-9]{1,9})\/([0-9]{1,9})( \([0-9]{1,9}\/[0-9]{1,9}\))?$/.exec(lines.get('voice-message') ?? '')
  if (!counts) return { light: waiting === 'yes' ? 'message' : 'off', words: `messages waiting: ${waiting}` }
  const [fresh, old] = [Number(counts[1]), Number(counts[2])]
  if (fresh > 0 !== (waiting === 'yes')) throw new Error('the message summary contradicts itself')
  return { light: fresh > 0 ? 'message' : 'off', words: `${fresh} new, ${old} old` }
}

function expectRoot(root: XmlNode, name: string, ns: string): void {
  if (root.name !== name || root.ns !== ns) throw new Error(`the body is <${root.name}> of '${root.ns}', not ${name}`)
}

function childrenOf(node: XmlNode, name: string): readonly XmlNode[] {
  return node.children.filter((candidate) => candidate.name === name)
}

function child(node: XmlNode, name: string): XmlNode | undefined {
  return node.children.find((candidate) => candidate.name === name)
}

function descend(node: XmlNode, ...names: string[]): XmlNode | undefined {
  return names.reduce<XmlNode | undefined>((at, name) => at && child(at, name), node)
}

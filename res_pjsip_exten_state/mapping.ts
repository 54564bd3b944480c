/** The words of the bodies for an extension state and a presence state. */
import { hexDigest } from '../core/hex-digest.ts'
import { EXTENSION, type ExtensionStateCode } from '../core/states/extension-state.ts'
import type { PresenceName, PresenceState } from '../core/states/presence.ts'
import type { Published, PublishedState } from './published.ts'

interface StateWords {
  /** dialog-info. InUse&Ringing is early for endpoints with notify_early_inuse_ringing. */
  readonly dialog: 'terminated' | 'confirmed' | 'early'
  /** pidf */
  readonly basic: 'open' | 'closed'
  readonly note: string
  /** rpid (RFC 4480); empty for none */
  readonly activity: '' | 'on-the-phone'
  /** xpidf */
  readonly status: 'open' | 'inuse' | 'closed'
  readonly substatus: 'online' | 'onthephone' | 'offline'
}

const IDLE: StateWords = {
  dialog: 'terminated',
  basic: 'open',
  note: 'Ready',
  activity: '',
  status: 'open',
  substatus: 'online',
}
const ON_THE_PHONE: StateWords = {
  dialog: 'confirmed',
  basic: 'open',
  note: 'On the phone',
  activity: 'on-the-phone',
  status: 'inuse',
  substatus: 'onthephone',
}

/** Asterisk's own table; phones and their manuals know these words. */
export const STATE_WORDS: Readonly<Record<ExtensionStateCode, StateWords>> = {
  [EXTENSION.NOT_INUSE]: IDLE,
  [EXTENSION.INUSE]: ON_THE_PHONE,
  [EXTENSION.BUSY]: ON_THE_PHONE,
  [EXTENSION.UNAVAILABLE]: {
    ...IDLE,
    basic: 'closed',
    note: 'Unavailable',
    status: 'closed',
    substatus: 'offline',
  },
  [EXTENSION.RINGING]: { ...ON_THE_PHONE, dialog: 'early', note: 'Ringing' },
  [EXTENSION.RINGINUSE]: { ...ON_THE_PHONE, note: 'Ringing' },
  [EXTENSION.ONHOLD]: { ...ON_THE_PHONE, note: 'On hold' },
}

interface PresenceWords {
  /** Empty where there is nothing to tell. */
  readonly text: string
  readonly activity: '' | 'away' | 'busy'
  readonly substatus: '' | 'away' | 'busy'
}

const NOTHING: PresenceWords = { text: '', activity: '', substatus: '' }
const PRESENCE_WORDS: Readonly<Record<PresenceName, PresenceWords>> = {
  invalid: NOTHING,
  not_set: NOTHING,
  available: NOTHING,
  chat: { text: 'Available to chat', activity: '', substatus: '' },
  unavailable: { text: 'Unavailable', activity: 'away', substatus: 'away' },
  away: { text: 'Away', activity: 'away', substatus: 'away' },
  xa: { text: 'Extended away', activity: 'away', substatus: 'away' },
  dnd: { text: 'Do not disturb', activity: 'busy', substatus: 'busy' },
}

/** RFC 4480 3.2: activities without text. A presence subtype that is one of these is told as an activity. */
const ACTIVITIES: ReadonlySet<string> = new Set(
  (
    'appointment away breakfast busy dinner holiday in-transit looking-for-work meal meeting on-the-phone performance ' +
    'permanent-absence playing presentation shopping sleeping spectator steering travel tv vacation working worship'
  ).split(' '),
)

/** Empty where the subtype is none. */
function activityOf(subtype: string): string {
  const name = subtype.toLowerCase()
  if (name === 'lunch') return 'meal'
  return ACTIVITIES.has(name) ? name : ''
}

/** What a presence document tells when the person's own word counts as well as the line's. */
interface Availability {
  readonly basic: 'open' | 'closed'
  /** The line's note while it is in use, else the person's where there is one. */
  readonly note: string
  /** What the person says; empty for nothing. */
  readonly personNote: string
  readonly activities: readonly string[]
  readonly substatus: StateWords['substatus'] | 'away' | 'busy'
  readonly status: StateWords['status']
}

export function availabilityOf({ state, presence, devices, published }: PublishedState): Availability {
  if (published?.alone) return publishedAvailability(published)
  const personOnly = devices.length === 0 && presence.state !== 'not_set' && presence.state !== 'invalid'
  const reachable: ExtensionStateCode = presence.state === 'unavailable' ? EXTENSION.UNAVAILABLE : EXTENSION.NOT_INUSE
  // A hint with a presence part alone has no device whose absence could close it.
  const line = personOnly ? reachable : state
  const words = STATE_WORDS[line]
  const personNote = personNoteOf(presence)
  const idle = line === EXTENSION.NOT_INUSE
  const { activity, substatus } = PRESENCE_WORDS[presence.state]
  const activities = [words.activity, activity, activityOf(presence.subtype)]
  return {
    basic: words.basic,
    note: (idle && personNote) || words.note,
    personNote,
    activities: [...new Set(activities.filter((name) => name !== ''))],
    substatus: (idle && substatus) || words.substatus,
    status: words.status,
  }
}

/** The best presence document that was published and says something, in the words of the formats that have but one. */
function publishedAvailability({ presence }: Published): Availability {
  const best = presence.find(({ basic }) => basic !== undefined) ?? presence[0]
  const words = STATE_WORDS[best?.basic === 'open' ? EXTENSION.NOT_INUSE : EXTENSION.UNAVAILABLE]
  const activities = best?.activities ?? []
  const onThePhone = activities.includes('on-the-phone')
  const busy = activities.includes('busy') ? 'busy' : 'away'
  const idle = activities.includes(busy) ? busy : words.substatus
  const open = words.basic === 'open'
  return {
    basic: words.basic,
    note: best?.note ?? '',
    personNote: '',
    activities,
    substatus: open ? (onThePhone ? 'onthephone' : idle) : words.substatus,
    status: open && onThePhone ? 'inuse' : words.status,
  }
}

function personNoteOf({ state, subtype, message }: PresenceState): string {
  const { text } = PRESENCE_WORDS[state]
  if (message !== '') return message
  return text !== '' && subtype !== '' ? `${text} (${subtype})` : text
}

/** Another id for one of those in a document that have the same. `of`: what tells it from them. */
export function idApart(id: string, of: string): string {
  return `${id}.${hexDigest('sha256', of).slice(0, 8)}`
}

/** A name as xs:ID wants it (NCName), different for different names: what it cannot hold is written as `_hex`. */
export function xmlId(prefix: string, name: string): string {
  const encoded = [...Buffer.from(name, 'utf8')].map((byte) => {
    const c = String.fromCharCode(byte)
    return /[A-Za-z0-9.-]/.test(c) ? c : `_${byte.toString(16).padStart(2, '0')}`
  })
  return `${prefix}-${encoded.join('')}`
}

/** Presence states (`CustomPresence:alice`), aggregated over origins and over the providers of a hint. */
import { Reported } from './reported.ts'

/** Rising order: the highest wins and brings its subtype and message. */
export const PRESENCE_STATES = ['invalid', 'not_set', 'available', 'unavailable', 'chat', 'away', 'xa', 'dnd'] as const
export type PresenceName = (typeof PRESENCE_STATES)[number]

export interface PresenceState {
  readonly state: PresenceName
  readonly subtype: string
  readonly message: string
}

export const NO_PRESENCE: PresenceState = { state: 'not_set', subtype: '', message: '' }

export function isPresenceName(text: string): text is PresenceName {
  return (PRESENCE_STATES as readonly string[]).includes(text)
}

export function samePresence(a: PresenceState, b: PresenceState): boolean {
  return a.state === b.state && a.subtype === b.subtype && a.message === b.message
}

/** not_set for none. */
export function aggregatePresence(states: Iterable<PresenceState>): PresenceState {
  let highest: PresenceState | undefined
  for (const state of states) {
    if (!highest || PRESENCE_STATES.indexOf(state.state) > PRESENCE_STATES.indexOf(highest.state)) highest = state
  }
  return highest ?? NO_PRESENCE
}

export class Presences extends Reported<PresenceState> {
  constructor(now?: () => number) {
    super((reports) => aggregatePresence(reports.map((r) => r.state)), samePresence, now)
  }

  protected override saysNothing(state: PresenceState): boolean {
    return samePresence(state, NO_PRESENCE)
  }
}

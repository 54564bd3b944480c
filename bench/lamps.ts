/** Lamps and who watches them, as the load generator keeps them. */
import type { Wire } from './lines.ts'

export interface Lamp {
  readonly index: number
  readonly name: string
  readonly watchers: Watcher[]
  /** Number of its newest state; -1 before the first. */
  state: number
  /** When that was due, by performance.now(). */
  changedAt: number
  /** Watchers that do not show it yet. */
  missing: number
  /** A PUBLISH is on its way. */
  waiting: boolean
  entityTag: string
  cseq: number
  /** Called when the newest state was answered and is shown everywhere. */
  shown: (() => void) | undefined
}

export interface Watcher {
  readonly index: number
  readonly lamp: Lamp
  readonly wire: Wire
  readonly callId: string
  remoteTag: string
  target: string
  cseq: number
  /** CSeq and Via of the last NOTIFY, and the version of its document. */
  heard: number
  via: string
  version: number
  /** Key of the state that it shows; -1 for none. */
  shown: number
  /** What its SUBSCRIBE still waits for. */
  wantsAnswer: boolean
  wantsNotify: boolean
  done: (() => void) | undefined
}

export function newLamp(index: number, prefix: string): Lamp {
  return {
    index,
    name: `${prefix}${index}`,
    watchers: [],
    state: -1,
    changedAt: 0,
    missing: 0,
    waiting: false,
    entityTag: '',
    cseq: 0,
    shown: undefined,
  }
}

/** `run` tells the Call-IDs of one generator from those of another. */
export function newWatcher(index: number, lamp: Lamp, wire: Wire, run: string): Watcher {
  return {
    index,
    lamp,
    wire,
    callId: `w${index}.${lamp.name}.${run}@b`,
    remoteTag: '',
    target: '',
    cseq: 0,
    heard: 0,
    via: '',
    version: -1,
    shown: -1,
    wantsAnswer: false,
    wantsNotify: false,
    done: undefined,
  }
}

/** Each watcher is a phone of its own (RFC 5626 4.1), though several share a socket. */
export function instanceOf(index: number): string {
  return `<urn:uuid:00000000-0000-4000-8000-${index.toString(16).padStart(12, '0')}>`
}

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
  /** The server went away before it answered a PUBLISH. */
  unsure: boolean
  /** That PUBLISH was taken, but what it is called now was not heard: it cannot be changed any more. */
  adrift: boolean
  entityTag: string
  cseq: number
  /** Called when the newest state was answered and is shown everywhere. */
  shown: (() => void) | undefined
}

export interface Watcher {
  readonly index: number
  readonly lamp: Lamp
  readonly wire: Wire
  readonly run: string
  /** Of its From. */
  readonly tag: string
  callId: string
  /** Call-ID of the subscription that it had before. */
  formerCallId: string
  /** Subscriptions that it had before. */
  generation: number
  remoteTag: string
  target: string
  cseq: number
  /** Seconds that it asked for, and that it was granted last. */
  asked: number
  granted: number
  /** When its subscription was answered first, by performance.now(). */
  since: number
  /** CSeq of the last NOTIFY and the hash of its Via, and the version of its document. */
  heard: number
  via: number
  version: number
  /** Seconds that the last NOTIFY says are left. */
  left: number
  /** Key of the state that it shows; -1 for none. */
  shown: number
  /** It is one of the `missing` of its lamp. */
  late: boolean
  /** What its SUBSCRIBE still waits for. */
  wantsAnswer: boolean
  wantsNotify: boolean
  wantsChallenge: boolean
  /** It unsubscribes. */
  ending: boolean
  /** The server went away before it answered: what becomes of the subscription is open, and nothing of it is checked. */
  unsure: boolean
  /** A refresh that the server had not answered when it went away is sent on. */
  resent: boolean
  /** After that a refresh was answered 481. */
  gone: boolean
  /** Highest CSeq that was heard before the server was started anew, and whether versions may jump since. */
  floor: number
  jumps: boolean
  /** Of the digest: what the server challenged with, and how often that was answered. */
  nonce: string
  nonceCount: number
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
    unsure: false,
    adrift: false,
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
    run,
    tag: `f${index}`,
    callId: callIdOf(index, 0, lamp, run),
    formerCallId: '',
    generation: 0,
    remoteTag: '',
    target: '',
    cseq: 0,
    asked: 0,
    granted: 0,
    since: 0,
    heard: 0,
    via: 0,
    version: -1,
    left: 0,
    shown: -1,
    late: false,
    wantsAnswer: false,
    wantsNotify: false,
    wantsChallenge: false,
    ending: false,
    unsure: false,
    resent: false,
    gone: false,
    floor: 0,
    jumps: false,
    nonce: '',
    nonceCount: 0,
    done: undefined,
  }
}

/** Its subscription is over: the next SUBSCRIBE makes another dialog. */
export function beginAnew(watcher: Watcher): void {
  const { index, lamp, run } = watcher
  watcher.formerCallId = watcher.callId
  watcher.generation++
  watcher.callId = callIdOf(index, watcher.generation, lamp, run)
  watcher.remoteTag = watcher.target = ''
  watcher.granted = watcher.heard = watcher.via = watcher.floor = 0
  watcher.version = watcher.shown = -1
  watcher.ending = watcher.jumps = false
}

function callIdOf(index: number, generation: number, { name }: Lamp, run: string): string {
  return `w${index}-${generation}.${name}.${run}@b`
}

/** Each watcher is a phone of its own (RFC 5626 4.1), though several share a socket. */
export function instanceOf(index: number): string {
  return `<urn:uuid:00000000-0000-4000-8000-${index.toString(16).padStart(12, '0')}>`
}

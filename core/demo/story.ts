/**
 * What happens in the demo's office: calls ring, connect, are held and end, voicemail arrives and is heard, somebody does
 * not want to be disturbed. It goes on until it is stopped; the same seed tells the same story.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { CAUSE } from './channels.ts'
import type { DemoPbx } from './pbx.ts'

export interface StoryOptions {
  /** Default: another story each time. */
  readonly seed?: number
  /** 2 is twice as fast as people are. Default 1. */
  readonly speed?: number
  /** Each scene in a sentence. */
  readonly tell?: (sentence: string) => void
}

export interface Story {
  stop(): void
  /** How many scenes were begun. */
  readonly scenes: number
}

/** What a scene plays with. */
export interface Stage {
  readonly pbx: DemoPbx
  /** Seconds of the story. Rejects when the story is stopped. */
  readonly pause: (from: number, to?: number) => Promise<void>
  /** Whole, from 0 to below `limit`. */
  readonly roll: (limit: number) => number
  /** Takes people who have nothing else to do off the stage until the scene is over; undefined where there are too few. */
  readonly take: (count: number, from?: readonly string[]) => string[] | undefined
  readonly tell: (sentence: string) => void
}

export type Scene = (stage: Stage) => Promise<void>

const SALES = ['101', '102']
const OUTSIDE = [
  { name: 'Grace Customer', number: '5550111' },
  { name: 'Heidi Supplier', number: '5550122' },
  { name: 'Ivan Courier', number: '5550133' },
] as const
const PARKING_SPACE = 'park:701@parkedcalls'
const MOST_AT_ONCE = 2

export const SCENES: Readonly<Record<string, { readonly weight: number; readonly play: Scene }>> = {
  conversation: { weight: 6, play: conversation },
  missed: { weight: 3, play: missed },
  listen: { weight: 3, play: listen },
  sales: { weight: 2, play: sales },
  disturb: { weight: 1, play: disturb },
  lunch: { weight: 1, play: lunch },
  night: { weight: 1, play: night },
  park: { weight: 2, play: park },
  offline: { weight: 1, play: offline },
}

export function startStory(pbx: DemoPbx, { seed, speed = 1, tell = () => undefined }: StoryOptions = {}): Story {
  const stop = new AbortController()
  const random = randomFrom(seed ?? Math.floor(Math.random() * 0xffffffff))
  const roll = (limit: number): number => Math.floor(random() * limit)
  const pause = (from: number, to = from): Promise<void> =>
    wait(((from + random() * (to - from)) * 1000) / speed, undefined, { signal: stop.signal, ref: false })
  const busy = new Set<string>()
  const running = new Set<Promise<void>>()
  let scenes = 0

  const play = async (scene: Scene): Promise<void> => {
    const taken: string[] = []
    const take = (count: number, from: readonly string[] = people(pbx)): string[] | undefined => {
      const free = shuffled(from, roll).filter((person) => !busy.has(person))
      if (free.length < count) return undefined
      const chosen = free.slice(0, count)
      for (const person of chosen) busy.add(person)
      taken.push(...chosen)
      return chosen
    }
    try {
      await scene({ pbx, pause, roll, take, tell })
    } catch (error) {
      if (!stop.signal.aborted) throw error
    } finally {
      for (const person of taken) busy.delete(person)
    }
  }

  const direct = async (): Promise<void> => {
    const deck = Object.values(SCENES).flatMap(({ weight, play }) => Array.from({ length: weight }, () => play))
    for (;;) {
      await pause(1, 3)
      const scene = deck[roll(deck.length)]
      if (!scene || running.size >= MOST_AT_ONCE) continue
      scenes++
      const played: Promise<void> = play(scene).finally(() => running.delete(played))
      running.add(played)
      // A scene that fails must not end the process behind everybody's back; the next one goes on.
      played.catch((error: unknown) => tell(`a scene broke off: ${String(error)}`))
    }
  }
  direct().catch(() => undefined)
  return {
    stop: () => stop.abort(),
    get scenes() {
      return scenes
    },
  }
}

async function conversation({ pbx, pause, roll, take, tell }: Stage): Promise<void> {
  const [from, to] = take(2) ?? []
  if (from === undefined || to === undefined) return
  tell(`${nameOf(pbx, from)} calls ${nameOf(pbx, to)}`)
  const call = pbx.call(from, to)
  await pause(2, 4)
  if (roll(5) === 0) return call.hangUp(to, CAUSE.REJECTED)
  call.answer()
  await pause(3, 6)
  if (roll(2) === 0 && call.state === 'up') {
    const holder = roll(2) === 0 ? from : to
    tell(`${nameOf(pbx, holder)} puts the call on hold`)
    call.hold(holder)
    await pause(2, 4)
    if (call.state === 'up') call.unhold()
    await pause(1, 3)
  }
  call.hangUp(roll(2) === 0 ? from : to)
}

async function missed({ pbx, pause, roll, take, tell }: Stage): Promise<void> {
  const [to] = take(1) ?? []
  if (to === undefined) return
  const caller = OUTSIDE[roll(OUTSIDE.length)] ?? OUTSIDE[0]
  tell(`${caller.name} calls ${nameOf(pbx, to)}, who is not there, and leaves a message`)
  const call = pbx.call('trunk', to, { caller })
  await pause(3, 5)
  call.hangUp('trunk', CAUSE.NO_ANSWER)
  await pause(1, 2)
  pbx.leaveMessage(to)
}

async function listen({ pbx, pause, take, tell }: Stage): Promise<void> {
  const waiting = people(pbx).filter((person) => (pbx.messages(person)?.newMessages ?? 0) > 0)
  const [person] = take(1, waiting) ?? []
  if (person === undefined) return
  tell(`${nameOf(pbx, person)} listens to the messages`)
  await pause(2, 4)
  pbx.readMessages(person)
}

async function sales({ pbx, pause, roll, take, tell }: Stage): Promise<void> {
  const group = take(SALES.length, SALES)
  const answering = group?.[0]
  if (!group || answering === undefined) return
  const caller = OUTSIDE[roll(OUTSIDE.length)] ?? OUTSIDE[0]
  tell(`${caller.name} calls the sales department; ${nameOf(pbx, answering)} is faster`)
  const call = pbx.call('trunk', group, { caller, exten: '800' })
  await pause(2, 3)
  call.answer(answering)
  await pause(4, 7)
  call.hangUp('trunk')
}

async function disturb({ pbx, pause, take, tell }: Stage): Promise<void> {
  if (!take(1, ['104'])) return
  tell(`${nameOf(pbx, '104')} does not want to be disturbed`)
  pbx.setCustom('dnd104', 'BUSY')
  pbx.setPresence('CustomPresence:104', { state: 'dnd', message: 'in a meeting' })
  try {
    await pause(6, 10)
  } finally {
    pbx.setCustom('dnd104', 'NOT_INUSE')
    pbx.setPresence('CustomPresence:104', { state: 'available' })
  }
}

async function lunch({ pbx, pause, take, tell }: Stage): Promise<void> {
  if (!take(1, ['104'])) return
  tell(`${nameOf(pbx, '104')} is at lunch`)
  pbx.setPresence('CustomPresence:104', { state: 'away', subtype: 'lunch', message: 'back at one' })
  try {
    await pause(6, 10)
  } finally {
    pbx.setPresence('CustomPresence:104', { state: 'available' })
  }
}

async function night({ pbx, pause, tell }: Stage): Promise<void> {
  const on = pbx.deviceState('Custom:night') !== 'INUSE'
  tell(`night service is switched ${on ? 'on' : 'off'}`)
  pbx.setCustom('night', on ? 'INUSE' : 'NOT_INUSE')
  await pause(1)
}

async function park({ pbx, pause, roll, take, tell }: Stage): Promise<void> {
  // Taken from the start: another call may be on its way to it.
  if (!take(1, [PARKING_SPACE])) return
  const [parking, fetching] = take(2) ?? []
  if (parking === undefined || fetching === undefined) return
  const caller = OUTSIDE[roll(OUTSIDE.length)] ?? OUTSIDE[0]
  tell(`${caller.name} calls ${nameOf(pbx, parking)}`)
  const call = pbx.call('trunk', parking, { caller })
  await pause(2, 3)
  call.answer()
  await pause(2, 4)
  tell(`${nameOf(pbx, parking)} parks the call of ${caller.name} at 701`)
  call.hangUp(parking)
  pbx.setDevice(PARKING_SPACE, 'INUSE')
  try {
    await pause(4, 7)
  } finally {
    pbx.setDevice(PARKING_SPACE, 'NOT_INUSE')
  }
  tell(`${nameOf(pbx, fetching)} takes it from there`)
  const fetched = pbx.call('trunk', fetching, { caller, exten: '701' })
  fetched.answer()
  await pause(3, 6)
  fetched.hangUp('trunk')
}

async function offline({ pbx, pause, take, tell }: Stage): Promise<void> {
  if (!take(1, ['105'])) return
  tell(`the line of ${nameOf(pbx, '105')} is down`)
  pbx.register('105', false)
  try {
    await pause(4, 8)
  } finally {
    pbx.register('105', true)
  }
}

/** Everybody with a telephone and a mailbox of the same number. */
function people(pbx: DemoPbx): string[] {
  return pbx.data.endpoints.map(({ id }) => id).filter((id) => pbx.messages(id) !== undefined)
}

function nameOf(pbx: DemoPbx, id: string): string {
  return pbx.callerIdOf(id).name || id
}

function shuffled(list: readonly string[], roll: (limit: number) => number): string[] {
  const rest = [...list]
  return list.flatMap(() => rest.splice(roll(rest.length), 1))
}

/** Mulberry32: small, fast, the same everywhere. From 0 to below 1. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x100000000
  }
}

/**
 * Hints of one Asterisk, read through its probe channel: found when somebody asks for the first time, remembered, and read
 * again at an interval. ARI tells nothing of an edited dialplan.
 *
 * Where Asterisk's files are read, those that they do not tell: of parking lots, autohints, realtime and AEL, and those
 * with a function, which only Asterisk can evaluate.
 */

import type { Eventual } from '../eventual.ts'
import { dropOldest } from '../oldest.ts'
import { addedTo, type Undo } from '../scope.ts'
import type { HintDefinition } from '../states/hint.ts'
import type { HintAnswer, HintSource } from '../states/hint-sources.ts'
import type { Hints } from '../states/hints.ts'
import type { AskedBy } from './asked-by.ts'
import type { ServerOptions } from './bridge-contract.ts'
import type { Reading } from './channel-variables.ts'
import { isFresh } from './fresh.ts'
import { ALWAYS_THERE, type HintFunctions, hintOf } from './functions.ts'
import { type HintText, needsDialplan, readHint } from './hint-text.ts'

/** Answers kept; phones could ask for any number of extensions that do not exist. */
const MOST_REMEMBERED = 20_000

interface Key {
  readonly context: string
  readonly exten: string
}

interface Remembered extends Key {
  readonly answer: HintDefinition | undefined
  /** Epoch milliseconds. */
  readonly at: number
}

/** Whether files tell the hint of this extension. */
export type IsInFiles = (context: string, exten: string) => boolean

export interface HintSourceSettings {
  readonly options: () => Pick<ServerOptions, 'unknown_hint_ttl' | 'contexts'>
  /** Asterisk's files are read: it is asked only for the hints that they do not tell. */
  readonly isInFiles?: IsInFiles
}

export class AriHintSource implements HintSource {
  readonly name: string
  readonly #hints: Pick<Hints, 'list'>
  readonly #by: AskedBy
  readonly #settings: HintSourceSettings
  readonly #remembered = new Map<string, Remembered>()
  readonly #asking = new Map<string, Promise<HintAnswer>>()
  readonly #listeners = new Set<() => void>()
  /** Key of a complaint → an extension whose hint gave rise to it. */
  readonly #doubted = new Map<string, Key>()

  constructor(name: string, hints: Pick<Hints, 'list'>, by: AskedBy, settings: HintSourceSettings) {
    this.name = name
    this.#hints = hints
    this.#by = by
    this.#settings = settings
  }

  get remembered(): number {
    return this.#remembered.size
  }

  lookup(context: string, exten: string): Eventual<HintAnswer> {
    const { contexts, unknown_hint_ttl } = this.#settings.options()
    if ((contexts.length > 0 && !contexts.includes(context)) || !this.#isAsked({ context, exten })) return undefined
    const key = keyOf({ context, exten })
    const known = this.#remembered.get(key)
    if (known && (known.answer || isFresh(known.at, unknown_hint_ttl * 1000))) return known.answer
    let asking = this.#asking.get(key)
    if (!asking) {
      asking = this.#ask([{ context, exten }]).then((answers) => answers[0])
      this.#asking.set(key, asking)
      void asking.finally(() => this.#asking.delete(key))
    }
    return asking
  }

  onChange(listener: () => void): Undo {
    return addedTo(this.#listeners, listener)
  }

  /** All answers may be different: extensions without a hint are forgotten, those in use are read again. Returns what changed. */
  async reread(): Promise<string[]> {
    const inUse = new Map(this.#hints.list().map((hint): [string, Key] => [keyOf(hint), hint]))
    const before = new Map<string, HintDefinition | undefined>()
    for (const [key, { answer, ...asked }] of this.#remembered) {
      if (answer && inUse.has(key) && this.#isAsked(asked)) before.set(key, answer)
      else this.#remembered.delete(key)
    }
    const keys = [...inUse.values()].filter((key) => this.#isAsked(key))
    const answers = await this.#ask(keys)
    const changed: string[] = []
    for (const [at, key] of keys.entries()) {
      const answer = answers[at]
      if (answer === 'unreachable') continue
      const was = before.get(keyOf(key))
      if (shown(was) === shown(answer)) continue
      // Known from another source, or before this one was there: not a change of this dialplan.
      if (was) this.#by.log.notice(`hint ${key.exten}@${key.context} was ${shown(was)}, is ${shown(answer)}`)
      changed.push(`hint ${key.exten}@${key.context}`)
    }
    if (changed.length > 0) this.changed()
    await this.#askOfDoubted(inUse)
    return changed
  }

  /** Nobody may look any more at what was complained about: it is read all the same, until it is corrected. */
  async #askOfDoubted(inUse: ReadonlyMap<string, Key>): Promise<void> {
    const others = [...this.#doubted.values()].filter((key) => !inUse.has(keyOf(key)))
    if (others.length > 0) await this.#ask(others)
  }

  /** Tells everyone to look again: what could not be said before may be said now. */
  changed(): void {
    for (const listener of this.#listeners) listener()
  }

  #isAsked({ context, exten }: Key): boolean {
    return hintOf(context, exten) !== undefined && this.#settings.isInFiles?.(context, exten) !== true
  }

  async #ask(keys: readonly Key[]): Promise<HintAnswer[]> {
    const known = (key: Key): HintDefinition | 'unreachable' =>
      this.#remembered.get(keyOf(key))?.answer ?? 'unreachable'
    if (!this.#by.link.connected) return keys.map(known)
    const asked = keys.map((key) => ({ key, functions: hintOf(key.context, key.exten) }))
    const texts = await this.#texts(asked.flatMap(({ functions }) => functions ?? []))
    if (texts.some(({ kind }) => kind === 'value')) this.#by.complaints.settle('func_devstate')
    if (texts.some(({ kind }) => kind === 'none') && !(await this.#canAsk())) return keys.map(known)
    const found = asked.filter((_, at) => texts[at]?.kind === 'value')
    const names = await this.#by.probe.read(found.flatMap(({ functions }) => (functions ? [functions.name] : [])))
    const nameOf = new Map(found.map(({ key }, at) => [key, names[at]]))
    const read: (readonly [Key, unknown: readonly string[]])[] = []
    const answers = keys.map((key, at) => {
      const text = texts[at]
      if (!text || text.kind === 'unasked') return known(key)
      const name = nameOf.get(key)
      const hint = text.kind === 'value' && text.value !== '' ? readHint(text.value, key.context, key.exten) : undefined
      read.push([key, hint?.unknown ?? []])
      const answer = hint && this.#definition(key, hint, name?.kind === 'value' ? name.value : '')
      this.#remember(key, answer)
      return answer
    })
    this.#doubt(read)
    return answers
  }

  /**
   * That of a pattern has its variables in it, some of which only the dialplan knows: globals, functions, and `CONTEXT`,
   * which is the one that the pattern stands in. Once its state was asked for Asterisk has a hint of this extension, as
   * for its own subscribers, and gives that one.
   */
  async #texts(hints: readonly HintFunctions[]): Promise<Reading[]> {
    const texts = [...(await this.#by.probe.read(hints.map(({ text }) => text)))]
    const patterns = [...texts.keys()].filter((at) => {
      const reading = texts[at]
      return reading?.kind === 'value' && needsDialplan(reading.value)
    })
    if (patterns.length === 0) return texts
    const ofPatterns = patterns.flatMap((at) => hints[at] ?? [])
    await this.#by.probe.read(ofPatterns.map(({ state }) => state))
    const again = await this.#by.probe.read(ofPatterns.map(({ text }) => text))
    for (const [nth, at] of patterns.entries()) {
      const reading = again[nth]
      // Without func_extstate it is still as written.
      if (reading?.kind === 'value' && !needsDialplan(reading.value)) texts[at] = reading
    }
    return texts
  }

  /** Asterisk says the same of a hint that is not there and of a HINT function that is not: its sister tells which. */
  async #canAsk(): Promise<boolean> {
    const [reading] = await this.#by.probe.read([ALWAYS_THERE])
    if (reading?.kind !== 'none') {
      this.#by.complaints.settle('func_devstate')
      return reading?.kind === 'value'
    }
    this.#by.complaints.say(
      'func_devstate',
      'Asterisk has not loaded func_devstate.so, so its hints cannot be read and those that are known stand: put ' +
        'load = func_devstate.so in its modules.conf and run `module load func_devstate.so` there',
      'error',
    )
    return false
  }

  #definition({ context, exten }: Key, { devices, presence }: HintText, name: string): HintDefinition {
    return { context, exten, devices, presence, name, source: this.name }
  }

  /**
   * `read`: hints that were read together, and what of each only the dialplan knows. Phones may ask for any number of
   * extensions that a pattern matches: it is one thing that is wrong. It is so until none of these hints has it.
   */
  #doubt(read: readonly (readonly [Key, unknown: readonly string[]])[]): void {
    const readNow = new Set(read.map(([key]) => keyOf(key)))
    const stands = new Map<string, { readonly key: Key; readonly part: string }>(
      read.flatMap(([key, unknown]) => unknown.map((part) => [`hint @${key.context} ${part}`, { key, part }])),
    )
    for (const [complaint, key] of this.#doubted) {
      if (stands.has(complaint) || !readNow.has(keyOf(key))) continue
      this.#doubted.delete(complaint)
      this.#by.complaints.settle(complaint)
    }
    for (const [complaint, { key, part }] of stands) {
      this.#doubted.set(complaint, key)
      this.#by.complaints.say(
        complaint,
        `hints of ${key.context} name ${part}, whose variables only the dialplan knows; that part is left out. Put ` +
          'load = func_extstate.so in modules.conf of Asterisk, so that it puts them in, or write the hints without them',
      )
    }
  }

  #remember(key: Key, answer: HintDefinition | undefined): void {
    const name = keyOf(key)
    this.#remembered.delete(name)
    this.#remembered.set(name, { ...key, answer, at: Date.now() })
    dropOldest(this.#remembered, MOST_REMEMBERED)
  }
}

const keyOf = ({ context, exten }: Key): string => `${exten}@${context}`

function shown(definition: HintDefinition | undefined): string {
  if (!definition) return 'not there'
  const presence = definition.presence.length > 0 ? `,${definition.presence.join('&')}` : ''
  return `${definition.devices.join('&')}${presence}${definition.name ? ` (${definition.name})` : ''}`
}

/** The authorization documents there are, read, by the name of the presentity. */
import { plainExten } from '../../core/conf/dialplan-pattern.ts'
import { inSlices } from '../../core/in-slices.ts'
import { type Logger, reasonOf } from '../../core/log.ts'
import { addedTo, type Undo } from '../../core/scope.ts'
import { type Ruleset, RulesFault, readRuleset } from './document.ts'

/** RFC 4745 15.2 */
export const RULES_TYPE = 'application/auth-policy+xml'

export interface RulesText {
  readonly text: string
  /** Where it is from, for people. */
  readonly place: string
  /** Why there is no text. */
  readonly fault?: string
}

/** Of a document that nobody can read there is no text. */
export function rulesTextOf(text: string | { readonly fault: string }, place: string): RulesText {
  return typeof text === 'string' ? { text, place } : { text: '', fault: text.fault, place }
}

export interface RulesDocument extends RulesText {
  /** The key of whom it is about. */
  readonly presentity: string
  /** Undefined where it cannot be read; `fault` says why. */
  readonly ruleset: Ruleset | undefined
  readonly fault: string
}

/** What is found in one place. Of two for one presentity the first counts. */
export type Found = Iterable<readonly [presentity: string, RulesText]>

/** By key. */
type Shelf = ReadonlyMap<string, RulesText>

/** Shelves in this order: the document of the first that has one counts. */
const SHELVES = ['directory', 'table'] as const
type ShelfName = (typeof SHELVES)[number]

export class RulesBook {
  /** Of a presentity: equal for names that mean the same one. */
  readonly keyOf: (name: string) => string
  readonly #log: Logger
  readonly #shelves = new Map<ShelfName, Shelf>()
  readonly #listeners = new Set<(plainKeys: ReadonlySet<string>) => void>()
  #documents = new Map<string, RulesDocument>()
  /** By plain key; of several the first by key. */
  #byPlainKey = new Map<string, RulesDocument>()
  #turn: Promise<void> = Promise.resolve()
  #isRead = false

  constructor(log: Logger, keyOf: (name: string) => string) {
    this.#log = log
    this.keyOf = keyOf
  }

  /** That of the name itself, or of one that the dialplan takes for the same: it passes over dashes, so that 1-00 is 100. */
  get(presentity: string): RulesDocument | undefined {
    return this.#documents.get(this.keyOf(presentity)) ?? this.#byPlainKey.get(this.plainKeyOf(presentity))
  }

  /** Equal for names that have one document where none bears the name itself. */
  plainKeyOf(presentity: string): string {
    return plainExten(this.keyOf(presentity))
  }

  /** Every shelf was read once. */
  get isRead(): boolean {
    return this.#isRead
  }

  /** By name. */
  get all(): readonly (readonly [string, RulesDocument])[] {
    return [...this.#documents].sort(([a], [b]) => (a < b ? -1 : 1))
  }

  /** Why a document of the table would not hold; undefined where it would. */
  notInTable(presentity: string): string | undefined {
    const inDirectory = this.#shelf('directory').get(this.keyOf(presentity))
    return inDirectory && `the rules of ${presentity} are in ${inDirectory.place}; change them there`
  }

  /** Resolves when the new documents hold. */
  fill(name: ShelfName, found: Found): Promise<void> {
    this.#shelves.set(name, this.#byKey(found))
    this.#turn = this.#turn.then(() => this.#read())
    return this.#turn
  }

  /** The listener is told plain keys of presentities. */
  onChange(listener: (plainKeys: ReadonlySet<string>) => void): Undo {
    return addedTo(this.#listeners, listener)
  }

  #shelf(name: ShelfName): Shelf {
    return this.#shelves.get(name) ?? new Map<string, RulesText>()
  }

  #byKey(found: Found): Shelf {
    const byKey = new Map<string, RulesText>()
    for (const [presentity, given] of found) {
      const key = this.keyOf(presentity)
      const other = byKey.get(key)
      if (other) this.#log.warning(`${given.place} is passed over, as ${presentity} has rules in ${other.place}`)
      else byKey.set(key, given)
    }
    return byKey
  }

  async #read(): Promise<void> {
    const before = this.#documents
    const now = new Map<string, RulesDocument>()
    // One that is filled meanwhile is read in the next turn.
    const isRead = this.#shelves.size === SHELVES.length
    for (const name of [...SHELVES].reverse()) {
      await inSlices(this.#shelf(name), ([presentity, given]) => {
        const known = before.get(presentity)
        now.set(presentity, known?.text === given.text ? { ...known, ...given } : this.#document(presentity, given))
      })
    }
    this.#documents = now
    this.#isRead = isRead
    this.#byPlainKey = new Map(this.all.toReversed().map(([key, document]) => [this.plainKeyOf(key), document]))
    const changed = [...before.keys(), ...now.keys()].filter((key) => before.get(key)?.text !== now.get(key)?.text)
    const plainKeys = new Set(changed.map((key) => this.plainKeyOf(key)))
    for (const listener of this.#listeners) listener(plainKeys)
  }

  #document(presentity: string, given: RulesText): RulesDocument {
    try {
      if (given.fault !== undefined) throw new RulesFault(given.fault)
      return { ...given, presentity, ruleset: readRuleset(given.text), fault: '' }
    } catch (error) {
      if (!(error instanceof RulesFault)) throw error
      this.#log.error(
        `the rules of ${presentity} (${given.place}) cannot be read: ${reasonOf(error)}. Its watchers wait until they can`,
      )
      return { ...given, presentity, ruleset: undefined, fault: error.message }
    }
  }
}

/**
 * Which publication says what of which origin. An origin's opinion is what the newest of its publications says, and goes
 * when the last of them that has it is over.
 */
import type { Reported } from '../core/states/reported.ts'

/** So that nobody fills our memory with names. */
const MOST_NAMES = 50_000

export interface Entry<State> {
  /** Id of the publication. */
  readonly publication: string
  readonly origin: string
  readonly name: string
  readonly state: State
}

export interface LedgerStore<State> {
  put(entry: Entry<State>): void
  delete(entry: Entry<State>): void
}

interface Said<State> extends Entry<State> {
  /** The higher was said later. */
  readonly at: number
}

export class Ledger<State> {
  readonly #states: Reported<State>
  readonly #store: LedgerStore<State>
  /** By publication, then by origin and name. */
  readonly #said = new Map<string, Map<string, Said<State>>>()
  #count = 0

  constructor(states: Reported<State>, store: LedgerStore<State>) {
    this.#states = states
    this.#store = store
  }

  *[Symbol.iterator](): Iterator<Entry<State>> {
    for (const said of this.#said.values()) yield* said.values()
  }

  /** False where the publication has said too much. */
  say(entry: Entry<State>): boolean {
    const key = keyOf(entry)
    let said = this.#said.get(entry.publication)
    if (!said) this.#said.set(entry.publication, (said = new Map()))
    if (!said.has(key) && said.size >= MOST_NAMES) return false
    said.set(key, { ...entry, at: ++this.#count })
    this.#store.put(entry)
    this.#states.set(entry.origin, entry.name, entry.state)
    return true
  }

  /** Whether it is what the publication has said last of that. */
  has(entry: Entry<State>): boolean {
    const known = this.#said.get(entry.publication)?.get(keyOf(entry))
    return known !== undefined && this.#states.same(known.state, entry.state)
  }

  /** Whether anything of it came here. */
  knows(publication: string): boolean {
    return this.#said.has(publication)
  }

  /** The publication is over. Returns its origins. */
  end(publication: string): ReadonlySet<string> {
    return this.#drop(publication, () => true)
  }

  /** Somebody else knows it better. */
  forget(origin: string, name: string): void {
    const key = keyOf({ origin, name })
    let known = false
    for (const said of this.#said.values()) {
      const entry = said.get(key)
      if (!entry) continue
      said.delete(key)
      this.#store.delete(entry)
      known = true
    }
    if (known) this.#states.set(origin, name, undefined)
  }

  /** Nobody looks after the states any more; the store keeps whose they are, for when somebody does again. */
  suspend(): void {
    for (const { origin, name } of this) this.#states.set(origin, name, undefined)
    this.#said.clear()
  }

  /** Another filter: of the rest nothing is known any more. */
  keepOnly(publication: string, wanted: (name: string) => boolean): void {
    this.#drop(publication, ({ name }) => !wanted(name))
  }

  #drop(publication: string, which: (entry: Entry<State>) => boolean): ReadonlySet<string> {
    const origins = new Set<string>()
    const said = this.#said.get(publication)
    for (const [key, entry] of said ?? []) {
      if (!which(entry)) continue
      said?.delete(key)
      origins.add(entry.origin)
      this.#store.delete(entry)
      this.#states.set(entry.origin, entry.name, this.#newest(key)?.state)
    }
    if (said?.size === 0) this.#said.delete(publication)
    return origins
  }

  #newest(key: string): Said<State> | undefined {
    let newest: Said<State> | undefined
    for (const said of this.#said.values()) {
      const entry = said.get(key)
      if (entry && (!newest || entry.at > newest.at)) newest = entry
    }
    return newest
  }
}

function keyOf({ origin, name }: Pick<Entry<unknown>, 'origin' | 'name'>): string {
  return `${origin}\0${name.toLowerCase()}`
}

/** The state that message-summary subscriptions watch: counts summed over mailboxes, one sum for all who watch the same. */

import { PartyIndex } from '../core/party-index.ts'
import type { Undo } from '../core/scope.ts'
import type { Mailboxes } from '../core/states/mailboxes.ts'
import type { Need } from '../core/states/reported.ts'
import { Unwatched } from '../core/unwatched.ts'
import { Observable, Watched, type WatchObserver } from '../core/watch.ts'
import { within } from '../core/within.ts'
import { LastChanges } from './last-changes.ts'
import { type MessageSummary, sameSummary, sumOf } from './summary.ts'

export interface SumDefinition {
  /** Full names, `100@default`; at least one. */
  readonly mailboxes: readonly string[]
  /** User part of Message-Account; empty for none. */
  readonly account: string
}

/** Reads a definition anew; undefined when there is none any more, `unasked` where nobody can say now. */
export type Define = () => Promise<SumDefinition | 'unasked' | undefined>

/** How long a SUBSCRIBE waits for the first counts, in milliseconds. */
const FIRST_READ_LIMIT = 1500

interface SumKeeper {
  /** Nobody watches it any more. */
  readonly left: (sum: MailboxSum) => void
  /** It is about to be watched; it may have been let go of. */
  readonly wanted: (sum: MailboxSum) => void
}

export class MailboxSum extends Observable<MessageSummary> {
  readonly key: string
  readonly define: Define
  #definition: SumDefinition
  #needs: readonly Need[] = []
  #unindex: Undo = () => undefined
  /** Other mailboxes than before are being read: until then what was told last stands. */
  #isReading = false
  readonly #mailboxes: Mailboxes
  readonly #index: PartyIndex<MailboxSum>
  readonly #changes: LastChanges
  readonly #keeper: SumKeeper
  #isOver = false
  readonly #watched: Watched<MessageSummary>

  constructor(
    key: string,
    define: Define,
    definition: SumDefinition,
    state: { mailboxes: Mailboxes; index: PartyIndex<MailboxSum>; changes: LastChanges },
    keeper: SumKeeper,
  ) {
    super()
    this.key = key
    this.define = define
    this.#definition = definition
    this.#mailboxes = state.mailboxes
    this.#index = state.index
    this.#changes = state.changes
    this.#keeper = keeper
    this.#take()
    this.#watched = new Watched(this.#compute(), sameSummary)
  }

  get definition(): SumDefinition {
    return this.#definition
  }

  get isWatched(): boolean {
    return this.#watched.watchers > 0
  }

  get value(): MessageSummary {
    return this.#watched.value
  }

  /** Epoch milliseconds of the last change of its counts, watched or not; 0 where there was none that we know of. */
  get changed(): number {
    return this.#changes.of(this.#definition.mailboxes)
  }

  /** Resolves when all who can be asked for the counts have answered, or it took too long. */
  get ready(): Promise<unknown> {
    return within(FIRST_READ_LIMIT, Promise.all(this.#needs.map((need) => need.ready)))
  }

  attach(observer: WatchObserver<MessageSummary>): void {
    if (!this.#isOver) this.#keeper.wanted(this)
    this.#watched.attach(observer)
  }

  detach(observer: WatchObserver<MessageSummary>): boolean {
    if (!this.#watched.detach(observer)) return false
    if (!this.isWatched) this.#keeper.left(this)
    return true
  }

  /** A count changed. */
  refresh(): void {
    if (!this.#isReading) this.#watched.set(this.#compute())
  }

  redefine(definition: SumDefinition): void {
    const { mailboxes, account } = this.#definition
    const isSame = mailboxes.join() === definition.mailboxes.join()
    if (isSame && account === definition.account) return
    this.#definition = definition
    if (isSame) return this.refresh()
    const old = this.#needs
    void this.#unindex()
    this.#take()
    for (const need of old) void need.release()
    void this.#readAnew(this.#needs)
  }

  /** A "no messages" that is not true puts a lamp out. */
  async #readAnew(needs: readonly Need[]): Promise<void> {
    this.#isReading = true
    await this.ready
    if (this.#needs !== needs) return
    this.#isReading = false
    this.refresh()
  }

  /** Whoever had found it may have waited for a disk, and watches it only now. */
  revive(): void {
    this.#take()
    void this.#readAnew(this.#needs)
  }

  #take(): void {
    const { mailboxes } = this.#definition
    this.#needs = mailboxes.map((name) => this.#mailboxes.need(name))
    this.#unindex = this.#index.add(mailboxes, this)
  }

  end(): void {
    this.#isOver = true
    this.dispose()
    this.#watched.end('noresource')
  }

  /** Let go of: from now on nobody tells it of changes. */
  dispose(): void {
    void this.#unindex()
    for (const need of this.#needs) void need.release()
    this.#needs = []
  }

  #compute(): MessageSummary {
    const { mailboxes, account } = this.#definition
    return { ...sumOf(mailboxes.map((name) => this.#mailboxes.get(name))), account }
  }
}

export class MailboxSums {
  readonly #mailboxes: Mailboxes
  /** By key, those that are found. */
  readonly #sums = new Map<string, MailboxSum>()
  /** All that follow the counts: of one that is watched again another may be found by now. */
  readonly #kept = new Set<MailboxSum>()
  /** Those that are kept beside the one that is found by their key. */
  readonly #besides = new Set<MailboxSum>()
  /** Those that nobody could say the definition of when it was read anew. */
  readonly #unasked = new Set<MailboxSum>()
  readonly #index = new PartyIndex<MailboxSum>()
  readonly #changes: LastChanges
  readonly #unwatched: Unwatched<MailboxSum>
  readonly #keeper: SumKeeper
  #isOver = false

  /** `lingers`: milliseconds that a sum is kept at least that nobody watches. */
  constructor(mailboxes: Mailboxes, changes: LastChanges, lingers?: number) {
    this.#mailboxes = mailboxes
    this.#changes = changes
    this.#unwatched = new Unwatched((sum) => this.#drop(sum), lingers)
    this.#keeper = { left: (sum) => this.#unwatched.add(sum), wanted: (sum) => this.#keepAgain(sum) }
  }

  /** Follows the counts, until undone. */
  follow(): Undo {
    return this.#mailboxes.onChange((name) => {
      for (const sum of this.#index.of(name)) sum.refresh()
    })
  }

  /** The sum of this key with its first counts known; undefined where `define` knows none. */
  async find(key: string, define: Define): Promise<MailboxSum | undefined> {
    const definition = await define()
    const known = this.#sums.get(key)
    if (definition === 'unasked') return known
    if (!definition) return undefined
    if (known) {
      known.redefine(definition)
      await known.ready
      return known
    }
    const state = { mailboxes: this.#mailboxes, index: this.#index, changes: this.#changes }
    const sum = new MailboxSum(key, define, definition, state, this.#keeper)
    this.#enter(sum)
    await sum.ready
    sum.refresh()
    return sum
  }

  list(): readonly MailboxSum[] {
    return [...this.#kept]
  }

  /** Endpoints or AORs changed: sums follow, and one whose definition is gone ends. */
  async reread(): Promise<void> {
    for (const sum of this.list()) await this.#defineAnew(sum)
  }

  /** The same for what is found by this key. */
  async rereadOf(key: string): Promise<void> {
    const found = this.#sums.get(key)
    if (found) await this.#defineAnew(found)
    for (const sum of this.#besides) if (sum.key === key) await this.#defineAnew(sum)
  }

  async #defineAnew(sum: MailboxSum): Promise<void> {
    const definition = await sum.define()
    if (!this.#kept.has(sum)) return
    if (definition === 'unasked') {
      this.#unasked.add(sum)
    } else if (definition) {
      sum.redefine(definition)
    } else {
      this.#leave(sum)
      sum.end()
    }
  }

  /** A server that could not be asked may be there now. */
  async askAgain(): Promise<void> {
    const sums = [...this.#unasked]
    this.#unasked.clear()
    for (const sum of sums) await this.#defineAnew(sum)
  }

  /** Lets all of them go. Who watches is not told: that is done by whoever ends the package. */
  dispose(): void {
    this.#isOver = true
    for (const sum of this.#kept) sum.dispose()
    this.#kept.clear()
    this.#besides.clear()
    this.#sums.clear()
    this.#unasked.clear()
  }

  #enter(sum: MailboxSum): void {
    this.#kept.add(sum)
    this.#unwatched.add(sum)
    if (this.#sums.has(sum.key)) this.#besides.add(sum)
    else this.#sums.set(sum.key, sum)
  }

  #leave(sum: MailboxSum): void {
    this.#kept.delete(sum)
    this.#besides.delete(sum)
    if (this.#sums.get(sum.key) === sum) this.#sums.delete(sum.key)
    this.#unasked.delete(sum)
  }

  #drop(sum: MailboxSum): void {
    this.#leave(sum)
    sum.dispose()
  }

  #keepAgain(sum: MailboxSum): void {
    if (this.#isOver || this.#kept.has(sum)) return
    this.#enter(sum)
    sum.revive()
    void this.#defineAnew(sum)
  }
}

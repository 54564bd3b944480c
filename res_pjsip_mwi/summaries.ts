/** What a message-summary watcher watches: the counts of mailboxes, and what was published about them. */
import { Composed, type Composition } from '../core/composed.ts'
import { type MailboxCounts, sameCounts } from '../core/states/mailboxes.ts'
import { Unwatched } from '../core/unwatched.ts'
import type { Watchable } from '../core/watch.ts'
import type { Publication, Pubsub } from '../res_pjsip_pubsub/contract.ts'
import type { MailboxSum } from './mailbox-sums.ts'
import { type MessageSummary, sameSummary } from './summary.ts'
import { type ClassCounts, HIGHEST_COUNT, type SummaryDocument, summaryDocumentKind } from './summary-publication.ts'

type Published = Pick<Pubsub, 'publications' | 'isPublished' | 'settings'>
/** The mailboxes of a name, as endpoints and AORs are now. */
export type Look = () => Promise<MailboxSum | undefined>

type IsStillMeant = () => Promise<boolean>
type Topic = Watchable<readonly Publication<SummaryDocument>[]>

const VOICE = 'voice-message'
const NOTHING: MessageSummary = { newMessages: 0, oldMessages: 0, account: '' }

/** As they are found; all who watch one share its state. */
export class Summaries {
  readonly #pubsub: Published
  readonly #summaries = new Map<string, Summary>()
  readonly #watched = new Set<Summary>()
  readonly #unwatched = new Unwatched<Composed<MessageSummary>>((state) => state.letGo())

  constructor(pubsub: Published) {
    this.#pubsub = pubsub
  }

  /**
   * `name`: what publications call it. `sum`: undefined where nothing but they tell of it, until `look` finds one.
   * `isStillMeant`: of what is asked for by another name.
   */
  of(
    key: string,
    name: string,
    sum: MailboxSum | undefined,
    look: Look,
    isStillMeant?: IsStillMeant,
  ): Watchable<MessageSummary> {
    let summary = this.#summaries.get(key)
    if (summary?.name !== name) {
      summary?.state.end('deactivated')
      summary = this.#begin(key, name, look, isStillMeant)
    }
    summary.hasSum(sum)
    this.#unwatched.add(summary.state)
    return summary.state
  }

  /** Several of one name may be watched, where one was found before it was forgotten. */
  #begin(key: string, name: string, look: Look, isStillMeant: IsStillMeant | undefined): Summary {
    const topic = this.#pubsub.publications('message-summary', name, summaryDocumentKind)
    const summary: Summary = new Summary(name, topic, this.#pubsub, {
      look,
      isStillMeant,
      wanted: () => {
        if (!this.#summaries.has(key)) this.#summaries.set(key, summary)
        this.#watched.add(summary)
      },
      idle: () => {
        if (this.#summaries.get(key) === summary) this.#summaries.delete(key)
        this.#watched.delete(summary)
      },
    })
    this.#summaries.set(key, summary)
    return summary
  }

  /** Who watches what is somebody else's since endpoints and AORs were read again is to watch what is meant now. */
  async endMoved(): Promise<void> {
    for (const summary of this.#watched) await summary.endMoved()
  }

  /** Those without mailboxes may have some since endpoints and AORs were read again. */
  async reread(): Promise<void> {
    for (const summary of this.#watched) await summary.lookAgain()
  }

  /** The same for one of them. */
  async rereadOf(key: string): Promise<void> {
    const summary = this.#summaries.get(key)
    await summary?.endMoved()
    await summary?.lookAgain()
  }
}

/** Where it is kept. */
interface Keeper {
  readonly look: Look
  readonly isStillMeant: IsStillMeant | undefined
  wanted(): void
  idle(): void
}

class Summary implements Composition<MessageSummary> {
  readonly state = new Composed<MessageSummary>(this)
  readonly name: string
  readonly #topic: Topic
  readonly #pubsub: Published
  readonly #keeper: Keeper
  #sum: MailboxSum | undefined
  /** Epoch milliseconds of the last change of the mailboxes that was seen while they were watched here. */
  #counted = 0
  /** What they were, and which, when it was composed last. */
  #seen: SumNow | undefined
  /** What was composed last: it stays where nothing has changed. */
  #composed: MessageSummary | undefined

  constructor(name: string, topic: Topic, pubsub: Published, keeper: Keeper) {
    this.name = name
    this.#topic = topic
    this.#pubsub = pubsub
    this.#keeper = keeper
  }

  hasSum(sum: MailboxSum | undefined): void {
    if (!sum || sum === this.#sum) return
    this.#sum = sum
    this.state.repart()
  }

  async endMoved(): Promise<void> {
    const { isStillMeant } = this.#keeper
    if (isStillMeant && !(await isStillMeant())) this.state.end('deactivated')
  }

  async lookAgain(): Promise<void> {
    if (this.#sum || !this.state.isWatched) return
    const sum = await this.#keeper.look()
    // Who watches nothing keeps no sum alive, which would be let go of.
    if (this.state.isWatched) this.hasSum(sum)
  }

  parts(): readonly Watchable<unknown>[] {
    return this.#sum ? [this.#sum, this.#topic] : [this.#topic]
  }

  compose(): MessageSummary {
    const { message_summary } = this.#pubsub.settings
    const counted = Math.max(this.#counted, this.#sum?.changed ?? 0)
    this.#seen = this.#sum && nowOf(this.#sum)
    const composed = composeSummary(this.#sum?.value, this.#topic.value, message_summary, counted)
    const before = this.#composed
    if (before && before.published === composed.published && sameSummary(before, composed)) return before
    return (this.#composed = composed)
  }

  /** Another account, or other mailboxes, are no news of messages. */
  changed(part: Watchable<unknown>): void {
    const sum = this.#sum
    if (!sum || part !== sum) return
    const { mailboxes, counts } = nowOf(sum)
    const before = this.#seen
    if (before && before.mailboxes === mailboxes && !sameCounts(before.counts, counts)) this.#counted = Date.now()
  }

  /** Where something is published, that goes on. Otherwise it is over by its sum for those, too, who watch it only later. */
  partEnded(part: Watchable<unknown>): boolean {
    if (part !== this.#sum) return true
    if (!this.#pubsub.isPublished(this.name)) return true
    this.#sum = undefined
    return false
  }

  wanted(): void {
    this.#keeper.wanted()
  }

  idle(): void {
    this.#keeper.idle()
  }
}

interface SumNow {
  readonly mailboxes: string
  readonly counts: MailboxCounts
}

function nowOf({ definition, value }: MailboxSum): SumNow {
  return { mailboxes: definition.mailboxes.join(), counts: value }
}

/** `counted`: epoch milliseconds of the last change of our own counts. */
export function composeSummary(
  own: MessageSummary | undefined,
  published: readonly Publication<SummaryDocument>[],
  composition: 'newest' | 'sum',
  counted: number,
): MessageSummary {
  if (composition === 'sum')
    return summed(
      own,
      published.map(({ state }) => state),
    )
  const newest = published.reduce<Publication<SummaryDocument> | undefined>(
    (a, b) => (a && a.received >= b.received ? a : b),
    undefined,
  )
  if (!newest || (own && counted > newest.received)) return own ?? NOTHING
  return withDocument(own, newest.state)
}

export function summed(own: MessageSummary | undefined, documents: readonly SummaryDocument[]): MessageSummary {
  if (documents.length === 0) return own ?? NOTHING
  const classes = new Map<string, ClassCounts>()
  if (own)
    classes.set(VOICE, { newMessages: own.newMessages, oldMessages: own.oldMessages, newUrgent: 0, oldUrgent: 0 })
  for (const document of documents)
    for (const [name, counts] of document.classes) classes.set(name, plus(classes.get(name), counts))
  const sorted = new Map([...classes].sort(([a], [b]) => Number(b === VOICE) - Number(a === VOICE) || (a < b ? -1 : 1)))
  return withDocument(own, {
    waiting: documents.some(({ waiting }) => waiting) || (own?.newMessages ?? 0) > 0,
    account: own?.account
      ? ''
      : (documents
          .map(({ account }) => account)
          .filter((account) => account !== '')
          .sort()[0] ?? ''),
    classes: sorted,
  })
}

function withDocument(own: MessageSummary | undefined, document: SummaryDocument): MessageSummary {
  const voice = document.classes.get(VOICE)
  return {
    newMessages: voice?.newMessages ?? 0,
    oldMessages: voice?.oldMessages ?? 0,
    account: own?.account ?? '',
    published: document,
  }
}

function plus(a: ClassCounts | undefined, b: ClassCounts): ClassCounts {
  if (!a) return b
  return {
    newMessages: sum(a.newMessages, b.newMessages),
    oldMessages: sum(a.oldMessages, b.oldMessages),
    newUrgent: sum(a.newUrgent, b.newUrgent),
    oldUrgent: sum(a.oldUrgent, b.oldUrgent),
  }
}

function sum(a: number, b: number): number {
  return Math.min(a + b, HIGHEST_COUNT)
}

/**
 * What one contact of an endpoint is told without having asked: one NOTIFY in flight, and the newest counts win.
 *
 *     idle ──want──▶ queued ──turn──▶ sending ──2xx──▶ idle, or queued where something is due
 *                      ▲                │  └─refused─▶ refusing   until it registers anew, or after a pause renews that
 *                      ├──── pausing ◀──┤ no answer, 5xx; the next turn comes with its REGISTER, too
 *                      └────────────────┘ the same, and there is another way to it
 *     any ──dispose──▶ gone
 */
import type { Logger } from '../core/log.ts'
import type { Counter } from '../core/metrics.ts'
import type { Contact } from '../core/registrar/registrar.ts'
import type { Outcome, OutcomeHandler, OutOfDialogRequest } from '../core/sip/contract.ts'
import { NOT_GOT_THROUGH } from '../core/sip/next-hop.ts'
import type { SendQueue } from './send-queue.ts'

type ContactPhase = 'idle' | 'queued' | 'sending' | 'pausing' | 'refusing' | 'gone'

/** What one NOTIFY tells of: all mailboxes of an endpoint (aggregate_mwi), or one. */
export interface MailboxGroup {
  readonly mailboxes: readonly string[]
}

/** A NOTIFY that could be sent now. */
export interface Tidings {
  /** Those of the group that it tells of. */
  readonly mailboxes: readonly string[]
  readonly request: OutOfDialogRequest
}

export interface ContactServices {
  readonly queue: SendQueue
  readonly log: Logger
  readonly counters: { readonly sent: Counter; readonly refused: Counter; readonly failed: Counter }
  /** undefined where nothing is to be told of this group. */
  readonly compose: (contact: Contact, group: MailboxGroup) => Tidings | undefined
  readonly send: (request: OutOfDialogRequest, done: OutcomeHandler) => void
  /** What it has under way ends, and is not repeated. */
  readonly giveUp: (sender: object) => void
  /** Milliseconds after a first failure; 30 s where it is left out. */
  readonly firstPause?: number
}

/** Milliseconds: the first pause after a failure, doubled up to the longest. */
const FIRST_PAUSE = 30_000
const LONGEST_PAUSE = 900_000
/** Answers that say nothing about the next time. */
const PASSING: ReadonlySet<number> = new Set([408, 480, 486, 491, ...NOT_GOT_THROUGH])

export class UnsolicitedContact {
  /** A phone with several flows may write the same Contact in all of them (RFC 5626): they differ in their Paths or flows. */
  #ways: readonly [Contact, ...Contact[]]
  /** The one that is taken. */
  contact: Contact
  /** Ways that have failed in a row. */
  #waysFailed = 0
  #phase: ContactPhase = 'idle'
  /** It registered anew while a NOTIFY was under way, whose outcome then is old news. */
  #anew = false
  #failures = 0
  /** How the last NOTIFY ended, for people. */
  lastOutcome = ''
  /** As performance.now() has it: whoever refuses is left alone until then. */
  #mayAskAt = 0
  #retryTimer: NodeJS.Timeout | undefined
  readonly #due = new Set<MailboxGroup>()
  /** group → what it was told last, and took */
  readonly #told = new Map<MailboxGroup, string>()
  readonly #services: ContactServices

  constructor(contact: Contact, services: ContactServices) {
    this.#ways = [contact]
    this.contact = contact
    this.#services = services
  }

  get phase(): ContactPhase {
    return this.#phase
  }

  /** Whether its lamp may be on: what is under way, or was not answered, may have lit it. */
  get mayBeLit(): boolean {
    if (this.#phase === 'sending' || this.#phase === 'pausing') return true
    return [...this.#told.values()].some((text) => text.includes('Messages-Waiting: yes'))
  }

  /** Counts may be different now. */
  want(groups: Iterable<MailboxGroup>): void {
    if (this.#phase === 'gone' || this.#phase === 'refusing') return
    for (const group of groups) this.#due.add(group)
    if (this.#phase === 'idle') this.#enqueue()
  }

  /** Its bindings as they are now; flows may be others. `by`: the one that the phone is there by. */
  update(ways: readonly [Contact, ...Contact[]], by = this.contact): void {
    this.#ways = ways
    this.contact = ways.find((way) => isSameWay(way, by)) ?? ways[0]
  }

  /** The phone is there anew: it is told everything again, and may change its mind about refusing. */
  registered(groups: Iterable<MailboxGroup>): void {
    if (this.#phase === 'gone') return
    this.#told.clear()
    this.#failures = 0
    this.#waysFailed = 0
    if (this.#phase === 'sending') this.#anew = true
    else if (this.#phase !== 'queued') this.#enter('idle')
    this.want(groups)
    // It may be on its way through a proxy that is gone, and would be repeated behind what is newer.
    if (this.#anew) this.#services.giveUp(this)
  }

  /**
   * The phone is there: what it could not be told waits no longer. Where it fails again, the pauses go on growing. One
   * that refused may have done so only because it was starting, and is asked again from time to time.
   */
  refreshed(groups: Iterable<MailboxGroup>, by: Contact): void {
    const [first, ...others] = this.#ways
    // What it renewed has the flow of that REGISTER: by another transport of ours, or to another address.
    const renewed = (way: Contact): Contact => (way.aor === by.aor && isSameWay(way, by) ? by : way)
    this.update([renewed(first), ...others.map(renewed)], by)
    if (this.#phase === 'pausing') this.#enqueue()
    if (this.#phase !== 'refusing' || performance.now() < this.#mayAskAt) return
    this.#enter('idle')
    this.want(groups)
  }

  /** Whoever takes its place tells the phone anew: nothing older is to arrive behind that. */
  dispose(): void {
    const isSending = this.#phase === 'sending'
    this.#enter('gone')
    if (isSending) this.#services.giveUp(this)
  }

  #enqueue(): void {
    this.#enter('queued')
    this.#services.queue.push(() => this.#turn())
  }

  #turn(): void {
    if (this.#phase !== 'queued') return
    const way = this.contact
    for (const group of this.#due) {
      this.#due.delete(group)
      const tidings = this.#services.compose(way, group)
      if (!tidings) {
        // What it was told is over: when there is something to tell again, it is news.
        this.#told.delete(group)
        continue
      }
      const text = `${tidings.mailboxes.join()} ${String(tidings.request.body?.content)}`
      if (this.#told.get(group) === text) continue
      this.#enter('sending')
      this.#services.counters.sent.add()
      this.#services.send({ ...tidings.request, sender: this }, (outcome) => this.#ended(group, text, way, outcome))
      return
    }
    this.#enter('idle')
  }

  #ended(group: MailboxGroup, text: string, way: Contact, outcome: Outcome): void {
    if (this.#phase !== 'sending') return
    this.lastOutcome = textOf(outcome)
    const verdict = this.#anew ? 'old news' : verdictOf(outcome)
    this.#anew = false
    if (verdict === 'refused') return this.#refused()
    if (verdict === 'failed') return this.#failed(group, way)
    if (verdict === 'taken') this.#told.set(group, text)
    this.#failures = 0
    this.#waysFailed = 0
    this.#enter('idle')
    if (this.#due.size > 0) this.#enqueue()
  }

  #refused(): void {
    this.#enter('refusing')
    this.#due.clear()
    this.#told.clear()
    this.#mayAskAt = performance.now() + this.#nextPause()
    this.#services.counters.refused.add()
    this.#services.log.verbose(
      `${this.contact.uri} answers ${this.lastOutcome} to unsolicited message-summary, and gets none until it registers again`,
    )
  }

  #failed(group: MailboxGroup, way: Contact): void {
    this.#due.add(group)
    // It may have arrived, and only its answer not: what the phone shows is not known any more.
    this.#told.delete(group)
    this.#services.counters.failed.add()
    // It may have come up by another one meanwhile.
    if (isSameWay(way, this.contact)) this.contact = this.#nextWay
    // A connection that is lost is no way any more: what was left of them has not been tried.
    const isGone = !this.#ways.some((one) => isSameWay(one, way))
    if (isGone || ++this.#waysFailed < this.#ways.length) return this.#enqueue()
    this.#waysFailed = 0
    this.#enter('pausing')
    const pause = this.#nextPause()
    this.#services.log.debug(() => `${this.contact.uri}: ${this.lastOutcome}; again in ${pause / 1000} s`)
    this.#retryTimer = setTimeout(() => this.#enqueue(), pause).unref()
  }

  /** RFC 5626 7: where one flow fails, the next is tried. */
  get #nextWay(): Contact {
    const [first] = this.#ways
    const at = this.#ways.findIndex((way) => isSameWay(way, this.contact))
    return this.#ways[at + 1] ?? first
  }

  #nextPause(): number {
    return Math.min((this.#services.firstPause ?? FIRST_PAUSE) * 2 ** this.#failures++, LONGEST_PAUSE)
  }

  /** The only writer of the phase. Nothing comes back from gone. */
  #enter(phase: ContactPhase): void {
    if (this.#phase !== 'gone') this.#phase = phase
    if (phase !== 'pausing') clearTimeout(this.#retryTimer)
  }
}

/** Whether two Contacts of one URI are reached through the same proxies, or by the same flow. */
export function isSameWay(one: Contact, other: Contact): boolean {
  const { path } = one
  if (one.flow?.id !== other.flow?.id) return false
  return path.length === other.path.length && path.every((hop, at) => hop === other.path[at])
}

function verdictOf(outcome: Outcome): 'taken' | 'refused' | 'failed' {
  if (outcome.kind !== 'response') return 'failed'
  const { status } = outcome.response
  if (status < 300) return 'taken'
  return PASSING.has(status) || (status >= 500 && status < 600 && status !== 501) ? 'failed' : 'refused'
}

function textOf(outcome: Outcome): string {
  if (outcome.kind === 'timeout') return 'no answer'
  return outcome.kind === 'unreachable' ? outcome.reason : `${outcome.response.status} ${outcome.response.reason}`
}

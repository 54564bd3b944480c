/**
 * One `type=outbound-subscription`: it subscribes, keeps what came of that, and comes back when it is lost.
 *
 *     subscribing ──NOTIFY──→ established ──the last one ends──→ waiting ──→ subscribing …
 *                                              └── rejected, noresource, invariant ──→ over
 *
 * A SUBSCRIBE that was forked gives several subscriptions, each in its dialog (RFC 6665 4.1.4), for as long as Timer N
 * runs. Where one of several is lost, a new SUBSCRIBE goes out while the others stay; those that answer it anew replace
 * what they were, and the rest of the old is left.
 */
import type { Core } from '../../core/core.ts'
import type { Logger } from '../../core/log.ts'
import type { Undo } from '../../core/scope.ts'
import { MOST_SENT } from '../../core/sip/challenged.ts'
import type {
  CredentialsFor,
  HeaderLine,
  Outcome,
  RequestIdentity,
  ServerTransaction,
} from '../../core/sip/contract.ts'
import { newCallId, newTag } from '../../core/sip/id.ts'
import type { OutboundSubscriptionConfig } from '../../core/subscription-options.ts'
import { Timer } from '../../core/timer.ts'
import type { WatchedEvent } from './events.ts'
import type { NotifyHead } from './notify.ts'
import type { NotifyRouter } from './router.ts'
import { pauseBefore, verdictOn } from './rules.ts'
import type { Target } from './target.ts'
import { type Ending, Usage } from './usage.ts'

export interface SubscriptionContext {
  readonly core: Core
  readonly log: Logger
  readonly router: NotifyRouter
  readonly credentials: CredentialsFor | undefined
  /** Allow-Events and the like. */
  readonly headers: () => readonly HeaderLine[]
  readonly sent: () => void
}

type SubscriberPhase = 'subscribing' | 'established' | 'waiting' | 'over' | 'closed'

/** A SUBSCRIBE that may still make dialogs. */
interface Attempt<T> {
  /** Another CSeq where it was redirected. */
  identity: RequestIdentity
  readonly usages: Set<Usage<T>>
  /** Of all notifiers that have answered it: what is over does not begin again in the same dialog. */
  readonly tags: Set<string>
  /** Seconds, of the 2xx. */
  granted: number | undefined
  readonly forget: Undo
}

/** More notifiers than this behind one SUBSCRIBE are not believed. */
const MOST_FORKS = 32
/** Milliseconds that a subscription has to stand before its end is no longer one of a row of failures. */
const STABLE = 60_000

export class OutboundSubscription<T> {
  readonly config: OutboundSubscriptionConfig
  readonly target: Target<T>
  readonly #event: WatchedEvent<T>
  readonly #context: SubscriptionContext
  /** Those that count, with the attempt that made them. */
  readonly #usages = new Map<Usage<T>, Attempt<T>>()
  readonly #window = new Timer()
  readonly #retry = new Timer()
  readonly #stale = new Timer()
  #attempt: Attempt<T> | undefined
  #expiration: number
  #failures = 0
  #closed = false
  /** Why it was lost or refused last; empty where nothing was wrong. */
  lastFault = ''

  constructor(
    config: OutboundSubscriptionConfig,
    event: WatchedEvent<T>,
    target: Target<T>,
    context: SubscriptionContext,
  ) {
    this.config = config
    this.target = target
    this.#event = event
    this.#context = context
    this.#expiration = config.expiration
  }

  get event(): string {
    return this.#event.event
  }

  get phase(): SubscriberPhase {
    if (this.#closed) return 'closed'
    if (this.#usages.size > 0) return 'established'
    if (this.#attempt?.usages.size === 0) return 'subscribing'
    return this.#retry.armed ? 'waiting' : 'over'
  }

  get usages(): readonly Usage<T>[] {
    return [...this.#usages.keys()]
  }

  /** Call-ID of the SUBSCRIBE that is on its way. */
  get callId(): string {
    return this.#attempt?.identity.callId ?? ''
  }

  start(): void {
    this.#startStale()
    this.#subscribe()
  }

  /** At once, whatever was waited for: `refresh_subscription`. */
  refresh(): void {
    if (this.#closed) return
    this.#failures = 0
    if (this.#usages.size > 0) for (const usage of this.#usages.keys()) usage.refresh()
    else if (!this.#attempt) this.#subscribe()
  }

  /** Ends it at the notifiers as well. Resolves when they have agreed, or cannot be asked. */
  async close(): Promise<void> {
    this.#closed = true
    this.#drop()
    this.#retry.clear()
    this.#stale.clear()
    await Promise.all(this.usages.map((usage) => usage.leave()))
  }

  #subscribe(): void {
    if (this.#closed) return
    this.#drop()
    this.#retry.clear()
    const { core, router, credentials, sent } = this.#context
    const { server_uri, to_uri, from_uri, outbound_proxy, transport } = this.config
    const identity = { callId: newCallId(), fromTag: newTag(), cseq: 1 }
    const asked = this.#expiration
    const attempt: Attempt<T> = {
      identity,
      usages: new Set(),
      tags: new Set(),
      granted: undefined,
      forget: router.attempt(identity.callId, identity.fromTag, (tx, head) => this.#joined(attempt, tx, head)),
    }
    this.#attempt = attempt
    this.#openWindow(attempt)
    sent()
    const to = `<${to_uri || server_uri}>`
    core.sip.request(
      {
        method: 'SUBSCRIBE',
        requestUri: server_uri,
        from: from_uri === '' ? to : `<${from_uri}>`,
        to,
        headers: this.#headers(asked),
        identity,
        redirected: (now) => void (attempt.identity = now),
        ...(outbound_proxy === '' ? {} : { routes: [`<${outbound_proxy}>`] }),
        ...(transport === '' ? {} : { transport }),
        ...(credentials ? { credentials } : {}),
      },
      (outcome) => this.#answered(attempt, asked, outcome),
    )
  }

  #answered(attempt: Attempt<T>, asked: number, outcome: Outcome): void {
    if (this.#attempt !== attempt) return
    const verdict = verdictOn(outcome)
    switch (verdict.kind) {
      case 'accepted':
        attempt.granted = verdict.expires ?? asked
        if (!this.#window.armed) this.#openWindow(attempt)
        for (const usage of attempt.usages) usage.accepted(attempt.granted)
        return
      case 'brief':
        if ((verdict.minExpires ?? 0) <= asked) return this.#failed('423 without a use', undefined, true)
        this.#expiration = verdict.minExpires ?? asked
        return this.#subscribe()
      default:
        // A branch of a forked request may have said no after another has said yes.
        if (attempt.usages.size === 0) this.#failed(verdict.why, verdict.retryAfter, verdict.final)
    }
  }

  /** A NOTIFY that answers the SUBSCRIBE, before its 2xx or after. */
  #joined(attempt: Attempt<T>, tx: ServerTransaction, head: NotifyHead): void {
    const { core, router } = this.#context
    if (head.event !== this.#event.event || head.eventId !== '') return tx.answer({ status: 481 })
    const tag = tx.request.from.tag ?? ''
    if (attempt.tags.has(tag) || attempt.tags.size >= (this.#event.forks ? MOST_FORKS : 1))
      return tx.answer({ status: 481 })
    if (!tx.request.contacts[0]?.uri) return tx.answer({ status: 400, reason: 'Missing Contact' })
    const { fromTag, cseq } = attempt.identity
    const dialog = core.sip.createDialog(tx, { followFlow: false, localTag: fromTag })
    // The SUBSCRIBE may have gone out again with credentials.
    dialog.skipCseqTo(cseq + MOST_SENT)
    const usage: Usage<T> = new Usage<T>({
      id: this.config.id,
      dialog,
      event: this.#event,
      expiration: this.#expiration,
      timerN: this.#timerN,
      longestPause: this.#longestPause,
      credentials: this.#context.credentials,
      headers: (expires) => {
        this.#context.sent()
        return this.#headers(expires)
      },
      changed: () => this.#changed(),
      ended: (ending) => this.#ended(usage, ending),
      over: () => void undo(),
      say: (what) => this.#context.log.verbose(`subscription '${this.config.id}': ${what}`),
      log: this.#context.log,
    })
    const undo = router.dialog(dialog, (next, nextHead) => usage.notified(next, nextHead))
    if (!this.#window.armed) this.#openWindow(attempt)
    attempt.usages.add(usage)
    attempt.tags.add(dialog.remoteTag)
    this.#replace(usage.dialog.remoteTarget, attempt)
    this.#usages.set(usage, attempt)
    usage.accepted(attempt.granted ?? this.#expiration)
    if (this.#usages.size === 1) this.#context.log.verbose(`subscription '${this.config.id}' stands`)
    return usage.notified(tx, head, true)
  }

  /** A notifier that answers another SUBSCRIBE of ours has both subscriptions now. */
  #replace(remoteTarget: string, attempt: Attempt<T>): void {
    for (const [old, from] of this.#usages)
      if (from !== attempt && old.dialog.remoteTarget === remoteTarget) this.#leave(old)
  }

  #leave(usage: Usage<T>): void {
    this.#usages.delete(usage)
    void usage.leave()
  }

  #openWindow(attempt: Attempt<T>): void {
    this.#window.set(this.#timerN, () => this.#windowClosed(attempt))
  }

  /** RFC 6665 4.1.2.4: what has not come by now comes to nobody. */
  #windowClosed(attempt: Attempt<T>): void {
    if (this.#attempt !== attempt) return
    // Where nobody answered at the first address of a name it is on its way to the next (RFC 3263 4.3), which has as long.
    if (attempt.usages.size === 0 && attempt.granted === undefined) return
    if (attempt.usages.size === 0) return this.#failed('no NOTIFY came within Timer N', undefined, false)
    this.#drop()
    for (const [old, from] of this.#usages) if (from !== attempt) this.#leave(old)
    this.#changed()
  }

  #changed(): void {
    if (this.#closed) return
    const states = this.usages.map(({ state }) => state).filter((state) => state !== undefined)
    if (states.length === 0) return
    this.#stale.clear()
    this.lastFault = ''
    this.target.say(this.#event.merge(states))
  }

  #ended(usage: Usage<T>, { why, comeback }: Ending): void {
    this.#usages.delete(usage)
    if (this.#closed) return
    this.lastFault = why
    if (Date.now() - usage.since > STABLE) this.#failures = 0
    this.#changed()
    const isLast = this.#usages.size === 0
    if (comeback.when === 'never') {
      if (!isLast || this.#retry.armed) return
      this.#drop()
      if (comeback.keeps) return
      this.#context.log.warning(`subscription '${this.config.id}': ${why}; it is not asked for again`)
      this.#stale.clear()
      this.target.takeBack()
      return
    }
    if (isLast) this.#startStale()
    this.#failures++
    const first = comeback.when === 'at once' && this.#failures === 1
    const { after, final } = comeback.when === 'at once' ? { after: undefined, final: false } : comeback
    this.#comeBack(first ? 0 : pauseBefore({ after, final }, this.#failures, this.#longestPause))
  }

  #failed(why: string, after: number | undefined, final: boolean): void {
    this.#drop()
    this.#failures++
    const pause = pauseBefore({ after, final }, this.#failures, this.#longestPause)
    // What lasts is told once, not with each try.
    const message = `subscription '${this.config.id}' to ${this.config.server_uri} failed: ${why}`
    if (why === this.lastFault) this.#context.log.debug(() => message)
    else this.#context.log.warning(`${message}; the next try is in ${Math.ceil(pause / 1000)} s`)
    this.lastFault = why
    this.#comeBack(pause)
  }

  /** What is waited for already stays. */
  #comeBack(pause: number): void {
    if (!this.#closed && !this.#retry.armed) this.#retry.set(pause, () => this.#subscribe())
  }

  /** The SUBSCRIBE that is on its way makes no dialog any more: what comes of it is answered 481. */
  #drop(): void {
    void this.#attempt?.forget()
    this.#attempt = undefined
    this.#window.clear()
  }

  #startStale(): void {
    this.#stale.set(this.config.stale_after * 1000, () => this.target.stale())
  }

  #headers(expires: number): readonly HeaderLine[] {
    return [
      ['Event', this.#event.event],
      ['Accept', this.#event.accept.join(', ')],
      ['Expires', String(expires)],
      ...this.#context.headers(),
    ]
  }

  get #timerN(): number {
    return 64 * this.#context.core.endpoints.system.timer_t1
  }

  get #longestPause(): number {
    return this.config.max_retry_interval * 1000
  }
}

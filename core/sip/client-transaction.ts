/**
 * The client side of a request that is not INVITE (RFC 3261 17.1.2):
 *
 *     trying ─1xx→ proceeding ─final→ completed ─K→ terminated
 *        └──────────final────────────↗    F or a lost connection: terminated
 *
 * Timers E and F share one slot of the wheel: it fires for what comes first.
 */
import type { Logger } from '../log.ts'
import { reasonOf } from '../log.ts'
import type { Counter, Metrics } from '../metrics.ts'
import type { Undo } from '../scope.ts'
import type { Outcome, OutcomeHandler, SipResponse } from './contract.ts'
import { Timed, type TimerWheel } from './timer-wheel.ts'
import type { Timers } from './timers.ts'
import type { Sender, Wire } from './transport.ts'
import type { Via } from './via.ts'

export interface ClientRequest {
  readonly method: string
  readonly branch: string
  /** What our Via says, lower case: answers must say the same (RFC 3261 18.1.2). */
  readonly sentBy: string
  readonly text: string
  readonly wire: Wire
}

type State = 'trying' | 'proceeding' | 'completed' | 'terminated'

export class ClientTransactions {
  readonly wheel: TimerWheel
  readonly timers: () => Timers
  readonly retransmitted: Counter
  readonly #log: Logger
  readonly #open = new Map<string, ClientTransaction>()
  readonly #stray: Counter
  readonly #timeouts: Counter
  readonly #unreachable: Counter

  constructor(wheel: TimerWheel, timers: () => Timers, log: Logger, metrics: Metrics) {
    this.wheel = wheel
    this.timers = timers
    this.#log = log
    this.retransmitted = metrics.counter('sip.requests.retransmitted')
    this.#stray = metrics.counter('sip.responses.stray')
    this.#timeouts = metrics.counter('sip.requests.timeout')
    this.#unreachable = metrics.counter('sip.requests.unreachable')
  }

  get size(): number {
    return this.#open.size
  }

  send(request: ClientRequest, done: OutcomeHandler): void {
    const key = keyOf(request.branch, request.method)
    const transaction = new ClientTransaction(this, key, request, done)
    this.#open.set(key, transaction)
    transaction.start()
  }

  /** RFC 3261 17.1.3 and 18.1.2. What belongs to nothing is dropped. */
  receive(response: SipResponse, via: Via): void {
    const transaction = this.#open.get(keyOf(via.branch ?? '', response.cseq.method))
    if (!transaction || transaction.sentBy !== sentByOf(via)) return this.#stray.add()
    transaction.receive(response)
  }

  /** Everything in flight ends as unreachable; for the end of the stack. */
  abandon(reason: string): void {
    for (const transaction of this.#open.values()) transaction.fail(reason)
  }

  forget(key: string): void {
    this.#open.delete(key)
  }

  report(done: OutcomeHandler, outcome: Outcome): void {
    if (outcome.kind === 'timeout') this.#timeouts.add()
    else if (outcome.kind === 'unreachable') this.#unreachable.add()
    try {
      done(outcome)
    } catch (error) {
      this.#log.error(
        `what a request's outcome started failed: ${error instanceof Error ? error.stack : reasonOf(error)}`,
      )
    }
  }
}

class ClientTransaction extends Timed implements Sender {
  readonly sentBy: string
  readonly #owner: ClientTransactions
  readonly #key: string
  readonly #wire: Wire
  #state: State = 'trying'
  #text: string
  #done: OutcomeHandler | undefined
  #interval: number
  #deadline: number
  #unwatch: Undo | undefined

  constructor(owner: ClientTransactions, key: string, request: ClientRequest, done: OutcomeHandler) {
    super()
    const { t1, f } = owner.timers()
    this.#owner = owner
    this.#key = key
    this.sentBy = request.sentBy
    this.#wire = request.wire
    this.#text = request.text
    this.#done = done
    this.#interval = t1
    this.#deadline = performance.now() + f
  }

  start(): void {
    // A closed one says why when something is sent on it.
    if (this.#wire.open) this.#unwatch = this.#wire.onClose(() => this.fail('the connection was lost'))
    this.#arm()
    this.#transmit()
  }

  receive(response: SipResponse): void {
    if (this.#state === 'completed') return
    if (response.status < 200) {
      this.#state = 'proceeding'
      this.#interval = this.#owner.timers().t2
      return
    }
    this.#finish({ kind: 'response', response })
  }

  fail(reason: string): void {
    if (this.#state === 'trying' || this.#state === 'proceeding') this.#finish({ kind: 'unreachable', reason })
  }

  sendFailed(reason: string): void {
    this.fail(reason)
  }

  fire(): void {
    if (this.#state === 'completed') return this.#terminate()
    if (performance.now() >= this.#deadline) return this.#finish({ kind: 'timeout' })
    if (this.#wire.reliable) return this.#arm()
    this.#owner.retransmitted.add()
    this.#interval = this.#state === 'trying' ? Math.min(this.#interval * 2, this.#owner.timers().t2) : this.#interval
    this.#arm()
    this.#transmit()
  }

  /** E on unreliable transports, or F where that is sooner. */
  #arm(): void {
    const left = Math.max(0, this.#deadline - performance.now())
    this.#owner.wheel.arm(this, this.#wire.reliable ? left : Math.min(this.#interval, left))
  }

  /** RFC 3261 17.1.4: what cannot be sent is told at once. */
  #transmit(): void {
    this.#wire.send(this.#text, this)
  }

  #finish(outcome: Outcome): void {
    const done = this.#done
    this.#done = undefined
    this.#text = ''
    void this.#unwatch?.()
    this.#unwatch = undefined
    // Timer K: duplicates of the answer are expected for a while, and are no strays.
    if (outcome.kind === 'response' && !this.#wire.reliable) {
      this.#state = 'completed'
      this.#owner.wheel.arm(this, this.#owner.timers().t4)
    } else {
      this.#terminate()
    }
    if (done) this.#owner.report(done, outcome)
  }

  #terminate(): void {
    this.#state = 'terminated'
    this.#owner.wheel.cancel(this)
    this.#owner.forget(this.#key)
  }
}

const keyOf = (branch: string, method: string): string => `${branch}|${method}`

/** Host and port of a Via as they are compared; 5060 is what no port says, 5061 for TLS. */
export function sentByOf({ host, port, protocol }: Pick<Via, 'host' | 'port' | 'protocol'>): string {
  return `${host.toLowerCase()}:${port ?? (protocol === 'TLS' ? 5061 : 5060)}`
}

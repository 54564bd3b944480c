/**
 * The pump of the fan-out: subscriptions with something to send take turns, first come first served, for a few
 * milliseconds at a time, so that a change with ten thousand watchers does not hold up the packets that come in.
 *
 * Where several servers share a database (`subs_db_mode = 3`) turns can be spread over `waitn_time`, as with Kamailio's
 * notifier processes: what changes meanwhile, here or there, is in the one NOTIFY that goes out.
 */
export interface Turn {
  /** It is this one's turn to send. Must not throw. */
  turn(): void
}

export interface Turns {
  /** Each one waits at most once: its owner knows whether it waits. */
  push(turn: Turn): void
}

/** How turns are spread. */
interface Pace {
  /** Milliseconds between two polls. */
  readonly interval: number
  /** The longest that a turn waits, in milliseconds. */
  readonly within: number
  /** A poll takes a multiple of this. */
  readonly parts: number
}

interface PaceSettings {
  readonly waitn_time: number
  readonly notifier_poll_rate: number
  readonly notifier_processes: number
}

/** How long one slice may last, in milliseconds. */
const SLICE = 3
/**
 * Turns in a slice, at most. Between two slices no more than 32 datagrams of a socket may be read: whoever sends more than
 * that drowns in the answers, and what the kernel then drops of them is sent again.
 */
const MOST_TURNS = 24
/** Turns between two looks at the clock. */
const STRIDE = 8

/** Undefined: at once. */
export function paceOf(
  { waitn_time, notifier_poll_rate, notifier_processes }: PaceSettings,
  subscriptionMode: number,
): Pace | undefined {
  if (subscriptionMode !== 3 || notifier_processes <= 0) return undefined
  return { interval: 1000 / notifier_poll_rate, within: waitn_time * 1000, parts: notifier_processes }
}

export class NotifyQueue implements Turns {
  #waiting: Turn[] = []
  /** When each of them came; only kept while they are spread, and up to the last that came then. */
  #since: number[] = []
  #next = 0
  /** Those before it may go. */
  #due = 0
  #scheduled: NodeJS.Immediate | undefined
  #poll: NodeJS.Timeout | undefined
  readonly #pace: () => Pace | undefined

  constructor(pace: () => Pace | undefined = () => undefined) {
    this.#pace = pace
  }

  get length(): number {
    return this.#waiting.length - this.#next
  }

  push(turn: Turn): void {
    const pace = this.#pace()
    if (pace) this.#cameNow()
    this.#waiting.push(turn)
    if (pace) this.#pollIn(pace.interval)
    else this.#release(this.#waiting.length)
  }

  #cameNow(): void {
    while (this.#since.length < this.#waiting.length) this.#since.push(0)
    this.#since.push(performance.now())
  }

  stop(): void {
    if (this.#scheduled) clearImmediate(this.#scheduled)
    clearTimeout(this.#poll)
    this.#scheduled = undefined
    this.#poll = undefined
    this.#clear()
  }

  /** As many as it takes for the oldest to go in time: all that came together are spread evenly over the time there is. */
  #polled(): void {
    this.#poll = undefined
    const pace = this.#pace()
    if (!pace) return this.#release(this.#waiting.length)
    const waits = this.#waiting.length - this.#due
    if (waits === 0) return
    const left = (this.#since[this.#due] ?? 0) + pace.within - performance.now()
    const polls = Math.max(1, Math.floor(left / pace.interval))
    const share = Math.ceil(waits / (polls * pace.parts)) * pace.parts
    this.#release(Math.min(this.#due + share, this.#waiting.length))
    this.#pollIn(pace.interval)
  }

  #pollIn(milliseconds: number): void {
    if (this.#poll) return
    this.#poll = setTimeout(() => this.#polled(), milliseconds)
    this.#poll.unref()
  }

  #release(due: number): void {
    this.#due = due
    this.#scheduled ??= setImmediate(() => this.#drain())
  }

  #drain(): void {
    this.#scheduled = undefined
    const until = performance.now() + SLICE
    // Whoever comes during the slice waits for the next one: nobody can keep it going.
    const last = Math.min(this.#due, this.#next + MOST_TURNS)
    try {
      while (this.#next < last && this.#next < this.#due) {
        this.#waiting[this.#next++]?.turn()
        if (this.#next % STRIDE === 0 && performance.now() > until) break
      }
    } finally {
      // A turn that throws takes none from the others.
      this.#goOn()
    }
  }

  #goOn(): void {
    if (this.#next >= this.#waiting.length) return this.#clear()
    if (this.#next > 4096) {
      this.#waiting = this.#waiting.slice(this.#next)
      this.#since = this.#since.slice(this.#next)
      this.#due -= this.#next
      this.#next = 0
    }
    if (this.#next < this.#due) this.#scheduled ??= setImmediate(() => this.#drain())
  }

  #clear(): void {
    this.#waiting = []
    this.#since = []
    this.#next = 0
    this.#due = 0
  }
}

/**
 * One clock for all the timers of the SIP layer. A timer is an object that extends Timed, so that arming one allocates
 * nothing, and a hundred thousand of them cost one setTimeout.
 *
 * Ticks are 10 ms; a timer fires up to one tick late, never early.
 */
const TICK = 10
/** 41 s a turn: timers F and J of 32 s are reached on the first. */
const SLOTS = 4096
/** How long timers may run at a stretch, in milliseconds, before others get their turn. */
const RUN_LIMIT = 4

/** Something with one timer. `fire` may arm it again. */
export abstract class Timed {
  /** For the wheel alone. */
  wheelSlot = -1
  wheelDue = 0
  wheelPrevious: Timed | undefined = undefined
  wheelNext: Timed | undefined = undefined

  abstract fire(): void
}

export class TimerWheel {
  readonly #slots: (Timed | undefined)[] = Array.from({ length: SLOTS }, () => undefined)
  readonly #now: () => number
  /** The last tick that was run. */
  #tick: number
  /** The tick up to which a run goes; nothing may be armed for one it has passed. */
  #until: number
  #size = 0
  #timer: NodeJS.Timeout | undefined
  #wakeAt = Number.POSITIVE_INFINITY
  #continuing: NodeJS.Immediate | undefined
  #stopped = false

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
    this.#tick = Math.floor(now() / TICK)
    this.#until = this.#tick
  }

  get size(): number {
    return this.#size
  }

  /** Sets the object's timer, in place of the one it had. */
  arm(timed: Timed, milliseconds: number): void {
    if (this.#stopped) return
    this.cancel(timed)
    const due = Math.max(Math.ceil((this.#now() + milliseconds) / TICK), this.#until + 1)
    timed.wheelDue = due
    this.#link(timed, due % SLOTS)
    this.#wake(due)
  }

  cancel(timed: Timed): void {
    if (timed.wheelSlot < 0) return
    if (timed.wheelNext) timed.wheelNext.wheelPrevious = timed.wheelPrevious
    if (timed.wheelPrevious) timed.wheelPrevious.wheelNext = timed.wheelNext
    else this.#slots[timed.wheelSlot] = timed.wheelNext
    timed.wheelPrevious = timed.wheelNext = undefined
    timed.wheelSlot = -1
    this.#size--
  }

  /** Forgets all timers; later ones are not taken. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    if (this.#continuing) clearImmediate(this.#continuing)
    this.#slots.fill(undefined)
    this.#size = 0
  }

  #link(timed: Timed, slot: number): void {
    const first = this.#slots[slot]
    timed.wheelSlot = slot
    timed.wheelNext = first
    if (first) first.wheelPrevious = timed
    this.#slots[slot] = timed
    this.#size++
  }

  #wake(due: number): void {
    if (due >= this.#wakeAt || this.#continuing) return
    this.#wakeAt = due
    clearTimeout(this.#timer)
    // Node takes 24 days at most for a moment.
    const sleep = Math.min(due * TICK - this.#now(), SLOTS * TICK)
    this.#timer = setTimeout(() => this.#run(), Math.max(0, sleep)).unref()
  }

  #run(): void {
    this.#wakeAt = Number.POSITIVE_INFINITY
    this.#continuing = undefined
    let finished = false
    try {
      finished = this.#catchUp()
    } finally {
      // Also where a timer threw: the others are not to suffer from it.
      if (!finished && !this.#stopped) this.#continuing = setImmediate(() => this.#run())
    }
    if (finished) this.#sleep()
  }

  /** False where time ran out before the present tick was reached. */
  #catchUp(): boolean {
    const started = this.#now()
    this.#until = Math.floor(started / TICK)
    // After a long sleep (a suspended machine) one turn visits every slot, and due times tell what is over.
    if (this.#until - this.#tick > SLOTS) this.#tick = this.#until - SLOTS
    while (this.#tick < this.#until) {
      if (!this.#runSlot((this.#tick + 1) % SLOTS, started)) return false
      this.#tick++
    }
    return true
  }

  /** False where time ran out before the slot was done. */
  #runSlot(slot: number, started: number): boolean {
    const until = this.#until
    let timed = this.#slots[slot]
    for (let fired = 1; timed; fired++) {
      const next: Timed | undefined = timed.wheelNext
      if (timed.wheelDue <= until) {
        this.cancel(timed)
        timed.fire()
        if (fired % 16 === 0 && this.#now() - started > RUN_LIMIT) return false
        // What fired may have cancelled others, this slot's list included.
        timed = next && next.wheelSlot === slot ? next : this.#firstDue(slot, until)
      } else {
        timed = next
      }
    }
    return true
  }

  #firstDue(slot: number, until: number): Timed | undefined {
    let timed = this.#slots[slot]
    while (timed && timed.wheelDue > until) timed = timed.wheelNext
    return timed
  }

  #sleep(): void {
    if (this.#size === 0) return
    for (let tick = this.#tick + 1; tick <= this.#tick + SLOTS; tick++) {
      if (this.#slots[tick % SLOTS]) return this.#wake(tick)
    }
  }
}

/**
 * The probe: a channel that rings nobody, on which Asterisk evaluates dialplan functions (`/asterisk/variable` does
 * not). It lives for as long as there are questions and a moment more, so that it never keeps Asterisk from a graceful
 * restart, and has a fixed id, so that one left over from a crash is found and removed.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Logger } from '../log.ts'
import { Timer } from '../timer.ts'
import { type Reading, readOnChannel } from './channel-variables.ts'
import type { Complaints } from './complaints.ts'
import type { Expression } from './functions.ts'
import type { AriLink } from './supervisor.ts'

/** Needs no dialplan: the context need not exist, and the channel is created, never dialled. */
const PROBE_DEVICE = 'Local/zz@lamplighter-probe'
const LINGER_MS = 250
const OLDEST_MS = 20_000
/** Milliseconds. A channel that was hung up keeps its id until its thread has ended, some 200 ms where Asterisk is busy. */
const UNTIL_GONE = [0, 25, 50, 100, 200, 400]
/** Answers of one round are given out before the next is asked. */
const ROUND = 400

interface Question {
  readonly expression: Expression
  readonly resolve: (reading: Reading) => void
}

export class Probe {
  readonly #link: AriLink
  readonly #app: () => string
  readonly #complaints: Complaints
  readonly #log: Logger
  #questions: Question[] = []
  #running = false
  #openSince: number | undefined
  readonly #lingerTimer = new Timer()

  constructor(link: AriLink, app: () => string, complaints: Complaints, log: Logger) {
    this.#link = link
    this.#app = app
    this.#complaints = complaints
    this.#log = log
  }

  get channelId(): string {
    return `${this.#app()}-probe`
  }

  /** In the order of the expressions. Questions asked at the same time share requests. Never rejects. */
  read(expressions: readonly Expression[]): Promise<readonly Reading[]> {
    const readings = expressions.map(
      (expression) => new Promise<Reading>((resolve) => this.#questions.push({ expression, resolve })),
    )
    if (!this.#running) {
      this.#running = true
      setImmediate(() => void this.#run())
    }
    return Promise.all(readings)
  }

  /** The connection is new: there is no channel we know of, but perhaps one from before. */
  async cleanUp(): Promise<void> {
    this.forget()
    await this.#link.request('channels.hangup', { channelId: this.channelId })
  }

  /** The connection is gone, and the channel with it or not. */
  forget(): void {
    this.#lingerTimer.clear()
    this.#openSince = undefined
  }

  async close(): Promise<void> {
    this.#lingerTimer.clear()
    if (this.#openSince === undefined) return
    this.#openSince = undefined
    await this.#link.request('channels.hangup', { channelId: this.channelId })
  }

  async #run(): Promise<void> {
    this.#lingerTimer.clear()
    try {
      while (this.#questions.length > 0) await this.#round(this.#questions.splice(0, ROUND))
    } finally {
      this.#running = false
      this.#lingerTimer.set(LINGER_MS, () => void this.close())
    }
  }

  async #round(round: readonly Question[]): Promise<void> {
    const expressions = round.map(({ expression }) => expression)
    const readings = await this.#ask(expressions)
    round.forEach(({ resolve }, at) => resolve(readings[at] ?? { kind: 'unasked', reason: 'no answer' }))
  }

  async #ask(expressions: readonly Expression[]): Promise<readonly Reading[]> {
    let reason = 'the probe channel ended while it was read'
    // Twice: a channel from a moment ago may have been hung up by somebody.
    for (let attempt = 0; attempt < 2; attempt++) {
      const trouble = await this.#open()
      if (trouble !== undefined) {
        reason = trouble
        break
      }
      const readings = await readOnChannel(this.#link, this.channelId, expressions)
      if (readings !== 'no channel') return readings
      this.#openSince = undefined
    }
    this.#log.debug(() => `${expressions.length} functions could not be read: ${reason}`)
    return expressions.map(() => ({ kind: 'unasked', reason }))
  }

  /** Returns why there is no channel, if there is none. */
  async #open(): Promise<string | undefined> {
    if (this.#openSince !== undefined && Date.now() - this.#openSince < OLDEST_MS) return undefined
    await this.close()
    for (let attempt = 0; ; attempt++) {
      const answer = await this.#link.request('channels.create', {
        endpoint: PROBE_DEVICE,
        app: this.#app(),
        channelId: this.channelId,
      })
      if (answer.kind === 'ok') {
        this.#openSince = Date.now()
        this.#complaints.settle('probe')
        return undefined
      }
      if (answer.kind === 'unreachable') return answer.reason
      const wait = answer.status === 409 ? UNTIL_GONE[attempt] : undefined
      if (wait === undefined) {
        this.#complaints.probe(answer.status, answer.message)
        return `${answer.status} ${answer.message}`
      }
      await this.#link.request('channels.hangup', { channelId: this.channelId })
      await pause(wait)
    }
  }
}

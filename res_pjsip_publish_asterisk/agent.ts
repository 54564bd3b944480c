/**
 * The event publication agent (RFC 3903 4): brings those who have states together with the sections that say where they
 * are published.
 */
import type { OutboundPublish } from '../core/publication-options.ts'
import type { Undo } from '../core/scope.ts'
import { Client, type ClientServices, publish } from './client.ts'
import type { EventPublisher, OutboundPublishing } from './contract.ts'
import type { Kept } from './entity-tags.ts'
import { Withdrawals } from './withdrawals.ts'

/** Milliseconds within which the other sections have said what they have: one may have another name, and the rest of its own. */
const ALL_SAID = 2000

interface Running {
  readonly client: Client
  readonly publisher: EventPublisher
  readonly started: ReturnType<EventPublisher['start']>
}

export class Agent implements OutboundPublishing {
  readonly #services: ClientServices
  readonly #sections: () => Iterable<OutboundPublish>
  readonly #stopping: () => boolean
  readonly #publishers = new Map<string, EventPublisher>()
  readonly #running = new Map<string, Running>()
  /** What an earlier process has published for sections that are gone, or are for another event now. */
  readonly #left: readonly Kept[]
  #takesBack: NodeJS.Timeout | undefined
  readonly #withdrawals: Withdrawals

  /** `sections`: what the files say now. */
  constructor(
    services: Omit<ClientServices, 'withdrawals'>,
    sections: () => Iterable<OutboundPublish>,
    stopping: () => boolean,
  ) {
    this.#withdrawals = new Withdrawals({
      tags: services.tags,
      now: services.now,
      send: ({ section, sender }, draft, done) => {
        if (sender) publish({ ...sender, id: section }, sender, draft, services, done)
      },
    })
    this.#services = { ...services, withdrawals: this.#withdrawals }
    this.#sections = sections
    this.#stopping = stopping
    const ofSection = this.#isOfSection()
    this.#left = [...services.tags.all].filter((kept) => !ofSection(kept))
  }

  /** Whether a section that is there goes on with it, or takes it back itself. */
  #isOfSection(): (kept: Kept) => boolean {
    const events = new Map([...this.#sections()].map(({ id, event }) => [id, event]))
    return ({ section, sender }) => events.get(section) === sender?.event
  }

  /** The files are read, and who publishes begins. */
  begun(): void {
    this.#takesBack = setTimeout(() => {
      // A reload may have brought sections back meanwhile.
      const ofSection = this.#isOfSection()
      for (const kept of this.#left) if (kept.sender && !ofSection(kept)) this.#withdrawals.take(kept)
    }, ALL_SAID).unref()
  }

  publisher(publisher: EventPublisher): Undo {
    const { event } = publisher
    if (this.#publishers.has(event)) throw new Error(`${event} has somebody who publishes it already`)
    this.#publishers.set(event, publisher)
    this.configure()
    return () => {
      if (this.#publishers.get(event) !== publisher) return
      this.#publishers.delete(event)
      this.configure()
    }
  }

  client(name: string): Client | undefined {
    return this.#running.get(name)?.client
  }

  met(name: string, eid: string): void {
    const running = this.#running.get(name)
    if (running?.client.met(eid)) running.started.reload?.()
  }

  /** In the order of the files. */
  get clients(): readonly Client[] {
    return [...this.#running.values()].map(({ client }) => client)
  }

  /** Begins what is new, and ends what is gone or is to be different. What stays as it was goes on. */
  configure(): void {
    const wanted = new Map([...this.#sections()].map((section) => [section.id, section]))
    for (const [id, { client, publisher }] of this.#running) {
      const now = wanted.get(id)
      const same = now !== undefined && JSON.stringify(now) === JSON.stringify(client.section)
      if (!same || this.#publishers.get(now.event) !== publisher) this.#end(id)
    }
    for (const [id, section] of wanted) {
      const publisher = this.#publishers.get(section.event)
      if (!publisher || this.#running.has(id)) continue
      const othersHere = (): void => void setImmediate(() => this.#reload(client))
      const client = new Client(section, this.#services, othersHere, publisher.addsUp)
      this.#running.set(id, { client, publisher, started: publisher.start(client) })
      client.saidAll()
    }
  }

  /** The configuration was read again: what was refused may be granted with what has changed, as a password. */
  retry(): void {
    for (const { client } of this.#running.values()) client.retry()
  }

  /** There may be more to be published. */
  reload(): void {
    this.configure()
    for (const { started } of this.#running.values()) started.reload?.()
  }

  close(): void {
    clearTimeout(this.#takesBack)
    for (const id of this.#running.keys()) this.#end(id)
    this.#withdrawals.stop()
  }

  /** Not where it has ended meanwhile. */
  #reload(client: Client): void {
    const running = this.#running.get(client.section.id)
    if (running?.client === client) running.started.reload?.()
  }

  #end(id: string): void {
    const running = this.#running.get(id)
    if (!running) return
    this.#running.delete(id)
    void running.started.stop()
    running.client.close(!this.#stopping())
  }
}

/**
 * Publishes hints as presence or as dialogs, each extension for itself: those that the dialplan names, and those of its
 * patterns that somebody watches.
 */
import type { Core } from '../core/core.ts'
import type { Logger } from '../core/log.ts'
import { compileFilter } from '../core/publication-options.ts'
import type { Undo } from '../core/scope.ts'
import type { Hint } from '../core/states/hint.ts'
import type { Addressing, Pubsub } from '../res_pjsip_pubsub/contract.ts'
import type { EventPublisher, PublishClient, PublishedBody } from './contract.ts'
import { asEndpoint, urisOf } from './publish-request.ts'

const BODY_TYPES = { presence: 'application/pidf+xml', dialog: 'application/dialog-info+xml' } as const

/** Of a dialog-info document that has this no dialog goes on. */
const ENDED = '<state>terminated</state>'

interface HintServices {
  readonly core: Pick<Core, 'hints' | 'general'>
  readonly pubsub: Pick<Pubsub, 'document'>
  readonly log: Logger
}

export function hintPublisher(event: 'presence' | 'dialog', services: HintServices): EventPublisher {
  return {
    event,
    start(client) {
      const published = new PublishedHints(client, client.section['@body'] || BODY_TYPES[event], event, services)
      published.reload()
      const undo = services.core.hints.onWatched(({ context, exten }) => published.follow(context, exten))
      const stopReading = services.core.hints.onReread(() => published.reload())
      return {
        stop: () => {
          void undo()
          void stopReading()
          published.stop()
        },
        reload: () => published.reload(),
      }
    },
  }
}

class PublishedHints {
  readonly #client: PublishClient
  readonly #type: string
  readonly #event: 'presence' | 'dialog'
  readonly #services: HintServices
  readonly #isContext: (name: string) => boolean
  readonly #isExten: (name: string) => boolean
  /** By `exten@context`; undefined while it is looked up. */
  readonly #followed = new Map<string, Undo | undefined>()
  /** The context of each extension that an earlier process has published, and that is not followed yet. */
  readonly #left: Map<string, string>
  /** By extension: what stands in several contexts is one publication, which says what changed last. */
  readonly #watched = new Map<string, Set<Hint>>()
  /** By extension. */
  readonly #versions = new Map<string, number>()
  #stopped = false
  #warned = false

  constructor(client: PublishClient, type: string, event: 'presence' | 'dialog', services: HintServices) {
    this.#client = client
    this.#type = type
    this.#event = event
    this.#services = services
    this.#isContext = compileFilter(client.section['@context'])
    this.#isExten = compileFilter(client.section['@exten'])
    this.#left = new Map(client.left())
  }

  /** All hints there are now. */
  reload(): void {
    const { hints } = this.#services.core
    for (const { context, exten } of [...hints.extensions(), ...hints.list()]) this.follow(context, exten)
    for (const [exten, context] of this.#left) this.#goOn(context, exten)
  }

  /** What was published before a restart is published on, or taken back where that went meanwhile. */
  #goOn(context: string, exten: string): void {
    if (this.#isWanted(context, exten)) this.follow(context, exten)
    else this.#end(exten)
  }

  #end(exten: string): void {
    this.#left.delete(exten)
    const [other] = this.#watched.get(exten) ?? []
    if (other) return this.#say(other)
    this.#versions.delete(exten)
    this.#client.end(exten)
  }

  #say(hint: Hint): void {
    const { exten, context } = hint
    this.#client.say({ user: exten, context, key: 'state', body: () => this.#body(hint) })
  }

  #isWanted(context: string, exten: string): boolean {
    return this.#isContext(context) && this.#isExten(exten)
  }

  follow(context: string, exten: string): void {
    const key = `${exten}@${context}`
    if (exten === '' || this.#followed.has(key) || !this.#isWanted(context, exten)) return
    this.#followed.set(key, undefined)
    void Promise.resolve(this.#services.core.hints.find(context, exten)).then((hint) => {
      if (this.#stopped) return
      if (typeof hint === 'object') return this.#watch(key, hint)
      this.#followed.delete(key)
      if (hint === undefined && this.#left.get(exten) === context) this.#end(exten)
    })
  }

  stop(): void {
    this.#stopped = true
    for (const undo of this.#followed.values()) void undo?.()
    this.#followed.clear()
  }

  #watch(key: string, hint: Hint): void {
    const { exten } = hint
    this.#left.delete(exten)
    const inContexts = this.#watched.get(exten) ?? new Set()
    this.#watched.set(exten, inContexts.add(hint))
    let isOver = false
    const undo = hint.watch({
      value: () => this.#say(hint),
      audience: () => 0,
      end: () => {
        isOver = true
        this.#followed.delete(key)
        inContexts.delete(hint)
        if (inContexts.size === 0) this.#watched.delete(exten)
        this.#end(exten)
      },
    })
    // One that went while its devices were asked for has ended by now.
    if (!isOver) this.#followed.set(key, undo)
  }

  #body(hint: Hint): PublishedBody | undefined {
    const { core, pubsub, log } = this.#services
    const uris = urisOf(this.#client.section, hint.exten)
    const to: Addressing = {
      resource: hint.exten,
      localUri: uris.servers[0] ?? '',
      remoteUri: uris.to,
      userAgent: '',
      endpoint: asEndpoint(this.#client.section),
    }
    const version = this.#versions.get(hint.exten) ?? 0
    // Asterisk says nothing of the parties to whom it publishes.
    const state = core.general.compat === 'asterisk' ? { ...hint.value, calls: [] } : hint.value
    const content = pubsub.document(this.#event, this.#type, state, to, version)
    if (content === undefined) {
      if (!this.#warned) log.warning(`nobody makes ${this.#type} for ${this.#event}: ${this.#client.section.id} waits`)
      this.#warned = true
      return undefined
    }
    this.#versions.set(hint.exten, version + 1)
    return { contentType: this.#type, content, ends: this.#event === 'dialog' && content.includes(ENDED) }
  }
}

/** The objects of pjsip.conf that Lamplighter uses, and who is asked for them. */
import type { Eventual } from './eventual.ts'
import type { OptionValues } from './options.ts'
import type {
  aclOptions,
  aorOptions,
  authOptions,
  endpointOptions,
  globalOptions,
  identifyOptions,
  systemOptions,
  transportOptions,
} from './pjsip-options.ts'
import type { AsteriskPublication, InboundPublicationConfig, OutboundPublish } from './publication-options.ts'
import type { ResourceList } from './resource-list-options.ts'
import { addedTo, type Undo } from './scope.ts'
import type { OutboundSubscriptionConfig } from './subscription-options.ts'

export interface Endpoint extends OptionValues<typeof endpointOptions> {
  readonly id: string
  /** The context hints are looked up in: subscribe_context, else context. */
  readonly hintContext: string
}
export interface Aor extends OptionValues<typeof aorOptions> {
  readonly id: string
}
export interface Auth extends OptionValues<typeof authOptions> {
  readonly id: string
}
export interface Acl extends OptionValues<typeof aclOptions> {
  readonly id: string
}
export interface Identify extends OptionValues<typeof identifyOptions> {
  readonly id: string
}
export interface TransportConfig extends OptionValues<typeof transportOptions> {
  readonly id: string
  readonly file: string
  readonly line: number
}
export type Globals = OptionValues<typeof globalOptions>
export type System = OptionValues<typeof systemOptions>

/** Everything one reading of the files gave. A reload makes a new one; nothing changes in place. */
export interface PjsipConfig {
  readonly endpoints: ReadonlyMap<string, Endpoint>
  readonly aors: ReadonlyMap<string, Aor>
  readonly auths: ReadonlyMap<string, Auth>
  /** `type=acl` sections hold for every request. */
  readonly acls: ReadonlyMap<string, Acl>
  /** Sections of acl.conf, which hold where `acl` or `contact_acl` names them. */
  readonly namedAcls?: ReadonlyMap<string, Acl>
  readonly identifies: readonly Identify[]
  readonly global: Globals
  readonly system: System
  readonly transports: readonly TransportConfig[]
  readonly outboundPublishes?: ReadonlyMap<string, OutboundPublish>
  readonly inboundPublications?: ReadonlyMap<string, InboundPublicationConfig>
  readonly asteriskPublications?: ReadonlyMap<string, AsteriskPublication>
  readonly outboundSubscriptions?: ReadonlyMap<string, OutboundSubscriptionConfig>
  readonly resourceLists?: ReadonlyMap<string, ResourceList>
}

/** Who knows objects that are not in our files: an Asterisk server through its dynamic configuration. Never rejects. */
export interface EndpointSource {
  readonly name: string
  /** `isClaim`: somebody says so in a request, who has proved nothing yet. A source may bound how many of them it asks for. */
  endpoint(id: string, isClaim?: boolean): Promise<Endpoint | undefined>
  aor(id: string): Promise<Aor | undefined>
  auth(id: string): Promise<Auth | undefined>
  /** Of an object that was not found: whether that is only because the server could not be asked. Absent: never. */
  couldNotAsk?(type: ObjectType, id: string): boolean
  /** Tells that it can be asked, and may know what it did not know before. Absent: it always can. */
  onChange?(listener: () => void): Undo
}

export type ObjectType = 'endpoint' | 'aor' | 'auth'

/** The one place that is asked for pjsip objects: files first, then the sources in order. */
export class Endpoints {
  #files: PjsipConfig
  readonly #sources: EndpointSource[] = []
  readonly #listeners = new Set<() => void>()
  readonly #sourceListeners = new Set<() => void>()

  constructor(files: PjsipConfig) {
    this.#files = files
  }

  get global(): Globals {
    return this.#files.global
  }

  get system(): System {
    return this.#files.system
  }

  /** What the files say. */
  get files(): PjsipConfig {
    return this.#files
  }

  replace(files: PjsipConfig): void {
    this.#files = files
    this.changed()
  }

  /** Tells everyone who keeps something derived from endpoints and AORs to look again. */
  changed(): void {
    for (const listener of this.#listeners) listener()
  }

  onChange(listener: () => void): Undo {
    return addedTo(this.#listeners, listener)
  }

  addSource(source: EndpointSource): Undo {
    this.#sources.push(source)
    const tell = (): void => {
      for (const listener of this.#sourceListeners) listener()
    }
    const stop = source.onChange?.(tell)
    tell()
    return () => {
      void stop?.()
      const at = this.#sources.indexOf(source)
      if (at >= 0) this.#sources.splice(at, 1)
    }
  }

  /** A source came, or may know what could not be asked for before. */
  onSource(listener: () => void): Undo {
    return addedTo(this.#sourceListeners, listener)
  }

  /** Asked in the order of these names from now on, after those that are not named. */
  orderSources(names: readonly string[]): void {
    this.#sources.sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name))
  }

  endpoint(id: string): Eventual<Endpoint | undefined> {
    return this.#files.endpoints.get(id) ?? this.#ask((source) => source.endpoint(id))
  }

  /** The endpoint that somebody claims to be. */
  claimed(id: string): Eventual<Endpoint | undefined> {
    return this.#files.endpoints.get(id) ?? this.#ask((source) => source.endpoint(id, true))
  }

  aor(id: string): Eventual<Aor | undefined> {
    return this.#files.aors.get(id) ?? this.#ask((source) => source.aor(id))
  }

  auth(id: string): Eventual<Auth | undefined> {
    return this.#files.auths.get(id) ?? this.#ask((source) => source.auth(id))
  }

  /** Of an object that was not found: whether somebody who could not be asked may know it all the same. */
  mayExist(type: ObjectType, id: string): boolean {
    return this.#sources.some((source) => source.couldNotAsk?.(type, id) ?? false)
  }

  /** undefined at once where no source could know more: the packet path stays free of promises. */
  #ask<T>(question: (source: EndpointSource) => Promise<T | undefined>): Eventual<T | undefined> {
    if (this.#sources.length === 0) return undefined
    return (async () => {
      for (const source of this.#sources) {
        const answer = await question(source)
        if (answer !== undefined) return answer
      }
      return undefined
    })()
  }
}

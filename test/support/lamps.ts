/** A small event package for the tests of the pubsub core: lamps that are on or off, in two body types. */
import { defineModule } from '../../core/module.ts'
import { Watched } from '../../core/watch.ts'
import type {
  Addressing,
  BodyGenerator,
  BodySupplement,
  EventPackage,
  Found,
  Kind,
  Pubsub,
  Watcher,
} from '../../res_pjsip_pubsub/contract.ts'

export interface Lamp {
  readonly light: string
}

export const lampKind = { name: 'lamp' } as Kind<Lamp>

export const TEXT = 'application/lamp'
export const XML = 'application/lamp+xml'

/** Plain text without a version. */
export const lampText: BodyGenerator<Lamp, string[]> = {
  type: TEXT,
  kind: lampKind,
  share: () => '',
  generate: ({ light }) => [light],
  print: (words) => ({ text: words.join(' ') }),
}

/** With a version, and with an entity that depends on who asks. */
export const lampXml: BodyGenerator<Lamp, { light: string; entity: string }> = {
  type: XML,
  kind: lampKind,
  share: (to: Addressing) => to.localUri,
  generate: ({ light }, to) => ({ light, entity: to.localUri }),
  print: ({ light, entity }) => ({ text: `<lamp version="" entity="${entity}">${light}</lamp>`, versionAt: 15 }),
}

/** Says who made the lamp. */
export const maker: BodySupplement<Lamp, string[]> = {
  type: TEXT,
  kind: lampKind,
  share: () => '',
  supplement: (words) => {
    words.push('by Edison')
  },
}

/** Lamps by name; a name without a lamp is 404. */
export class Lamps implements EventPackage<Lamp> {
  readonly event: string
  readonly kind = lampKind
  readonly accept: readonly [string, ...string[]] = [TEXT, XML]
  readonly defaultExpires: number | undefined
  readonly lamps = new Map<string, Watched<Lamp>>()
  readonly asked: Watcher[] = []
  /** Answers instead of a lamp. */
  instead: { found: Found<Lamp> } | undefined
  /** Answers come by a promise. */
  slow = false

  constructor(event = 'lamp', defaultExpires?: number) {
    this.event = event
    this.defaultExpires = defaultExpires
  }

  find(resource: string, watcher: Watcher): Found<Lamp> | Promise<Found<Lamp>> {
    this.asked.push(watcher)
    const found = this.instead ? this.instead.found : this.lamps.get(resource)
    return this.slow ? new Promise((resolve) => void setImmediate(resolve, found)) : found
  }

  set(name: string, light: string): void {
    const lamp = this.lamps.get(name)
    if (lamp) lamp.set({ light })
    else this.lamps.set(name, new Watched<Lamp>({ light }))
  }

  watchers(name: string): number {
    return this.lamps.get(name)?.watchers ?? 0
  }
}

/** The package and its generators as loadable modules, apart as the real ones are. */
export function lampModules(lamps: Lamps) {
  const packageModule = defineModule({
    name: 'res_test_lamp',
    description: 'lamps',
    requires: ['res_pjsip_pubsub'],
    load({ own }, { res_pjsip_pubsub: pubsub }: { readonly res_pjsip_pubsub: Pubsub }) {
      own(pubsub.eventPackage(lamps))
    },
  })
  const bodyModule = defineModule({
    name: 'res_test_lamp_body',
    description: 'bodies of lamps',
    requires: ['res_pjsip_pubsub'],
    load({ own }, { res_pjsip_pubsub: pubsub }: { readonly res_pjsip_pubsub: Pubsub }) {
      own(pubsub.bodyGenerator(lampText))
      own(pubsub.bodyGenerator(lampXml))
    },
  })
  return { packageModule, bodyModule }
}

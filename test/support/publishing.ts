/** Servers that publish to each other, each a TestCore on a port of its own. */
import { defaultsOf } from '../../core/options.ts'
import {
  type AsteriskPublication,
  asteriskPublicationOptions,
  type InboundPublicationConfig,
  inboundPublicationOptions,
  type OutboundPublish,
  outboundPublishOptions,
} from '../../core/publication-options.ts'
import res_pjsip_outbound_publish from '../../res_pjsip_publish_asterisk/res_pjsip_outbound_publish.ts'
import res_pjsip_publish_asterisk from '../../res_pjsip_publish_asterisk/res_pjsip_publish_asterisk.ts'
import res_pjsip_pubsub from '../../res_pjsip_pubsub/res_pjsip_pubsub.ts'
import { TestCore, type TestCoreSettings } from './core.ts'

export interface Sections {
  readonly outbound?: Readonly<Record<string, Partial<OutboundPublish>>>
  readonly inbound?: Readonly<Record<string, Partial<InboundPublicationConfig>>>
  readonly asterisk?: Readonly<Record<string, Partial<AsteriskPublication>>>
}

export const EID = { a: '02:00:00:00:00:0a', b: '02:00:00:00:00:0b' }

/** Takes device states and mailboxes at `sip:lamps@…` from the endpoint `lamps`. */
export const TAKES_ALL: Sections = {
  inbound: { lamps: { endpoint: 'lamps', 'event_asterisk-devicestate': 'all', 'event_asterisk-mwi': 'all' } },
  asterisk: { all: { device_state: true, mailbox_state: true } },
}

/** Publishes what it knows under `devices` and `mailboxes`, and takes what it is told. */
export const TELLS_ALL: NonNullable<Sections['asterisk']> = {
  all: {
    device_state: true,
    mailbox_state: true,
    devicestate_publish: 'devices',
    mailboxstate_publish: 'mailboxes',
  },
}

/** Other sections from now on; modules hear of it as at a reload. */
export function configure({ core }: TestCore, sections: Sections): void {
  core.endpoints.replace({ ...core.endpoints.files, ...publicationConfig(sections) })
}

function publicationConfig({ outbound, inbound, asterisk }: Sections): object {
  const all = <T extends object>(
    given: Readonly<Record<string, Partial<T>>> | undefined,
    defaults: object,
  ): Map<string, object> =>
    new Map(Object.entries(given ?? {}).map(([id, options]) => [id, { ...defaults, id, ...options }]))
  return {
    outboundPublishes: all(outbound, defaultsOf(outboundPublishOptions)),
    inboundPublications: all(inbound, defaultsOf(inboundPublicationOptions)),
    asteriskPublications: all(asterisk, defaultsOf(asteriskPublicationOptions)),
  }
}

/** Without its modules: they are loaded when the sections are there. */
export function startServer(eid: string, settings: TestCoreSettings = {}): Promise<TestCore> {
  return TestCore.start({ endpoints: { lamps: {} }, ...settings, general: { asterisk_eid: eid, ...settings.general } })
}

export async function publishing(server: TestCore): Promise<void> {
  await server.load(res_pjsip_pubsub, res_pjsip_outbound_publish, res_pjsip_publish_asterisk)
}

export function uriOf(server: TestCore): string {
  return `sip:lamps@127.0.0.1:${server.port}`
}

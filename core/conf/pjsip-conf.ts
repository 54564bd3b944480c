/**
 * pjsip.conf, pjsip_wizard.conf and acl.conf → the objects that Lamplighter uses.
 *
 * sections by type and name → values by declared options → references checked. Our own objects stand in for Asterisk's
 * of the same name; `global` and `system` are added up line by line, ours last. Asterisk's transports stay with
 * Asterisk: two programs cannot listen on one port.
 */
import { resolve } from 'node:path'
import { type ConfigEntry, type ConfigFile, type ConfigSection, inOnePiece, lastValue } from '../config.ts'
import type { Acl, Aor, Auth, Endpoint, Identify, PjsipConfig, TransportConfig } from '../endpoints.ts'
import { reasonOf } from '../log.ts'
import { type ConfigError, type OptionSet, type OptionValues, readSection } from '../options.ts'
import {
  aclOptions,
  aorOptions,
  authOptions,
  endpointOptions,
  globalOptions,
  identifyOptions,
  systemOptions,
  transportOptions,
} from '../pjsip-options.ts'
import {
  asteriskPublicationOptions,
  inboundPublicationOptions,
  outboundPublishOptions,
} from '../publication-options.ts'
import { resourceListOptions } from '../resource-list-options.ts'
import { printHostPort } from '../sip/parse-uri.ts'
import { outboundSubscriptionOptions } from '../subscription-options.ts'
import { parseBind } from './bind.ts'
import { Findings } from './findings.ts'
import { exists } from './parser.ts'
import { usableLists } from './pjsip-lists.ts'
import { isPjsipType, OTHER_OPTIONS, OTHER_TYPES, type PjsipType } from './pjsip-names.ts'
import { checkPublications } from './pjsip-publications.ts'
import { checkReferences } from './pjsip-references.ts'
import { checkSubscriptions } from './pjsip-subscriptions.ts'
import { expandWizards, type WizardHint } from './pjsip-wizard.ts'
import { didYouMean } from './suggestion.ts'

/** Options by type: what is read of each. */
export const PJSIP_OPTIONS = {
  endpoint: endpointOptions,
  aor: aorOptions,
  auth: authOptions,
  acl: aclOptions,
  identify: identifyOptions,
  global: globalOptions,
  system: systemOptions,
  transport: transportOptions,
  'outbound-publish': outboundPublishOptions,
  'inbound-publication': inboundPublicationOptions,
  'asterisk-publication': asteriskPublicationOptions,
  resource_list: resourceListOptions,
  'outbound-subscription': outboundSubscriptionOptions,
} satisfies Record<PjsipType, OptionSet>

export interface PjsipSource {
  readonly kind: 'pjsip' | 'wizard' | 'acl'
  readonly file: ConfigFile
  /** Asterisk's file, not ours. */
  readonly foreign: boolean
}

export interface PjsipReading {
  readonly config: PjsipConfig
  readonly hints: readonly WizardHint[]
  readonly problems: readonly ConfigError[]
  readonly notes: readonly ConfigError[]
}

/** A section and whose it is. */
export interface Draft {
  readonly section: ConfigSection
  readonly foreign: boolean
}
export type Drafts = ReadonlyMap<string, Draft>

/** Where Asterisk listens, and what it publishes and takes: not ours. */
const ASTERISKS_OWN: ReadonlySet<PjsipType> = new Set([
  'transport',
  'outbound-publish',
  'inbound-publication',
  'asterisk-publication',
  'outbound-subscription',
])

/** Who Asterisk is to others, and its own traces: not taken over. */
const NOT_TAKEN_OVER = new Set(['user_agent', 'debug'])

/** `directory`: where relative paths of certificates start. Sources that come first are overruled by those that follow. */
export function readPjsip(sources: readonly PjsipSource[], directory: string): PjsipReading {
  const findings = new Findings()
  const reader = new PjsipReader(findings, directory)
  const hints = sources.flatMap((source) => reader.take(source))
  const config = reader.config()
  return { config, hints, problems: findings.problems, notes: findings.notes }
}

class PjsipReader {
  readonly #findings: Findings
  readonly #directory: string
  readonly #drafts: Record<PjsipType | 'namedAcl', Map<string, Draft>> = {
    endpoint: new Map(),
    aor: new Map(),
    auth: new Map(),
    acl: new Map(),
    identify: new Map(),
    global: new Map(),
    system: new Map(),
    transport: new Map(),
    'outbound-publish': new Map(),
    'inbound-publication': new Map(),
    'asterisk-publication': new Map(),
    resource_list: new Map(),
    'outbound-subscription': new Map(),
    namedAcl: new Map(),
  }

  constructor(findings: Findings, directory: string) {
    this.#findings = findings
    this.#directory = directory
  }

  take({ kind, file, foreign }: PjsipSource): readonly WizardHint[] {
    if (kind === 'acl') {
      for (const section of file.sections) {
        if (!foreign) this.#checkNames(section, 'acl', `one of: ${Object.keys(aclOptions).join(', ')}`)
        this.#keep('namedAcl', { section, foreign })
      }
      return []
    }
    if (kind === 'pjsip') {
      for (const section of file.sections) this.#takeSection(section, foreign)
      return []
    }
    const { sections, hints } = expandWizards(file, foreign, this.#findings)
    for (const section of sections) this.#takeSection(section, foreign)
    return hints
  }

  config(): PjsipConfig {
    const endpoints = this.#readAll('endpoint', endpointOptions, (values, id): Endpoint => {
      return { ...values, id, hintContext: values.subscribe_context || values.context }
    })
    const transports = this.#transports()
    const config: PjsipConfig = {
      endpoints: this.#withOurTransports(endpoints, transports),
      aors: this.#readAll('aor', aorOptions, (values, id): Aor => ({ ...values, id })),
      auths: this.#readAll('auth', authOptions, (values, id): Auth => ({ ...values, id })),
      acls: this.#readAll('acl', aclOptions, (values, id): Acl => ({ ...values, id })),
      namedAcls: this.#readAll('namedAcl', aclOptions, (values, id): Acl => ({ ...values, id })),
      identifies: [
        ...this.#readAll('identify', identifyOptions, (values, id): Identify => {
          return { ...values, id, match: values.match.map(withoutPort) }
        }).values(),
      ],
      global: this.#readOne('global', globalOptions),
      system: this.#readOne('system', systemOptions),
      transports,
      outboundPublishes: this.#readAll('outbound-publish', outboundPublishOptions, (values, id) => ({ ...values, id })),
      inboundPublications: this.#readAll('inbound-publication', inboundPublicationOptions, (values, id) => {
        return { ...values, id }
      }),
      asteriskPublications: this.#readAll('asterisk-publication', asteriskPublicationOptions, (values, id) => {
        return { ...values, id }
      }),
      resourceLists: usableLists(
        this.#readAll('resource_list', resourceListOptions, (values, id) => ({ ...values, id })),
        this.#drafts.resource_list,
        this.#findings,
      ),
      outboundSubscriptions: this.#readAll('outbound-subscription', outboundSubscriptionOptions, (values, id) => {
        return { ...values, id }
      }),
    }
    checkPublications(config, this.#drafts, this.#findings)
    checkSubscriptions(config, this.#drafts['outbound-subscription'], this.#findings)
    checkReferences(config, this.#drafts, this.#findings)
    return config
  }

  #takeSection(section: ConfigSection, foreign: boolean): void {
    const written = lastValue(section, 'type')
    const type = written?.value ?? typeOfName(section, foreign)
    if (type === undefined) {
      this.#findings.doubt(foreign, `[${section.name}] has no type, expected type = endpoint, aor, auth …`, section)
      return
    }
    if (!isPjsipType(type)) {
      if (foreign || OTHER_TYPES.has(type)) return
      const hint = didYouMean(type, [...Object.keys(PJSIP_OPTIONS), ...OTHER_TYPES])
      const expected = `expected one of: ${Object.keys(PJSIP_OPTIONS).join(', ')}`
      this.#findings.problem(`unknown type '${type}' in [${section.name}]${hint || `, ${expected}`}`, written)
      return
    }
    if (foreign && ASTERISKS_OWN.has(type)) return
    // A way for Asterisk to log in somewhere; nobody logs in here with it.
    if (type === 'auth' && lastValue(section, 'auth_type')?.value === 'google_oauth') return
    if (!foreign) this.#checkNames(section, type)
    this.#keep(type, { section, foreign })
  }

  #keep(type: PjsipType | 'namedAcl', draft: Draft): void {
    const { section, foreign } = draft
    const drafts = this.#drafts[type]
    // What is added up stands beside ours of the same name; a name has no line end in it.
    const key = foreign && (type === 'global' || type === 'system') ? `${section.name}\n` : section.name
    const earlier = drafts.get(key)
    if (earlier && earlier.foreign === foreign) {
      const { file, line } = earlier.section
      const what = type === 'namedAcl' ? 'ACL' : type
      this.#findings.doubt(
        foreign,
        `a second ${what} [${section.name}], expected one (the first is at ${file}:${line})`,
        section,
      )
      return
    }
    drafts.set(key, draft)
  }

  #checkNames(section: ConfigSection, type: PjsipType, expected = `an option of type = ${type}`): void {
    const names = [...Object.keys(PJSIP_OPTIONS[type]), ...OTHER_OPTIONS[type]]
    for (const entry of section.entries) {
      if (isOptionOf(type, entry)) continue
      const hint = didYouMean(entry.key.toLowerCase(), names) || `, expected ${expected}`
      this.#findings.problem(`unknown option '${entry.key}' in [${section.name}]${hint}`, entry)
    }
  }

  #readAll<S extends OptionSet, T>(
    type: PjsipType | 'namedAcl',
    set: S,
    make: (values: OptionValues<S>, id: string, section: ConfigSection) => T,
  ): Map<string, T> {
    const made = new Map<string, T>()
    for (const [id, { section, foreign }] of this.#drafts[type]) {
      made.set(
        id,
        make(
          this.#read(section, set, () => foreign),
          id,
          section,
        ),
      )
    }
    return made
  }

  /** All sections of the type as one, Asterisk's lines first. */
  #readOne<S extends OptionSet>(type: 'global' | 'system', set: S): OptionValues<S> {
    const drafts = [...this.#drafts[type].values()].sort((a, b) => Number(b.foreign) - Number(a.foreign))
    const theirs = new Set(drafts.filter(({ foreign }) => foreign).flatMap(({ section }) => section.entries))
    const isTaken = (entry: ConfigEntry): boolean => !theirs.has(entry) || !NOT_TAKEN_OVER.has(entry.key.toLowerCase())
    const pieces = drafts.map(({ section }) => ({ ...section, entries: section.entries.filter(isTaken) }))
    return this.#read(inOnePiece(pieces), set, (entry) => theirs.has(entry))
  }

  #read<S extends OptionSet>(
    section: ConfigSection | undefined,
    set: S,
    isForeign: (entry: ConfigEntry) => boolean,
  ): OptionValues<S> {
    const asterisks = { has: isForeign, notes: this.#findings.notes }
    return readSection(section, set, this.#findings.problems, { unknown: 'ignore', asterisks })
  }

  #transports(): TransportConfig[] {
    const taken = new Map<string, string>()
    const transports = this.#readAll('transport', transportOptions, (values, id, section): TransportConfig => {
      const { file, line } = section
      const transport = { ...values, ...this.#certificates(values, section), id, file, line }
      this.#checkBind(transport, section, taken)
      return transport
    })
    return [...transports.values()]
  }

  #checkBind({ bind, protocol, id }: TransportConfig, section: ConfigSection, taken: Map<string, string>): void {
    const place = lastValue(section, 'bind') ?? section
    try {
      const { address, port } = parseBind(bind, protocol)
      const where = printHostPort(address, port)
      const key = `${protocol === 'udp' ? 'udp' : 'tcp'} ${where}`
      const other = port === 0 ? undefined : taken.get(key)
      if (other !== undefined)
        this.#findings.problem(`transport [${id}] binds ${where} as [${other}] does, expected another`, place)
      taken.set(key, id)
    } catch (error) {
      this.#findings.problem(`bind = ${bind} is not valid, ${reasonOf(error)}`, place)
    }
  }

  /** Paths from the configuration directory. */
  #certificates(
    values: OptionValues<typeof transportOptions>,
    section: ConfigSection,
  ): Pick<TransportConfig, 'cert_file' | 'priv_key_file' | 'ca_list_file'> {
    const path = (name: 'cert_file' | 'priv_key_file' | 'ca_list_file', needed: boolean): string => {
      const written = values[name]
      if (written === '') {
        if (needed) {
          this.#findings.problem(`transport [${section.name}] is tls without ${name}, expected a PEM file`, section)
        }
        return ''
      }
      const full = resolve(this.#directory, written)
      if (!exists(full)) {
        this.#findings.problem(`${name} = ${written}: no such file, expected a PEM file`, lastValue(section, name))
      }
      return full
    }
    const tls = values.protocol === 'tls'
    return {
      cert_file: path('cert_file', tls),
      // Asterisk takes the key from the certificate's file where there is none of its own.
      priv_key_file: path('priv_key_file', false) || (values.cert_file && resolve(this.#directory, values.cert_file)),
      ca_list_file: path('ca_list_file', false),
    }
  }

  /** Asterisk's endpoints name Asterisk's transports. */
  #withOurTransports(
    endpoints: ReadonlyMap<string, Endpoint>,
    transports: readonly TransportConfig[],
  ): ReadonlyMap<string, Endpoint> {
    const ours = new Set(transports.map((transport) => transport.id))
    const change = (endpoint: Endpoint): Endpoint =>
      this.#drafts.endpoint.get(endpoint.id)?.foreign && !ours.has(endpoint.transport)
        ? { ...endpoint, transport: '' }
        : endpoint
    return new Map([...endpoints].map(([id, endpoint]) => [id, change(endpoint)]))
  }
}

/** Asterisk takes `[global]` and `[system]` without a type, if it knows every option that they have. */
function typeOfName(section: ConfigSection, foreign: boolean): PjsipType | undefined {
  const { name, entries } = section
  if (name !== 'global' && name !== 'system') return undefined
  return !foreign || entries.every((entry) => isOptionOf(name, entry)) ? name : undefined
}

function isOptionOf(type: PjsipType, { key }: ConfigEntry): boolean {
  const name = key.toLowerCase()
  // Asterisk lets objects carry fields of one's own: @name.
  if (name === 'type' || name.startsWith('@')) return true
  return Object.hasOwn(PJSIP_OPTIONS[type], name) || OTHER_OPTIONS[type].has(name)
}

/** Asterisk takes `192.0.2.1:5060` and `[2001:db8::1]:5060` in match; phones come from any port, and so may these. */
function withoutPort(match: string): string {
  return /^([^:/]+):[0-9]{1,5}$/.exec(match)?.[1] ?? /^\[([^\]]*)\](?::[0-9]{1,5})?$/.exec(match)?.[1] ?? match
}

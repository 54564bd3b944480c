/**
 * pjsip.conf, pjsip_wizard.conf and acl.conf → the objects that Lamplighter uses.
 *
 * sections by type and name → values by declared options → references checked. Our own objects stand in for Asterisk's
 * of the same name; `global` and `system` are added up line by line, ours last. Asterisk's transports stay with
 * Asterisk: two programs cannot listen on one port.
 */
import { resolve } from 'node:path'
import { type ConfigEntry, type ConfigSection, inOnePiece, lastValue } from '../config.ts'
import type { Endpoint, PjsipConfig, TransportConfig } from '../endpoints.ts'
import { reasonOf } from '../log.ts'
import { type OptionSet, type OptionValues, readSection } from '../options.ts'
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
import { type Faults, Findings } from './findings.ts'
import { type ConfigSource, exists } from './parser.ts'
import { Checker, type CheckerOf, type IsWritten } from './pjsip-checker.ts'
import { usableLists } from './pjsip-lists.ts'
import { OTHER_OPTIONS, OTHER_TYPES } from './pjsip-names.ts'
import { checkPublications } from './pjsip-publications.ts'
import { checkAuth, checkContacts, checkMatches, checkOrder, checkReferences, withoutPort } from './pjsip-references.ts'
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
} satisfies Record<string, OptionSet>
export type PjsipType = keyof typeof PJSIP_OPTIONS

function isPjsipType(text: string): text is PjsipType {
  return Object.hasOwn(PJSIP_OPTIONS, text)
}

export interface PjsipSource extends ConfigSource {
  readonly kind: 'pjsip' | 'wizard' | 'acl'
}

export interface PjsipReading extends Faults {
  readonly config: PjsipConfig
  readonly hints: readonly WizardHint[]
}

/** `ACL`: a section of acl.conf. */
type Type = PjsipType | 'ACL'
type Read<S extends OptionSet> = OptionValues<S> & { readonly id: string }

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
const isTakenOver = ({ key }: ConfigEntry): boolean => !NOT_TAKEN_OVER.has(key.toLowerCase())

/**
 * `directory`: where relative paths of certificates start. Sources that come first are overruled by those that follow.
 * `before`: what is in effect, where this is a reload.
 */
export function readPjsip(sources: readonly PjsipSource[], directory: string, before?: PjsipConfig): PjsipReading {
  const findings = new Findings()
  const reader = new PjsipReader(findings, directory, before)
  const hints = sources.flatMap((source) => reader.take(source))
  const config = reader.config()
  const { problems, warnings, notes } = findings
  return { config, hints, problems, warnings, notes }
}

class PjsipReader {
  readonly #findings: Findings
  readonly #directory: string
  readonly #before: PjsipConfig | undefined
  readonly #drafts = new Map<Type, Map<string, Draft>>()

  constructor(findings: Findings, directory: string, before: PjsipConfig | undefined) {
    this.#findings = findings
    this.#directory = directory
    this.#before = before
  }

  take({ kind, file, foreign }: PjsipSource): readonly WizardHint[] {
    if (kind === 'acl') {
      for (const section of file.sections) {
        if (!foreign) this.#checkNames(section, 'acl', `one of: ${Object.keys(aclOptions).join(', ')}`)
        this.#keep('ACL', { section, foreign })
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
    const before = this.#before
    const identifiesBefore = new Map(before?.identifies.map((identify) => [identify.id, identify]))
    const endpoints = this.#readAll('endpoint', endpointOptions, before?.endpoints)
    const transports = this.#transports()
    const ours = new Set(transports.map(({ id }) => id))
    const config: PjsipConfig = {
      endpoints: new Map([...endpoints].map(([id, values]) => [id, this.#endpoint(values, ours)])),
      aors: this.#readAll('aor', aorOptions, before?.aors, checkContacts),
      auths: this.#readAll('auth', authOptions, before?.auths, checkAuth),
      acls: this.#readAll('acl', aclOptions, before?.acls),
      namedAcls: this.#readAll('ACL', aclOptions, before?.namedAcls),
      identifies: [...this.#readAll('identify', identifyOptions, identifiesBefore, checkMatches).values()].map(
        (identify) => ({ ...identify, match: identify.match.map(withoutPort) }),
      ),
      global: this.#readOne('global', globalOptions, before?.global),
      system: this.#readOne('system', systemOptions, before?.system),
      transports,
      outboundPublishes: this.#readAll('outbound-publish', outboundPublishOptions),
      inboundPublications: this.#readAll('inbound-publication', inboundPublicationOptions),
      asteriskPublications: this.#readAll('asterisk-publication', asteriskPublicationOptions),
      resourceLists: usableLists(
        this.#readAll('resource_list', resourceListOptions, before?.resourceLists),
        this.#draftsOf('resource_list'),
        this.#findings,
      ),
      outboundSubscriptions: this.#readAll('outbound-subscription', outboundSubscriptionOptions),
    }
    const checkerOf: CheckerOf = (type, id) => new Checker(id, this.#draftsOf(type).get(id), this.#findings)
    const isWritten: IsWritten = (type, name) => this.#draftsOf(type).has(name)
    checkPublications(config, checkerOf, isWritten)
    checkSubscriptions(config, checkerOf, isWritten)
    checkReferences(config, checkerOf, isWritten)
    for (const draft of this.#draftsOf('global').values())
      checkOrder(draft, new Checker(draft.section.name, draft, this.#findings))
    return config
  }

  #draftsOf(type: Type): Map<string, Draft> {
    let drafts = this.#drafts.get(type)
    if (!drafts) this.#drafts.set(type, (drafts = new Map()))
    return drafts
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

  #keep(type: Type, draft: Draft): void {
    const { section, foreign } = draft
    const drafts = this.#draftsOf(type)
    // What is added up stands beside ours of the same name; a name has no line end in it.
    const key = foreign && (type === 'global' || type === 'system') ? `${section.name}\n` : section.name
    const earlier = drafts.get(key)
    if (earlier && earlier.foreign === foreign) {
      const { file, line } = earlier.section
      this.#findings.doubt(
        foreign,
        `a second ${type} [${section.name}], expected one (the first is at ${file}:${line})`,
        section,
      )
      return
    }
    drafts.set(key, draft)
  }

  #checkNames(section: ConfigSection, type: PjsipType, expected = `an option of type = ${type}`): void {
    const names = [...Object.keys(PJSIP_OPTIONS[type]), ...(OTHER_OPTIONS[type] ?? [])]
    for (const entry of section.entries) {
      if (isOptionOf(type, entry)) continue
      const hint = didYouMean(entry.key.toLowerCase(), names) || `, expected ${expected}`
      this.#findings.problem(`unknown option '${entry.key}' in [${section.name}]${hint}`, entry)
    }
  }

  /** `before`: such objects at the last reading. `check`: what Asterisk refuses one for though each value can be read. */
  #readAll<S extends OptionSet>(
    type: Type,
    set: S,
    before?: ReadonlyMap<string, Read<S>>,
    check?: (object: Read<S>, checker: Checker) => void,
  ): ReadonlyMap<string, Read<S>> {
    const objects = new Map<string, Read<S>>()
    for (const [id, draft] of this.#draftsOf(type)) {
      const object = this.#readOrDoWithout(type, draft, before?.get(id), () => {
        const read = Object.assign(this.#read(draft.section, set, draft.foreign), { id })
        check?.(read, new Checker(id, draft, this.#findings))
        return read
      })
      if (object) objects.set(id, object)
    }
    return objects
  }

  /** As with Asterisk, an object of its files that has a fault keeps no other from its work, and at a reload stays as it was. */
  #readOrDoWithout<T>(type: Type, { section, foreign }: Draft, before: T | undefined, read: () => T): T | undefined {
    const from = this.#findings.problems.length
    const object = read()
    if (!foreign || this.#findings.problems.length === from) return object
    const what = `${type} [${section.name}]`
    // Left out it could let in whom an Asterisk keeps out that has not started anew since the fault.
    const rest = type === 'acl' ? object : undefined
    const without = rest ? `only the other lines of ${what} hold` : `${what} is left out`
    this.#findings.liveWith(from, before ? `${what} stays as it was` : without)
    return before ?? rest
  }

  /** All sections of the type as one: Asterisk's lines, and over them ours. */
  #readOne<S extends OptionSet>(type: 'global' | 'system', set: S, before?: OptionValues<S>): OptionValues<S> {
    const drafts = [...this.#draftsOf(type).values()]
    const pieces = (foreign: boolean): ConfigSection | undefined =>
      inOnePiece(drafts.filter((draft) => draft.foreign === foreign).map(({ section }) => section))
    const asterisks = pieces(true)
    const theirs = asterisks && {
      section: { ...asterisks, entries: asterisks.entries.filter(isTakenOver) },
      foreign: true,
    }
    // What was before has lines of ours in it, too, which may be gone.
    const isTheirs = ([name]: [string, unknown]): boolean => lastValue(theirs?.section, name) !== undefined
    const earlier = before && {
      ...this.#read(undefined, set, true),
      ...Object.fromEntries(Object.entries(before).filter(isTheirs)),
    }
    const base = theirs && this.#readOrDoWithout(type, theirs, earlier, () => this.#read(theirs.section, set, true))
    return this.#read(pieces(false), set, false, base)
  }

  #read<S extends OptionSet>(
    section: ConfigSection | undefined,
    set: S,
    foreign: boolean,
    defaults?: OptionValues<S>,
  ): OptionValues<S> {
    const notes = foreign ? this.#findings.notes : undefined
    return readSection(section, set, this.#findings.problems, { unknown: 'ignore', notes, defaults })
  }

  #transports(): TransportConfig[] {
    const taken = new Map<string, string>()
    return [...this.#draftsOf('transport')].map(([id, { section }]) => {
      const values = this.#read(section, transportOptions, false)
      const { file, line } = section
      const transport = { ...values, ...this.#certificates(values, section), id, file, line }
      this.#checkBind(transport, section, taken)
      return transport
    })
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
  #endpoint(values: Omit<Endpoint, 'hintContext'>, ours: ReadonlySet<string>): Endpoint {
    const isOurs = !this.#draftsOf('endpoint').get(values.id)?.foreign || ours.has(values.transport)
    const hintContext = values.subscribe_context || values.context
    return { ...values, hintContext, transport: isOurs ? values.transport : '' }
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
  return Object.hasOwn(PJSIP_OPTIONS[type], name) || (OTHER_OPTIONS[type]?.has(name) ?? false)
}

/**
 * What a REGISTER does to the bindings of its AOR (RFC 3261 10.3, RFC 3327, RFC 5626), worked out before anything is
 * touched: either all of it happens or none.
 */
import { randomUUID } from 'node:crypto'
import type { Aor, Endpoint } from '../endpoints.ts'
import type { Address, Flow, Refusal, ServerTransaction, SipRequest } from '../sip/contract.ts'
import { equalUris } from '../sip/equal-uris.ts'
import { parseNameAddr, parseUri, printHostPort, printUri } from '../sip/parse-uri.ts'
import type { NameAddr, SipUri } from '../sip/uri.ts'
import { hasOptionTag, parseDeltaSeconds } from '../sip/values.ts'
import { withoutZone } from '../sip/zone.ts'
import type { Binding } from './bindings.ts'

export interface RegisterPlan {
  readonly put: readonly Binding[]
  readonly remove: readonly Binding[]
  /** Removed to make room, not because the phone asked for it. */
  readonly replaced: readonly Binding[]
  /** Seconds granted to the first Contact that stays; 0 where none does, undefined where nothing was asked for. */
  readonly expires: number | undefined
  /** RFC 5626 was used. */
  readonly outbound: boolean
}

export interface RegisterScene {
  readonly tx: ServerTransaction
  readonly endpoint: Endpoint
  readonly aor: Aor
  readonly existing: readonly Binding[]
  readonly compat: 'rfc' | 'asterisk'
  /** Epoch milliseconds. */
  readonly now: number
}

/** No phone has more Contacts to register at a time. */
const MAX_ASKED = 50

/** RFC 3261 20.19 and 20.10: what cannot be read is an hour. */
const MALFORMED_EXPIRES = 3600

export function planRegister(scene: RegisterScene): RegisterPlan | Refusal {
  const { request } = scene.tx
  const refusal = pathRefusal(scene) ?? outboundRefusal(request)
  if (refusal) return refusal
  if (request.contactIsStar) return planStar(scene)
  if (request.contacts.length === 0) return plan({})
  if (request.contacts.length > MAX_ASKED) return TOO_MANY
  const asked: Asked[] = []
  for (const contact of request.contacts) {
    const one = readContact(contact, scene)
    if ('status' in one) return one
    asked.push(one)
  }
  return planContacts(asked, scene)
}

interface Asked {
  readonly binding: Binding
  readonly seconds: number
}

function planContacts(asked: readonly Asked[], scene: RegisterScene): RegisterPlan | Refusal {
  const after = new Map(scene.existing.map((binding) => [binding.id, binding]))
  const put = new Map<string, Binding>()
  const remove: Binding[] = []
  const same = comparison()
  for (const { binding, seconds } of asked) {
    // rewrite_contact makes all Contacts of a request one: what it registers is not what it takes away.
    const isMeant = ({ id, registered }: Binding): boolean =>
      seconds > 0 || !put.has(id) || registered === binding.registered
    const before = [...after.values()].find((other) => isMeant(other) && same(other, binding))
    if (before && !put.has(before.id) && !isNewer(scene, before)) return OUT_OF_ORDER
    if (seconds === 0) {
      if (!before) continue
      after.delete(before.id)
      put.delete(before.id)
      if (scene.existing.some(({ id }) => id === before.id)) remove.push(before)
    } else {
      const id = before?.id ?? binding.id
      const entered = { ...binding, id }
      after.set(id, entered)
      put.set(id, entered)
    }
  }
  const replaced = makeRoom([...after.values()], put, scene)
  if (!replaced) return TOO_MANY
  const outbound = [...put.values()].some(({ regId }) => regId > 0)
  // A phone whose address is another one takes the old away and gives the new: 0 would tell it that nothing is registered.
  const told = asked.find(({ seconds }) => seconds > 0) ?? asked[0]
  return plan({ put: [...put.values()], remove, replaced, expires: told?.seconds, outbound })
}

function plan(parts: Partial<RegisterPlan>): RegisterPlan {
  return { put: [], remove: [], replaced: [], expires: undefined, outbound: false, ...parts }
}

/** `Contact: *` with `Expires: 0`, and nothing else (RFC 3261 10.2.2, 10.3 step 6). */
function planStar(scene: RegisterScene): RegisterPlan | Refusal {
  const { request } = scene.tx
  if (request.contacts.length > 0 || request.headers('Contact').length > 1)
    return { status: 400, reason: 'Contact Besides *' }
  if (parseDeltaSeconds(request.header('Expires')) !== 0) return { status: 400, reason: 'Contact * Without Expires 0' }
  return scene.existing.every((binding) => isNewer(scene, binding)) ? plan({ remove: scene.existing }) : OUT_OF_ORDER
}

const TOO_MANY: Refusal = { status: 403, reason: 'Too Many Contacts' }
const OUT_OF_ORDER: Refusal = { status: 500, reason: 'CSeq Out Of Order' }

/** RFC 3261 10.3 step 7: within one Call-ID the CSeq must rise, or the whole request fails. Asterisk does not look. */
function isNewer({ tx, compat }: RegisterScene, { callId, cseq }: Binding): boolean {
  return compat === 'asterisk' || callId !== tx.request.callId || tx.request.cseq.number > cseq
}

/** What goes so that no more than max_contacts stay; undefined where nothing may go. Nothing that was just put goes. */
function makeRoom(
  after: readonly Binding[],
  put: ReadonlyMap<string, Binding>,
  { aor }: RegisterScene,
): Binding[] | undefined {
  const excess = after.length - aor.max_contacts
  if (excess <= 0 || put.size === 0) return []
  const unreachable = ({ protocol, flow }: Binding): boolean => protocol !== 'UDP' && !flow
  const old = after
    .filter(
      (binding) => !put.has(binding.id) && (aor.remove_existing || (aor.remove_unavailable && unreachable(binding))),
    )
    .sort((a, b) => a.expires - b.expires)
  if (aor.remove_unavailable) old.sort((a, b) => Number(unreachable(b)) - Number(unreachable(a)))
  return old.length < excess ? undefined : old.slice(0, excess)
}

function readContact(contact: NameAddr, scene: RegisterScene): Asked | Refusal {
  const { tx, endpoint, aor, compat, now } = scene
  const { request, flow, source } = tx
  const { uri } = contact
  if (!uri) return { status: 400, reason: 'Contact Is No SIP URI' }
  const seconds = grantedSeconds(contact, request, aor, compat)
  if (typeof seconds !== 'number') return seconds
  const path = aor.support_path ? request.headers('Path') : []
  const regId = usesOutbound(request) ? regIdOf(contact) : 0
  const rewritten = endpoint.rewrite_contact && path.length === 0
  const isConnection = flow.protocol !== 'UDP'
  const isItsSource = uri.host === withoutZone(source.address) && (uri.port ?? 5060) === source.port
  return {
    seconds,
    binding: {
      id: randomUUID(),
      aor: aor.id,
      endpoint: endpoint.id,
      uri: rewritten ? rewrite(uri, source, flow) : uri.text,
      registered: uri.text,
      q: contact.params.get('q') ?? '',
      path,
      flow: path.length === 0 && (isConnection || rewritten || regId > 0 || isItsSource) ? flow : undefined,
      beside: isConnection ? undefined : flow,
      expires: now + seconds * 1000,
      userAgent: request.header('User-Agent') ?? '',
      instance: contact.params.get('+sip.instance') ?? '',
      regId,
      callId: request.callId,
      cseq: request.cseq.number,
      protocol: flow.protocol,
      transport: isConnection ? '' : flow.transport,
      source: printHostPort(source.address, source.port),
      followed: isConnection && path.length === 0 && (rewritten || regId > 0),
    },
  }
}

/** Its parameter before the header before the default, within the limits of the AOR. */
function grantedSeconds(
  contact: NameAddr,
  request: SipRequest,
  aor: Aor,
  compat: RegisterScene['compat'],
): number | Refusal {
  const text = expiresOf(contact, request)
  const wanted = text === undefined ? aor.default_expiration : (parseDeltaSeconds(text) ?? MALFORMED_EXPIRES)
  if (wanted === 0) return 0
  const least = Math.min(aor.minimum_expiration, aor.maximum_expiration)
  if (wanted < least && compat === 'asterisk') return least
  // RFC 3261 10.3 step 7: what is an hour or more may not be refused for being too brief.
  if (wanted < least && wanted < 3600) return { status: 423, headers: [['Min-Expires', String(least)]] }
  return Math.min(wanted, aor.maximum_expiration)
}

function expiresOf({ params }: NameAddr, request: SipRequest): string | undefined {
  return params.get('expires') ?? request.header('Expires')
}

/** Behind a NAT only the address that the request came from is one. */
function rewrite(uri: SipUri, source: Address, flow: Flow): string {
  const params = new Map(uri.params)
  if (flow.protocol === 'UDP') params.delete('transport')
  else params.set('transport', flow.protocol.toLowerCase())
  return printUri({ scheme: uri.scheme, user: uri.user, host: withoutZone(source.address), port: source.port, params })
}

/** RFC 5626 6: the same instance and registration; otherwise equal URIs (RFC 3261 19.1.4), each parsed only once. */
function comparison(): (existing: Binding, asked: Binding) => boolean {
  const parsed = new Map<string, SipUri | undefined>()
  const parse = (text: string): SipUri | undefined => {
    if (!parsed.has(text)) parsed.set(text, parseUri(text))
    return parsed.get(text)
  }
  const equal = (one: string, other: string): boolean => {
    if (one === other) return true
    const a = parse(one)
    const b = parse(other)
    return a !== undefined && b !== undefined && equalUris(a, b)
  }
  return (existing, asked) => {
    if (asked.regId > 0) return existing.regId === asked.regId && existing.instance === asked.instance
    if (existing.regId > 0) return false
    if (equal(existing.uri, asked.uri)) return true
    // A NAT may have given it another port since, or a reload another rewrite_contact.
    const isRewritten = asked.uri !== asked.registered || existing.uri !== existing.registered
    return isRewritten && existing.callId === asked.callId && equal(existing.registered, asked.registered)
  }
}

function usesOutbound(request: SipRequest): boolean {
  return (
    hasOptionTag(request.headers('Supported'), 'outbound') && request.contacts.some((contact) => regIdOf(contact) > 0)
  )
}

/** 0 where there is none, or where it is useless for the lack of an instance. */
function regIdOf({ params }: NameAddr): number {
  const regId = parseDeltaSeconds(params.get('reg-id')) ?? 0
  return params.get('+sip.instance') && regId < 2 ** 31 ? regId : 0
}

function outboundRefusal(request: SipRequest): Refusal | undefined {
  if (!usesOutbound(request)) return undefined
  // RFC 5626 6: one registration flow a request, which may take others away.
  if (request.contacts.filter((contact) => parseDeltaSeconds(expiresOf(contact, request)) !== 0).length > 1)
    return { status: 400, reason: 'More Than One Contact With reg-id' }
  if (request.headers('Via').length < 2) return undefined
  const firstHop = parseNameAddr(request.headers('Path').at(-1) ?? '')
  return firstHop?.uri?.params.has('ob') ? undefined : { status: 439, reason: 'First Hop Lacks Outbound Support' }
}

/** RFC 3327 5.3. Asterisk wants the phone to know of it; without support_path nobody may insist on it. */
function pathRefusal({ tx: { request }, aor, compat }: RegisterScene): Refusal | undefined {
  const unsupported: Refusal = { status: 420, headers: [['Unsupported', 'path']] }
  if (!aor.support_path) return hasOptionTag(request.headers('Require'), 'path') ? unsupported : undefined
  if (request.headers('Path').some((text) => !parseNameAddr(text))) return { status: 400, reason: 'Malformed Path' }
  const isKnown = hasOptionTag(request.headers('Supported'), 'path')
  return compat === 'asterisk' && request.headers('Path').length > 0 && !isKnown ? unsupported : undefined
}

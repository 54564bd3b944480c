/** The NOTIFY for message-summary that nobody asked for. */
import { isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Core } from '../core/core.ts'
import type { Endpoint } from '../core/endpoints.ts'
import type { Contact } from '../core/registrar/registrar.ts'
import type { HeaderLine, OutOfDialogRequest } from '../core/sip/contract.ts'
import { type MessageSummary, summaryText, withUser } from './summary.ts'
import { SIMPLE_MESSAGE_SUMMARY } from './summary-publication.ts'

type Asked = Pick<Core, 'general' | 'endpoints' | 'sip' | 'auth'>

/**
 * To a contact, out of any dialog. Asterisk's ends with `Subscription-State: terminated`, from the endpoint to the
 * contact; the RFC's form gives the reason that promises no more than this one (RFC 6665 4.1.3: noresource), and is
 * from and to the address of record, so that a phone with several accounts knows which lamp is meant.
 */
export function unsolicitedNotify(
  core: Asked,
  endpoint: Endpoint,
  contact: Contact,
  counts: Omit<MessageSummary, 'account'>,
  notifyHeaders: readonly HeaderLine[],
): OutOfDialogRequest {
  const asterisk = core.general.compat === 'asterisk'
  const scheme = contact.uri.slice(0, 5).toLowerCase() === 'sips:' ? 'sips' : 'sip'
  const host = ownHost(core, endpoint, contact)
  const owner = endpoint.mwi_from_user || endpoint.from_user || (asterisk ? endpoint.id : contact.aor)
  const from = withUser(`${scheme}:${host}`, owner)
  const account = endpoint.voicemail_extension || core.endpoints.global.default_voicemail_extension
  return {
    method: 'NOTIFY',
    requestUri: contact.uri,
    from: `<${from}>`,
    to: asterisk ? `<${contact.uri}>` : `<${withUser(`${scheme}:${host}`, contact.aor)}>`,
    headers: [
      ['Event', 'message-summary'],
      ['Subscription-State', asterisk ? 'terminated' : 'terminated;reason=noresource'],
      ...notifyHeaders,
    ],
    routes: routesOf(endpoint, contact),
    body: { contentType: SIMPLE_MESSAGE_SUMMARY, content: summaryText({ ...counts, account }, from) },
    flow: contact.flow?.open ? contact.flow : undefined,
    beside: contact.beside,
    transport: transportOf(endpoint, contact) || undefined,
    credentials: core.auth.credentialsFor(endpoint),
  }
}

/** While there is no flow, as after a restart. Empty where nothing is known. */
function transportOf(endpoint: Endpoint, { transport = '' }: Contact): string {
  return endpoint.transport || transport
}

function routesOf({ outbound_proxy }: Endpoint, { path }: Contact): readonly string[] {
  if (path.length > 0) return path
  return outbound_proxy === '' ? [] : [`<${outbound_proxy.replace(/^<|>$/g, '')}>`]
}

/** How the peer knows us: by configuration, by the flow it registered on, by an address of its transport or any, by our first network. */
function ownHost({ sip, endpoints }: Asked, endpoint: Endpoint, contact: Contact): string {
  const { from_domain } = endpoint
  if (from_domain !== '') return asHost(from_domain)
  const flow = contact.flow ?? contact.beside
  if (flow) {
    const contact = sip.contactFor(flow).replace(/^<|>$/g, '')
    const hostPort = contact.slice(contact.lastIndexOf('@') + 1).replace(/^sips?:/, '')
    return hostPort.split(/[;?>]/, 1)[0] ?? hostPort
  }
  const { transports } = endpoints.files
  const transport = transportOf(endpoint, contact)
  const named = transports.filter(({ id }) => id === transport)
  for (const { external_signaling_address, bind } of [...named, ...transports]) {
    if (external_signaling_address !== '') return asHost(external_signaling_address)
    const host = hostOfBind(bind)
    if (host !== '') return host
  }
  return firstAddress()
}

/** As a URI has it. */
function asHost(written: string): string {
  return isIPv6(written) ? `[${written}]` : written
}

/** Empty where it binds to all addresses. */
function hostOfBind(bind: string): string {
  const host = bind.startsWith('[') ? bind.slice(0, bind.indexOf(']') + 1) : (bind.split(':', 1)[0] ?? '')
  return host === '0.0.0.0' || host === '[::]' ? '' : host
}

function firstAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  const outside = addresses.find(({ family, internal }) => family === 'IPv4' && !internal)
  return outside?.address ?? '127.0.0.1'
}

/** A PUBLISH as it goes out (RFC 3903 4.1), by the options of its section. */
import type { Endpoint } from '../core/endpoints.ts'
import { defaultsOf } from '../core/options.ts'
import { endpointOptions } from '../core/pjsip-options.ts'
import type { OutboundPublish } from '../core/publication-options.ts'
import type { HeaderLine, OutOfDialogRequest } from '../core/sip/contract.ts'
import { parseUri, printUri } from '../core/sip/parse-uri.ts'
import type { Draft } from './outbound-publication.ts'

/** What a PUBLISH is made by, beside its URIs. */
export type PublishWay = Pick<OutboundPublish, 'id' | 'event' | 'outbound_auth' | 'outbound_proxy' | 'transport'>

/** The URIs of one publication. */
export interface Uris {
  readonly servers: readonly string[]
  readonly from: string
  readonly to: string
}

/** `user` takes the place of their user parts where there is one. */
export function urisOf({ server_uri, from_uri, to_uri }: OutboundPublish, user: string | undefined): Uris {
  const made = (uri: string): string => (user === undefined ? uri : withUser(uri, user))
  const first = server_uri[0] ?? ''
  return { servers: server_uri.map(made), from: made(from_uri || first), to: made(to_uri || first) }
}

function withUser(uri: string, user: string): string {
  const parsed = parseUri(uri)
  if (!parsed) return uri
  const { scheme, host, port, params } = parsed
  return printUri({ scheme, user, host, port, params: [...params] })
}

export function publishRequest(
  section: PublishWay,
  { from, to }: Pick<Uris, 'from' | 'to'>,
  { serverUri, entityTag, expires, body }: Draft,
  { compat, common }: { readonly compat: 'rfc' | 'asterisk'; readonly common: readonly HeaderLine[] },
): Omit<OutOfDialogRequest, 'credentials'> {
  const headers: HeaderLine[] = [['Event', section.event], ['Expires', String(expires)], ...common]
  if (entityTag !== undefined) headers.push(['SIP-If-Match', entityTag])
  // Asterisk hands them over in the wrong order.
  const [sender, receiver] = compat === 'asterisk' ? [to, from] : [from, to]
  return {
    method: 'PUBLISH',
    requestUri: serverUri,
    from: `<${sender}>`,
    to: `<${receiver}>`,
    headers,
    routes: section.outbound_proxy === '' ? [] : [`<${section.outbound_proxy}>`],
    body,
    redirected: () => undefined,
    transport: section.transport === '' ? undefined : section.transport,
  }
}

/** The receiver, as those see it who make bodies and credentials for endpoints. */
export function asEndpoint({ id, outbound_auth, transport, outbound_proxy }: PublishWay): Endpoint {
  return { ...defaultsOf(endpointOptions), id, outbound_auth, transport, outbound_proxy, hintContext: '' }
}

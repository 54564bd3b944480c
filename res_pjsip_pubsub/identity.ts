/** Who a request is from, as headers say it, and whether two names are the same. */
import type { Endpoint } from '../core/endpoints.ts'
import type { SipRequest } from '../core/sip/contract.ts'
import { parseNameAddr, printUri } from '../core/sip/parse-uri.ts'
import type { SipUri } from '../core/sip/uri.ts'

export interface NameMatch {
  /** 1: without case. */
  readonly sip_uri_match: number
}

/** Without parameters and headers: how watchers, publishers and presentities are named. */
export function plainUri({ scheme, user, host, port }: SipUri): string {
  return printUri({ scheme, user, host, port })
}

/** The URI a header names, from an endpoint that is trusted to say such things (RFC 3325 9.1). `header`: empty reads none. */
export function assertedUri(request: SipRequest, { trust_id_inbound }: Endpoint, header: string): string | undefined {
  return trust_id_inbound ? namedUri(request, header) : undefined
}

/**
 * The URI of the Sender of a PUBLISH, who is not told of what it says itself. From an endpoint that is not trusted it
 * counts where it names the endpoint itself: nobody is to keep news from others.
 */
export function senderUri(
  request: SipRequest,
  endpoint: Endpoint,
  { sender_header: header, sip_uri_match }: NameMatch & { readonly sender_header: string },
): string | undefined {
  const asserted = assertedUri(request, endpoint, header)
  if (asserted !== undefined) return asserted
  const { uri } = parsed(request, header) ?? {}
  return uri && isOwnName(uri.user, endpoint, { sip_uri_match }) ? plainUri(uri) : undefined
}

/** Whether one may watch what the other may, and its names mean the same: what was found for one is for the other, too. */
export function isSameWatcher(one: Endpoint, other: Endpoint): boolean {
  if (one === other) return true
  return (
    one.hintContext === other.hintContext &&
    one.trust_id_inbound === other.trust_id_inbound &&
    one.aors.join() === other.aors.join()
  )
}

/** Whether a user part is a name of the endpoint: its id, or one of its AORs. */
export function isOwnName(user: string, { id, aors }: Endpoint, match: NameMatch): boolean {
  const wanted = nameKey(user, match)
  if (wanted === nameKey(id, match)) return true
  return aors.map((aor) => nameKey(aor, match)).some((aor) => aor === wanted || aor.startsWith(`${wanted}@`))
}

/** What a name is looked up by: as it is, or without case (`sip_uri_match`). */
export function nameKey(name: string, { sip_uri_match }: NameMatch): string {
  return sip_uri_match === 1 ? name.toLowerCase() : name
}

function namedUri(request: SipRequest, header: string): string | undefined {
  const found = parsed(request, header)
  return found && (found.uri ? plainUri(found.uri) : found.uriText)
}

function parsed(request: SipRequest, header: string): ReturnType<typeof parseNameAddr> {
  const value = header === '' ? undefined : request.header(header)
  return value === undefined ? undefined : parseNameAddr(value)
}

/** For how long a subscription is granted (RFC 6665 4.2.1.1). */
import type { Endpoint } from '../core/endpoints.ts'
import type { Refusal, SipRequest } from '../core/sip/contract.ts'
import { parseDeltaSeconds } from '../core/sip/values.ts'
import type { EventPackage } from './contract.ts'
import type { PubsubSettings } from './options.ts'
import * as refusal from './refusals.ts'
import type { Services } from './services.ts'

/** 400 for what is no number, 423 for too short (RFC 6665 4.2.1.1), and Asterisk's 400 for a fetch. */
export function refuseExpires(
  request: SipRequest,
  endpoint: Endpoint,
  { settings, compat }: Pick<Services, 'settings' | 'compat'>,
  zeroAllowed: boolean,
): Refusal | undefined {
  const text = request.header('Expires')
  if (text === undefined) return undefined
  const seconds = parseDeltaSeconds(text)
  if (seconds === undefined) return MALFORMED
  if (seconds === 0) return zeroAllowed ? undefined : refusal.NO_FETCH
  const least = leastExpires(endpoint, settings())
  if (settings().min_expires_action === RAISE) return undefined
  // RFC 6665 4.2.1.1: an hour and more is never too brief.
  const tooBrief = seconds < least && (seconds < 3600 || compat() === 'asterisk')
  return tooBrief ? refusal.tooBrief(least, compat()) : undefined
}

const MALFORMED = refusal.badRequest('Malformed Expires')

/** Of a refresh under `compat = asterisk`: any time will do, but a time it has to be. */
export function refuseMalformedExpires(request: SipRequest): Refusal | undefined {
  const text = request.header('Expires')
  return text === undefined || parseDeltaSeconds(text) !== undefined ? undefined : MALFORMED
}

/** Of min_expires_action: too little becomes min_expires. RFC 6665 4.2.1.1 allows only less than was asked for. */
const RAISE = 2

function leastExpires(endpoint: Endpoint, { min_expires }: Pick<PubsubSettings, 'min_expires'>): number {
  return Math.max(endpoint.sub_min_expiry, min_expires)
}

/** Seconds: what is asked for, at most what the package and the options grant. */
export function grant(
  request: SipRequest,
  endpoint: Endpoint,
  of: EventPackage<unknown> | undefined,
  { settings }: Pick<Services, 'settings'>,
): number {
  const { max_expires, default_expires, min_expires_action } = settings()
  const most = Math.min(max_expires, of?.defaultExpires ?? Number.POSITIVE_INFINITY)
  const asked = parseDeltaSeconds(request.header('Expires')) ?? of?.defaultExpires ?? default_expires
  if (asked === 0) return 0
  return Math.min(min_expires_action === RAISE ? Math.max(asked, leastExpires(endpoint, settings())) : asked, most)
}

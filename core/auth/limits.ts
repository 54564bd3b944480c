/** Limits on requests: a token bucket for each source and each endpoint, in bounded memory. */
import type { Endpoint, Endpoints } from '../endpoints.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { dropOldest } from '../oldest.ts'
import type { Address, Flow, Refusal, SipRequest } from '../sip/contract.ts'
import { hostOf } from './networks.ts'

export interface Limits {
  /** Asked by the SIP stack before it does anything with a request, copies as well. A flood is dropped without an answer. */
  readonly beforeRequest: (request: SipRequest, source: Address, flow: Flow) => 'accept' | 'drop' | Refusal
  /** Asked once a request has proved to be the endpoint's own: 503 with Retry-After where there are too many. */
  endpoint(endpoint: Endpoint): Refusal | undefined
}

export interface LimitSettings {
  readonly endpoints: Endpoints
  readonly log: Log
  readonly metrics: Metrics
  /** Epoch milliseconds. */
  readonly now?: () => number
}

export function createLimits({ endpoints, log, metrics, now = Date.now }: LimitSettings): Limits {
  const logger = log.logger('limits')
  const dropped = metrics.counter('limits.source.dropped')
  const refused = metrics.counter('limits.endpoint.refused')
  const sources = new Buckets(now)
  const byEndpoint = new Buckets(now)
  return {
    beforeRequest(_request, source) {
      const rate = endpoints.global.request_limit
      if (rate === 0) return 'accept'
      const key = hostOf(source.address)
      const taken = sources.take(key, rate)
      if (taken === 'yes') return 'accept'
      dropped.add()
      if (taken === 'just dry')
        logger.warning(`more than ${rate} requests a second from ${key}: what is too much is dropped without an answer`)
      return 'drop'
    },
    endpoint({ id }) {
      const rate = endpoints.global.endpoint_request_limit
      if (rate === 0) return undefined
      const taken = byEndpoint.take(id, rate)
      if (taken === 'yes') return undefined
      refused.add()
      if (taken === 'just dry')
        logger.warning(`more than ${rate} requests a second of endpoint '${id}': what is too much is answered 503`)
      return { status: 503, reason: 'Too Many Requests', headers: [['Retry-After', '1']] }
    },
  }
}

interface Bucket {
  tokens: number
  at: number
  /** Since it was last full somebody has come to nothing. */
  dry: boolean
}

/** What a bucket holds is what may come in one second; it starts full. */
export class Buckets {
  readonly #now: () => number
  readonly #capacity: number
  /** Least recently used first. */
  readonly #buckets = new Map<string, Bucket>()

  constructor(now: () => number, capacity = 20_000) {
    this.#now = now
    this.#capacity = capacity
  }

  /** 'just dry': not any more, and this is the first one to hear it since the bucket was full. */
  take(key: string, perSecond: number): 'yes' | 'just dry' | 'dry' {
    const now = this.#now()
    const bucket = this.#buckets.get(key) ?? { tokens: perSecond, at: now, dry: false }
    const passed = Math.max(0, now - bucket.at)
    bucket.tokens = Math.min(perSecond, bucket.tokens + (passed * perSecond) / 1000)
    bucket.at = now
    if (bucket.tokens >= perSecond) bucket.dry = false
    this.#buckets.delete(key)
    this.#buckets.set(key, bucket)
    dropOldest(this.#buckets, this.#capacity)
    if (bucket.tokens >= 1) {
      bucket.tokens--
      return 'yes'
    }
    const first = !bucket.dry
    bucket.dry = true
    return first ? 'just dry' : 'dry'
  }
}

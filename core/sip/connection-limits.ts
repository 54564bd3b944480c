/** How many connections there may be: of a host, and of those who do not read. */
import type { TransportConfig } from '../endpoints.ts'

/** Behind one NAT there may be hundreds of phones: where nobody says otherwise they all get in. */
const LEAST_SHARE = 500

type Limits = Pick<TransportConfig, 'max_connections' | 'max_connections_per_host'>

export function shareOfHost({ max_connections, max_connections_per_host }: Limits): number {
  return max_connections_per_host > 0 ? max_connections_per_host : Math.max(LEAST_SHARE, max_connections >> 1)
}

/** Connections whose peers do not read what they were sent, that are waited for at a time. */
export function mostUnread({ max_connections }: Limits): number {
  return Math.max(1, max_connections >> 5)
}

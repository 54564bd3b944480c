/** UDP flows are made for each message; what is kept of them, the dialogs of a phone share. */
import { hashOf } from '../text.ts'
import type { Wire } from './transport.ts'

/** The same address by the same socket, and from the same address of ours. */
export function isSameFlow(one: Wire, other: Wire): boolean {
  if (one === other) return true
  if (one.reliable || other.reliable || one.carrier !== other.carrier || one.local !== other.local) return false
  return one.remote.port === other.remote.port && one.remote.address === other.remote.address
}

/** The address of ours that a peer has sent to, where its transport has several. */
export function ownOf({ reliable, local, carrier }: Wire): string | undefined {
  return reliable || local === carrier.local ? undefined : local.address
}

export class SharedFlows {
  readonly #mask: number
  readonly #places: (Wire | undefined)[]

  /** `places`: a power of two. */
  constructor(places: number) {
    this.#mask = places - 1
    this.#places = Array.from({ length: places }, () => undefined)
  }

  /** The same, or one that was kept and is equal. */
  of(flow: Wire): Wire {
    if (flow.reliable) return flow
    const { address, port } = flow.remote
    const place = hashOf(address, port) & this.#mask
    const known = this.#places[place]
    if (known && isSameFlow(known, flow)) return known
    this.#places[place] = flow
    return flow
  }
}

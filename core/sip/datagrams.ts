/**
 * A UDP socket as its transport sees it. There are two kinds: `batched` takes many datagrams from the kernel and hands
 * it many at once, and needs the native part (core/sip/native); `plain` is Node's own and works everywhere.
 */
import { nativePart } from './addon.ts'
import { BatchedDatagrams } from './batched-datagrams.ts'
import type { Address } from './contract.ts'
import { PlainDatagrams } from './plain-datagrams.ts'
import type { Sender } from './transport.ts'
import type { UdpFlow } from './udp.ts'

export type DatagramsKind = 'batched' | 'plain'

/** The transport behind a socket. */
export interface DatagramHandler {
  /** Makes the flow to an address. `place` is where that is, in the socket's own terms. */
  makeFlow(remote: Address, place: readonly number[]): UdpFlow
  /** A datagram, one character per byte. */
  received(text: string, from: UdpFlow): void
  /** Something could not be sent. Never called from within `send`. */
  sendFailed(reason: string, sender: Sender | undefined): void
  /** The socket has a problem of its own. */
  troubled(reason: string): void
}

export interface Datagrams {
  readonly kind: DatagramsKind
  readonly local: Address
  /** From here on datagrams are handed over. */
  start(handler: DatagramHandler): void
  flowTo(remote: Address, handler: DatagramHandler): UdpFlow
  /** `text` has one character per byte. */
  send(text: string, to: UdpFlow, sender: Sender | undefined): void
  /** What was given to `send` before still goes out where the kernel takes it at once. */
  close(): Promise<void>
}

/** The wanted kind, or what there is. Rejects with the system's error. */
export function openDatagrams(at: Address, family: 4 | 6, wanted: DatagramsKind = 'batched'): Promise<Datagrams> {
  const native = wanted === 'batched' ? nativePart() : undefined
  return native?.kind === 'loaded' ? BatchedDatagrams.open(native.addon, at, family) : PlainDatagrams.open(at, family)
}

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

/** Who sends datagrams or gets them. */
export interface Peer {
  readonly remote: Address
  /** Where that is in the terms of the socket. */
  readonly place: readonly number[]
}

/** The transport behind a socket, with what it takes for a peer. */
export interface DatagramHandler<Flow extends Peer = UdpFlow> {
  /** Makes the flow to an address. `place` is where that is, in the socket's own terms; `local`: where the flow is from. */
  makeFlow(remote: Address, place: readonly number[], local: Address): Flow
  /** A datagram, one character per byte. */
  received(text: string, from: Flow): void
  /** Something could not be sent. Never called from within `send`. */
  sendFailed(reason: string, sender: Sender | undefined): void
  /** The socket has a problem of its own. */
  troubled(reason: string): void
}

export interface Datagrams<Flow extends Peer = UdpFlow> {
  readonly kind: DatagramsKind
  readonly local: Address
  /** From here on datagrams are handed over. */
  start(handler: DatagramHandler<Flow>): void
  /** `from`: a flow of this socket from the same address of ours, or that address. Any will do without it. */
  flowTo(remote: Address, handler: DatagramHandler<Flow>, from?: Flow | string): Flow
  /** `text` has one character per byte. */
  send(text: string, to: Flow, sender: Sender | undefined): void
  /** What was given to `send` before still goes out where the kernel takes it at once. */
  close(): Promise<void>
}

/** The wanted kind, or what there is. Rejects with the system's error. */
export function openDatagrams<Flow extends Peer = UdpFlow>(
  at: Address,
  family: 4 | 6,
  wanted: DatagramsKind = 'batched',
): Promise<Datagrams<Flow>> {
  const native = wanted === 'batched' ? nativePart() : undefined
  return native?.kind === 'loaded' ? BatchedDatagrams.open(native.addon, at, family) : PlainDatagrams.open(at, family)
}

/** Finds and loads the native part of core/sip, which `.ci/prepare.mjs` builds where there is a C compiler. */
import { createRequire } from 'node:module'
import { reasonOf } from '../log.ts'

/**
 * What core/sip/native/datagrams.c exports. Addresses are numbers there: IPv4 two (address, port), IPv6 six; after
 * them, for a socket that is bound to all addresses of this machine, one that says which of them it is about, 0 for any.
 */
export interface DatagramAddon {
  readonly layout: number
  /** False where `text` is no address of this family; what it is goes to `place` otherwise. */
  readAddress(text: string, port: number, v6: boolean, place: Int32Array): boolean
  printAddress(place: Int32Array, v6: boolean): string
  /** A bound socket, and its address in `place`; or errno, negative. */
  open(
    place: Int32Array,
    v6: boolean,
    wake: (from: number, to: number, microseconds: number) => void,
    numbers: Int32Array,
    incoming: Buffer,
    outgoing: Buffer,
  ): DatagramSocket | number
  /** The number of an address that this machine has; 0 for any other. */
  numberOfLocal(socket: DatagramSocket, address: string): number
  /** The address of this machine that has this number. */
  printLocal(socket: DatagramSocket, local: number): string
  send(socket: DatagramSocket): void
  close(socket: DatagramSocket): void
}

/** What it is only the native part knows. */
export type DatagramSocket = object

export type NativePart =
  | { readonly kind: 'loaded'; readonly addon: DatagramAddon }
  | { readonly kind: 'missing'; readonly why: string }

/** Both halves agree on where in their shared memory things are. */
const LAYOUT = 4

let found: NativePart | undefined

export function nativePart(): NativePart {
  found ??= load()
  return found
}

function load(): NativePart {
  // Built code lies beside it; the sources, which tests run, are three folders away from where it is built.
  const built = import.meta.url.endsWith('.ts') ? '../../dist/core/sip/native/' : './native/'
  try {
    const addon: unknown = createRequire(import.meta.url)(`${built}datagrams.node`)
    if (!isAddon(addon)) return { kind: 'missing', why: 'it is of another version' }
    return { kind: 'loaded', addon }
  } catch (error) {
    return { kind: 'missing', why: reasonOf(error).split('\n', 1)[0] ?? '' }
  }
}

function isAddon(value: unknown): value is DatagramAddon {
  return typeof value === 'object' && value !== null && 'layout' in value && value.layout === LAYOUT
}

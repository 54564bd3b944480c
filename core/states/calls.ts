/** Calls as ARI channel events tell them: one entry a channel of a device. They give dialog-info its dialogs. */
import { addedTo, type Undo } from '../scope.ts'

export interface Party {
  readonly number: string
  readonly name: string
  /** Caller-ID presentation forbids showing it. */
  readonly restricted: boolean
}

export interface Call {
  readonly origin: string
  /** Unique within the origin: the channel's uniqueid. */
  readonly id: string
  /** The device without the channel's suffix: `PJSIP/100` of `PJSIP/100-00000001`. */
  readonly device: string
  /** initiator: the device made the call; recipient: it was called (RFC 4235 4.1.2). */
  readonly direction: 'initiator' | 'recipient'
  readonly state: 'trying' | 'early' | 'confirmed'
  /** This device was put on hold or holds. */
  readonly held: boolean
  readonly local: Party
  readonly remote: Party
  /** Epoch milliseconds of the channel's creation. */
  readonly since: number
  /** The SIP dialog of the leg between the device and Asterisk, as the device sees it: localTag is the phone's. */
  readonly sip?: { readonly callId: string; readonly localTag: string; readonly remoteTag: string }
}

export const NO_CALLS: readonly Call[] = []

export function sameCalls(a: readonly Call[], b: readonly Call[]): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  return a.every((call, at) => {
    const other = b[at]
    return other !== undefined && sameCall(call, other)
  })
}

function sameCall(a: Call, b: Call): boolean {
  return (
    a === b ||
    (a.id === b.id &&
      a.origin === b.origin &&
      a.device === b.device &&
      a.state === b.state &&
      a.held === b.held &&
      a.direction === b.direction &&
      a.since === b.since &&
      sameParty(a.local, b.local) &&
      sameParty(a.remote, b.remote) &&
      a.sip?.callId === b.sip?.callId &&
      a.sip?.localTag === b.sip?.localTag &&
      a.sip?.remoteTag === b.sip?.remoteTag)
  )
}

function sameParty(a: Party, b: Party): boolean {
  return a.number === b.number && a.name === b.name && a.restricted === b.restricted
}

export class Calls {
  /** device in lower case → `origin/id` → call */
  readonly #byDevice = new Map<string, Map<string, Call>>()
  readonly #listeners = new Set<(device: string) => void>()

  /** Oldest first. */
  of(device: string): readonly Call[] {
    const calls = this.#byDevice.size === 0 ? undefined : this.#byDevice.get(device.toLowerCase())
    return calls ? [...calls.values()].sort((a, b) => a.since - b.since || (a.id < b.id ? -1 : 1)) : NO_CALLS
  }

  has(device: string): boolean {
    return this.#byDevice.size > 0 && this.#byDevice.has(device.toLowerCase())
  }

  list(): readonly Call[] {
    return [...this.#byDevice.values()].flatMap((calls) => [...calls.values()]).sort((a, b) => a.since - b.since)
  }

  set(call: Call): void {
    const device = call.device.toLowerCase()
    let calls = this.#byDevice.get(device)
    if (!calls) this.#byDevice.set(device, (calls = new Map()))
    calls.set(`${call.origin}/${call.id}`, call)
    this.#changed(call.device)
  }

  end(origin: string, device: string, id: string): void {
    const calls = this.#byDevice.get(device.toLowerCase())
    if (!calls?.delete(`${origin}/${id}`)) return
    if (calls.size === 0) this.#byDevice.delete(device.toLowerCase())
    this.#changed(device)
  }

  /** Nothing is known of any call there. */
  endAll(origin: string): void {
    for (const call of this.list()) if (call.origin === origin) this.end(origin, call.device, call.id)
  }

  onChange(listener: (device: string) => void): Undo {
    return addedTo(this.#listeners, listener)
  }

  #changed(device: string): void {
    for (const listener of this.#listeners) listener(device)
  }
}

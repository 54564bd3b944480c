/** Where endpoints can be reached: bindings of REGISTER (RFC 3261 10) and permanent contacts. */

import type { Undo } from '../scope.ts'
import type { Flow } from '../sip/contract.ts'

export interface Contact {
  /** Of the binding, whose it stays over refreshes; undefined for permanent contacts. */
  readonly id?: string
  readonly aor: string
  /** Who registered it; undefined for permanent contacts. */
  readonly endpoint?: string
  /** The Contact URI, as text without brackets. */
  readonly uri: string
  /** The Contact as the phone wrote it, where `uri` may be another. */
  readonly registered?: string
  /** Routes to it (Path, RFC 3327), first hop first. */
  readonly path: readonly string[]
  /** The flow it registered on, while it is open: a connection is not after a restart. Undefined for permanent contacts. */
  readonly flow: Flow | undefined
  /** The UDP flow it registered by, also where it is reached in another way: by a Path, or at another port. */
  readonly beside?: Flow | undefined
  /** Name of the UDP transport it registered by: the NAT before a phone lets nobody else in. Empty for connections and where it is not known. */
  readonly transport?: string
  /** Epoch milliseconds; Infinity for permanent contacts. */
  readonly expires: number
  readonly userAgent: string
  /** `+sip.instance`, empty where there is none. */
  readonly instance: string
}

/** Why a registered contact is gone, as the log says it. */
export type Loss = 'unregistered' | 'expired' | 'connection closed' | 'replaced'

export interface LostContact {
  readonly contact: Contact
  readonly why: Loss
}

/** Either `added` or `lost`; neither where a permanent contact went. */
export type ContactListener = (aor: string, added: Contact | undefined, lost?: LostContact) => void

export type RefreshListener = (contact: Contact) => void

export interface Contacts {
  /** Permanent ones of the AOR's section and registered ones. */
  of(aor: string): Promise<readonly Contact[]>
  /** AORs that somebody is registered for, those of before a restart among them. */
  registered(): readonly string[]
  /** A contact was added, refreshed with another address or by a phone that has restarted, or lost. `added` names the new one. */
  onChange(listener: ContactListener): Undo
  /** A contact was refreshed, and nothing else is new of it: its phone is there. */
  onRefresh(listener: RefreshListener): Undo
}

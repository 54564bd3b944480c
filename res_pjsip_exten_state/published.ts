/** An extension as the packages presence and dialog show it: what Asterisk says of it, and what was published about it. */
import type { DialogStateName } from '../core/documents/dialog-info.ts'
import type { ExtensionState } from '../core/states/extension-state.ts'
import type { XmlElement } from '../core/xml.ts'
import type { Kind } from '../res_pjsip_pubsub/contract.ts'

export interface PublishedState extends ExtensionState {
  /** Undefined where nothing is published. */
  readonly published?: Published
}

export interface Published {
  /** Nothing but publications tells of this extension: it has no hint. */
  readonly alone: boolean
  /** Best first; those of `ahead` go before what Asterisk says. */
  readonly presence: readonly PublishedPresence[]
  readonly ahead: number
  /** Best first. */
  readonly dialogs: readonly DialogSource[]
  /** The watcher that this change is not told to, as it made it; empty for none. */
  readonly sender: string
}

/** A presence document that was published (RFC 3863), ready to be written again. */
export interface PublishedPresence {
  readonly tuples: readonly XmlElement[]
  /** Persons and devices of the data model (RFC 4479), with all that RPID (RFC 4480) says in them. */
  readonly persons: readonly XmlElement[]
  readonly devices: readonly XmlElement[]
  readonly notes: readonly XmlElement[]
  /** Whatever else was in it. */
  readonly others: readonly XmlElement[]
  /** `xmlns:rpid` → namespace */
  readonly declarations: ReadonlyMap<string, string>
  /** The first tuple's; undefined where there is none. */
  readonly basic: 'open' | 'closed' | undefined
  readonly note: string
  /** Activities of the persons (RFC 4480 3.2), without prefix. */
  readonly activities: readonly string[]
}

export interface PublishedDialog {
  readonly id: string
  /** Empty where there is none. */
  readonly callId: string
  readonly state: DialogStateName
  readonly element: XmlElement
}

/** What one publication says about dialogs. */
export interface PublishedDialogs {
  readonly dialogs: readonly PublishedDialog[]
  /** Keys of dialogs that this publication ended before, oldest first: they do not come back to life. */
  readonly ended: readonly string[]
  readonly declarations: ReadonlyMap<string, string>
}

/** Dialogs with who says so, by which two dialogs of one id are told apart. */
export interface DialogSource extends PublishedDialogs {
  readonly source: string
}

export const presenceKind: Kind<PublishedPresence> = { name: 'published presence' }
export const dialogsKind: Kind<PublishedDialogs> = { name: 'published dialogs' }

/** What names a dialog over publications: two calls may have dialogs of one id. */
export function dialogKey({ id, callId }: Pick<PublishedDialog, 'id' | 'callId'>): string {
  return `${callId}\0${id}`
}

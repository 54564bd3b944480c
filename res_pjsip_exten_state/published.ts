/** An extension as the packages presence and dialog show it: what Asterisk says of it, and what was published about it. */
import {
  DIALOG_INFO,
  type DialogStateName,
  dialogNodes,
  dialogStateOf,
  withPlainState,
} from '../core/documents/dialog-info.ts'
import type { ExtensionState } from '../core/states/extension-state.ts'
import { detached } from '../core/text.ts'
import { parseXml, printElement, type XmlElement, type XmlNode } from '../core/xml.ts'
import { copyXml, type Declarations, type Prefixes } from '../core/xml-copy.ts'
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
  readonly declarations: Declarations
  /** Of the first tuple that has one; undefined where none has. */
  readonly basic: 'open' | 'closed' | undefined
  readonly note: string
  /** Activities of the persons (RFC 4480 3.2), without prefix. */
  readonly activities: readonly string[]
}

/** What dialogs were said in, read again where one of them has to be shown otherwise than it was said. */
export class DialogDocument {
  readonly #text: string
  #dialogs: readonly XmlNode[] | undefined

  /** `text`: dialog information that has been found right. */
  constructor(text: string) {
    this.#text = text
  }

  dialog(index: number): XmlNode {
    this.#dialogs ??= dialogNodes(parseXml(this.#text))
    const found = this.#dialogs[index]
    if (!found) throw new Error(`no dialog ${index} in what was published`)
    return withPlainState(found)
  }
}

/**
 * A dialog that was published. It is kept as a text, which is most often all that is asked of it: one object to hold and
 * for the collector to move, in place of dozens.
 */
export class PublishedDialog {
  readonly id: string
  /** Empty where there is none. */
  readonly callId: string
  readonly state: DialogStateName
  /** As it is printed in a document of ours. */
  readonly text: string
  readonly #document: DialogDocument
  readonly #index: number

  /** `document`: what it was said in, `index` dialogs being before it. */
  constructor(
    id: string,
    callId: string,
    state: DialogStateName,
    text: string,
    document: DialogDocument,
    index: number,
  ) {
    this.id = id
    this.callId = callId
    this.state = state
    this.text = text
    this.#document = document
    this.#index = index
  }

  /** From its document: another one each time. */
  get element(): XmlElement {
    const node = this.#document.dialog(this.#index)
    const { element } = copyXml(node, DIALOG_INFO, DIALOG_PREFIXES)
    if (this.id !== node.attribute('id')) element.attributes.set('id', this.id)
    if (this.state !== dialogStateOf(node))
      for (const child of element.children) if (child.name === 'state') child.text = this.state
    return element
  }

  /** It is over by the word of another. */
  asEnded(): PublishedDialog {
    return this.state === 'terminated' ? this : this.#changed(this.id, 'terminated')
  }

  /** Another dialog of the document has its name. */
  renamed(id: string): PublishedDialog {
    return this.#changed(id, this.state)
  }

  /** The same, said in another document that has its text. */
  saidIn(document: DialogDocument, index: number): PublishedDialog {
    return new PublishedDialog(detached(this.id), detached(this.callId), this.state, this.text, document, index)
  }

  #changed(id: string, state: DialogStateName): PublishedDialog {
    const { element } = new PublishedDialog(id, this.callId, state, '', this.#document, this.#index)
    return new PublishedDialog(id, this.callId, state, printElement(element, 1), this.#document, this.#index)
  }
}

export const DIALOG_PREFIXES: Prefixes = new Map([['urn:ietf:params:xml:ns:sa-dialog-info', 'sa']])

/** What one publication says about dialogs. */
export interface PublishedDialogs {
  readonly dialogs: readonly PublishedDialog[]
  /** Keys of dialogs that this publication ended before, oldest first: they do not come back to life. */
  readonly ended: readonly string[]
  readonly declarations: Declarations
}

/** Dialogs with who says so, by which two dialogs of one id are told apart. */
export class DialogSource implements PublishedDialogs {
  readonly #said: PublishedDialogs
  readonly #publisher: string
  readonly #instance: string

  constructor(said: PublishedDialogs, publisher: string, instance: string) {
    this.#said = said
    this.#publisher = publisher
    this.#instance = instance
  }

  get dialogs(): readonly PublishedDialog[] {
    return this.#said.dialogs
  }
  get ended(): readonly string[] {
    return this.#said.ended
  }
  get declarations(): Declarations {
    return this.#said.declarations
  }

  /** Put together where it is asked for: of one publication, which is what there is as a rule, nobody does. */
  get source(): string {
    return `${this.#publisher}\0${this.#instance}`
  }

  isSame(other: DialogSource): boolean {
    const { dialogs, ended } = this.#said
    const isSaid = dialogs === other.dialogs && ended === other.ended
    return isSaid && this.#publisher === other.#publisher && this.#instance === other.#instance
  }
}

/** What the packages presence and dialog watch, and their body generators say. */
export const extensionStateKind: Kind<PublishedState> = { name: 'exten state' }
export const presenceKind: Kind<PublishedPresence> = { name: 'published presence' }
export const dialogsKind: Kind<PublishedDialogs> = { name: 'published dialogs' }

/** What names a dialog over publications: two calls may have dialogs of one id. */
export function dialogKey({ id, callId }: Pick<PublishedDialog, 'id' | 'callId'>): string {
  return `${callId}\0${id}`
}

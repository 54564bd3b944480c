/**
 * What tells a dialog from all others, in one text that is a piece of its requests, too: from the tag in From to the end of
 * Call-ID. URI, tags and Call-ID are cut from it.
 *
 *     ;tag=LOCAL CRLF To: URI ;tag=REMOTE CRLF Call-ID: CALL-ID CRLF
 */
import { joined } from '../text.ts'
import { writtenName } from './headers.ts'
import { oneLine } from './serialize.ts'

export interface DialogIdentity {
  readonly callId: string
  readonly localTag: string
  /** Empty where the peer knows no tags. */
  readonly remoteTag: string
  readonly remoteUri: string
}

/** How a dialog's requests are written. */
export interface DialogForm {
  readonly compact: boolean
  readonly beforeTo: string
  readonly beforeCallId: string
}

export function formOf(compact: boolean): DialogForm {
  return compact ? COMPACT : LONG
}

const LONG = newForm(false)
const COMPACT = newForm(true)

function newForm(compact: boolean): DialogForm {
  const lineOf = (name: string): string => `\r\n${writtenName(name, compact)}: `
  return { compact, beforeTo: lineOf('To'), beforeCallId: lineOf('Call-ID') }
}

const TAG = ';tag='
const END = '\r\n'

/** Characters, not bytes. Each of the parts is within its line. */
export function dialogText({ callId, localTag, remoteTag, remoteUri }: DialogIdentity, form: DialogForm): string {
  const remote = remoteTag === '' ? oneLine(remoteUri) : `${oneLine(remoteUri)}${TAG}${oneLine(remoteTag)}`
  return joined(`${TAG}${oneLine(localTag)}${form.beforeTo}${remote}${form.beforeCallId}${oneLine(callId)}${END}`)
}

/** A text of which all parts but the Call-ID have known lengths. */
export abstract class TextOfDialog {
  /** Its own part of the header block, as characters. */
  protected readonly text: string
  protected readonly form: DialogForm
  readonly #localTagLength: number
  readonly #remoteUriLength: number
  readonly #remoteTagLength: number

  constructor(identity: DialogIdentity, form: DialogForm) {
    this.text = dialogText(identity, form)
    this.form = form
    this.#localTagLength = identity.localTag.length
    this.#remoteUriLength = identity.remoteUri.length
    this.#remoteTagLength = identity.remoteTag.length
  }

  /** `callId;localTag;remoteTag` */
  get id(): string {
    return joined(`${this.callId};${this.localTag};${this.remoteTag}`)
  }

  get localTag(): string {
    return this.text.slice(TAG.length, TAG.length + this.#localTagLength)
  }

  get remoteUri(): string {
    const start = this.#remoteUriAt
    return this.text.slice(start, start + this.#remoteUriLength)
  }

  get remoteTag(): string {
    const start = this.#remoteTagAt
    return this.text.slice(start, start + this.#remoteTagLength)
  }

  get callId(): string {
    return this.text.slice(this.#callIdAt, -END.length)
  }

  isOf(callId: string, localTag: string, remoteTag: string): boolean {
    const { text } = this
    return (
      localTag.length === this.#localTagLength &&
      remoteTag.length === this.#remoteTagLength &&
      callId.length === text.length - END.length - this.#callIdAt &&
      text.startsWith(localTag, TAG.length) &&
      text.startsWith(callId, this.#callIdAt) &&
      text.startsWith(remoteTag, this.#remoteTagAt)
    )
  }

  get #remoteUriAt(): number {
    return TAG.length + this.#localTagLength + this.form.beforeTo.length
  }

  get #remoteTagAt(): number {
    return this.#remoteUriAt + this.#remoteUriLength + (this.#remoteTagLength === 0 ? 0 : TAG.length)
  }

  get #callIdAt(): number {
    return this.#remoteTagAt + this.#remoteTagLength + this.form.beforeCallId.length
  }
}

/** A request within a dialog: what never changes of it, and what may before it is written again. */
import type { RequestContent } from './contract.ts'
import type { SipDialog } from './dialog.ts'
import type { DialogHead } from './dialog-heads.ts'
import type { Origin } from './origin.ts'
import type { Draft } from './outgoing.ts'
import type { Wire } from './transport.ts'
import { checkedMethod, type RequestPieces, writePieces } from './write-request.ts'

export class DialogRequest implements Draft, RequestPieces {
  readonly method: string
  readonly #dialog: SipDialog
  readonly #cseq: number
  readonly #content: RequestContent
  requestUri = ''
  #head: DialogHead | undefined = undefined

  constructor(dialog: SipDialog, method: string, cseq: number, content: RequestContent) {
    this.#dialog = dialog
    this.method = checkedMethod(method)
    this.#cseq = cseq
    this.#content = content
  }

  get sender(): object {
    return this.#dialog
  }

  get wayNow(): Wire | undefined {
    return this.#dialog.wayNow
  }

  /** RFC 3261 12.2.2: a refresh has named another Contact; whoever is on the way there is the same. Or the dialog is over. */
  get isOvertaken(): boolean {
    return this.#dialog.isDisposed || this.requestUri !== this.#dialog.requestUri
  }

  get head(): DialogHead {
    if (!this.#head) throw new Error(`no ${this.method} was written`)
    return this.#head
  }

  get afterFrom(): string {
    return this.#dialog.afterFrom
  }

  write(wire: Wire, origin: Origin, branch: string): string {
    this.#head = this.#dialog.headFor(wire, origin)
    this.requestUri = this.#dialog.requestUri
    return this.rewrite(branch)
  }

  rewrite(branch: string): string {
    return writePieces(this, branch, this.#cseq, this.#content)
  }
}

/** Whose a NOTIFY is: of a subscription in its dialog, of a SUBSCRIBE that is on its way, or of nobody (481). */
import type { Undo } from '../../core/scope.ts'
import type { Dialog, ServerTransaction, Sip } from '../../core/sip/contract.ts'
import { isRefusal, type NotifyHead, readNotify } from './notify.ts'

type NotifyHandler = (tx: ServerTransaction, head: NotifyHead) => Promise<void> | void

export class NotifyRouter {
  readonly #sip: Sip
  readonly #received: () => void
  /** By the id of the dialog. */
  readonly #dialogs = new Map<string, NotifyHandler>()
  /** By Call-ID and our tag. */
  readonly #attempts = new Map<string, NotifyHandler>()
  readonly #outside: (tx: ServerTransaction) => Promise<void> | void

  /** `outside`: NOTIFYs that name no dialog. */
  constructor(sip: Sip, outside: (tx: ServerTransaction) => Promise<void> | void, received: () => void) {
    this.#sip = sip
    this.#outside = outside
    this.#received = received
  }

  dialog(dialog: Dialog, handler: NotifyHandler): Undo {
    return add(this.#dialogs, dialog.id, handler)
  }

  /** NOTIFYs that answer a SUBSCRIBE, and come in no dialog yet. */
  attempt(callId: string, fromTag: string, handler: NotifyHandler): Undo {
    return add(this.#attempts, `${callId};${fromTag}`, handler)
  }

  readonly handle = (tx: ServerTransaction): Promise<void> | void => {
    this.#received()
    const { request } = tx
    const { tag } = request.to
    const dialog = this.#sip.findDialog(request)
    const handler = dialog ? this.#dialogs.get(dialog.id) : this.#attempts.get(`${request.callId};${tag ?? ''}`)
    if (!handler && tag !== undefined) return tx.answer({ status: 481 })
    if (!handler) return this.#outside(tx)
    const head = readNotify(request)
    return isRefusal(head) ? tx.answer(head) : handler(tx, head)
  }
}

function add(map: Map<string, NotifyHandler>, key: string, handler: NotifyHandler): Undo {
  map.set(key, handler)
  return () => {
    if (map.get(key) === handler) map.delete(key)
  }
}

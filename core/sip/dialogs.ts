/** The table of dialogs: made from a request, made again from a record, found for a request. */

import type { DialogRecord, DialogSettings, ServerTransaction, SipRequest } from './contract.ts'
import { type DialogContext, SipDialog } from './dialog.ts'
import { DialogTable } from './dialog-table.ts'
import { newTag } from './id.ts'
import { parseNameAddr, printNameAddr } from './parse-uri.ts'
import { asRequestUri } from './routing.ts'
import { SharedFlows } from './shared-flows.ts'
import { wireOf } from './transport.ts'
import type { NameAddr, SipUri } from './uri.ts'

export class Dialogs {
  readonly #context: DialogContext
  readonly #table = new DialogTable<SipDialog>()

  constructor(context: Omit<DialogContext, 'forget' | 'flows'>) {
    this.#context = { ...context, flows: new SharedFlows(4096), forget: (ended) => this.#table.delete(ended) }
  }

  get size(): number {
    return this.#table.size
  }

  /** RFC 3261 12.1.1. Throws where there is no usable Contact. */
  create(
    { request, flow }: ServerTransaction,
    { followFlow, tagPrefix = '', contact: own, localTag }: DialogSettings,
  ): SipDialog {
    const wire = wireOf(flow)
    const contact = request.contacts[0]
    if (!contact?.uri) throw new Error(`${request.method} ${request.callId} has no Contact to make a dialog with`)
    const routeSet = request.headers('Record-Route')
    const record: DialogRecord = {
      callId: request.callId,
      localTag: localTag ?? tagPrefix + newTag(),
      remoteTag: request.from.tag ?? '',
      localUri: withoutTag(request.to),
      remoteUri: withoutTag(request.from),
      remoteTarget: asRequestUri(contact.uri),
      routeSet,
      localCseq: 0,
      remoteCseq: request.cseq.number,
      secure: wire.protocol === 'TLS' && isSecret(request.uri, routeSet[0], contact.uri),
      transport: wire.transport,
      protocol: wire.protocol,
      remote: wire.remote,
      followFlow,
      contact: own,
    }
    const dialog = new SipDialog(this.#context, record)
    // No other has a tag that was just made.
    if (localTag === undefined) this.#table.add(dialog)
    else this.#table.set(dialog)
    dialog.take(wire)
    dialog.reachedAt(contact.uri)
    return dialog
  }

  /** A dialog that is there already is replaced: the newer record knows better. */
  restore(record: DialogRecord): SipDialog {
    const dialog = new SipDialog(this.#context, record)
    this.#table.set(dialog)
    return dialog
  }

  get(id: string): SipDialog | undefined {
    return this.#table.get(id)
  }

  find({ callId, to, from }: SipRequest): SipDialog | undefined {
    return to.tag === undefined ? undefined : this.#table.find(callId, to.tag, from.tag ?? '')
  }
}

/** RFC 3261 12.1.1, and 8.1.1.8 for our requests: whether our Contact has to be a sips one. */
function isSecret(asked: SipUri | undefined, topRoute: string | undefined, contact: SipUri): boolean {
  const hop = topRoute === undefined ? undefined : parseNameAddr(topRoute)?.uri
  return [asked, hop, contact].some((uri) => uri?.scheme === 'sips')
}

function withoutTag(address: NameAddr): string {
  const { display, uriText, tag } = address
  if (address.paramCount === (tag === undefined ? 0 : 1)) return printNameAddr({ display, uri: uriText })
  return printNameAddr({ display, uri: uriText, params: [...address.params].filter(([name]) => name !== 'tag') })
}

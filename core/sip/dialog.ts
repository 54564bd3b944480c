/** A dialog of the answering side (RFC 3261 12.1.1, 12.2): what its requests say, and what numbers they have. */
import { SharedTexts } from '../text.ts'
import { answeringChallenges } from './challenged.ts'
import { userOf } from './contacts.ts'
import type {
  CredentialsFor,
  Dialog,
  DialogRecord,
  DialogUsage,
  OutcomeHandler,
  Refusal,
  RequestContent,
  ServerTransaction,
} from './contract.ts'
import { type DialogHead, headOf, newHead } from './dialog-heads.ts'
import { DialogRequest } from './dialog-request.ts'
import type { Filed } from './dialog-table.ts'
import { formOf } from './dialog-text.ts'
import { type WayContext, WayOfDialog } from './dialog-way.ts'
import { isAscii, toWire } from './grammar.ts'
import type { Origin } from './origin.ts'
import { failSoon } from './outgoing.ts'
import { asRequestUri } from './routing.ts'
import { type Wire, wireOf } from './transport.ts'
import { writtenUri } from './write-request.ts'

export interface DialogContext extends WayContext {
  /** Our Contact as the peer of this wire is told it. */
  readonly contactFor: (wire: Wire, user: string, secure: boolean) => string
  /** It is over. */
  readonly forget: (dialog: SipDialog) => void
}

/** What all who watch something have in common. */
const things = new SharedTexts(4096)

export class SipDialog extends WayOfDialog<DialogContext> implements Dialog, Filed {
  readonly localUri: string
  readonly #secure: boolean
  readonly #contact: string | undefined
  usage: DialogUsage | undefined = undefined
  place = -1
  #localCseq: number
  #remoteCseq: number
  /** Nothing of it has to be converted to go on the wire. */
  #isPlain: boolean
  /** Of requests from one origin, which those before had; undefined where they have to be made anew. */
  #head: DialogHead | undefined = undefined

  constructor(context: DialogContext, record: DialogRecord) {
    super(context, record, formOf(context.outgoing.compact))
    this.localUri = things.of(record.localUri)
    this.#secure = record.secure
    this.#contact = record.contact
    this.#localCseq = record.localCseq
    this.#remoteCseq = record.remoteCseq
    this.#isPlain = isPlain(this.text, this.remoteTarget)
  }

  get localCseq(): number {
    return this.#localCseq
  }

  accept({ request, flow }: ServerTransaction, tolerance = 0): Refusal | undefined {
    const { number } = request.cseq
    if (number + tolerance <= this.#remoteCseq) return { status: 500, reason: 'CSeq Not Higher Than Before' }
    this.#remoteCseq = Math.max(this.#remoteCseq, number)
    const contact = request.contacts[0]
    if (contact?.uri && contact.uriText !== this.remoteTarget) {
      this.retarget(asRequestUri(contact.uri))
      this.#head = undefined
      this.#isPlain = isPlain(this.text, this.remoteTarget)
    }
    this.take(wireOf(flow))
    return undefined
  }

  request(method: string, content: RequestContent, done: OutcomeHandler, credentials?: CredentialsFor): void {
    if (!credentials) return this.send(new DialogRequest(this, method, ++this.#localCseq, content), done)
    const { headers, body } = content
    const answered = answeringChallenges(
      { method, requestUri: this.routing.requestUri, sender: this },
      credentials,
      this.context.outgoing.waiting,
      (lines, next) => {
        if (this.isDisposed) failSoon(done, 'the dialog is over')
        else this.request(method, { headers: [...headers, ...lines], body }, next)
      },
      done,
    )
    this.request(method, content, answered)
  }

  skipCseqTo(number: number): void {
    this.#localCseq = Math.max(this.#localCseq, number - 1)
  }

  record(): DialogRecord {
    const { transport, protocol, remote } = this.source
    const { own } = this
    const record = {
      callId: this.callId,
      localTag: this.localTag,
      remoteTag: this.remoteTag,
      localUri: this.localUri,
      remoteUri: this.remoteUri,
      remoteTarget: this.remoteTarget,
      routeSet: this.routeSet,
      localCseq: this.#localCseq,
      remoteCseq: this.#remoteCseq,
      secure: this.#secure,
      transport,
      protocol,
      remote,
      followFlow: this.followsFlow,
      ...(this.#contact === undefined ? {} : { contact: this.#contact }),
    }
    return own === undefined ? record : { ...record, own }
  }

  dispose(): void {
    if (this.isDisposed) return
    this.close()
    this.usage = undefined
    this.context.forget(this)
  }

  protected override flowLost(): void {
    this.usage?.flowLost()
  }

  /** Our Contact in answers and requests on this wire. */
  contactOn(wire: Wire): string {
    if (this.#contact !== undefined) return `<${this.#contact}>`
    return this.context.contactFor(wire, userOf(this.localUri), this.#secure)
  }

  // The pieces of its requests.

  /** What those from this origin have in common with others. */
  headFor(wire: Wire, origin: Origin): DialogHead {
    if (this.#head?.origin === origin) return this.#head
    const { localUri, form } = this
    const { maxForwards } = this.context.outgoing
    const facts = { localUri, origin, contact: this.#contact, secure: this.#secure, maxForwards, compact: form.compact }
    const head =
      this.routeSet.length > 0
        ? newHead(facts, this.routing.routes, this.contactOn(wire))
        : headOf(facts, () => this.contactOn(wire))
    this.#head = head
    return head
  }

  get requestUri(): string {
    const uri = this.routeSet.length > 0 ? this.routing.requestUri : this.remoteTarget
    return this.#isPlain && uri === this.remoteTarget ? uri : writtenUri(uri)
  }

  get afterFrom(): string {
    return this.#isPlain ? this.text : toWire(this.text)
  }
}

function isPlain(text: string, uri: string): boolean {
  return isAscii(text) && writtenUri(uri) === uri
}

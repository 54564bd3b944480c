/** What modules are told of each NOTIFY, with Kamailio's names for all that is known of it. Nothing is made where nobody listens. */
import type { Logger } from '../../core/log.ts'
import { addedTo, type Undo } from '../../core/scope.ts'
import type { Outcome, Sip } from '../../core/sip/contract.ts'
import { parseNameAddr, parseUri } from '../../core/sip/parse-uri.ts'
import type { NameAddr, SipUri } from '../../core/sip/uri.ts'
import type { AuthStatus } from '../contract.ts'
import type { Notification } from '../notification.ts'
import type { NotifierSubscription } from '../subscription.ts'
import { telling } from '../telling.ts'
import type { FactsByName, NotifyReply, Subs } from './contract.ts'

/** Name of the datastore with the flags of the SUBSCRIBE. */
export const FLAGS = 'flags'

export class Facts {
  readonly #listeners: { readonly [N in keyof FactsByName]: Set<(fact: FactsByName[N]) => void> } = {
    'local-request': new Set(),
    'notify-reply': new Set(),
  }
  readonly #sip: Pick<Sip, 'contactFor'>
  readonly #log: Logger

  constructor(sip: Pick<Sip, 'contactFor'>, log: Logger) {
    this.#sip = sip
    this.#log = log
  }

  on<N extends keyof FactsByName>(fact: N, listener: (fact: FactsByName[N]) => void): Undo {
    const entry = (told: FactsByName[N]): void => listener(told)
    return addedTo(this.#listeners[fact], entry)
  }

  subs(subscription: NotifierSubscription): Subs {
    return new SubsOf(subscription, this.#sip)
  }

  sending(subscription: NotifierSubscription, notification: Notification): void {
    if (this.#listeners['local-request'].size === 0) return
    this.#tell('local-request', {
      subs: this.subs(subscription),
      headers: notification.headers,
      body: notification.body,
    })
  }

  answered(subscription: NotifierSubscription, outcome: Outcome): void {
    if (this.#listeners['notify-reply'].size === 0) return
    let dropped = false
    this.#tell('notify-reply', {
      subs: this.subs(subscription),
      notify_reply: replyOf(outcome, subscription),
      drop: () => void (dropped = true),
    })
    if (dropped) subscription.drop('a module that saw the answer to its NOTIFY says so')
  }

  /** A listener that fails must not keep a NOTIFY, or the end of one, from its way. */
  #tell<N extends keyof FactsByName>(name: N, fact: FactsByName[N]): void {
    for (const listener of this.#listeners[name]) telling(this.#log, name, () => listener(fact))
  }
}

class SubsOf implements Subs {
  readonly #of: NotifierSubscription
  readonly #sip: Pick<Sip, 'contactFor'>

  constructor(subscription: NotifierSubscription, sip: Pick<Sip, 'contactFor'>) {
    this.#of = subscription
    this.#sip = sip
  }

  get uri(): string {
    return this.#of.localUri
  }
  get pres_uri(): string {
    return this.#of.localUri
  }
  get to_user(): string {
    return uriOf(this.#of.dialog.localUri)?.user ?? ''
  }
  get to_domain(): string {
    return uriOf(this.#of.dialog.localUri)?.host ?? ''
  }
  get from_user(): string {
    return uriOf(this.#of.dialog.remoteUri)?.user ?? ''
  }
  get from_domain(): string {
    return uriOf(this.#of.dialog.remoteUri)?.host ?? ''
  }
  get watcher_username(): string {
    return parseUri(this.#of.watcher)?.user ?? ''
  }
  get watcher_domain(): string {
    return parseUri(this.#of.watcher)?.host ?? ''
  }
  get event(): string {
    return this.#of.event
  }
  get event_id(): string {
    return this.#of.eventId
  }
  get to_tag(): string {
    return this.#of.dialog.localTag
  }
  get from_tag(): string {
    return this.#of.dialog.remoteTag
  }
  get callid(): string {
    return this.#of.dialog.callId
  }
  get remote_cseq(): number {
    return this.#of.dialog.record().remoteCseq
  }
  get local_cseq(): number {
    return this.#of.dialog.localCseq
  }
  get contact(): string {
    return this.#of.dialog.remoteTarget
  }
  get local_contact(): string {
    const { dialog, localUri } = this.#of
    const { contact } = dialog.record()
    if (contact !== undefined) return contact
    const reached = dialog.flow ? this.#sip.contactFor(dialog.flow, parseUri(localUri)?.user) : ''
    return reached.startsWith('<') ? reached.slice(1, -1) : reached
  }
  get record_route(): string {
    return this.#of.dialog.record().routeSet.join(',')
  }
  get expires(): number {
    return this.#of.secondsLeft
  }
  get status(): AuthStatus {
    return this.#of.state
  }
  get reason(): string {
    return this.#of.terminationReason ?? ''
  }
  get version(): number {
    return this.#of.version
  }
  get flags(): number {
    const flags = this.#of.datastores.get(FLAGS)
    return typeof flags === 'number' ? flags : 0
  }
  get user_agent(): string {
    return this.#of.userAgent
  }
}

function uriOf(nameAddr: string): SipUri | undefined {
  return parseNameAddr(nameAddr)?.uri
}

/** As Kamailio has it: whatever kept an answer from coming is a 408 of its own making. */
function replyOf(outcome: Outcome, { dialog }: NotifierSubscription): NotifyReply {
  if (outcome.kind !== 'response') {
    return {
      rs: 408,
      rr: outcome.kind === 'timeout' ? 'Request Timeout' : outcome.reason,
      rm: 'NOTIFY',
      cs: dialog.localCseq,
      ci: dialog.callId,
      ...ends(parseNameAddr(dialog.localUri), parseNameAddr(dialog.remoteUri)),
      ft: dialog.localTag,
      tt: dialog.remoteTag,
      ct: '',
      ua: '',
      cT: '',
      rb: '',
      bs: 0,
      mb: '',
      ml: 0,
      hdr: () => undefined,
    }
  }
  const { response } = outcome
  return {
    rs: response.status,
    rr: response.reason,
    rm: response.cseq.method,
    cs: response.cseq.number,
    ci: response.callId,
    ...ends(response.from, response.to),
    ft: response.from.tag ?? '',
    tt: response.to.tag ?? '',
    ct: response.header('Contact') ?? '',
    ua: response.header('User-Agent') ?? response.header('Server') ?? '',
    cT: response.header('Content-Type') ?? '',
    rb: response.bodyText,
    bs: response.bodyLength,
    mb: response.raw.toString('utf8'),
    ml: response.raw.length,
    hdr: (name) => response.header(name),
  }
}

type Ends = Pick<NotifyReply, 'fu' | 'fU' | 'fd' | 'fn' | 'tu' | 'tU' | 'td' | 'tn'>

function ends(from: NameAddr | undefined, to: NameAddr | undefined): Ends {
  return {
    fu: from?.uriText ?? '',
    fU: from?.uri?.user ?? '',
    fd: from?.uri?.host ?? '',
    fn: from?.display ?? '',
    tu: to?.uriText ?? '',
    tU: to?.uri?.user ?? '',
    td: to?.uri?.host ?? '',
    tn: to?.display ?? '',
  }
}

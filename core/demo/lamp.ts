/**
 * One lamp of a demo phone: a subscription as RFC 6665 has its subscriber keep it. It subscribes with digest, refreshes,
 * subscribes again when it was ended, and checks what it is told; whatever breaks a rule is one of its `faults`.
 */
import { randomUUID } from 'node:crypto'
import type { Aor, Message } from 'sip'
import digest, { type DigestContext } from 'sip/digest.js'
import { reasonOf } from '../log.ts'
import { within } from '../within.ts'
import { ACCEPT, type LampEvent, type Reading, readBody } from './lamp-reading.ts'
import type { PhoneAgent, Respond } from './phone-agent.ts'

export interface LampSpec {
  readonly event: LampEvent
  /** The extension or AOR that is watched. */
  readonly target: string
}

export interface LampSettings {
  readonly user: string
  readonly password: string
  /** `127.0.0.1:5060` */
  readonly domain: string
  /** Parameters of the first Request-URI: `;transport=tcp`. */
  readonly uriParameters: string
  /** What is asked for, in seconds. */
  readonly expires: number
  /** `+sip.instance` of the phone: by it a server knows one that has restarted. */
  readonly instance: string
  changed(lamp: Lamp): void
}

type State = 'idle' | 'subscribing' | 'active' | 'waiting' | 'ended'

interface Dialog {
  readonly callId: string
  readonly localTag: string
  remoteTag: string | undefined
  remoteTarget: string
  localCseq: number
  remoteCseq: number
  version: number
}

/** Seconds before another try where the server named none. */
const RETRY_AFTER = 5
/** Timer N (RFC 6665 4.1.2.4): a subscription whose first NOTIFY does not come is made anew. In milliseconds. */
const TIMER_N = 32000

export class Lamp {
  readonly spec: LampSpec
  readonly #agent: PhoneAgent
  readonly #settings: LampSettings
  #state: State = 'idle'
  #dialog: Dialog
  #digest: DigestContext = {}
  #timer: NodeJS.Timeout | undefined
  #reading: Reading | undefined
  #ended: (() => void) | undefined
  #reads: Promise<void> = Promise.resolve()
  /** NOTIFYs that were answered 200. */
  notified = 0
  /** What the server did that it must not do. */
  readonly faults: string[] = []

  constructor(agent: PhoneAgent, spec: LampSpec, settings: LampSettings) {
    this.#agent = agent
    this.spec = spec
    this.#settings = settings
    this.#dialog = this.#newDialog()
  }

  get state(): State {
    return this.#state
  }

  /** What the lamp shows; undefined before the first NOTIFY. */
  get reading(): Reading | undefined {
    return this.#reading
  }

  /** Makes a new subscription; the old one, if any, is forgotten. */
  subscribe(): void {
    this.#dialog = this.#newDialog()
    this.#enter('subscribing')
    this.#send(this.#settings.expires)
  }

  /** Resolves when the server has ended it, or after `milliseconds`. */
  async unsubscribe(milliseconds = 500): Promise<void> {
    if (this.#state !== 'active') {
      this.close()
      return
    }
    const ended = new Promise<void>((resolve) => {
      this.#ended = resolve
    })
    this.#send(0)
    await within(milliseconds, ended)
    this.close()
  }

  close(): void {
    this.#enter('ended')
  }

  /** Whether this request is of our dialog (RFC 6665 4.4.1: the first NOTIFY may come before the 200). */
  owns({ headers }: Message): boolean {
    const { callId, localTag, remoteTag } = this.#dialog
    if (headers['call-id'] !== callId || headers.to.params['tag'] !== localTag) return false
    return remoteTag === undefined || headers.from.params['tag'] === remoteTag
  }

  notify(request: Message, respond: Respond): void {
    const { headers } = request
    const dialog = this.#dialog
    const event = text(headers['event'])
    if (event.split(';', 1)[0] !== this.spec.event) {
      this.#fault(`a NOTIFY for event '${event}'`)
      respond(489, 'Bad Event', { 'allow-events': this.spec.event })
      return
    }
    if (headers.cseq.seq <= dialog.remoteCseq) {
      this.#fault(`CSeq ${headers.cseq.seq} after ${dialog.remoteCseq}`)
      respond(500, 'CSeq Too Low')
      return
    }
    const substate = parseState(text(headers['subscription-state']))
    if (!substate) {
      this.#fault(`Subscription-State '${text(headers['subscription-state'])}'`)
      respond(400, 'Bad Subscription-State')
      return
    }
    dialog.remoteCseq = headers.cseq.seq
    dialog.remoteTag ??= headers.from.params['tag'] ?? undefined
    const contact = headers.contact?.[0]
    if (contact) dialog.remoteTarget = contact.uri
    else this.#fault('a NOTIFY without Contact')
    respond(200, 'OK')
    this.notified++
    // Before anything may begin a new dialog: the body is of this one.
    this.#take(request, substate.state)
    if (substate.state === 'terminated') this.#terminated(substate)
    else if (this.#state !== 'ended') {
      this.#enter('active')
      this.#refreshIn(substate.expires ?? this.#settings.expires)
    }
  }

  /** The state machine's one place: whatever timer the old state had is over. */
  #enter(state: State): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#state === 'ended' && state !== 'subscribing') return
    this.#state = state
    if (state === 'subscribing') this.#timer = later(TIMER_N, () => this.subscribe())
    if (state === 'ended') this.#ended?.()
  }

  /** Bodies are read one after the other, in the order they came. */
  #take(request: Message, state: string): void {
    const { callId } = this.#dialog
    const type = text(request.headers['content-type']).split(';', 1)[0]?.trim().toLowerCase()
    const body = Buffer.from(request.content ?? '', 'latin1').toString()
    this.#reads = this.#reads.then(async () => {
      if (body === '') {
        if (state === 'active') this.#fault('an active NOTIFY without a body')
        return
      }
      if (type !== ACCEPT[this.spec.event]) return this.#fault(`a body of type '${type ?? ''}'`)
      try {
        const reading = await readBody(this.spec.event, body)
        if (this.#dialog.callId === callId) this.#show(reading)
      } catch (error) {
        this.#fault(reasonOf(error))
      }
    })
  }

  #show(reading: Reading): void {
    if (reading.version !== undefined) {
      // RFC 4235 4.3: with each document of a subscription the version rises.
      if (reading.version <= this.#dialog.version)
        return this.#fault(`version ${reading.version} after ${this.#dialog.version}`)
      this.#dialog.version = reading.version
    }
    const before = this.#reading
    this.#reading = reading
    if (before?.light !== reading.light || before.words !== reading.words) this.#settings.changed(this)
  }

  /** RFC 6665 4.1.3: when to subscribe again depends on the reason. */
  #terminated({ reason, retryAfter }: Substate): void {
    if (this.#ended || this.#state === 'ended') return this.#enter('ended')
    switch (reason) {
      case 'noresource':
      case 'rejected':
      case 'invariant':
        return this.#enter('ended')
      case 'deactivated':
      case 'timeout':
        return this.subscribe()
      default:
        return this.#wait(retryAfter ?? RETRY_AFTER)
    }
  }

  #wait(seconds: number): void {
    this.#enter('waiting')
    this.#timer = later(seconds * 1000, () => this.subscribe())
  }

  #refreshIn(expires: number): void {
    clearTimeout(this.#timer)
    this.#timer = later(Math.max(expires * 0.8, expires - 30, 0.5) * 1000, () => this.#send(this.#settings.expires))
  }

  #send(expires: number): void {
    const dialog = this.#dialog
    dialog.localCseq++
    const request = this.#request(expires)
    if (this.#digest['nonce'] !== undefined) digest.signRequest(this.#digest, request)
    this.#transact(request, expires, dialog, false)
  }

  #transact(request: Message, expires: number, dialog: Dialog, answered: boolean): void {
    this.#agent.request(request, (response) => {
      const status = response.status ?? 0
      if (status < 200 || dialog !== this.#dialog) return
      if (status === 401 && !answered) return this.#answerChallenge(response, expires, dialog)
      this.#answered(response, status, expires)
    })
  }

  #answerChallenge(response: Message, expires: number, dialog: Dialog): void {
    const { user, password } = this.#settings
    const challenges = response.headers['www-authenticate'] ?? []
    // The package knows MD5 only.
    const md5 = challenges.filter(
      ({ algorithm }) => algorithm === undefined || unquote(algorithm).toLowerCase() === 'md5',
    )
    if (md5.length === 0) return this.#refused(`no MD5 among ${challenges.length} challenges`)
    response.headers['www-authenticate'] = md5
    dialog.localCseq++
    const request = this.#request(expires)
    this.#digest = {}
    digest.signRequest(this.#digest, request, response, { user, password })
    this.#transact(request, expires, dialog, true)
  }

  #answered(response: Message, status: number, expires: number): void {
    const { headers } = response
    if (status < 300) {
      this.#dialog.remoteTag ??= headers.to.params['tag'] ?? undefined
      const contact = headers.contact?.[0]
      if (contact) this.#dialog.remoteTarget = contact.uri
      else this.#fault(`${status} without Contact`)
      const granted = Number(text(headers['expires']) || Number.NaN)
      if (!Number.isInteger(granted)) this.#fault(`${status} without Expires`)
      if (expires > 0 && granted > expires) this.#fault(`${granted} s granted for ${expires}`)
      if (this.#state === 'active' && expires > 0) this.#refreshIn(granted || expires)
      return
    }
    if (this.#ended) return this.#enter('ended')
    // RFC 6665 4.1.2.3: the dialog is gone on 481; another failure of a refresh leaves it until it expires.
    if (status === 481 && this.#state === 'active') return this.subscribe()
    const retryAfter = Number.parseInt(text(headers['retry-after']), 10)
    this.#refused(`${status} ${response.reason ?? ''}`, Number.isNaN(retryAfter) ? undefined : retryAfter)
  }

  #refused(why: string, seconds = RETRY_AFTER): void {
    this.#reading = { light: 'dark', words: `refused: ${why.trim()}` }
    this.#settings.changed(this)
    this.#wait(seconds)
  }

  #request(expires: number): Message {
    const { user, domain, instance } = this.#settings
    const dialog = this.#dialog
    const to: Aor = { uri: `sip:${this.spec.target}@${domain}`, params: {} }
    if (dialog.remoteTag !== undefined) to.params['tag'] = dialog.remoteTag
    return {
      method: 'SUBSCRIBE',
      uri: dialog.remoteTarget,
      headers: {
        via: [],
        'max-forwards': 70,
        from: { uri: `sip:${user}@${domain}`, params: { tag: dialog.localTag } },
        to,
        'call-id': dialog.callId,
        cseq: { seq: dialog.localCseq, method: 'SUBSCRIBE' },
        contact: [{ uri: this.#agent.contact(user), params: { '+sip.instance': `"<${instance}>"` } }],
        event: this.spec.event,
        accept: ACCEPT[this.spec.event],
        expires: String(expires),
        'user-agent': 'Lamplighter demo phone',
      },
    }
  }

  #newDialog(): Dialog {
    return {
      callId: randomUUID(),
      localTag: randomUUID().slice(0, 8),
      remoteTag: undefined,
      remoteTarget: `sip:${this.spec.target}@${this.#settings.domain}${this.#settings.uriParameters}`,
      localCseq: 0,
      remoteCseq: -1,
      version: -1,
    }
  }

  #fault(what: string): void {
    this.faults.push(`${this.#settings.user} ${this.spec.event} ${this.spec.target}: ${what}`)
  }
}

interface Substate {
  readonly state: 'active' | 'pending' | 'terminated'
  readonly expires: number | undefined
  readonly reason: string
  readonly retryAfter: number | undefined
}

/** `active;expires=600`, `terminated;reason=probation;retry-after=5` */
function parseState(value: string): Substate | undefined {
  const [state = '', ...params] = value.split(';').map((part) => part.trim().toLowerCase())
  if (state !== 'active' && state !== 'pending' && state !== 'terminated') return undefined
  const named = new Map(
    params.map((param) => [param.slice(0, param.indexOf('=')), param.slice(param.indexOf('=') + 1)]),
  )
  const seconds = (name: string): number | undefined => {
    const digits = named.get(name) ?? ''
    return /^[0-9]{1,9}$/.test(digits) ? Number(digits) : undefined
  }
  return { state, expires: seconds('expires'), reason: named.get('reason') ?? '', retryAfter: seconds('retry-after') }
}

function later(milliseconds: number, run: () => void): NodeJS.Timeout {
  const timer = setTimeout(run, milliseconds)
  timer.unref()
  return timer
}

function unquote(value: string): string {
  return value.startsWith('"') ? value.slice(1, -1) : value
}

/** The package keeps headers it does not know as strings. */
function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

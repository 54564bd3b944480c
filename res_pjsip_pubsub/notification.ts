/** What a NOTIFY says (RFC 6665 4.2.2). */
import type { HeaderLine, RequestBody, RequestContent } from '../core/sip/contract.ts'
import { PreparedHeaders } from '../core/sip/prepared-headers.ts'
import { joined } from '../core/text.ts'
import type { Told } from './body.ts'
import type { TerminationReason } from './contract.ts'

export interface Termination {
  readonly reason: TerminationReason
  /** Seconds. */
  readonly retryAfter: number | undefined
  /** It says so in the last NOTIFY of several, where one has no room for all. */
  readonly inParts?: true | undefined
}

interface Shown {
  /** Undefined while it is active. */
  readonly termination: Termination | undefined
  /** The presentity has not decided on the watcher yet. */
  readonly pending: boolean
  readonly secondsLeft: number
  readonly compat: 'rfc' | 'asterisk'
}

/** Everything but Subscription-State and the body is prepared, and shared with other NOTIFYs. */
export class Notification implements RequestContent {
  /** The state it tells, whether the body is carried or the watcher has it already. */
  readonly told: Told | undefined
  /** Of which the body was made. */
  readonly state: unknown
  /** As it is sent; undefined where it is left out. */
  readonly body: RequestBody | undefined
  readonly #event: PreparedHeaders
  readonly #common: PreparedHeaders
  /** The line of Subscription-State. */
  readonly #subscriptionState: string
  /** RFC 5839 3; empty for none. */
  readonly #entityTag: string

  /** `common`: Allow-Events, User-Agent, and what a list requires. */
  constructor(
    event: PreparedHeaders,
    common: PreparedHeaders,
    shown: Shown,
    state: unknown,
    told: Told | undefined,
    body: RequestBody | undefined,
  ) {
    this.told = told
    this.state = state
    this.body = body
    this.#event = event
    this.#common = common
    this.#subscriptionState = subscriptionState(shown)
    this.#entityTag = told && shown.compat === 'rfc' ? told.entityTag : ''
  }

  get headers(): readonly HeaderLine[] {
    const headers: HeaderLine[] = [
      ...this.#event.lines,
      ['Subscription-State', this.#subscriptionState.slice(LINE_START.length, -LINE_END.length)],
      ...this.#common.lines,
    ]
    if (this.#entityTag !== '') headers.push(['SIP-ETag', this.#entityTag])
    return headers
  }

  /** All that is not prepared consists of tokens and numbers. */
  written(compact: boolean): string {
    const common = this.#common.written(compact)
    const rest = this.#entityTag === '' ? common : withTag(common, this.#entityTag)
    return this.#event.written(compact) + this.#subscriptionState + rest
  }
}

const LINE_START = 'Subscription-State: '
const LINE_END = '\r\n'

let lastCommon = ''
let lastTag = ''
let lastWithTag = ''

/** All who are told one state are told it one after the other. */
function withTag(common: string, tag: string): string {
  if (tag !== lastTag || common !== lastCommon) {
    lastTag = tag
    lastCommon = common
    lastWithTag = `${common}SIP-ETag: ${tag}\r\n`
  }
  return lastWithTag
}

/** RFC 6665 4.1.3; Asterisk gives no reason. */
function subscriptionState({ termination, pending, secondsLeft, compat }: Shown): string {
  if (!termination) {
    const seconds = Math.max(1, secondsLeft)
    return pending ? line(`pending;expires=${seconds}`) : active(seconds)
  }
  if (compat === 'asterisk') return line('terminated')
  const { reason, retryAfter } = termination
  return line(`terminated;reason=${reason}${retryAfter === undefined ? '' : `;retry-after=${retryAfter}`}`)
}

function line(value: string): string {
  return LINE_START + value + LINE_END
}

const REMEMBERED = 4096
const activeSeconds = new Int32Array(REMEMBERED)
const activeTexts: string[] = Array.from({ length: REMEMBERED }, () => '')

/** Subscriptions run out within the same hour or so: the same few thousand texts, which nobody has to put together again. */
function active(seconds: number): string {
  const place = seconds % REMEMBERED
  const known = activeTexts[place]
  if (known && activeSeconds[place] === seconds) return known
  const text = joined(line(`active;expires=${seconds}`))
  activeSeconds[place] = seconds
  activeTexts[place] = text
  return text
}

/** Of events that have a package, so that there are few. */
const withoutId = new Map<string, PreparedHeaders>()

/** The Event line of a subscription. */
export function eventHeader(event: string, id: string): PreparedHeaders {
  if (id !== '') return new PreparedHeaders([['Event', `${event};id=${id}`]])
  let header = withoutId.get(event)
  if (!header) withoutId.set(event, (header = new PreparedHeaders([['Event', event]])))
  return header
}

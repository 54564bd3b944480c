/**
 * The phones of the load generator: watchers, lamps and their publishers, over a few UDP sockets. It sends what it is
 * told, answers every NOTIFY, and checks every message that comes; when to send is up to the loads.
 */

import { detached, hashOf } from '../core/text.ts'
import { nonceOf } from './credentials.ts'
import { faultText, noFaults, type Repeats } from './faults.ts'
import { LANGUAGES, type LampLanguage, type LanguageName } from './lamp-language.ts'
import { beginAnew, type Lamp, newLamp, newWatcher, type Watcher } from './lamps.ts'
import { Lines, type Wire } from './lines.ts'
import { checkHead, checkVersion } from './notify-checks.ts'
import { EXPIRES, printPublish, printSubscribe } from './requests.ts'
import { Samples } from './samples.ts'
import { StateSource } from './state-source.ts'
import { BRANCH, type Head, numberAfter, okTo, readHead, statusOf, tagOf, uriOf } from './wire.ts'

export interface OfficeSettings {
  readonly server: { readonly address: string; readonly port: number }
  readonly language: LanguageName
  /** Groups of lamps: how many, and how many watchers each of them has. */
  readonly layout: readonly { readonly lamps: number; readonly watchers: number }[]
  /** What names of lamps begin with. */
  readonly prefix: string
  /** Port of the PBX's control connection, where states come over ARI; otherwise they are published. */
  readonly pbx?: number
  /** Address that the phones have, where it is not 127.0.0.1. */
  readonly phones?: string
}

export class Office {
  readonly language: LampLanguage
  readonly lamps: Lamp[] = []
  readonly watchers: Watcher[] = []
  /** Milliseconds from a change to each NOTIFY that shows it. */
  readonly latencies = new Samples()
  faults = noFaults()
  notifies = 0
  /** When the last new NOTIFY came, by performance.now(). */
  notifiedAt = 0
  readonly #lines: Lines
  readonly #source: StateSource | undefined
  #hadOutage = false
  readonly #id = process.pid.toString(36)

  static async open(settings: OfficeSettings): Promise<Office> {
    const source = settings.pbx === undefined ? undefined : await StateSource.open(settings.pbx)
    const office = new Office(settings, await Lines.open(settings.server, settings.phones), source)
    office.#lines.receive((text, wire) => office.#receive(text, wire))
    return office
  }

  private constructor({ language, layout, prefix }: OfficeSettings, lines: Lines, source: StateSource | undefined) {
    this.language = LANGUAGES[language]
    this.#lines = lines
    this.#source = source
    lines.onUnanswered(() => this.faults.unanswered++)
    for (const { lamps, watchers } of layout)
      for (let count = 0; count < lamps; count++) {
        const lamp = newLamp(this.lamps.length, prefix)
        this.lamps.push(lamp)
        for (let each = 0; each < watchers; each++) this.#addWatcher(lamp)
      }
  }

  get repeats(): Repeats {
    return this.#lines.repeats
  }

  /** A new SUBSCRIBE, or a refresh where there is a subscription; `done` after its 200 and a NOTIFY. */
  subscribe(watcher: Watcher, done: () => void, expires = EXPIRES): void {
    watcher.done = done
    watcher.wantsAnswer = true
    watcher.wantsNotify = true
    watcher.asked = expires
    const text = printSubscribe(watcher, this.language, expires)
    this.#lines.request(`s${watcher.index}`, text, watcher.wire)
  }

  /** Ends a subscription; `done` after its 200 and the last NOTIFY. The next SUBSCRIBE makes a new one. */
  unsubscribe(watcher: Watcher, done: () => void): void {
    watcher.ending = true
    this.#notLate(watcher)
    this.subscribe(watcher, done, 0)
  }

  /** A SUBSCRIBE to which a challenge is the right answer, which later ones are answers to. */
  challenge(watcher: Watcher, done: () => void): void {
    watcher.nonce = ''
    watcher.wantsChallenge = true
    this.subscribe(watcher, done)
    watcher.wantsNotify = false
  }

  /** The next state of a lamp, due at `due` by performance.now(). */
  change(lamp: Lamp, due: number, shown?: () => void): void {
    const { language } = this
    lamp.state++
    lamp.changedAt = due
    const key = language.key(lamp.state)
    lamp.missing = 0
    for (const watcher of lamp.watchers) {
      watcher.late = watcher.heard > 0 && watcher.shown !== key && !isOver(watcher)
      if (watcher.late) lamp.missing++
    }
    lamp.shown = shown
    const said = language.publish(lamp.name, lamp.state)
    if (this.#source) {
      this.#source.set(lamp.name, said)
      if (lamp.missing === 0) setImmediate(() => this.#lampDone(lamp))
      return
    }
    lamp.waiting = true
    const wire = this.#lines.publisher
    this.#lines.request(`p${lamp.index}`, printPublish(lamp, language, said, wire, this.#id), wire)
  }

  /**
   * The server is gone: phones whose first SUBSCRIBE was not answered give up, all other requests are sent on. From now
   * on every CSeq is above those heard so far, and versions may jump.
   */
  serverGone(): void {
    this.#hadOutage = true
    for (const watcher of this.watchers) {
      watcher.wantsNotify = watcher.granted > 0
      watcher.unsure ||= watcher.granted === 0 && watcher.wantsAnswer
      watcher.resent = watcher.wantsAnswer && !watcher.unsure
      if (watcher.unsure) this.#lines.answered(`s${watcher.index}`)
      watcher.floor = watcher.heard
      watcher.jumps = true
    }
    for (const lamp of this.lamps) lamp.unsure = lamp.waiting
  }

  /** Watchers whose lamp shows something else than its newest state. */
  countStale(): number {
    const { language } = this
    const { watchers } = this
    const wrong = watchers.filter(({ heard, shown, lamp }) => heard > 0 && shown !== language.key(lamp.state))
    return wrong.filter((watcher) => !isOver(watcher)).length
  }

  /** Forgets what was counted; what was wrong is returned, with the lamps that are stale now. */
  takeFaults(): string {
    const faults = { ...this.faults, stale: this.countStale() }
    this.faults = noFaults()
    return faultText(faults)
  }

  close(): void {
    this.#lines.close()
    this.#source?.close()
  }

  #addWatcher(lamp: Lamp): void {
    const index = this.watchers.length
    const { wires } = this.#lines
    const watcher = newWatcher(index, lamp, wires[index % wires.length] ?? wires[0], this.#id)
    lamp.watchers.push(watcher)
    this.watchers.push(watcher)
  }

  #receive(text: string, wire: Wire): void {
    const body = text.indexOf('\r\n\r\n') + 4
    if (body < 4) return this.#strange('no end of the head')
    const status = statusOf(text)
    if (status > 0) this.#answered(text, body, status)
    else this.#notified(text, body, wire)
  }

  #answered(text: string, body: number, status: number): void {
    const at = text.indexOf(BRANCH) + BRANCH.length
    const kind = text.charAt(at)
    const index = numberAfter(text, at + 1)
    if (status < 200 || at < BRANCH.length) return
    const head = readHead(text, body)
    const lamp = kind === 'p' ? this.lamps[index] : undefined
    const watcher = kind === 's' ? this.watchers[index] : undefined
    const cseq = (lamp ?? watcher)?.cseq
    if (cseq === undefined) return this.#strange(`an answer to branch ${kind}${index}`)
    // An answer to what was sent twice comes twice.
    if (Number.parseInt(head.cseq, 10) !== cseq || !this.#lines.answered(`${kind}${index}`)) return
    if (lamp) this.#published(lamp, head, status, text)
    else if (watcher) this.#subscribed(watcher, head, status, text)
  }

  #published(lamp: Lamp, { entityTag }: Head, status: number, text: string): void {
    lamp.waiting = false
    // It was taken already, but the server went away before we heard so.
    if (status === 412 && lamp.unsure) lamp.adrift = true
    else if (status >= 300) this.#refused(text)
    else if (entityTag === '') this.#strange('a 200 without SIP-ETag')
    lamp.unsure = false
    lamp.entityTag = detached(entityTag)
    this.#lampDone(lamp)
  }

  #subscribed(watcher: Watcher, head: Head, status: number, text: string): void {
    watcher.wantsAnswer = false
    const { resent } = watcher
    watcher.resent = false
    if (status < 300) {
      this.#granted(watcher, head)
      if (watcher.wantsChallenge) this.#strange('a 200 without a challenge')
    } else {
      watcher.wantsNotify = false
      const nonce = status === 401 && watcher.wantsChallenge ? nonceOf(head.challenge) : undefined
      if (nonce !== undefined) [watcher.nonce, watcher.nonceCount] = [nonce, 0]
      else if (status === 481 && this.#hadOutage) watcher.gone = true
      // RFC 3261 12.2.2: the refresh was taken by the server that is gone, and its CSeq is used.
      else if (status !== 500 || !resent) this.#refused(text)
    }
    watcher.wantsChallenge = false
    this.#watcherDone(watcher)
  }

  #granted(watcher: Watcher, { to, contact, expires, callId }: Head): void {
    const tag = tagOf(to)
    if (watcher.remoteTag !== '' && watcher.remoteTag !== tag) this.#strange('a 200 with another tag')
    if (callId !== watcher.callId) this.#strange('a 200 with another Call-ID')
    if (Number(expires) !== watcher.asked) this.#strange(`a 200 with Expires ${expires}`)
    if (watcher.granted === 0) watcher.since = performance.now()
    watcher.granted = watcher.asked
    watcher.remoteTag ||= detached(tag)
    const target = uriOf(contact)
    if (watcher.target !== target) watcher.target = detached(target)
  }

  #notified(text: string, body: number, wire: Wire): void {
    const watcher = text.startsWith('NOTIFY sip:w') ? this.watchers[numberAfter(text, 12)] : undefined
    const head = readHead(text, body)
    if (!watcher || (head.callId !== watcher.callId && head.callId !== watcher.formerCallId))
      return this.#strange(text.slice(0, text.indexOf('\r\n')))
    wire.send(okTo(head))
    if (watcher.unsure) return
    const cseq = Number.parseInt(head.cseq, 10)
    if (cseq <= watcher.heard || head.callId !== watcher.callId) {
      this.#lines.repeats.theirs++
      const anotherOne = cseq === watcher.heard && hashOf(head.via) !== watcher.via && head.callId === watcher.callId
      if (anotherOne || cseq <= watcher.floor) this.faults.reused++
      return
    }
    this.notifies++
    this.notifiedAt = performance.now()
    watcher.heard = cseq
    watcher.via = hashOf(head.via)
    const strangeness = checkHead(watcher, head, this.language.event, text.length - body)
    if (strangeness !== '') this.#strange(strangeness)
    // A server that was asked before it has its states again says nothing of the lamp yet (RFC 6665 4.2.1.2).
    if (this.#hadOutage && body === text.length) return
    checkVersion(watcher, this.language.version(text, body), this.faults)
    this.#show(watcher, text, body)
    if (!watcher.ending || head.state.startsWith('terminated')) watcher.wantsNotify = false
    this.#watcherDone(watcher)
  }

  #show(watcher: Watcher, text: string, body: number): void {
    const { lamp } = watcher
    // Nothing was said yet: any body will do.
    if (lamp.state < 0) return
    const { language } = this
    const shows = language.shown(text, body, lamp.state)
    const now = language.key(lamp.state)
    const before = watcher.shown
    watcher.shown = shows
    if (shows < 0) this.faults.wrong++
    else if (language.numbered && shows < before) this.faults.backwards++
    if (watcher.late && shows === now) {
      this.latencies.add(performance.now() - lamp.changedAt)
      this.#notLate(watcher)
    } else if (before === now && shows !== now && !watcher.ending) {
      watcher.late = true
      lamp.missing++
    }
  }

  #notLate(watcher: Watcher): void {
    if (!watcher.late) return
    watcher.late = false
    watcher.lamp.missing--
    this.#lampDone(watcher.lamp)
  }

  #lampDone(lamp: Lamp): void {
    if (lamp.missing > 0 || lamp.waiting || !lamp.shown) return
    const { shown } = lamp
    lamp.shown = undefined
    shown()
  }

  #watcherDone(watcher: Watcher): void {
    if (watcher.wantsAnswer || watcher.wantsNotify || !watcher.done) return
    const { done } = watcher
    watcher.done = undefined
    if (watcher.ending) beginAnew(watcher)
    done()
  }

  #refused(text: string): void {
    this.faults.refused++
    this.faults.refusal = text.slice(8, text.indexOf('\r\n'))
  }

  #strange(how: string): void {
    this.faults.strange++
    this.faults.strangeness = how
  }
}

/** Nothing more is expected in its dialog, but the end. */
function isOver({ ending, unsure, gone }: Watcher): boolean {
  return ending || unsure || gone
}

/**
 * The phones of the load generator: watchers, lamps and their publishers, over a few UDP sockets. It sends what it is
 * told, answers every NOTIFY, and checks every message that comes; when to send is up to the loads.
 */

import { faultText, noFaults, type Repeats } from './faults.ts'
import { LANGUAGES, type LampLanguage, type LanguageName } from './lamp-language.ts'
import { instanceOf, type Lamp, newLamp, newWatcher, type Watcher } from './lamps.ts'
import { Lines, type Wire } from './lines.ts'
import { StateSource } from './state-source.ts'
import { BRANCH, type Head, numberAfter, okTo, printRequest, readHead, statusOf, tagOf, uriOf } from './wire.ts'

export interface OfficeSettings {
  readonly server: { readonly address: string; readonly port: number }
  readonly language: LanguageName
  /** Groups of lamps: how many, and how many watchers each of them has. */
  readonly layout: readonly { readonly lamps: number; readonly watchers: number }[]
  /** What names of lamps begin with. */
  readonly prefix: string
  /** Port of the PBX's control connection, where states come over ARI; otherwise they are published. */
  readonly pbx?: number
}

const EXPIRES = 3600
/** Where documents may be published and watched: everything is of this domain. */
const DOMAIN = '127.0.0.1'

export class Office {
  readonly language: LampLanguage
  readonly lamps: Lamp[] = []
  readonly watchers: Watcher[] = []
  /** Milliseconds from a change to each NOTIFY that shows it. */
  latencies: number[] = []
  faults = noFaults()
  notifies = 0
  /** When the last new NOTIFY came, by performance.now(). */
  notifiedAt = 0
  readonly #lines: Lines
  readonly #source: StateSource | undefined
  readonly #id = process.pid.toString(36)

  static async open(settings: OfficeSettings): Promise<Office> {
    const source = settings.pbx === undefined ? undefined : await StateSource.open(settings.pbx)
    const office = new Office(settings, await Lines.open(settings.server), source)
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
  subscribe(watcher: Watcher, done: () => void): void {
    const { index, lamp, wire, callId, remoteTag } = watcher
    watcher.done = done
    watcher.wantsAnswer = true
    watcher.wantsNotify = true
    const to = `<sip:${lamp.name}@${DOMAIN}>`
    const text = printRequest({
      method: 'SUBSCRIBE',
      uri: watcher.target || `sip:${lamp.name}@${DOMAIN}`,
      branch: `s${index}-${++watcher.cseq}`,
      from: `<sip:w${index}@${DOMAIN}>;tag=f${index}`,
      to: remoteTag === '' ? to : `${to};tag=${remoteTag}`,
      callId,
      cseq: watcher.cseq,
      local: wire.local,
      more:
        `Contact: <sip:w${index}@${wire.local}>;+sip.instance="${instanceOf(index)}"\r\nEvent: ${this.language.event}\r\n` +
        `Accept: ${this.language.accept}\r\nExpires: ${EXPIRES}\r\n`,
      body: '',
    })
    this.#lines.request(`s${index}`, text, wire)
  }

  /** The next state of a lamp, due at `due` by performance.now(). */
  change(lamp: Lamp, due: number, shown?: () => void): void {
    const { language } = this
    lamp.state++
    lamp.changedAt = due
    const key = language.key(lamp.state)
    lamp.missing = 0
    for (const watcher of lamp.watchers) if (watcher.heard > 0 && watcher.shown !== key) lamp.missing++
    lamp.shown = shown
    const said = language.publish(lamp.name, lamp.state)
    if (this.#source) {
      this.#source.set(lamp.name, said)
      if (lamp.missing === 0) setImmediate(() => this.#lampDone(lamp))
      return
    }
    lamp.waiting = true
    const wire = this.#lines.wires[0]
    const match = lamp.entityTag === '' ? '' : `SIP-If-Match: ${lamp.entityTag}\r\n`
    const text = printRequest({
      method: 'PUBLISH',
      uri: `sip:${lamp.name}@${DOMAIN}`,
      branch: `p${lamp.index}-${++lamp.cseq}`,
      from: `<sip:${lamp.name}@${DOMAIN}>;tag=p${lamp.index}`,
      to: `<sip:${lamp.name}@${DOMAIN}>`,
      callId: `${lamp.name}.${this.#id}@b`,
      cseq: lamp.cseq,
      local: wire.local,
      more: `Event: ${language.event}\r\nExpires: ${EXPIRES}\r\n${match}Content-Type: ${language.accept}\r\n`,
      body: said,
    })
    this.#lines.request(`p${lamp.index}`, text, wire)
  }

  /** Watchers whose lamp shows something else than its newest state. */
  countStale(): number {
    const { language } = this
    return this.watchers.filter(({ heard, shown, lamp }) => heard > 0 && shown !== language.key(lamp.state)).length
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
    if (status >= 300) {
      this.faults.refused++
      this.faults.refusal = text.slice(8, text.indexOf('\r\n'))
    }
    if (lamp) {
      lamp.waiting = false
      if (status < 300 && head.entityTag === '') this.#strange('a 200 without SIP-ETag')
      lamp.entityTag = head.entityTag
      this.#lampDone(lamp)
    } else if (watcher) {
      if (status < 300) this.#granted(watcher, head)
      else watcher.wantsNotify = false
      watcher.wantsAnswer = false
      this.#watcherDone(watcher)
    }
  }

  #granted(watcher: Watcher, { to, contact, expires, callId }: Head): void {
    const tag = tagOf(to)
    if (watcher.remoteTag !== '' && watcher.remoteTag !== tag) this.#strange('a 200 with another tag')
    if (callId !== watcher.callId) this.#strange('a 200 with another Call-ID')
    if (Number(expires) !== EXPIRES) this.#strange(`a 200 with Expires ${expires}`)
    watcher.remoteTag = tag
    watcher.target = uriOf(contact)
  }

  #notified(text: string, body: number, wire: Wire): void {
    const watcher = text.startsWith('NOTIFY sip:w') ? this.watchers[numberAfter(text, 12)] : undefined
    const head = readHead(text, body)
    if (!watcher || head.callId !== watcher.callId) return this.#strange(text.slice(0, text.indexOf('\r\n')))
    this.#lines.send(okTo(head), wire)
    const cseq = Number.parseInt(head.cseq, 10)
    if (cseq <= watcher.heard) {
      this.#lines.repeats.theirs++
      if (cseq === watcher.heard && head.via !== watcher.via) this.faults.reused++
      return
    }
    this.notifies++
    this.notifiedAt = performance.now()
    watcher.heard = cseq
    watcher.via = head.via
    this.#checkHead(watcher, head, text.length - body)
    this.#checkVersion(watcher, text, body)
    this.#show(watcher, text, body)
    watcher.wantsNotify = false
    this.#watcherDone(watcher)
  }

  #checkHead(watcher: Watcher, head: Head, length: number): void {
    const from = tagOf(head.from)
    if (watcher.remoteTag !== '' && watcher.remoteTag !== from) this.#strange('a NOTIFY with another From tag')
    // RFC 6665 4.4.1: the NOTIFY may be here before the 200, and makes the dialog.
    watcher.remoteTag = from
    if (tagOf(head.to) !== `f${watcher.index}`) this.#strange('a NOTIFY with another To tag')
    if (head.event !== this.language.event) this.#strange(`a NOTIFY with Event ${head.event}`)
    if (head.length !== length) this.#strange(`a NOTIFY with Content-Length ${head.length} and ${length} bytes`)
    if (!head.state.startsWith('active')) this.#strange(`a NOTIFY with Subscription-State ${head.state}`)
  }

  #checkVersion(watcher: Watcher, text: string, body: number): void {
    const version = this.language.version(text, body)
    if (version === undefined) return
    if (watcher.version >= 0 && version !== watcher.version + 1) this.faults.gaps++
    watcher.version = version
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
    if (before === now && shows !== now) lamp.missing++
    else if (before !== now && shows === now && lamp.missing > 0) {
      lamp.missing--
      this.latencies.push(performance.now() - lamp.changedAt)
      this.#lampDone(lamp)
    }
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
    done()
  }

  #strange(how: string): void {
    this.faults.strange++
    this.faults.strangeness = how
  }
}

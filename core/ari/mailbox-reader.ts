/**
 * Message counts. ARI tells of them only that there are some or none (`MWI:` device states), so the counts are read: when
 * such a state changes, when somebody needs a mailbox, and at an interval.
 */
import { type MailboxCounts, type Mailboxes, mailboxName, NO_MESSAGES, sameCounts } from '../states/mailboxes.ts'
import type { AskedBy } from './asked-by.ts'
import { list, record, text } from './events.ts'
import { mailboxOf } from './functions.ts'
import { GatheringReader } from './gathering-reader.ts'
import { InOrder } from './in-order.ts'

const BY_DEFAULT = '@default'

/** `gone`: Asterisk has no such mailbox, which is no opinion. */
type Found = MailboxCounts | 'gone'

export class MailboxReader extends GatheringReader {
  readonly asksAgain = true
  readonly #mailboxes: Mailboxes
  readonly #inOrder = new InOrder()
  /** Mailboxes live in Asterisk's own list (res_mwi_external), which is one request for all. */
  external = false

  constructor(origin: string, mailboxes: Mailboxes, by: AskedBy, limit: () => number) {
    super(origin, by, limit)
    this.#mailboxes = mailboxes
  }

  /** A device state changed; `MWI:100@default` says that the mailbox did. */
  event(device: string): void {
    if (device.slice(0, 4).toLowerCase() !== 'mwi:') return
    const mailbox = mailboxName(device.slice(4))
    if (this.#mailboxes.isNeeded(mailbox)) void this.read(mailbox)
  }

  async refresh(names: readonly string[]): Promise<number> {
    if (names.length === 0) return 0
    const counts = await this.#inOrder.read(() => (this.external ? this.#readList(names) : this.#readCounts(names)))
    let differences = 0
    for (const [name, found] of counts) {
      const believed = this.#mailboxes.reportOf(this.origin, name)?.state
      const state = found === 'gone' ? undefined : found
      if (believed === state || (believed && state && sameCounts(believed, state))) continue
      differences++
      this.#take(name, state)
    }
    return differences
  }

  /**
   * The newest change counts, wherever it was; when a mailbox that we hear of for the first time became empty nobody
   * knows, so it must not hide what another server has of it.
   */
  #take(name: string, counts: MailboxCounts | undefined): void {
    const others = this.#mailboxes.reports(name).filter(({ origin }) => origin !== this.origin)
    const known = this.#hasOpinion(name) || this.#wasEmpty(name)
    if (!counts || !sameCounts(counts, NO_MESSAGES) || known || others.length === 0)
      return this.#mailboxes.set(this.origin, name, counts)
    const since = Math.min(...others.map((report) => report.since)) - 1
    this.#mailboxes.restore(name, { origin: this.origin, state: counts, since })
  }

  async #readList(names: readonly string[]): Promise<Map<string, Found>> {
    const found = new Map<string, Found>()
    const answer = await this.by.link.request('mailboxes.list', {})
    if (answer.kind !== 'ok') return found
    const listed = new Map(
      list(answer.body).map((raw) => {
        const box = record(raw)
        return [text(box.name).toLowerCase(), countsOf(box.new_messages, box.old_messages)]
      }),
    )
    for (const name of names) {
      const key = name.toLowerCase()
      // Whoever keeps them outside gives them any name, and `mailboxes = 100` of Asterisk's own phones means that one.
      const bare = key.endsWith(BY_DEFAULT) ? listed.get(key.slice(0, -BY_DEFAULT.length)) : undefined
      found.set(name, listed.get(key) ?? bare ?? 'gone')
    }
    return found
  }

  async #readCounts(names: readonly string[]): Promise<Map<string, Found>> {
    const found = new Map<string, Found>()
    const asked = names.flatMap((name) => {
      const functions = mailboxOf(name)
      return functions ? [{ name, functions }] : []
    })
    const readings = await this.by.probe.read(asked.flatMap(({ functions }) => [functions.unread, functions.old]))
    const empty: typeof asked = []
    for (const [at, { name, functions }] of asked.entries()) {
      const [unread, old] = [readings[2 * at], readings[2 * at + 1]]
      if (unread?.kind === 'none') {
        this.by.complaints.say(
          'vmcount',
          'Asterisk cannot say how many messages a mailbox has: load func_vmcount.so, and app_voicemail.so or ' +
            'res_mwi_external.so (modules.conf)',
        )
      }
      if (unread?.kind !== 'value' || old?.kind !== 'value') continue
      this.by.complaints.settle('vmcount')
      const counts = countsOf(Number(unread.value), Number(old.value))
      found.set(name, counts)
      // A mailbox that does not exist counts 0 and 0 as well; another server's may be the one that does.
      if (counts.newMessages === 0 && counts.oldMessages === 0 && !this.#hasOpinion(name))
        empty.push({ name, functions })
    }
    if (empty.length > 0) {
      const exist = await this.by.probe.read(empty.map(({ functions }) => functions.exists))
      for (const [at, { name }] of empty.entries()) {
        const reading = exist[at]
        if (reading?.kind === 'value' && reading.value === '0') found.set(name, 'gone')
      }
    }
    return found
  }

  #hasOpinion(name: string): boolean {
    return this.#mailboxes.reportOf(this.origin, name) !== undefined
  }

  /** Before it fell silent, and since then another one tells of it. */
  #wasEmpty(name: string): boolean {
    const left = this.#mailboxes.leftBy(this.origin, name)
    return left !== undefined && sameCounts(left, NO_MESSAGES)
  }
}

function countsOf(unread: unknown, old: unknown): MailboxCounts {
  const count = (raw: unknown): number => (typeof raw === 'number' && raw > 0 ? Math.floor(raw) : 0)
  return { newMessages: count(unread), oldMessages: count(old) }
}

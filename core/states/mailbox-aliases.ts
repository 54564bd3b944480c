/**
 * Other names of mailboxes (`aliasescontext` of voicemail.conf): as Asterisk does, whatever is said of a mailbox is said
 * of its aliases as well. An alias is an opinion like any other, whose origin is `alias`.
 */
import type { Undo } from '../scope.ts'
import { type Mailboxes, newestCounts } from './mailboxes.ts'
import type { Reader } from './reported.ts'

export const ALIAS = 'alias'

/** From the moment that somebody needs an alias, its mailbox is needed. */
interface Followed {
  readonly name: string
  readonly mailbox: string
  readonly ready: Promise<void>
  readonly release: Undo
}

export class MailboxAliases implements Reader {
  readonly origin = ALIAS
  readonly #mailboxes: Mailboxes
  readonly #undos: readonly Undo[]
  /** Alias in lower case → mailbox. */
  #aliases = new Map<string, string>()
  /** By alias in lower case. */
  readonly #followed = new Map<string, Followed>()

  constructor(mailboxes: Mailboxes, aliases: ReadonlyMap<string, string>) {
    this.#mailboxes = mailboxes
    this.#undos = [mailboxes.addReader(this), mailboxes.onReport((name) => this.#said(name))]
    this.replace(aliases)
  }

  /** Another voicemail.conf. */
  replace(aliases: ReadonlyMap<string, string>): void {
    this.#aliases = new Map([...aliases].map(([alias, mailbox]) => [alias.toLowerCase(), mailbox]))
    for (const [key, { mailbox }] of this.#followed) if (this.#aliases.get(key) !== mailbox) this.#leave(key)
    for (const alias of aliases.keys()) if (this.#mailboxes.isNeeded(alias)) void this.read(alias)
  }

  async read(name: string): Promise<void> {
    const key = name.toLowerCase()
    const mailbox = this.#aliases.get(key)
    // An alias of itself, or of an alias that leads back, says nothing.
    if (mailbox === undefined || this.#goesInACircle(key)) return
    let followed = this.#followed.get(key)
    if (!followed) {
      followed = { name, mailbox, ...this.#mailboxes.need(mailbox) }
      this.#followed.set(key, followed)
    }
    await followed.ready
    if (this.#followed.get(key) === followed) this.#pass(followed)
  }

  close(): void {
    for (const key of this.#followed.keys()) this.#leave(key)
    for (const undo of this.#undos) void undo()
  }

  #said(mailbox: string): void {
    const key = mailbox.toLowerCase()
    for (const followed of this.#followed.values()) if (followed.mailbox.toLowerCase() === key) this.#pass(followed)
  }

  #pass({ name, mailbox }: Followed): void {
    this.#mailboxes.set(ALIAS, name, newestCounts(this.#mailboxes.reports(mailbox)))
  }

  #leave(key: string): void {
    const followed = this.#followed.get(key)
    if (!followed) return
    this.#followed.delete(key)
    void followed.release()
    this.#mailboxes.set(ALIAS, followed.name, undefined)
  }

  #goesInACircle(key: string): boolean {
    const seen = new Set<string>()
    for (let at: string | undefined = key; at !== undefined; at = this.#aliases.get(at)?.toLowerCase()) {
      if (seen.has(at)) return true
      seen.add(at)
    }
    return false
  }
}

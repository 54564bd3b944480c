/** Authorization documents in the table `xcap`, where XCAP servers put them and Kamailio's tools look for them. */
import { documentTextOf } from '../../core/documents/encoding.ts'
import { hexDigest } from '../../core/hex-digest.ts'
import { reasonOf } from '../../core/log.ts'
import type { Undo } from '../../core/scope.ts'
import type { Atomic, Store, Table } from '../../core/store-contract.ts'
import { Timer } from '../../core/timer.ts'
import { DOC_TYPE, documentOf, openXcap, type XcapRow } from '../storage/xcap.ts'
import { type Found, RULES_TYPE, type RulesText, rulesTextOf } from './book.ts'

/** Milliseconds within which another program's change is seen. */
const POLL = 1000
const RULES = { doc_type: DOC_TYPE.presRules } as const
/** How much longer than a reading the rest is after it. */
const REST = 20

interface RulesTableSettings {
  readonly store: Store
  /** `xcap_table`. */
  readonly name: string
  /** Whose users are ours; documents of others are passed over. Empty for all. */
  readonly domains: () => readonly string[]
  /** Equal for names that mean the same presentity. */
  readonly keyOf: (name: string) => string
}

export class RulesTable {
  readonly #settings: RulesTableSettings
  readonly #table: Table<XcapRow>

  /** As they were read last. */
  #rows: readonly XcapRow[] = []
  /** When the rows of the last reading came; undefined where there were none. */
  #cameAt: number | undefined
  /** The file was begun anew, and lacks them still. */
  #isAnew = false

  private constructor(settings: RulesTableSettings, table: Table<XcapRow>) {
    this.#settings = settings
    this.#table = table
  }

  static async open(settings: RulesTableSettings): Promise<RulesTable> {
    let made: RulesTable | undefined
    const begunAnew = (): readonly XcapRow[] => {
      void made?.restore()
      return []
    }
    made = new RulesTable(settings, await openXcap(settings.store, settings.name, begunAnew))
    return made
  }

  /**
   * Into a file that was begun anew: without them it would show everybody what they hide. What it has is newer, as of
   * another server, or of a backup that somebody has put there.
   */
  async restore(): Promise<void> {
    this.#isAnew = true
    try {
      await this.#write(async (at) => {
        const there = new Set((await at.select(this.#table, RULES)).map(({ doc_uri }) => doc_uri))
        for (const row of this.#rows) if (!there.has(row.doc_uri)) at.put(this.#table, row)
      })
      this.#isAnew = false
    } catch {
      // The next reading tries it again, and says so.
    }
  }

  /** Undefined where the database cannot be read now. */
  async read(): Promise<Found | undefined> {
    const { store, name } = this.#settings
    if (this.#isAnew) await this.restore()
    await store.flush()
    const found: (readonly [string, RulesText])[] = []
    const read: XcapRow[] = []
    this.#cameAt = undefined
    const isWhole = await this.#table.load((rows) => {
      this.#cameAt ??= performance.now()
      for (const row of rows) {
        if (!isRules(row)) continue
        const { username, domain, doc, doc_uri } = row
        const rules = rulesTextOf(documentTextOf(documentOf(doc), RULES_TYPE), `${name}: ${doc_uri}`)
        read.push({ ...row, doc: rules.text })
        if (username !== '' && this.#isOurs(domain)) found.push([username, rules])
      }
    })
    if (!isWhole || this.#isAnew) return undefined
    this.#rows = read
    return found
  }

  /**
   * In the row that counts now, where there is one: an XCAP server has documents at URIs of its own, and one at another
   * URI would be passed over.
   */
  async put(presentity: string, text: string): Promise<void> {
    const rows = await this.#rowsOf(presentity)
    const place = rows.find(({ domain }) => this.#isOurs(domain)) ?? this.#newRow(presentity)
    const row = { ...place, doc: text, etag: hexDigest('sha256', text).slice(0, 20) }
    await this.#write((at) => at.put(this.#table, row))
  }

  #newRow(presentity: string): Omit<XcapRow, 'doc' | 'etag'> {
    const domain = this.#settings.domains()[0] ?? 'localhost'
    return {
      username: presentity,
      domain,
      doc_type: DOC_TYPE.presRules,
      source: 0,
      doc_uri: uriOf(presentity, domain),
      port: 0,
    }
  }

  /** Whatever rows have it. */
  async remove(presentity: string): Promise<void> {
    const rows = await this.#rowsOf(presentity)
    await this.#write((at) => {
      for (const { doc_uri } of rows) at.delete(this.#table, doc_uri)
    })
  }

  /** Rejects where that is not possible now: what is only written later is not read here, and nobody would see that it does not hold. */
  async #write(change: (at: Atomic) => void | Promise<void>): Promise<void> {
    const { store, name } = this.#settings
    try {
      await store.atomically(async (at) => change(at))
    } catch (error) {
      throw new Error(`the table ${name} cannot be written now: ${reasonOf(error)}`, { cause: error })
    }
  }

  async #rowsOf(presentity: string): Promise<readonly XcapRow[]> {
    const { store, keyOf } = this.#settings
    const wanted = keyOf(presentity)
    const found: XcapRow[] = []
    await store.flush()
    await this.#table.load((rows) => {
      for (const row of rows) if (isRules(row) && keyOf(row.username) === wanted) found.push(row)
    })
    return found
  }

  /**
   * After another program has written, anywhere in the file: where servers share it that is every second, and reading is
   * not to take more than a small part of the time. What it waited for before, as for a file that was locked, is no reading.
   */
  onForeignChange(changed: () => Promise<void>): Undo {
    let restsUntil = 0
    const timer = new Timer()
    const read = async (): Promise<void> => {
      restsUntil = Number.POSITIVE_INFINITY
      await changed()
      const now = performance.now()
      restsUntil = now + (now - (this.#cameAt ?? now)) * REST
    }
    const undo = this.#settings.store.onForeignChange(POLL, () => {
      const pause = restsUntil === Number.POSITIVE_INFINITY ? POLL : Math.max(0, restsUntil - performance.now())
      if (!timer.armed) timer.set(pause, () => void read())
    })
    return () => {
      timer.clear()
      return undo()
    }
  }

  #isOurs(domain: string): boolean {
    const domains = this.#settings.domains()
    return domains.length === 0 || domains.includes(domain.toLowerCase())
  }
}

/** Rows come from a file that anybody may have written to: one that does not say whose it is says nothing of anybody. */
function isRules({ doc_type, username, domain }: Readonly<Record<keyof XcapRow, unknown>>): boolean {
  return doc_type === DOC_TYPE.presRules && typeof username === 'string' && typeof domain === 'string'
}

/** RFC 5025 9: as an XCAP server of it would have it. */
function uriOf(presentity: string, domain: string): string {
  return `/pres-rules/users/sip:${encodeURIComponent(presentity)}@${domain}/index`
}

/** Reads the authorization documents of both places into the book, and again where one of them has changed, by us too. */
import { type Logger, reasonOf } from '../../core/log.ts'
import type { Undo } from '../../core/scope.ts'
import type { RulesBook } from './book.ts'
import { RulesDirectory, readRulesDirectory } from './directory.ts'
import { readRuleset } from './document.ts'
import type { RulesTable } from './table.ts'

interface ReadingServices {
  readonly book: RulesBook
  readonly table: RulesTable
  /** `rules_directory`; empty for none. */
  readonly directory: () => string
  readonly log: Logger
}

export class RulesReading {
  readonly #services: ReadingServices
  #watched: RulesDirectory | undefined
  #isOver = false

  constructor(services: ReadingServices) {
    this.#services = services
  }

  /** Whatever other programs write into the table, until undone. */
  follow(): Undo {
    return this.#services.table.onForeignChange(() => this.again(() => this.#readTable()))
  }

  /** Rejects where one of them cannot be read. */
  async all(): Promise<void> {
    await this.#readTable()
    await this.#readDirectory()
  }

  /** What was read before stands where it cannot be read now. */
  again(read: () => Promise<void>): Promise<void> {
    return read().catch((error: unknown) => this.#services.log.error(`rules are not read again: ${reasonOf(error)}`))
  }

  /** Into the table. Resolves when it holds; rejects where it is none, or the directory has another. */
  async put(presentity: string, document: string): Promise<void> {
    const { book, table } = this.#services
    readRuleset(document)
    const refusal = book.notInTable(presentity)
    if (refusal !== undefined) throw new Error(refusal)
    await table.put(presentity, document)
    await this.all()
  }

  close(): void {
    this.#isOver = true
    this.#watched?.close()
  }

  async #readTable(): Promise<void> {
    const { book, table } = this.#services
    const found = await table.read()
    if (found) await book.fill('table', found)
    else if (book.isRead) throw new Error('the database cannot be read now')
  }

  async #readDirectory(): Promise<void> {
    const { book, directory, log } = this.#services
    const path = directory()
    const changed = (): void => void this.again(() => this.#readDirectory())
    // Before it is read, or what is written meanwhile is not seen; anew, as another may have taken its place.
    const next = path === '' ? undefined : new RulesDirectory(path, log, changed)
    const found = next
      ? await readRulesDirectory(path).catch((error: unknown) => {
          next.close()
          throw error
        })
      : []
    if (this.#isOver) return next?.close()
    this.#watched?.close()
    this.#watched = next
    await book.fill('directory', found)
  }
}

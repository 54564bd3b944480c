/**
 * The write-ahead log of a store: what is in it is carried over to the file beside the transactions, not in one of them,
 * as a disk may take hundreds of milliseconds to say that it has it.
 *
 * SQLite begins a log anew with a transaction that finds all of it in the file. While transactions follow each other none
 * does: most of a long log is carried over first, and for the few pages that came meanwhile the next transaction waits a
 * moment. Where the disk takes longer than that it goes on, and there is less to carry the next time.
 */
import type { Database } from './store-tables.ts'
import { within } from './within.ts'

export interface LogState {
  /** Pages in it. */
  readonly pages: number
  /** How many of them are not in the file. */
  readonly left: number
}

type InTurn = <T>(work: () => Promise<T>) => Promise<T>

/** Rows that are written before it is looked how long the log is. */
const ROWS = 2000
/** Pages of a log that is to begin anew: 32 MB. A page that was written often goes to the file once. */
const LONG = 8192
/** Pages of a log that has to: transactions wait for it, as long as it takes. */
const TOO_LONG = 4 * LONG
/** Milliseconds that a transaction waits otherwise. */
const WAIT = 5
/** How often in a row that is tried. */
const TRIES = 4

export class StoreLog {
  readonly #inTurn: InTurn
  #database: Database | undefined
  /** Rows that were written when it was last looked. */
  #looked = 0
  #work: Promise<void> | undefined

  /** `inTurn`: runs it while no transaction is under way. */
  constructor(inTurn: InTurn) {
    this.#inTurn = inTurn
  }

  /** To be called after each transaction. */
  grown(database: Database): void {
    if (database !== this.#database) {
      this.#database = database
      this.#looked = 0
    }
    if (this.#work || database.written - this.#looked < ROWS) return
    this.#looked = database.written
    // What the disk refuses here it is asked for again after as many rows; whoever writes is told.
    this.#work = carry(database, this.#inTurn)
      .catch(() => undefined)
      .finally(() => {
        this.#work = undefined
      })
  }

  /** Resolves when nothing of it is under way. */
  async settled(): Promise<void> {
    await this.#work
  }
}

async function carry(database: Database, inTurn: InTurn): Promise<void> {
  // An SQLite that does not know the word carries then, too.
  if ((await database.checkpoint('NOOP')).pages <= LONG) return
  let { pages } = await database.checkpoint('PASSIVE')
  // Another process that writes all the time is kept out, too. Once, as somebody may read from the log for hours.
  if (pages > TOO_LONG) await inTurn(() => database.checkpoint('RESTART'))
  else for (let tries = 0; tries < TRIES && pages > LONG; tries++) pages = await carryRest(database, inTurn)
}

/** Resolves with the pages of the log; with 0 where the next transaction begins it anew. */
async function carryRest(database: Database, inTurn: InTurn): Promise<number> {
  const { carrying, anew } = await inTurn(async () => {
    const log = database.checkpoint('PASSIVE')
    const all = log.then(
      ({ left }) => left === 0,
      () => false,
    )
    return { carrying: log, anew: await within(WAIT, all) }
  })
  return anew ? 0 : (await carrying).pages
}

/** Authorization documents in a directory: `100.xml` are the rules of presentity 100. Changed files count at once. */
import { type FSWatcher, watch } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeXml } from '../../core/documents/encoding.ts'
import { type Logger, reasonOf } from '../../core/log.ts'
import { ConfigError } from '../../core/options.ts'
import { Timer } from '../../core/timer.ts'
import { type Found, type RulesText, rulesTextOf } from './book.ts'

const EXTENSION = '.xml'
/** Milliseconds that the writing of files is left to settle. */
const SETTLE = 50

/** Throws ConfigError where it cannot be read. */
export async function readRulesDirectory(directory: string): Promise<Found> {
  let names: string[]
  try {
    names = await readdir(directory)
  } catch (error) {
    throw cannotBeRead(directory, error)
  }
  const found: (readonly [string, RulesText])[] = []
  for (const name of names.sort()) {
    if (!name.endsWith(EXTENSION) || name === EXTENSION) continue
    const place = join(directory, name)
    const read = await readFile(place).then(decodeXml, unreadable)
    if (read !== undefined) found.push([name.slice(0, -EXTENSION.length), rulesTextOf(read, place)])
  }
  return found
}

function cannotBeRead(directory: string, error: unknown): ConfigError {
  return new ConfigError(`rules_directory = ${directory} cannot be read: ${reasonOf(error)}`)
}

/** One that goes while it is read is not there any more; any other is there, and its presentity has rules. */
function unreadable(error: unknown): { readonly fault: string } | undefined {
  const isGone = error instanceof Error && 'code' in error && error.code === 'ENOENT'
  return isGone ? undefined : { fault: reasonOf(error) }
}

export class RulesDirectory {
  readonly #watcher: FSWatcher
  readonly #timer = new Timer()

  /** `changed`: something in it was written. Throws ConfigError where it cannot be watched. */
  constructor(directory: string, log: Logger, changed: () => void) {
    try {
      this.#watcher = watch(directory, { persistent: false }, () => this.#timer.set(SETTLE, changed))
    } catch (error) {
      throw cannotBeRead(directory, error)
    }
    this.#watcher.on('error', (error) => log.error(`rules_directory = ${directory}: ${reasonOf(error)}`))
  }

  close(): void {
    this.#timer.clear()
    this.#watcher.close()
  }
}

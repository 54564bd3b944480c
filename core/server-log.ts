/** The log of the server: where it goes, and what it says of a configuration that was just read. */
import type { Configuration, ConfigurationReading } from './conf/configuration.ts'
import type { Log } from './log.ts'
import { type FileSink, fileSink, streamSink } from './log-sinks.ts'
import { waitsForRestart } from './reload.ts'
import type { Scope } from './scope.ts'

export class ServerLog {
  readonly #log: Log
  /** What no reload changes is as it was at the start. */
  readonly #started: Configuration
  #file: FileSink | undefined

  constructor(log: Log, started: Configuration) {
    this.#log = log
    this.#started = started
  }

  open({ own }: Scope): void {
    const { console, logFile } = this.#started
    own(this.#log.addSink(streamSink(process.stderr, console.timestamp)))
    if (logFile === undefined) return
    const file = fileSink(logFile, (message) => process.stderr.write(`${message}\n`))
    this.#file = file
    own(file.close)
    own(this.#log.addSink(file.sink))
  }

  /** After a rotation. Throws where it cannot be opened. */
  reopen(): void {
    this.#file?.reopen()
  }

  /** Another configuration is about to take effect. */
  reloaded(before: Configuration, now: Configuration): void {
    if (now.console.level !== before.console.level) this.#log.setLevel(now.console.level)
    for (const what of waitsForRestart(this.#started, now))
      this.#log.logger('core').warning(`${what} of lamplighter.conf has changed, which needs a restart`)
  }

  /** What is passed over in Asterisk's files may be the answer to somebody's question. */
  found({ warnings, notes }: Pick<ConfigurationReading, 'warnings' | 'notes'>): void {
    const log = this.#log.logger('config')
    for (const warning of warnings) log.warning(warning.message)
    for (const note of notes) log.verbose(note.message)
    if (notes.length > 0 && !log.enabled('verbose')) {
      log.notice(`${notes.length} lines of Asterisk's files are passed over; at level verbose a reload shows them`)
    }
  }
}

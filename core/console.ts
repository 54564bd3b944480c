/** The console: commands that modules register, run over a Unix socket by `-rx` and `-r`. */
import type { Undo } from './scope.ts'

export interface ConsoleOutput {
  /** One or more lines of text. */
  print(text: string): void
}

/** What the operator typed wrong, or what could not be done: printed without a stack, and `-rx` exits non-zero. */
export class CommandError extends Error {}

export interface ConsoleCommand {
  /** The fixed words: `core show hints`. The command with the most matching words wins. */
  readonly words: string
  /** What follows them: `<extension>[@context]`; empty for nothing. */
  readonly args?: string
  /** One sentence. */
  readonly help: string
  /** Candidates for the argument at this place (0 is the first after the fixed words). */
  complete?(place: number, typed: string): readonly string[]
  run(args: readonly string[], out: ConsoleOutput): void | Promise<void>
}

export interface Console {
  register(command: ConsoleCommand): Undo
  /** Runs one line. Throws CommandError for what the operator did wrong. */
  run(line: string, out: ConsoleOutput): Promise<void>
}

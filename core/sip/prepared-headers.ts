/** Header lines that go out with many requests: what they look like on the wire is made once. */
import type { HeaderLine } from './contract.ts'
import { headerBlock } from './serialize.ts'

export class PreparedHeaders {
  readonly lines: readonly HeaderLine[]
  #full: string | undefined
  #compact: string | undefined

  constructor(lines: readonly HeaderLine[]) {
    this.lines = lines
  }

  /** Each with its CRLF, one character per byte; `compact` with their short names. */
  written(compact: boolean): string {
    if (compact) return (this.#compact ??= headerBlock(this.lines, true))
    return (this.#full ??= headerBlock(this.lines))
  }
}

/** The header lines that all NOTIFYs have, and those of lists one more (RFC 4662 4.4): made once until something in them changes. */
import type { HeaderLine } from '../core/sip/contract.ts'
import { PreparedHeaders } from '../core/sip/prepared-headers.ts'
import { type ListFacts, requiredOf } from './lists/facts.ts'

export class NotifyHeaders {
  readonly #make: () => readonly HeaderLine[]
  #plain: PreparedHeaders | undefined
  #ofList: PreparedHeaders | undefined

  constructor(make: () => readonly HeaderLine[]) {
    this.#make = make
  }

  of(list: ListFacts | undefined): PreparedHeaders {
    if (!list) return this.plain
    return (this.#ofList ??= new PreparedHeaders([...this.plain.lines, ...requiredOf(list)]))
  }

  get plain(): PreparedHeaders {
    return (this.#plain ??= new PreparedHeaders(this.#make()))
  }

  forget(): void {
    this.#plain = undefined
    this.#ofList = undefined
  }
}

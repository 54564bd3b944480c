/**
 * The Via of answers to our requests. It is the one we wrote, with what the peer noted in it, and so nearly all that come
 * differ by their branch alone: what was read of one holds for the others.
 *
 *     SIP/2.0/UDP 192.0.2.1:5060;rport=5060;branch= z9hG4bK4f0a1c93b7d25e68a1f03c7700012a ;received=192.0.2.1
 *     before                                        branch                                after
 */
import { detached } from '../text.ts'
import { BRANCH_LENGTH } from './branches.ts'
import { endOfToken } from './grammar.ts'
import { HEADER } from './headers.ts'
import type { ParsedResponse } from './message.ts'
import type { Via } from './via.ts'

/** One for each address of ours and each way in which phones note something. */
const MOST_FORMS = 4
/** Once there are as many, one of so many others takes the place of the oldest: nobody can make it cost much. */
const OTHERS = 64
const BEFORE_BRANCH = ';branch='

/** A Via without its branch. */
interface Form {
  readonly before: string
  readonly after: string
  readonly via: Omit<AnsweredVia, 'branch'>
}

/** What is looked at of the Via of an answer. */
export type AnsweredVia = Pick<Via, 'protocol' | 'host' | 'port' | 'branch'>

export class AnsweredVias {
  readonly #forms: Form[] = []
  #others = 0

  /** The first Via; undefined where there is none or it is malformed. */
  of(response: ParsedResponse): AnsweredVia | undefined {
    const line = response.line(HEADER.via)
    if (line === undefined) return undefined
    for (const { before, after, via } of this.#forms) {
      const end = line.length - after.length
      if (end <= before.length || !line.startsWith(before) || !line.endsWith(after)) continue
      // One as long as ours is ours, or of nobody: it is compared digit by digit anyway.
      if (end - before.length !== BRANCH_LENGTH && endOfToken(line, before.length) !== end) continue
      const { protocol, host, port } = via
      return { protocol, host, port, branch: line.slice(before.length, end) }
    }
    const read = response.topVia
    if (read) this.#note(line, read)
    return read
  }

  #note(line: string, via: Via): void {
    const isMore = this.#forms.length === MOST_FORMS
    if (isMore && ++this.#others % OTHERS !== 0) return
    const form = formOf(line, via)
    if (!form) return
    if (isMore) this.#forms.shift()
    this.#forms.push(form)
  }
}

/** Undefined where something in it may depend on the branch, as quotes do, or where there are several Vias in the line. */
function formOf(line: string, via: Via): Form | undefined {
  const { branch } = via
  if (branch === undefined || via.text !== line || line.includes('"')) return undefined
  const at = line.indexOf(BEFORE_BRANCH) + BEFORE_BRANCH.length
  if (at < BEFORE_BRANCH.length || endOfToken(line, at) !== at + branch.length || !line.startsWith(branch, at))
    return undefined
  const after = line.slice(at + branch.length)
  if (after !== '' && !after.startsWith(';')) return undefined
  const { protocol, host, port } = via
  const kept = { protocol: detached(protocol), host: detached(host), port }
  return { before: detached(line.slice(0, at)), after: detached(after), via: kept }
}

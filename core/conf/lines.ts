/**
 * The lines of a .conf file without their comments: `; to the end of the line`, `;-- over lines --;` (nested ones too),
 * and `\;` for a semicolon that is meant. One pass, linear in the length of the text.
 */

export interface ConfLine {
  /** Trimmed; never empty. */
  readonly text: string
  /** From 1. */
  readonly number: number
  /** A parameter of the SIP URI at its end that is a comment as it stands: `transport`. */
  readonly lost?: string
  /** It ends with the `--;` of no block comment. */
  readonly hasStrayEnd: boolean
}

/** As deep as Asterisk goes. */
const DEEPEST_COMMENT = 128

/** Each line is told when it is asked for, so that those of a large file are not held all at once. */
export class ConfLines implements Iterable<ConfLine> {
  readonly #file: string
  /** The lines at which the block comments began that are open now. */
  readonly #open: number[] = []

  constructor(file: string) {
    this.#file = file
  }

  *[Symbol.iterator](): Generator<ConfLine> {
    let number = 0
    for (const line of eachLine(this.#file)) {
      number++
      const [kept, comment] = withoutComments(line, number, this.#open)
      const text = kept.trim()
      if (text === '') continue
      const hasStrayEnd = comment !== '' && kept.endsWith('--')
      yield { text, number, lost: comment === '' ? undefined : lostParameter(kept, comment), hasStrayEnd }
    }
  }

  /** At the end of the file: the line of a `;--` that is never closed. */
  get unterminated(): number | undefined {
    return this.#open.at(-1)
  }
}

function* eachLine(text: string): Generator<string> {
  let from = text.startsWith('\uFEFF') ? 1 : 0
  while (from < text.length) {
    const end = text.indexOf('\n', from)
    yield text.slice(from, end < 0 ? text.length : end)
    if (end < 0) return
    from = end + 1
  }
}

/** RFC 3261 19.1.1. Another word could as well be a comment. */
const URI_PARAMETER = /^;(transport|lr|user|maddr|ttl|method)(?![\w-])/i

/** `sip:192.0.2.1;transport=tcp`: who writes that means the transport, and gets none. */
function lostParameter(kept: string, comment: string): string | undefined {
  const name = URI_PARAMETER.exec(comment)?.[1]
  return name !== undefined && /\bsips?:[^\s"]+$/i.test(kept) ? name : undefined
}

/** What of a line is no comment, and the comment at its end. Opens and closes block comments in `open`. */
function withoutComments(line: string, number: number, open: number[]): readonly [kept: string, comment: string] {
  let kept = ''
  /** Where the text begins that has not been kept yet, and where the search goes on. */
  let from = 0
  let search = 0
  for (let at = line.indexOf(';'); at >= 0; at = line.indexOf(';', search)) {
    if (at > search && line[at - 1] === '\\') {
      if (open.length === 0) kept += line.slice(from, at - 1)
      from = at
      search = at + 1
    } else if (line.startsWith('--', at + 1) && line[at + 3] !== '-' && open.length < DEEPEST_COMMENT) {
      if (open.length === 0) kept += line.slice(from, at)
      open.push(number)
      search = at + 3
    } else if (open.length > 0) {
      // The dashes of `;--` itself close nothing: `;--;` is an opening.
      if (at >= search + 2 && line[at - 1] === '-' && line[at - 2] === '-') {
        open.pop()
        if (open.length === 0) from = at + 1
      }
      search = at + 1
    } else {
      return [kept + line.slice(from, at), line.slice(at)]
    }
  }
  return [open.length > 0 ? kept : kept + line.slice(from), '']
}

/**
 * Variables in the dialplan: `${EXTEN}`, `${EXTEN:1}`, `${EXTEN:-3:2}`, `${GLOBAL(NAME)}`, `${DEV_${EXTEN}}`.
 * A variable nobody set is empty, as in Asterisk. Functions and expressions need a channel and cannot be evaluated here.
 */

/** Why a text cannot be evaluated. */
export class CannotEvaluate extends Error {}

/** undefined: nobody set it. May throw CannotEvaluate. */
export type Variables = (name: string) => string | undefined

/** As long as Asterisk lets it be. */
const LONGEST = 8191
const DEEPEST = 20

/** Throws CannotEvaluate. */
export function expandVariables(text: string, variables: Variables, depth = 0): string {
  if (depth > DEEPEST) throw new CannotEvaluate('variables are nested too deeply')
  let result = ''
  let from = 0
  for (let at = text.indexOf('$'); at >= 0; at = text.indexOf('$', from)) {
    const next = text[at + 1]
    if (next === '[') throw new CannotEvaluate(`the expression ${short(text.slice(at))} cannot be evaluated here`)
    if (next !== '{') {
      result += text.slice(from, at + 1)
      from = at + 1
      continue
    }
    const end = closingBrace(text, at + 2)
    if (end < 0) throw new CannotEvaluate(`${short(text.slice(at))} has no closing }`)
    const inner = text.slice(at + 2, end)
    result += text.slice(from, at) + valueOf(expandVariables(inner, variables, depth + 1), variables)
    from = end + 1
    if (result.length > LONGEST) throw new CannotEvaluate('the text with its variables is too long')
  }
  return result + text.slice(from)
}

export function hasVariables(text: string): boolean {
  return text.includes('${') || text.includes('$[')
}

function valueOf(reference: string, variables: Variables): string {
  const { name, cut } = splitReference(reference)
  const global = /^GLOBAL\(([^()]*)\)$/.exec(name)
  if (!global && name.includes('(')) throw new CannotEvaluate(`the function ${short(name)} cannot be evaluated here`)
  return cut(variables(global?.[1] ?? name) ?? '')
}

/** `NAME:offset:length`; a colon inside of parentheses belongs to the name. */
function splitReference(reference: string): { name: string; cut: (value: string) => string } {
  let open = 0
  for (let at = 0; at < reference.length; at++) {
    const c = reference[at]
    if (c === '(') open++
    else if (c === ')') open--
    else if (c === ':' && open === 0) {
      const found = /^([+-]?[0-9]{1,9})(?::([+-]?[0-9]{1,9}))?/.exec(reference.slice(at + 1).trimStart())
      const offset = Number(found?.[1] ?? 0)
      const length = found?.[2] === undefined ? Number.POSITIVE_INFINITY : Number(found[2])
      return { name: reference.slice(0, at), cut: (value) => substring(value, offset, length) }
    }
  }
  return { name: reference, cut: (value) => value }
}

/** A negative offset counts from the end; a negative length leaves out so many at the end. */
function substring(value: string, offset: number, length: number): string {
  const start = offset < 0 ? Math.max(0, value.length + offset) : offset
  const rest = value.slice(start)
  return length < 0 ? rest.slice(0, Math.max(0, rest.length + length)) : rest.slice(0, length)
}

function closingBrace(text: string, from: number): number {
  let open = 1
  for (let at = from; at < text.length; at++) {
    if (text[at] === '{') open++
    else if (text[at] === '}' && --open === 0) return at
  }
  return -1
}

const short = (text: string): string => (text.length > 40 ? `${text.slice(0, 40)}…` : text)

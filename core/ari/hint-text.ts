/** A hint as the HINT() function gives it: `PJSIP/100&Custom:x,CustomPresence:100`, variables of a pattern not yet put in. */

export interface HintText {
  readonly devices: readonly string[]
  readonly presence: readonly string[]
  /** Parts with variables that cannot be known from outside, as they are written; they are left out. */
  readonly unknown: readonly string[]
}

const EXTEN = /\$\{EXTEN(?::-?[0-9]{1,4}){0,2}\}/g

/** Whether there is more in it than the number of the extension, which is all that is known for sure without Asterisk. */
export function needsDialplan(written: string): boolean {
  return hasVariables(written.replace(EXTEN, ''))
}

function hasVariables(text: string): boolean {
  return text.includes('${') || text.includes('$[')
}

export function readHint(written: string, context: string, exten: string): HintText {
  const comma = written.indexOf(',')
  const unknown: string[] = []
  const parts = (text: string): string[] =>
    text.split('&').flatMap((given) => {
      const part = expand(given.trim(), context, exten)
      const isUnknown = hasVariables(part)
      if (isUnknown) unknown.push(given.trim())
      return part === '' || isUnknown ? [] : [part]
    })
  return {
    devices: parts(comma < 0 ? written : written.slice(0, comma)),
    presence: comma < 0 ? [] : parts(written.slice(comma + 1)),
    unknown,
  }
}

/** Puts in `${EXTEN}`, `${EXTEN:offset}`, `${EXTEN:offset:length}` and `${CONTEXT}`, as Asterisk does for a pattern. */
function expand(part: string, context: string, exten: string): string {
  return part.replace(/\$\{(EXTEN|CONTEXT)(?::(-?[0-9]{1,4}))?(?::(-?[0-9]{1,4}))?\}/g, (_, name, offset, length) => {
    const value = name === 'EXTEN' ? exten : context
    return cut(value, Number(offset ?? 0), length === undefined ? undefined : Number(length))
  })
}

/** A negative offset counts from the end; a negative length leaves so many off the end. */
function cut(value: string, offset: number, length: number | undefined): string {
  const from = offset < 0 ? Math.max(0, value.length + offset) : offset
  if (length === undefined) return value.slice(from)
  return value.slice(from, length < 0 ? value.length + length : from + length)
}

/** A hint of extensions.conf: as it is written, and what it says about one extension. */
import type { Place } from '../config.ts'
import { CannotEvaluate, expandVariables, type Variables } from './dialplan-variables.ts'

/** A hint as it is written. */
export interface WrittenHint extends Place {
  readonly context: string
  /** With the globals put in; dashes kept. */
  readonly exten: string
  /** `PJSIP/${EXTEN}&Custom:x,CustomPresence:x`, with its variables. */
  readonly value: string
  /** `(Name)`; empty where there is none. */
  readonly name: string
}

/** What a hint's value says once its variables are known. Throws CannotEvaluate. */
export function evaluateHint(
  hint: WrittenHint,
  exten: string,
  globals: Variables,
): { devices: string[]; presence: string[]; name: string } {
  const variables: Variables = (name) => {
    if (name === 'EXTEN') return exten
    if (name === 'CONTEXT') return hint.context
    return globals(name)
  }
  const value = expandVariables(hint.value, variables)
  const comma = value.indexOf(',')
  return {
    devices: splitNames(comma < 0 ? value : value.slice(0, comma)),
    presence: comma < 0 ? [] : splitNames(value.slice(comma + 1)),
    name: expandName(hint.name, variables),
  }
}

function expandName(name: string, variables: Variables): string {
  try {
    return expandVariables(name, variables)
  } catch (error) {
    if (error instanceof CannotEvaluate) return name
    throw error
  }
}

function splitNames(text: string): string[] {
  return text
    .split('&')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}

/** The hints of the dialplan files, found as Asterisk finds extensions: exact ones, patterns, then included contexts. */
import { basename } from 'node:path'
import { addedTo, type Undo } from '../scope.ts'
import type { HintDefinition } from '../states/hint.ts'
import type { HintSource } from '../states/hint-sources.ts'
import { type DialplanContext, type DialplanData, NO_DIALPLAN } from './dialplan-conf.ts'
import { evaluateHint, type WrittenHint } from './dialplan-hint.ts'
import { matchesPattern, plainExten } from './dialplan-pattern.ts'
import { CannotEvaluate } from './dialplan-variables.ts'

export class Dialplan implements HintSource {
  readonly name = 'extensions.conf'
  #data: DialplanData
  readonly #listeners = new Set<() => void>()

  constructor(data: DialplanData = NO_DIALPLAN) {
    this.#data = data
  }

  /** The files were read again. */
  replace(data: DialplanData): void {
    this.#data = data
    for (const listener of this.#listeners) listener()
  }

  onChange(listener: () => void): Undo {
    return addedTo(this.#listeners, listener)
  }

  /** undefined also where only Asterisk could evaluate what the hint says. */
  lookup(context: string, exten: string): HintDefinition | undefined {
    const hint = this.written(context, exten)
    if (!hint) return undefined
    try {
      const source = `${basename(hint.file)}:${hint.line}`
      return { context: hint.context, exten, source, ...evaluateHint(hint, exten, this.#data.globals) }
    } catch (error) {
      if (error instanceof CannotEvaluate) return undefined
      throw error
    }
  }

  extensions(): { context: string; exten: string }[] {
    return [...this.#data.contexts].flatMap(([context, { exact }]) =>
      [...exact.keys()].map((exten) => ({ context, exten })),
    )
  }

  get contexts(): DialplanData['contexts'] {
    return this.#data.contexts
  }

  /** Depth first; each context once, so that includes may go in a circle. */
  written(name: string, exten: string): WrittenHint | undefined {
    const seen = new Set<string>()
    const open = [name]
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const context = this.#data.contexts.get(next)
      if (!context || seen.has(next)) continue
      seen.add(next)
      const found = within(context, exten)
      if (found) return found
      open.push(...context.includes.toReversed())
    }
    return undefined
  }
}

function within({ exact, patterns }: DialplanContext, exten: string): WrittenHint | undefined {
  return exact.get(plainExten(exten)) ?? patterns.find(({ pattern }) => matchesPattern(pattern, exten))?.hint
}

/** Those who know hints, asked together. Servers that all know an extension add their devices up. */
import type { Eventual } from '../eventual.ts'
import type { Undo } from '../scope.ts'
import type { HintDefinition } from './hint.ts'
import { mergeDefinitions } from './hint-definitions.ts'

/** Milliseconds that the others get once one has named a hint: a server that hangs must not keep phones waiting. */
const OTHERS_GET = 500

export type HintAnswer = HintDefinition | 'unreachable' | undefined

/** Who knows hints: the dialplan files, or an Asterisk server through its probe channel. */
export interface HintSource {
  readonly name: string
  /** undefined: this source has no such hint. 'unreachable': it cannot say now, and what it said before stands. Never rejects. */
  lookup(context: string, exten: string): Eventual<HintAnswer>
  /** Extensions that it has a hint for by name, not by pattern; absent where it cannot tell. */
  extensions?(): readonly { readonly context: string; readonly exten: string }[]
  /** Tells that all answers may be different now. */
  onChange(listener: () => void): Undo
}

export interface HintSourcesObserver {
  /** All answers may be different now. */
  changed(): void
  /** One that was not waited for knows the extension as well; this is what all of them say together. */
  late(context: string, exten: string, together: HintDefinition): void
}

export class HintSources {
  readonly #sources: HintSource[] = []
  readonly #observer: HintSourcesObserver

  constructor(observer: HintSourcesObserver) {
    this.#observer = observer
  }

  add(source: HintSource): Undo {
    this.#sources.push(source)
    const stop = source.onChange(() => this.#observer.changed())
    return () => {
      void stop()
      const at = this.#sources.indexOf(source)
      if (at >= 0) this.#sources.splice(at, 1)
    }
  }

  /** Asked in the order of these names from now on, after those that are not named. */
  order(names: readonly string[]): void {
    this.#sources.sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name))
  }

  extensions(): readonly { readonly context: string; readonly exten: string }[] {
    return this.#sources.flatMap((source) => source.extensions?.() ?? [])
  }

  /** undefined: nobody has such a hint. 'unreachable': none of those who could say had it. Never rejects. */
  lookup(context: string, exten: string): Eventual<HintAnswer> {
    const asked = this.#sources.map((source) => source.lookup(context, exten))
    const answers: HintAnswer[] = asked.map((asking) => (asking instanceof Promise ? 'unreachable' : asking))
    let open = asked.length
    if (!asked.some((asking) => asking instanceof Promise)) return together(answers)
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined
      let over = false
      const end = (): void => {
        clearTimeout(timer)
        over = true
        resolve(together(answers))
      }
      for (const [at, asking] of asked.entries())
        void Promise.resolve(asking).then((answer) => {
          answers[at] = answer
          open--
          if (over) this.#late(context, exten, answer, answers)
          else if (open === 0) end()
          else if (isDefinition(answer)) timer ??= setTimeout(end, OTHERS_GET)
        })
    })
  }

  #late(context: string, exten: string, answer: HintAnswer, answers: readonly HintAnswer[]): void {
    const all = together(answers)
    if (isDefinition(answer) && isDefinition(all)) this.#observer.late(context, exten, all)
  }
}

function together(answers: readonly HintAnswer[]): HintAnswer {
  const [first, ...more] = answers.filter(isDefinition)
  if (!first) return answers.includes('unreachable') ? 'unreachable' : undefined
  return more.reduce(mergeDefinitions, first)
}

function isDefinition(answer: HintAnswer): answer is HintDefinition {
  return typeof answer === 'object'
}

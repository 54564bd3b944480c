import type { HintDefinition } from '../../core/states/hint.ts'
import type { HintSource } from '../../core/states/hint-sources.ts'

/** A dialplan in memory: `exten@context` → what a hint line has. */
export class Dialplan implements HintSource {
  readonly name: string
  reachable = true
  /** What it answers is held back until this resolves. */
  thinks: Promise<void> = Promise.resolve()
  readonly lines = new Map<string, Partial<HintDefinition>>()
  #changed: (() => void) | undefined

  constructor(name = 'test') {
    this.name = name
  }

  async lookup(context: string, exten: string): Promise<HintDefinition | 'unreachable' | undefined> {
    const line = this.lines.get(`${exten}@${context}`)
    const found = line && { context, exten, devices: [], presence: [], name: '', source: 'test', ...line }
    await this.thinks
    return this.reachable ? found : 'unreachable'
  }

  onChange(listener: () => void) {
    this.#changed = listener
    return () => undefined
  }

  reload(): void {
    this.#changed?.()
  }
}

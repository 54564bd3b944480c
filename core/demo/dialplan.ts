/** The demo PBX's dialplan: hints found as Asterisk finds them, through patterns and includes. */
import { comparePatterns, isPattern, matchesPattern, readExtenPattern } from '../conf/dialplan-pattern.ts'
import { aggregateDeviceStates, type DeviceState } from '../states/devices.ts'
import type { PbxData, PbxHint } from './data.ts'

export class Dialplan {
  readonly #includes: ReadonlyMap<string, readonly string[]>
  #byContext = new Map<string, PbxHint[]>()
  /** What patterns have become, by `exten@context`. */
  #writtenOut = new Map<string, PbxHint>()

  constructor({ hints, includes }: Pick<PbxData, 'hints' | 'includes'>) {
    this.#includes = includes
    this.replace(hints)
  }

  replace(hints: readonly PbxHint[]): void {
    this.#byContext = new Map()
    this.#writtenOut = new Map()
    for (const hint of hints) {
      const known = this.#byContext.get(hint.context)
      if (known) known.push(hint)
      else this.#byContext.set(hint.context, [hint])
    }
  }

  /** The hints of a context in the order they are written, as AST_CONFIG counts them. */
  written(context: string): readonly PbxHint[] {
    return this.#byContext.get(context) ?? []
  }

  find(context: string, exten: string, seen = new Set<string>()): PbxHint | undefined {
    if (seen.has(context)) return undefined
    seen.add(context)
    const hints = this.written(context)
    const exact = hints.find((hint) => hint.exten === exten) ?? this.#writtenOut.get(`${exten}@${context}`)
    if (exact) return exact
    const [matching] = hints
      .filter((hint) => isPattern(hint.exten))
      .map((hint) => ({ hint, pattern: readExtenPattern(hint.exten) }))
      .filter(({ pattern }) => matchesPattern(pattern, exten))
      .sort((one, other) => comparePatterns(one.pattern, other.pattern))
    if (matching) return matching.hint
    for (const included of this.#includes.get(context) ?? []) {
      const found = this.find(included, exten, seen)
      if (found) return found
    }
    return undefined
  }

  /** As Asterisk does when somebody asks for the state of an extension of a pattern: it has a hint of its own from then on. */
  writeOut(hint: PbxHint, exten: string): void {
    if (isPattern(hint.exten))
      this.#writtenOut.set(`${exten}@${hint.context}`, { ...hint, exten, hint: withVariables(hint, exten) })
  }
}

/** The devices of a hint with the dialled number put in. */
export function devicesOf(hint: PbxHint, exten: string): string[] {
  const [devices = ''] = withVariables(hint, exten).split(',', 1)
  return devices
    .split('&')
    .map((device) => device.trim())
    .filter((device) => device !== '')
}

/** The context is that of the hint, which may be included in that of the caller. */
function withVariables({ hint, context }: PbxHint, exten: string): string {
  return hint.replaceAll('${EXTEN}', exten).replaceAll('${CONTEXT}', context)
}

const EXTENSION_STATE_NAME: Record<DeviceState, string> = {
  UNKNOWN: 'NOT_INUSE',
  NOT_INUSE: 'NOT_INUSE',
  INUSE: 'INUSE',
  BUSY: 'BUSY',
  INVALID: 'UNAVAILABLE',
  UNAVAILABLE: 'UNAVAILABLE',
  RINGING: 'RINGING',
  RINGINUSE: 'RINGINUSE',
  ONHOLD: 'ONHOLD',
}

/** What EXTENSION_STATE() says of these devices. */
export function extensionStateName(states: readonly DeviceState[]): string {
  return states.length === 0 ? 'UNAVAILABLE' : EXTENSION_STATE_NAME[aggregateDeviceStates(states)]
}

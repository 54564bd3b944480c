/** The demo PBX's dialplan: hints found as Asterisk finds them, through patterns and includes. */
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
    const matching = hints.filter((hint) => matchesPattern(hint.exten, exten)).sort(bySpecificity)[0]
    if (matching) return matching
    for (const included of this.#includes.get(context) ?? []) {
      const found = this.find(included, exten, seen)
      if (found) return found
    }
    return undefined
  }

  /** As Asterisk does when somebody asks for the state of an extension of a pattern: it has a hint of its own from then on. */
  writeOut(hint: PbxHint, exten: string): void {
    if (hint.exten.startsWith('_'))
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

/** `_11X`, `_[1-3]Z.`: one pass over both, no backtracking, since only the last element may match many digits. */
function matchesPattern(pattern: string, exten: string): boolean {
  if (!pattern.startsWith('_')) return false
  let at = 0
  for (const element of patternElements(pattern)) {
    if (element === '.') return at < exten.length
    if (element === '!') return true
    const digit = exten[at++]
    if (digit === undefined || !matchesElement(element, digit)) return false
  }
  return at === exten.length
}

function patternElements(pattern: string): string[] {
  const elements: string[] = []
  for (let at = 1; at < pattern.length; at++) {
    const close = pattern[at] === '[' ? pattern.indexOf(']', at) : -1
    if (close > 0) elements.push(pattern.slice(at, close + 1))
    else elements.push(pattern.charAt(at))
    if (close > 0) at = close
  }
  return elements
}

function matchesElement(element: string, digit: string): boolean {
  switch (element) {
    case 'X':
    case 'x':
      return digit >= '0' && digit <= '9'
    case 'Z':
    case 'z':
      return digit >= '1' && digit <= '9'
    case 'N':
    case 'n':
      return digit >= '2' && digit <= '9'
    default:
      return element.startsWith('[') ? inSet(element.slice(1, -1), digit) : element === digit
  }
}

function inSet(set: string, digit: string): boolean {
  for (let at = 0; at < set.length; at++) {
    const first = set.charAt(at)
    if (set[at + 1] === '-' && at + 2 < set.length) {
      if (digit >= first && digit <= set.charAt(at + 2)) return true
      at += 2
    } else if (digit === first) return true
  }
  return false
}

/** The pattern that leaves less open comes first. */
function bySpecificity(a: PbxHint, b: PbxHint): number {
  const widths = (hint: PbxHint): number[] => patternElements(hint.exten).map(widthOf)
  const [left, right] = [widths(a), widths(b)]
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const difference = (left[at] ?? 100) - (right[at] ?? 100)
    if (difference !== 0) return difference
  }
  return 0
}

function widthOf(element: string): number {
  if (element === '.') return 50
  if (element === '!') return 60
  return '0123456789ABCD*#abcd'.split('').filter((digit) => matchesElement(element, digit)).length
}

/** Hints as they are written: when two say the same, and what several servers say together. */
import type { HintDefinition } from './hint.ts'

export function sameDefinition(a: HintDefinition, b: HintDefinition): boolean {
  return (
    a.name === b.name && a.devices.join('&') === b.devices.join('&') && a.presence.join('&') === b.presence.join('&')
  )
}

export function mergeDefinitions(a: HintDefinition, b: HintDefinition): HintDefinition {
  const union = (x: readonly string[], y: readonly string[]): string[] => {
    const seen = new Set(x.map((name) => name.toLowerCase()))
    return [...x, ...y.filter((name) => !seen.has(name.toLowerCase()))]
  }
  return {
    ...a,
    devices: union(a.devices, b.devices),
    presence: union(a.presence, b.presence),
    name: a.name || b.name,
    source: `${a.source}, ${b.source}`,
  }
}

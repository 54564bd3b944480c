/** Where an extension is looked for when nobody's endpoint says in which context. */
import type { Core } from '../core.ts'

/** Of hints of that name that are in use, then of all endpoints. */
export function hintContexts(exten: string, { hints, endpoints }: Pick<Core, 'hints' | 'endpoints'>): Set<string> {
  const used = hints.list().filter((hint) => hint.exten === exten)
  const all = [...endpoints.files.endpoints.values()].map((endpoint) => endpoint.hintContext)
  return new Set([...used.map((hint) => hint.context), ...all])
}

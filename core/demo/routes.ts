/** Which operation a request is for. */
import type { Operation } from './operation.ts'
import { type Answer, failure } from './request.ts'

export type Route =
  | { readonly kind: 'operation'; readonly operation: Operation; readonly parameters: ReadonlyMap<string, string> }
  | { readonly kind: 'failure'; readonly answer: Answer }

/** `path` stands below `/ari/`. Fixed words go before parameters: `/channels/create` is no channel's id. */
export function findRoute(operations: readonly Operation[], method: string, path: string): Route {
  const segments = decodeSegments(path)
  if (!segments) return { kind: 'failure', answer: failure(400, 'Bad Request') }
  let pathKnown = false
  let found: Route | undefined
  for (const operation of operations) {
    const pattern = operation.path.slice(1).split('/')
    const parameters = match(pattern, segments)
    if (!parameters) {
      pathKnown ||= isPrefix(segments, pattern)
      continue
    }
    pathKnown = true
    const fewer = found?.kind !== 'operation' || parameters.size < found.parameters.size
    if (operation.method === method && fewer) found = { kind: 'operation', operation, parameters }
  }
  if (found) return found
  return {
    kind: 'failure',
    answer: pathKnown ? failure(405, 'Invalid method') : failure(404, 'Resource not found'),
  }
}

function decodeSegments(path: string): string[] | undefined {
  try {
    return path.split('/').map(decodeURIComponent)
  } catch {
    return undefined
  }
}

function match(pattern: readonly string[], segments: readonly string[]): ReadonlyMap<string, string> | undefined {
  if (pattern.length !== segments.length) return undefined
  const parameters = new Map<string, string>()
  for (const [at, part] of pattern.entries()) {
    const segment = segments[at] ?? ''
    if (!part.startsWith('{')) {
      if (part !== segment) return undefined
    } else if (segment === '') return undefined
    else parameters.set(part.slice(1, -1), segment)
  }
  return parameters
}

/** A place on the way to an operation exists, but does nothing itself. */
function isPrefix(segments: readonly string[], pattern: readonly string[]): boolean {
  return segments.length < pattern.length && match(pattern.slice(0, segments.length), segments) !== undefined
}

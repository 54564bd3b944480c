/** /applications: subscriptions of a Stasis application, and the filter of its events. */
import { isSourceKind, type SourceKind } from './applications.ts'
import type { Machine } from './machine.ts'
import { inBody, inPath, inQuery, type Operation } from './operation.ts'
import { type Answer, type AriRequest, failure, ok } from './request.ts'

interface Source {
  readonly kind: SourceKind
  readonly name: string
}

export function applicationOperations(machine: Machine): Operation[] {
  const resource = 'applications'
  const { applications } = machine
  const applicationName = inPath('applicationName', 'The name of the application.')
  const eventSource = inQuery('eventSource', 'deviceState:NAME, endpoint:TECH/ID, channel:ID, bridge:ID.', {
    required: true,
  })
  const onApplication = (run: (name: string, request: AriRequest) => Answer | undefined) => (request: AriRequest) => {
    const name = request.path('applicationName')
    if (!applications.json(name)) return failure(404, 'Application not found')
    return run(name, request) ?? ok(applications.json(name))
  }
  return [
    {
      resource,
      method: 'GET',
      path: '/applications',
      nickname: 'list',
      summary: 'All applications.',
      returns: 'List[Application]',
      parameters: [],
      run: () => ok(applications.list()),
    },
    {
      resource,
      method: 'GET',
      path: '/applications/{applicationName}',
      nickname: 'get',
      summary: 'One application.',
      returns: 'Application',
      parameters: [applicationName],
      run: onApplication(() => undefined),
    },
    {
      resource,
      method: 'POST',
      path: '/applications/{applicationName}/subscription',
      nickname: 'subscribe',
      summary: 'Subscribes the application to event sources.',
      returns: 'Application',
      parameters: [applicationName, eventSource],
      run: onApplication((name, request) =>
        withSources(machine, request, (sources) => {
          for (const source of sources) applications.subscribe(name, source.kind, source.name)
        }),
      ),
    },
    {
      resource,
      method: 'DELETE',
      path: '/applications/{applicationName}/subscription',
      nickname: 'unsubscribe',
      summary: 'Ends subscriptions.',
      returns: 'Application',
      parameters: [applicationName, eventSource],
      run: onApplication((name, request) =>
        withSources(machine, request, (sources) => {
          for (const source of sources) applications.unsubscribe(name, source.kind, source.name)
        }),
      ),
    },
    {
      resource,
      method: 'PUT',
      path: '/applications/{applicationName}/eventFilter',
      nickname: 'filter',
      summary: 'Chooses the event types the application gets.',
      returns: 'Application',
      parameters: [applicationName, inBody('filter', 'object', 'allowed and disallowed: lists of {"type": ...}.')],
      run: onApplication((name, request) => {
        const filter = isRecord(request.body['filter']) ? request.body['filter'] : request.body
        const [allowed, disallowed] = [eventTypes(filter['allowed']), eventTypes(filter['disallowed'])]
        if (allowed === 'invalid' || disallowed === 'invalid') return failure(400, 'Invalid event filter')
        applications.filter(name, allowed, disallowed)
        return undefined
      }),
    },
  ]
}

/** All sources are checked before any of them takes effect. */
function withSources(
  machine: Machine,
  request: AriRequest,
  apply: (sources: readonly Source[]) => void,
): Answer | undefined {
  const texts = request.list('eventSource')
  if (texts.length === 0) return failure(400, 'eventSource is required')
  const sources: Source[] = []
  for (const text of texts) {
    const colon = text.indexOf(':')
    const kind = text.slice(0, Math.max(colon, 0))
    if (!isSourceKind(kind)) return failure(400, 'Invalid event source URI scheme')
    const name = text.slice(colon + 1)
    if (name !== '' && !exists(machine, kind, name)) return failure(422, 'Event source does not exist')
    sources.push({ kind, name })
  }
  apply(sources)
  return undefined
}

/** A device need not exist: its name may be used by something later. */
function exists({ settings, channels, calls }: Machine, kind: SourceKind, name: string): boolean {
  switch (kind) {
    case 'channel':
      return channels.get(name) !== undefined
    case 'endpoint':
      return name === 'PJSIP' || settings.data.endpoints.some(({ id }) => name === `PJSIP/${id}`)
    case 'bridge':
      return [...calls].some((call) => call.bridge?.['id'] === name)
    default:
      return true
  }
}

function eventTypes(value: unknown): { type: string }[] | 'invalid' | undefined {
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value)) return 'invalid'
  const types: { type: string }[] = []
  for (const entry of value) {
    if (!isRecord(entry) || typeof entry['type'] !== 'string') return 'invalid'
    types.push({ type: entry['type'] })
  }
  return types
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

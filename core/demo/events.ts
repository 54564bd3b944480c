/** /events: what its document says, and REST requests that come over the socket. */
import { STATUS_CODES } from 'node:http'
import type { AriServer } from './ari-server.ts'
import { ariTime } from './channel.ts'
import { ENTITY_ID } from './machine.ts'
import { inQuery, type Operation } from './operation.ts'
import { type Answer, failure } from './request.ts'

/** The upgrade itself never gets here. */
export const eventOperations: readonly Operation[] = [
  {
    resource: 'events',
    method: 'GET',
    path: '/events',
    nickname: 'eventWebsocket',
    summary: 'WebSocket connection for events.',
    returns: 'Message',
    parameters: [
      inQuery('app', 'Applications, with commas between them.', { required: true }),
      inQuery('subscribeAll', 'Subscribe to everything where the application is new.', { type: 'boolean' }),
    ],
    run: () => ({ status: 426 }),
  },
]

/** `{"type":"RESTRequest","method":"GET","uri":"asterisk/ping"}` */
export function serveSocket(
  server: Pick<AriServer, 'handle'>,
  apps: readonly string[],
  text: string,
  socket: { send(text: string): void },
): void {
  const message = parseRecord(text)
  const field = (name: string): string => {
    const value = message?.[name]
    return typeof value === 'string' ? value : ''
  }
  const answer = ((): Answer => {
    if (!message) return failure(400, 'Failed to parse request message JSON')
    if (field('type') !== 'RESTRequest') return failure(400, 'Unknown request type.')
    const [path = '', search = ''] = field('uri').split('?', 2)
    const query = new Map(new URLSearchParams(search))
    for (const [name, value] of namedValues(message['query_strings'])) query.set(name, value)
    return server.handle(field('method') || 'GET', path, query, field('message_body'))
  })()
  const hasBody = answer.body !== undefined
  socket.send(
    JSON.stringify({
      type: 'RESTResponse',
      transaction_id: field('transaction_id'),
      request_id: field('request_id'),
      status_code: answer.status,
      reason_phrase: STATUS_CODES[answer.status] ?? '',
      uri: field('uri'),
      ...(hasBody ? { content_type: 'application/json', message_body: JSON.stringify(answer.body) } : {}),
      application: apps[0],
      timestamp: ariTime(new Date()),
      asterisk_id: ENTITY_ID,
    }),
  )
}

function parseRecord(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch {
    return undefined
  }
}

function namedValues(list: unknown): [string, string][] {
  if (!Array.isArray(list)) return []
  return list.flatMap((entry: unknown): [string, string][] => {
    if (typeof entry !== 'object' || entry === null || !('name' in entry) || !('value' in entry)) return []
    return typeof entry.name === 'string' && typeof entry.value === 'string' ? [[entry.name, entry.value]] : []
  })
}

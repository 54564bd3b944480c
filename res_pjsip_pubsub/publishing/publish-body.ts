/** The body of a PUBLISH: what it says, or why it is not taken. */
import { bodyTextOf } from '../../core/documents/encoding.ts'
import { type Eventual, whenThere } from '../../core/eventual.ts'
import type { Refusal } from '../../core/sip/contract.ts'
import { parseMediaType } from '../../core/sip/values.ts'
import { detached } from '../../core/text.ts'
import type { PublicationHandler, ReadBody } from '../contract.ts'
import * as refusal from '../refusals.ts'
import { encodingOf } from '../request-body.ts'
import { BodyToRead, type InboundPublication, type Said } from './publication.ts'
import { type Ask, noteRefused } from './publish-ask.ts'

/** Bytes; more is 413. It is the most that an endpoint may say about one resource in several publications, too. */
const MAX_BODY = 32768
/** Bytes more that what stands there may say, all of it together. */
const CHANGES_ROOM = 8192

/** `known`: what said something else until now. `replaced`: what is gone when this holds. */
export function readBody(
  ask: Ask,
  known: InboundPublication | undefined,
  replaced: InboundPublication | undefined,
): Eventual<Said | Refusal> {
  const { request, handler, resource } = ask
  if (request.bodyLength === 0) return refusal.badRequest('Missing Body')
  if (request.bodyLength > MAX_BODY) return { status: 413 }
  if (encodingOf(request) !== '') return refusal.packed(handler.accept)
  const contentType = request.header('Content-Type') ?? ''
  const type = typeOf(contentType, handler)
  if (type === undefined) return { status: 415, headers: refusal.listHeader('Accept', handler.accept) }
  const decoded = bodyTextOf(request, type, contentType)
  if (typeof decoded !== 'string') return refusal.notDecoded(decoded, handler.accept)
  const text = detached(decoded)
  const previous = known?.isRead ? known.state : undefined
  if (handler.equalsSayTheSame && known?.isRead && text === known.body && type === known.contentType)
    return said(ask, type, known.body, { state: previous }, replaced)
  const read = handler.read(new BodyToRead(type, text, resource, previous))
  return whenThere(read, (done) => said(ask, type, text, done, replaced))
}

/** Undefined where the handler does not read that. */
function typeOf(contentType: string, { accept }: PublicationHandler<unknown>): string | undefined {
  // The handler's own text: what was received would be kept in memory with all of its message.
  const known = accept.find((type) => type === contentType)
  if (known !== undefined) return known
  const asked = parseMediaType(contentType)?.type
  return accept.find((type) => type === asked)
}

function said(
  ask: Ask,
  contentType: string,
  text: string,
  read: ReadBody<unknown>,
  replaced: InboundPublication | undefined,
): Said | Refusal {
  if ('fault' in read) return refusal.badRequest(read.fault)
  const { services, sender, priority } = ask
  const body = read.body ?? text
  return exceeds(ask, body, replaced) ?? { contentType, body, read, sender, priority, received: services.now() }
}

/**
 * All that is published about a resource becomes one document, which each watcher gets with each change: nobody is to make
 * it so large that no datagram holds it, or that it keeps the server busy. Nothing that is `replaced` is to stand until it
 * expires because the end of it takes a few letters more.
 */
function exceeds(ask: Ask, body: string, replaced: InboundPublication | undefined): Refusal | undefined {
  const { services, endpoint, event, resource } = ask
  const others = services.publications.bytesOf(endpoint.id, event, resource, replaced)
  if (others === 0) return undefined
  const bytes = Buffer.byteLength(body)
  const most = replaced ? MAX_BODY + CHANGES_ROOM : MAX_BODY
  if (others + bytes <= most || (replaced && bytes <= Buffer.byteLength(replaced.body))) return undefined
  noteRefused(ask, `it has ${others} bytes published about '${resource}', and that would be more than ${most} bytes`)
  return { status: 413, reason: 'Too Much Published' }
}

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
import type { Ask } from './publish.ts'

/** Bytes; more is 413. It is the most that an endpoint may say about one resource in several publications, too. */
export const MAX_BODY = 32768
/** Bytes more that what stands there may say, all of it together. */
export const CHANGES_ROOM = 8192

export function isSaid(read: Said | Refusal): read is Said {
  return 'contentType' in read
}

export function readBody(ask: Ask, known: InboundPublication | undefined): Eventual<Said | Refusal> {
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
    return said(ask, type, known.body, { state: previous })
  const read = handler.read(new BodyToRead(type, text, resource, previous))
  return whenThere(read, (done) => said(ask, type, text, done))
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
  { services, sender, priority }: Ask,
  contentType: string,
  text: string,
  read: ReadBody<unknown>,
): Said | Refusal {
  if ('fault' in read) return refusal.badRequest(read.fault)
  return { contentType, body: read.body ?? text, read, sender, priority, received: services.now() }
}

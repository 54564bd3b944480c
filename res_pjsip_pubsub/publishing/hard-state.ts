/** What holds about a resource where nobody publishes anything (RFC 3903 4): a document from a file, as a publication. */
import { documentTextOf } from '../../core/documents/encoding.ts'
import { randomId } from '../../core/sip/id.ts'
import type { PublicationHandler } from '../contract.ts'
import { BodyToRead, FOREVER, InboundPublication } from './publication.ts'

export interface HardState {
  /** Bytes are in the encoding that they say. */
  readonly document: string | Uint8Array
  /** Epoch milliseconds. */
  readonly modified: number
}

/** `instance` tells one file from another. */
export interface HardStateName {
  readonly event: string
  readonly resource: string
  readonly instance: string
}

/** Below everything that phones say. */
const PRIORITY = -1_000_000_000

/** Of no endpoint. Rejects where the document is not good. */
export async function hardPublication(
  { event, resource, instance }: HardStateName,
  { document, modified }: HardState,
  handler: PublicationHandler<unknown>,
  due: (publication: InboundPublication) => void,
): Promise<InboundPublication> {
  const [contentType] = handler.accept
  const text = documentTextOf(document, contentType)
  if (typeof text !== 'string') throw new Error(text.fault)
  const read = await handler.read(new BodyToRead(contentType, text, resource))
  if ('fault' in read) throw new Error(read.fault)
  const facts = {
    ruid: randomId(),
    event,
    resource,
    domain: '',
    endpointId: '',
    endpoint: undefined,
    publisher: instance,
    instance,
  }
  const said = {
    contentType,
    body: text,
    read: { state: read.state },
    sender: '',
    priority: PRIORITY,
    received: modified,
  }
  return new InboundPublication(facts, said, { entityTag: randomId(), expires: FOREVER }, due)
}

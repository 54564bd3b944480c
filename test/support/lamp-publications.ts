/** Lamps that are published: the smallest handler of PUBLISH, for the tests of the compositor. */
import type { Endpoint } from '../../core/endpoints.ts'
import type { SipRequest } from '../../core/sip/contract.ts'
import type {
  Publication,
  PublicationHandler,
  PublishedBody,
  ReadBody,
  ResponseData,
} from '../../res_pjsip_pubsub/contract.ts'
import { type Lamp, lampKind, TEXT } from './lamps.ts'

export class LampHandler implements PublicationHandler<Lamp> {
  readonly event: string
  readonly kind = lampKind
  readonly accept: readonly [string, ...string[]] = [TEXT]
  readonly etagNotNew: boolean
  instanceByContact = false
  equalsSayTheSame = false
  reads = 0
  /** What was called, in order. */
  readonly called: string[] = []
  /** What `more` adds. */
  added = '+'
  /** Given in place of the common answer. */
  answer: ResponseData | undefined

  constructor(event = 'lamp', etagNotNew = false) {
    this.event = event
    this.etagNotNew = etagNotNew
  }

  /** `on`, `off`; `more` adds to what was said before. */
  read({ body, previous }: PublishedBody<Lamp>): ReadBody<Lamp> {
    this.reads++
    const text = body.toString()
    if (text === 'broken') return { fault: 'This Lamp Is Broken' }
    if (text === 'more') {
      const light = (previous?.light ?? '') + this.added
      return { state: { light }, body: light }
    }
    return { state: { light: text } }
  }

  newPublication(endpoint: Endpoint, request: SipRequest, resource: string): ResponseData | undefined {
    this.called.push(`new ${endpoint.id} ${request.method} ${resource}`)
    return this.answer
  }

  publishRefresh(publication: Publication<Lamp>, request: SipRequest): ResponseData | undefined {
    this.called.push(`refresh ${publication.state.light} ${request.body.length}`)
    return this.answer
  }

  publishExpire(publication: Publication<Lamp>): void {
    this.called.push(`expire ${publication.state.light}`)
  }

  publishTermination(publication: Publication<Lamp>): ResponseData | undefined {
    this.called.push(`termination ${publication.state.light}`)
    return this.answer
  }
}

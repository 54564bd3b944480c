/**
 * NOTIFYs for message-summary that nobody asked for, as providers send them: they count for the `incoming_mwi_mailbox`
 * of the endpoint they are from.
 */
import type { Core } from '../../core/core.ts'
import type { Endpoint } from '../../core/endpoints.ts'
import { whenThere } from '../../core/eventual.ts'
import type { Logger } from '../../core/log.ts'
import type { Undo } from '../../core/scope.ts'
import type { Answer, ServerTransaction } from '../../core/sip/contract.ts'
import { parseEvent, parseMediaType } from '../../core/sip/values.ts'
import { mailboxName } from '../../core/states/mailboxes.ts'
import { isProviderOrigin, providerOrigin } from '../../core/subscription-options.ts'
import { packed } from '../refusals.ts'
import { encodingOf } from '../request-body.ts'
import { summaryEvent } from './events.ts'
import { readSummary } from './summary.ts'

export class ProviderMailboxes {
  readonly #core: Core
  readonly #log: Logger

  constructor(core: Core, log: Logger) {
    this.#core = core
    this.#log = log
  }

  /** Until undone: what was said of mailboxes that endpoints no longer have is taken back. */
  follow(): Undo {
    this.#reread()
    return this.#core.endpoints.onChange(() => this.#reread())
  }

  readonly handle = async (tx: ServerTransaction): Promise<void> => {
    const { request } = tx
    const header = request.header('Event')
    // Asterisk goes by the body alone, and there are providers who send nothing but that.
    const event = header === undefined ? summaryEvent.event : parseEvent(header)?.event
    if (event !== summaryEvent.event)
      // RFC 6665 8.3.2
      return tx.answer(this.#unknown({ status: 489, headers: [['Allow-Events', summaryEvent.event]] }))
    const endpoint = await this.#core.auth.identify(tx)
    if (!endpoint) return
    if (endpoint.incoming_mwi_mailbox === '') return tx.answer(this.#unknown({ status: 481 }))
    const type = parseMediaType(request.header('Content-Type') ?? '')?.type
    if (type !== summaryEvent.accept[0])
      return tx.answer(this.#unknown({ status: 415, headers: [['Accept', summaryEvent.accept[0]]] }))
    if (encodingOf(request) !== '') return tx.answer(this.#unknown(packed(summaryEvent.accept)))
    const reading = readSummary(request.bodyText)
    if (!reading || !('state' in reading)) {
      const reason = reading && 'fault' in reading ? reading.fault : 'Nothing In Message Summary'
      this.#log.verbose(`endpoint '${endpoint.id}' tells of messages what cannot be read: ${reason}`)
      return tx.answer(this.#unknown({ status: 400, reason }))
    }
    const origin = providerOrigin(endpoint.id)
    const mailbox = mailboxName(endpoint.incoming_mwi_mailbox)
    this.#core.mailboxes.set(origin, mailbox, reading.state)
    tx.answer({ status: 200 })
  }

  /** To Asterisk whatever it cannot use is not there. */
  #unknown(answer: Answer): Answer {
    return this.#core.general.compat === 'asterisk' ? { status: 404 } : answer
  }

  #reread(): void {
    const { mailboxes, endpoints } = this.#core
    for (const { name, reports } of mailboxes.list()) {
      for (const { origin } of reports) {
        if (!isProviderOrigin(origin)) continue
        const id = origin.slice(providerOrigin('').length)
        const judge = (found: Endpoint | undefined): void => {
          // After a wait: the files may have it by now.
          const endpoint = endpoints.files.endpoints.get(id) ?? found
          // One that cannot be asked for now may be Asterisk's.
          if (endpoint ? tellsOf(endpoint, name) : endpoints.mayExist('endpoint', id)) return
          mailboxes.set(origin, name, undefined)
        }
        void whenThere(endpoints.endpoint(id), judge)
      }
    }
  }
}

function tellsOf({ incoming_mwi_mailbox: mailbox }: Endpoint, name: string): boolean {
  return mailboxName(mailbox).toLowerCase() === name.toLowerCase()
}

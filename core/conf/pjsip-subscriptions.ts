/** What the sections of pjsip.conf about our own subscriptions need: URIs, an event, and what its state becomes. */
import type { PjsipConfig } from '../endpoints.ts'
import { parseUri } from '../sip/parse-uri.ts'
import { mailboxName } from '../states/mailboxes.ts'
import type { OutboundSubscriptionConfig } from '../subscription-options.ts'
import type { Checker, CheckerOf, IsWritten } from './pjsip-checker.ts'

export function checkSubscriptions(config: PjsipConfig, checkerOf: CheckerOf, isWritten: IsWritten): void {
  const taken = new Map<string, string>()
  for (const one of config.outboundSubscriptions?.values() ?? []) {
    const checker = checkerOf('outbound-subscription', one.id)
    checkAddresses(one, checker, isWritten)
    checkTarget(one, checker, taken)
  }
}

function checkAddresses(one: OutboundSubscriptionConfig, checker: Checker, isWritten: IsWritten): void {
  const { server_uri, to_uri, from_uri, outbound_proxy } = one
  if (server_uri === '') checker.problem('server_uri', 'has no server_uri, expected a SIP URI')
  for (const [option, uri] of Object.entries({ server_uri, to_uri, from_uri, outbound_proxy })) {
    const parsed = uri === '' ? undefined : parseUri(uri)
    if (uri !== '' && !parsed) checker.problem(option, `has ${option} = ${uri}, expected a SIP URI`)
    // RFC 3261 19.1.1, table 1
    else if (parsed && parsed.headers !== '')
      checker.problem(option, `has ${option} = ${uri}, expected a SIP URI without headers`)
  }
  checker.way(one, isWritten)
}

function checkTarget(
  { id, event, mailbox, device }: OutboundSubscriptionConfig,
  checker: Checker,
  taken: Map<string, string>,
): void {
  if (event === '') return checker.problem('event', 'has no event, expected message-summary, dialog or presence')
  const [wanted, other] =
    event === 'message-summary' ? (['mailbox', 'device'] as const) : (['device', 'mailbox'] as const)
  const targets = { mailbox, device }
  if (targets[wanted] === '') checker.problem(wanted, `has no ${wanted}, expected one for event = ${event}`)
  if (targets[other] !== '') checker.problem(other, `has a ${other}, expected a ${wanted} for event = ${event}`)
  // What several say of a device adds up; of a mailbox the last to speak would be believed, of two the wrong one.
  if (mailbox === '') return
  const key = mailboxName(mailbox).toLowerCase()
  const first = taken.get(key)
  if (first !== undefined) checker.problem('mailbox', `has mailbox = ${mailbox} as [${first}] has, expected another`)
  taken.set(key, id)
}

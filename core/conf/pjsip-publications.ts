/** What the sections of pjsip.conf about PUBLISH between servers need: URIs, an event, and each other. */
import type { PjsipConfig } from '../endpoints.ts'
import type { AsteriskPublication, InboundPublicationConfig, OutboundPublish } from '../publication-options.ts'
import { parseUri } from '../sip/parse-uri.ts'
import type { Checker, CheckerOf, IsWritten } from './pjsip-checker.ts'

/** Only our own files have such sections. */
export function checkPublications(config: PjsipConfig, checkerOf: CheckerOf, isWritten: IsWritten): void {
  for (const one of config.outboundPublishes?.values() ?? [])
    checkOutbound(one, checkerOf('outbound-publish', one.id), isWritten)
  for (const one of config.inboundPublications?.values() ?? [])
    checkInbound(one, checkerOf('inbound-publication', one.id), config)
  for (const one of config.asteriskPublications?.values() ?? [])
    checkAsterisk(one, checkerOf('asterisk-publication', one.id), config)
}

function checkOutbound(publish: OutboundPublish, checker: Checker, isWritten: IsWritten): void {
  const { server_uri, from_uri, to_uri, outbound_proxy, event, multi_user } = publish
  if (server_uri.length === 0) checker.problem('server_uri', 'has no server_uri, expected a SIP URI')
  for (const [option, uris] of Object.entries({
    server_uri,
    from_uri: [from_uri],
    to_uri: [to_uri],
    outbound_proxy: [outbound_proxy],
  }))
    for (const uri of uris)
      if (uri !== '' && !parseUri(uri)) checker.problem(option, `has ${option} = ${uri}, expected a SIP URI`)
  if (event === '' && !checker.says('event')) checker.problem('event', 'has no event, expected one that is published')
  if ((event === 'presence' || event === 'dialog') && !multi_user)
    checker.problem('multi_user', `publishes ${event} of many extensions, expected multi_user = yes`)
  checker.way(publish, isWritten)
}

function checkInbound(inbound: InboundPublicationConfig, checker: Checker, config: PjsipConfig): void {
  const { endpoint } = inbound
  // An endpoint may be one that only Asterisk knows.
  if (endpoint !== '' && config.endpoints.size > 0 && !config.endpoints.has(endpoint))
    checker.note('endpoint', `has endpoint = ${endpoint}, which is in none of our files`)
  for (const option of ['event_asterisk-devicestate', 'event_asterisk-mwi'] as const) {
    const name = inbound[option]
    if (name !== '')
      checker.reference(option, name, config.asteriskPublications?.has(name) ?? false, 'asterisk-publication')
  }
}

function checkAsterisk(publication: AsteriskPublication, checker: Checker, { outboundPublishes }: PjsipConfig): void {
  const EVENTS = { devicestate_publish: 'asterisk-devicestate', mailboxstate_publish: 'asterisk-mwi' } as const
  for (const option of ['devicestate_publish', 'mailboxstate_publish'] as const) {
    const name = publication[option]
    if (name === '') continue
    const found = outboundPublishes?.get(name)
    checker.reference(option, name, found !== undefined, 'outbound-publish')
    if (found && found.event !== '' && found.event !== EVENTS[option])
      checker.problem(
        option,
        `has ${option} = ${name}, which publishes ${found.event}, expected one for ${EVENTS[option]}`,
      )
  }
}

/**
 * How states travel between servers by PUBLISH (RFC 3903): the three types of section that pjsip.conf has for it. What
 * Asterisk's own sections of these types say is for Asterisk alone.
 */
import { compilePattern } from './auth/pattern.ts'
import { commaList, custom, integer, list, type Option, type OptionValues, options, text, yesno } from './options.ts'

const PUBLISHED_EVENTS = ['asterisk-devicestate', 'asterisk-mwi', 'presence', 'dialog'] as const
export type PublishedEventName = (typeof PUBLISHED_EVENTS)[number]

export function isPublishedEvent(event: string): event is PublishedEventName {
  return PUBLISHED_EVENTS.some((one) => one === event)
}

function readEvent(value: string): PublishedEventName | '' {
  if (value !== '' && !isPublishedEvent(value)) throw new Error(`expected ${PUBLISHED_EVENTS.join(', ')}`)
  return value
}

/** Extended, without case, anywhere in the name: as Asterisk compares. */
export function compileFilter(expression: string): (name: string) => boolean {
  if (expression === '') return () => true
  const pattern = compilePattern(expression.toLowerCase())
  return (name) => pattern.test(name.toLowerCase())
}

const filter = (doc: string): Option<string> =>
  custom(
    '',
    '',
    'a regular expression, without case',
    (value) => {
      compileFilter(value)
      return value
    },
    doc,
  )

export const outboundPublishOptions = options({
  server_uri: list([], 'Where it is published; the next one is gone to where one does not answer.', 'SIP URIs'),
  from_uri: text('', 'From; the first server_uri when empty.', 'a SIP URI'),
  to_uri: text('', 'To; the first server_uri when empty.', 'a SIP URI'),
  event: custom<PublishedEventName | ''>(
    '',
    '',
    PUBLISHED_EVENTS.join(', '),
    readEvent,
    'What is published: device states, message counts, or hints as presence or as dialogs.',
  ),
  expiration: integer(3600, 'How long it is to last without a refresh.', { unit: 'seconds', min: 1, max: 2147483647 }),
  outbound_auth: commaList([], 'The auth sections that answer a challenge.'),
  outbound_proxy: text('', 'Where it is sent first.', 'a SIP URI'),
  max_auth_attempts: integer(5, 'Challenges in a row after which it is left alone for an hour.', {
    unit: 'challenges',
    min: 1,
  }),
  multi_user: yesno(
    false,
    'Whether each extension is published for itself, as the user of the URIs; presence and dialog need it.',
  ),
  transport: text('', 'Transport that the requests start from.'),
  '@body': text('', 'Body type for presence and dialog; the usual one of the event when empty.', 'a body type'),
  '@context': filter('Contexts whose hints are published; all when empty.'),
  '@exten': filter('Extensions whose hints are published; all when empty.'),
  '@device_state_filter': filter('Devices that are published; all when empty.'),
  '@mailbox_state_filter': filter('Mailboxes that are published; all when empty.'),
  '@origin_filter': filter(
    'Whose states are published: the names of servers in lamplighter.conf, or local; all of these when empty. What others have published here never is.',
  ),
})

export const inboundPublicationOptions = options({
  endpoint: text('', 'The endpoint that may publish here; any when empty.'),
  'event_asterisk-devicestate': text('', 'The asterisk-publication that takes device states.'),
  'event_asterisk-mwi': text('', 'The asterisk-publication that takes message counts.'),
})

export const asteriskPublicationOptions = options({
  devicestate_publish: text(
    '',
    'The outbound-publish to the same peer: it asks the peer for all its device states, and brings ours when it asks.',
  ),
  mailboxstate_publish: text('', 'The same for message counts.'),
  device_state: yesno(false, 'Whether device states are taken.'),
  device_state_filter: filter('Devices that are taken; all when empty.'),
  mailbox_state: yesno(false, 'Whether message counts are taken.'),
  mailbox_state_filter: filter('Mailboxes that are taken; all when empty.'),
})

export interface OutboundPublish extends OptionValues<typeof outboundPublishOptions> {
  readonly id: string
}
/** The name of the section is the user of the Request-URI. */
export interface InboundPublicationConfig extends OptionValues<typeof inboundPublicationOptions> {
  readonly id: string
}
export interface AsteriskPublication extends OptionValues<typeof asteriskPublicationOptions> {
  readonly id: string
}

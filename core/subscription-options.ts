/** Where we are a subscriber ourselves: `type=outbound-subscription` of pjsip.conf. Asterisk has no such sections. */
import { commaList, custom, integer, type OptionValues, options, text } from './options.ts'

const SUBSCRIBED_EVENTS = ['message-summary', 'dialog', 'presence'] as const
export type SubscribedEventName = (typeof SUBSCRIBED_EVENTS)[number]

function readEvent(value: string): SubscribedEventName | '' {
  const event = SUBSCRIBED_EVENTS.find((one) => one === value.toLowerCase())
  if (event === undefined && value !== '') throw new Error(`expected ${SUBSCRIBED_EVENTS.join(', ')}`)
  return event ?? ''
}

export const outboundSubscriptionOptions = options({
  server_uri: text('', 'Who is asked, as the Request-URI says it.', 'a SIP URI'),
  to_uri: text('', 'Whose state it is, as To says it; the server_uri when empty.', 'a SIP URI'),
  from_uri: text('', 'Who we are there; the to_uri when empty.', 'a SIP URI'),
  event: custom<SubscribedEventName | ''>(
    '',
    '',
    SUBSCRIBED_EVENTS.join(', '),
    readEvent,
    'What is subscribed to: message counts, calls, or presence.',
  ),
  mailbox: text('', 'The mailbox that message counts are shown for; one that no Asterisk has.', 'a mailbox'),
  device: text('', 'The device, for hints, that calls or presence are shown for.', 'a device'),
  expiration: integer(
    3600,
    'How long a subscription is to last without a refresh; what a notifier said that dies without a word is believed for as long.',
    { unit: 'seconds', min: 1, max: 2147483647 },
  ),
  outbound_auth: commaList([], 'The auth sections that answer a challenge.'),
  outbound_proxy: text('', 'Where the SUBSCRIBE is sent first.', 'a SIP URI'),
  transport: text('', 'Transport that the SUBSCRIBE starts from.'),
  max_retry_interval: integer(600, 'The longest pause between two tries, but for one that the server asks for.', {
    unit: 'seconds',
    min: 1,
    max: 86400,
  }),
  stale_after: integer(60, 'Seconds that a device keeps its last state while there is no subscription to tell of it.', {
    unit: 'seconds',
    max: 86400,
  }),
})

export interface OutboundSubscriptionConfig extends OptionValues<typeof outboundSubscriptionOptions> {
  readonly id: string
}

/** What a section says is an opinion of an origin of its own. */
export function subscriptionOrigin(id: string): string {
  return `subscription/${id}`
}

/** What an endpoint has said of its `incoming_mwi_mailbox`. */
export function providerOrigin(endpointId: string): string {
  return `endpoint/${endpointId}`
}

export function isProviderOrigin(origin: string): boolean {
  return origin.startsWith('endpoint/')
}

/** Whether what an origin said is kept over a restart: a provider's endpoint may be in no file of ours. */
export function isNotifierOrigin(
  origin: string,
  subscriptions: ReadonlyMap<string, OutboundSubscriptionConfig> = new Map(),
): boolean {
  return isProviderOrigin(origin) || [...subscriptions.keys()].some((id) => subscriptionOrigin(id) === origin)
}

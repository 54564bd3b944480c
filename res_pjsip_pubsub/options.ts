/** `[general]` of pubsub.conf. */
import type { ModuleConfig } from '../core/module.ts'
import { choice, integer, type OptionValues, options, yesno } from '../core/options.ts'
import { kamailioOptions, tablesInCommon } from './kamailio/options.ts'
import { watcherOptions } from './watchers/watcher-options.ts'

export const pubsubOptions = options({
  min_expires: integer(
    0,
    'The shortest subscription or publication anybody may ask for; for subscriptions an endpoint with a longer sub_min_expiry has its own.',
    { max: 3600, unit: 'seconds' },
  ),
  max_expires: integer(3600, 'The longest subscription or publication that is granted; who asks for more gets this.', {
    min: 1,
    max: 86400,
    unit: 'seconds',
  }),
  max_subscriptions: integer(0, 'The most subscriptions at once, over all endpoints; 0 is no limit.', {
    unit: 'subscriptions',
  }),
  replace_same_contact: yesno(
    true,
    'A phone that subscribes anew to what it watches already (same endpoint, watcher, event, extension and contact, or +sip.instance) is asked with a NOTIFY whether it knows its old subscription: after a reboot it does not, and that one is over; a second key for the same extension keeps its own.',
  ),
  notify_retries: integer(
    10,
    'How often in a row a NOTIFY without a good answer is sent again, always with the newest state, before the subscription is given up; 0 tries until it expires. One that could not be sent, for want of a network or of a connection, does not count.',
    { max: 1000, unit: 'attempts' },
  ),
  notify_retry_interval: integer(
    2000,
    'The pause before the first of these attempts; it doubles with each, up to notify_retry_max.',
    { min: 10, max: 600000, unit: 'milliseconds' },
  ),
  notify_retry_max: integer(60000, 'The longest such pause.', { min: 10, max: 3600000, unit: 'milliseconds' }),
  notify_interval: integer(
    0,
    'The shortest time between two NOTIFYs of one subscription; changes meanwhile become one NOTIFY with the last state.',
    { max: 60000, unit: 'milliseconds' },
  ),
  retry_after: integer(10, 'Retry-After of a refusal that will not last: no Asterisk server can say the state now.', {
    min: 1,
    max: 3600,
    unit: 'seconds',
  }),
  restore_spread: integer(
    5,
    'After a start the NOTIFYs to all restored subscriptions are spread over up to this time; a hundred and less take a second at most.',
    { max: 3600, unit: 'seconds' },
  ),
  restore_patience: integer(
    60,
    'How long a restored subscription waits for its endpoint, extension or module before it is ended.',
    { max: 86400, unit: 'seconds' },
  ),
  unload_grace: integer(
    2,
    'How long the subscriptions of an unloaded module wait for it to be loaded again before they end as deactivated.',
    { min: 1, max: 3600, unit: 'seconds' },
  ),
  message_summary: choice(
    ['newest', 'sum'],
    'newest',
    'What several message summaries of one mailbox become, those published and that of Asterisk: the newest of them, or their sum.',
  ),
  ...kamailioOptions,
  ...watcherOptions,
})

type Times = Pick<OptionValues<typeof pubsubOptions>, 'min_expires' | 'max_expires' | 'default_expires'>

/** Times of which one could not be granted. */
function timesApart({
  min_expires,
  max_expires,
  default_expires,
}: Times): readonly (readonly [option: keyof Times, why: string])[] {
  if (min_expires > max_expires) return [['min_expires', `is more than max_expires, expected ${max_expires} at most`]]
  if (default_expires >= min_expires && default_expires <= max_expires) return []
  const why = `is not between min_expires and max_expires, expected ${min_expires} to ${max_expires}`
  return [['default_expires', why]]
}

export const pubsubConfig: ModuleConfig<typeof pubsubOptions> = {
  file: 'pubsub.conf',
  section: 'general',
  set: pubsubOptions,
  contradictions: (values) => [...tablesInCommon(values), ...timesApart(values)],
  databases: ({ db_url }) => (db_url.kind === 'sqlite' ? [['db_url', db_url.path]] : []),
  directories: ({ rules_directory }) => (rules_directory === '' ? [] : [['rules_directory', rules_directory]]),
}

export type PubsubSettings = OptionValues<typeof pubsubOptions>

/** Asking Asterisk for the events we live on, after each connect: an application that still existed keeps its old ways. */
import type { Logger } from '../log.ts'
import type { Complaints } from './complaints.ts'
import { list, record, WANTED_EVENTS } from './events.ts'
import type { AriLink } from './supervisor.ts'

const ALL_DEVICES = '__AST_DEVICE_STATE_ALL_TOPIC'
const ALL_CHANNELS = '__AST_CHANNEL_ALL_TOPIC'

/** Returns whether device states come now; without them the connection is no use. */
export async function subscribe(link: AriLink, app: string, complaints: Complaints, log: Logger): Promise<boolean> {
  const devices = await link.request('applications.subscribe', { applicationName: app, eventSource: 'deviceState:' })
  if (devices.kind === 'unreachable') return false
  if (devices.kind === 'refused') {
    complaints.say(
      'subscription',
      `Asterisk refuses to tell its device states (${devices.status} ${devices.message}): ` +
        (devices.status === 403
          ? 'set read_only = no for the ARI user in ari.conf and run `module reload res_ari.so`'
          : 'load res_stasis_device_state.so and res_ari_applications.so (modules.conf)'),
      'error',
    )
  } else {
    complaints.settle('subscription', 'device states are told now')
  }
  const told = record(devices.kind === 'ok' ? devices.body : undefined)
  if (devices.kind === 'ok' && !list(told.device_names).includes(ALL_DEVICES)) {
    log.debug(() => `the application lists no ${ALL_DEVICES}`)
  }
  await subscribeToChannels(link, app, told.channel_ids, complaints)
  await filterEvents(link, app, log)
  return true
}

/**
 * Before our event socket is closed: an Asterisk that ends the subscription to device states with the socket waits, with
 * the socket's lock held, for those of its events that are under way, and they for the lock. From then on its ARI
 * answers nothing until it is restarted (asterisk/asterisk issue 2170, from 20.14, 22.4 and 23.0 on).
 */
export async function unsubscribe(link: AriLink, app: string): Promise<void> {
  if (link.connected)
    await link.request('applications.unsubscribe', { applicationName: app, eventSource: 'deviceState:' })
}

/** `subscribeAll` of the connect does it, where the application did not exist before; Asterisk ignores it silently where it did. */
async function subscribeToChannels(
  link: AriLink,
  app: string,
  channelIds: unknown,
  complaints: Complaints,
): Promise<void> {
  if (list(channelIds).includes(ALL_CHANNELS)) return complaints.settle('calls')
  for (const eventSource of ['channel:', 'endpoint:PJSIP']) {
    const answer = await link.request('applications.subscribe', { applicationName: app, eventSource })
    const told = answer.kind === 'ok' ? record(answer.body) : {}
    const isTold = list(told.channel_ids).includes(ALL_CHANNELS) || list(told.endpoint_ids).length > 0
    if (isTold) return complaints.settle('calls')
  }
  complaints.say('calls', "Asterisk does not tell its calls; lamps follow device states, without the caller's name")
}

/** Only saves work: what we do not want is ignored here anyhow. */
async function filterEvents(link: AriLink, app: string, log: Logger): Promise<void> {
  const body = JSON.stringify({ allowed: WANTED_EVENTS.map((type) => ({ type })) })
  const answer = await link.request('applications.filter', { applicationName: app, body })
  if (answer.kind === 'refused') log.debug(() => `no event filter: ${answer.status} ${answer.message}`)
}

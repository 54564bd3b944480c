/** Console commands: who watches what, in Asterisk's formats (res_pjsip_pubsub.c), and a hand on one subscription. */
import { CommandError, type ConsoleCommand, plain } from '../core/console/console.ts'
import { parameters, type SubscriptionShown, subscriptionCommands } from './console-text.ts'
import type { TerminationReason } from './contract.ts'
import type { NotifierSubscription } from './subscription.ts'
import type { Subscriptions } from './subscriptions.ts'

const REASONS = [
  'deactivated',
  'probation',
  'rejected',
  'timeout',
  'giveup',
  'noresource',
  'invariant',
] as const satisfies readonly TerminationReason[]

export function commands(subscriptions: Subscriptions): ConsoleCommand[] {
  return [
    ...subscriptionCommands('inbound', 'who watches what', () => [...subscriptions].map(shown)),
    {
      words: 'pjsip show subscription inbound',
      args: '<call-id>',
      help: 'Shows all that is known of a subscription.',
      complete: (place) => (place === 0 ? [...subscriptions].map((one) => one.dialog.callId) : []),
      run: (args, out) => out.print(parameters(details(theOne(subscriptions, args[0])))),
    },
    {
      words: 'pubsub notify',
      args: '<id or call-id>',
      help: 'Sends a NOTIFY with the state now.',
      complete: (place) => (place === 0 ? [...subscriptions].map((one) => one.id) : []),
      run: (args, out) => {
        const subscription = theOne(subscriptions, args[0])
        subscription.notify()
        out.print(`A NOTIFY for ${what(subscription)} goes to ${who(subscription)}.`)
      },
    },
    {
      words: 'pubsub terminate',
      args: '<id or call-id> [reason]',
      help: 'Ends a subscription with a final NOTIFY; the reason is deactivated where none is given, at which phones subscribe anew.',
      complete: (place) => (place === 0 ? [...subscriptions].map((one) => one.id) : place === 1 ? REASONS : []),
      run: (args, out) => {
        const subscription = theOne(subscriptions, args[0])
        const wanted = args[1] ?? 'deactivated'
        const reason = REASONS.find((one) => one === wanted)
        if (!reason) throw new CommandError(`${wanted} is no reason, expected one of: ${REASONS.join(', ')}`)
        subscription.terminate(reason)
        out.print(`The subscription of ${who(subscription)} to ${what(subscription)} ends.`)
      },
    },
  ]
}

function theOne(subscriptions: Subscriptions, name: string | undefined): NotifierSubscription {
  if (name === undefined) throw new CommandError('which subscription? Give its id or its Call-ID')
  const found = subscriptions.find(name)
  if (!found) throw new CommandError(`there is no subscription ${name}`)
  return found
}

function shown(subscription: NotifierSubscription): SubscriptionShown {
  return {
    endpoint: who(subscription),
    resource: what(subscription),
    expiry: subscription.secondsLeft,
    callId: plain(subscription.dialog.callId),
  }
}

const who = ({ endpoint }: NotifierSubscription): string => plain(`${endpoint.id}/${endpoint.callerid || '<none>'}`)
const what = ({ resource, event }: NotifierSubscription): string => plain(`${resource}/${event}`)

function details(subscription: NotifierSubscription): readonly (readonly [string, string | number])[] {
  const { dialog } = subscription
  return [
    ['Id', subscription.id],
    ['Endpoint', subscription.endpoint.id],
    ['CallerId', subscription.endpoint.callerid],
    ['Resource', subscription.resource],
    ['Event', subscription.eventId === '' ? subscription.event : `${subscription.event};id=${subscription.eventId}`],
    ['ContentType', subscription.contentType],
    ['State', subscription.phase],
    ['Allowed', `${subscription.authorization.handling} (${subscription.authorization.why})`],
    ['Expiry', subscription.secondsLeft],
    ['Watcher', subscription.watcher],
    ['UserAgent', subscription.userAgent],
    ['Contact', dialog.remoteTarget],
    ['Flow', dialog.flow?.id ?? '<none>'],
    ['CallId', dialog.callId],
    ['LocalTag', dialog.localTag],
    ['RemoteTag', dialog.remoteTag],
    ['CSeq', dialog.localCseq],
    ['Version', subscription.version],
    ['Notify', subscription.deliveryState],
    ['FailedNotifies', subscription.failures],
  ]
}

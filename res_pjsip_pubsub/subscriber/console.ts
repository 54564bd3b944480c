/** Console commands: what we watch elsewhere, in Asterisk's formats, and a hand on one subscription. */
import { CommandError, type ConsoleCommand, plain } from '../../core/console/console.ts'
import { parameters, type SubscriptionShown, seconds, subscriptionCommands } from '../console-text.ts'
import type { AnySubscription, OutboundSubscriptions } from './subscriptions.ts'

export function subscriberCommands(subscriptions: OutboundSubscriptions): ConsoleCommand[] {
  const names = (place: number): readonly string[] =>
    place === 0 ? subscriptions.list.map(({ config }) => config.id) : []
  return [
    ...subscriptionCommands('outbound', 'what is watched elsewhere', () => subscriptions.list.flatMap(shown)),
    {
      words: 'pjsip show subscription outbound',
      args: '<name or call-id>',
      help: 'Shows all that is known of a subscription of ours.',
      complete: names,
      run: (args, out) => out.print(parameters(details(theOne(subscriptions, args[0])))),
    },
    {
      words: 'pjsip send subscribe',
      args: '<name>',
      help: 'Refreshes a subscription of ours now, or begins it anew.',
      complete: names,
      run: (args, out) => {
        const one = theOne(subscriptions, args[0])
        one.refresh()
        out.print(`A SUBSCRIBE for ${one.config.id} goes to ${one.config.server_uri}.`)
      },
    },
  ]
}

function theOne(subscriptions: OutboundSubscriptions, name: string | undefined): AnySubscription {
  if (name === undefined) throw new CommandError('which subscription? Give its name')
  const found = subscriptions.find(name) ?? subscriptions.list.find((one) => callIds(one).includes(name))
  if (!found) throw new CommandError(`there is no subscription ${name}`)
  return found
}

function callIds(one: AnySubscription): string[] {
  return [one.callId, ...one.usages.map(({ dialog }) => dialog.callId)].filter((id) => id !== '')
}

/** A subscription in each of its dialogs, or one that has none now. */
function shown(one: AnySubscription): SubscriptionShown[] {
  const { event, config } = one
  const { id, to_uri, server_uri } = config
  const common = { endpoint: plain(`${id}/${one.target.name}`), resource: plain(`${to_uri || server_uri}/${event}`) }
  if (one.usages.length === 0) return [{ ...common, expiry: 0, callId: plain(one.callId), state: one.phase }]
  return one.usages.map(({ dialog, expires, status }) => ({
    ...common,
    expiry: seconds(expires - Date.now()),
    callId: plain(dialog.callId),
    state: status,
  }))
}

function details(one: AnySubscription): readonly (readonly [string, string | number])[] {
  const { id, server_uri, to_uri, from_uri, expiration } = one.config
  const shown: (readonly [string, string | number])[] = [
    ['Name', id],
    ['Server', server_uri],
    ['To', to_uri || server_uri],
    ['From', from_uri || to_uri || server_uri],
    ['Event', one.event],
    ['ShownAs', one.target.name],
    ['Expiration', expiration],
    ['State', one.phase],
    ['LastFault', one.lastFault || '<none>'],
  ]
  for (const { dialog, status, expires } of one.usages)
    shown.push(
      ['Notifier', dialog.remoteTarget],
      ['Granted', `${status}, ${seconds(expires - Date.now())} s left`],
      ['Flow', dialog.flow?.id ?? '<none>'],
      ['CallId', dialog.callId],
      ['LocalTag', dialog.localTag],
      ['RemoteTag', dialog.remoteTag],
      ['CSeq', dialog.localCseq],
    )
  return shown
}

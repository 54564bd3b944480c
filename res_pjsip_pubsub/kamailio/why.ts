/** `presence why <resource>`: what lights this lamp. Every source with its age and expiry, and what each watcher may see. */
import { CommandError, type ConsoleCommand, plain } from '../../core/console/console.ts'
import type { Core } from '../../core/core.ts'
import { EXTENSION_TEXT } from '../../core/states/extension-state.ts'
import type { Hint } from '../../core/states/hint.ts'
import { hintContexts } from '../../core/states/hint-contexts.ts'
import { mailboxName } from '../../core/states/mailboxes.ts'
import type { Reported } from '../../core/states/reported.ts'
import { seconds } from '../console-text.ts'
import type { InboundPublication } from '../publishing/publication.ts'
import type { PubsubCore } from '../pubsub.ts'
import { publishedAbout, watched, watchersOf } from './console.ts'
import { userOf } from './functions.ts'

type Sources = Pick<Core, 'hints' | 'endpoints' | 'devices' | 'presences' | 'mailboxes'>

export function whyCommand(core: Sources, pubsub: PubsubCore): ConsoleCommand {
  return {
    words: 'presence why',
    args: '<resource>[@context]',
    help: 'Shows what lights a lamp: every source, its age and expiry, and the rule that holds for each watcher.',
    complete: (place) => (place === 0 ? watched(pubsub) : []),
    run: async ([asked], out) => {
      if (asked === undefined) throw new CommandError('which lamp? Give the extension, or the name that is watched')
      const lines = await why(asked, core, pubsub)
      for (const line of lines) out.print(plain(line))
    },
  }
}

async function why(asked: string, core: Sources, pubsub: PubsubCore): Promise<string[]> {
  const isUri = /^sips?:/i.test(asked)
  const at = isUri ? -1 : asked.indexOf('@')
  const resource = isUri ? userOf(asked) : at < 0 ? asked : asked.slice(0, at)
  const sources = [
    ...(await hintLines(resource, at < 0 ? contexts(resource, core, pubsub) : [asked.slice(at + 1)], core)),
    ...(await mailboxLines(resource, core)),
    ...publicationLines(resource, pubsub),
  ]
  const watchers = [...watcherLines(resource, pubsub), ...listWatcherLines(resource, pubsub)]
  if (sources.length === 0) sources.push(`nothing says anything about ${resource}: no hint, no mailbox, no publication`)
  return [...sources, ...(watchers.length > 0 ? watchers : [`nobody watches ${resource}`])]
}

/** Every context there is. Of phones that are known over ARI only, those of all that watch something. */
function contexts(exten: string, core: Sources, { subscriptions }: PubsubCore): ReadonlySet<string> {
  const found = hintContexts(exten, core)
  for (const { endpoint } of subscriptions) found.add(endpoint.hintContext)
  return found
}

async function hintLines(exten: string, among: Iterable<string>, core: Sources): Promise<string[]> {
  const lines: string[] = []
  for (const one of among) {
    const hint = await core.hints.find(one, exten)
    if (hint === 'unreachable') lines.push(`hint ${exten}@${one}: no Asterisk server can say now`)
    else if (hint) lines.push(...looked(hint, core))
  }
  return lines
}

function looked(hint: Hint, core: Sources): string[] {
  const lines: string[] = []
  const { definition, value } = hint
  const from = definition ? `, ${definition.source}` : ', which is gone from the dialplan'
  lines.push(`hint ${value.exten}@${value.context}${from}: ${EXTENSION_TEXT[value.state]}`)
  // Not of the hint's value, which is as it was when its lamp last changed.
  for (const device of definition?.devices ?? []) {
    lines.push(`  device ${device}: ${core.devices.get(device)}`, ...reports(core.devices, device, (one) => one))
  }
  for (const name of definition?.presence ?? []) {
    const { state } = core.presences.get(name)
    lines.push(`  presence ${name}: ${state}`, ...reports(core.presences, name, (one) => one.state))
  }
  for (const call of value.calls) {
    const held = call.held ? ', held' : ''
    lines.push(
      `  call of ${call.device} with ${call.remote.number || 'unknown'}: ${call.state}${held}, ${age(call.since)} (${call.origin})`,
    )
  }
  return lines
}

/** An AOR of this name, and its mailboxes. */
async function mailboxLines(name: string, { endpoints, mailboxes }: Sources): Promise<string[]> {
  const aor = await endpoints.aor(name)
  return (aor?.mailboxes ?? []).map(mailboxName).flatMap((mailbox) => {
    const { newMessages, oldMessages } = mailboxes.get(mailbox)
    const counts = reports(mailboxes, mailbox, (one) => `${one.newMessages} new, ${one.oldMessages} old`)
    return [`mailbox ${mailbox}: ${newMessages} new, ${oldMessages} old`, ...counts]
  })
}

function reports<T>(of: Reported<T>, name: string, text: (state: T) => string): string[] {
  return of.reports(name).map(({ origin, state, since }) => `    ${origin} says ${text(state)}, ${age(since)}`)
}

function publicationLines(resource: string, pubsub: PubsubCore): string[] {
  return publishedAbout(pubsub, resource).map((one) => {
    const unread = one.isRead ? '' : ', which nobody reads now'
    const of = `publication ${one.id} for ${one.event} by ${one.publisher} (endpoint ${one.endpointId})`
    return `${of}, ${one.contentType}${unread}: priority ${one.priority}, ${age(one.received)}, ${expiry(one)}`
  })
}

function watcherLines(resource: string, pubsub: PubsubCore): string[] {
  return watchersOf(pubsub, resource).map((one) => {
    const told = one.state === 'terminated' ? (one.terminationReason ?? '') : one.deliveryState
    const { handling, why: rule } = one.authorization
    return `watcher ${one.watcher} (endpoint ${one.endpoint.id}) of ${one.event}: ${one.state}, ${told}, expires in ${one.secondsLeft} s; ${handling}: ${rule}`
  })
}

/** Those that watch it as one of a resource list. */
function listWatcherLines(resource: string, { lists }: PubsubCore): string[] {
  return [...lists.watched.watchersOf(resource)].map(({ event, list, status, watcher, endpoint }) => {
    return `watcher ${watcher} (endpoint ${endpoint}) of ${event} in the list ${list}: ${status}`
  })
}

function age(since: number): string {
  return `${seconds(Date.now() - since)} s old`
}

function expiry({ expires, neverExpires }: InboundPublication): string {
  return neverExpires ? 'does not expire' : `expires in ${left(expires)}`
}

function left(expires: number): string {
  return `${seconds(expires - Date.now())} s`
}

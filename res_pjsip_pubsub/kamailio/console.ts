/** Console commands under the names of Kamailio's RPC commands, and who publishes what. */
import { CommandError, type ConsoleCommand, likeFilter, plain } from '../../core/console/console.ts'
import { seconds, table } from '../console-text.ts'
import { nameKey } from '../identity.ts'
import type { InboundPublication } from '../publishing/publication.ts'
import type { PubsubCore } from '../pubsub.ts'
import { cleanedText } from '../storage/cleaning.ts'
import type { NotifierSubscription } from '../subscription.ts'
import { userOf } from './functions.ts'

const SHOW_HEADER = `Endpoint: <Endpoint/Publisher............................................>
Resource: <Resource/Event.................................................>
  Expiry: <Expiry>  <Entity-tag...........................................>
===========================================================================
`
const DETAILS = ['basic', 'full']

export function presenceCommands(pubsub: PubsubCore): ConsoleCommand[] {
  return [
    {
      words: 'pjsip show publications inbound',
      args: '[like <regular expression>]',
      help: 'Shows who publishes what.',
      run: (args, out) => {
        const like = likeFilter(args)
        const shown = [...pubsub.compositor.allPublications].map(block).filter(like)
        out.print(SHOW_HEADER)
        for (const one of shown) out.print(`${one}\n`)
        out.print(`${shown.length} active publications`)
      },
    },
    {
      words: 'presence presentity_list',
      args: '[basic|full]',
      help: 'Lists what is published, with the documents where they are asked for in full.',
      complete: (place) => (place === 0 ? DETAILS : []),
      run: ([detail = 'basic'], out) => {
        const full = isFull(detail)
        const all = [...pubsub.compositor.allPublications]
        for (const one of all) out.print(presentity(one, full))
        out.print(`${all.length} publications`)
      },
    },
    {
      words: 'presence presentity_show',
      args: 'basic|full <user or *> [domain or *]',
      help: 'Shows what is published about a presentity.',
      complete: (place) => (place === 0 ? DETAILS : place === 1 ? presentities(pubsub) : []),
      run: ([detail = '', user, domain = '*'], out) => {
        if (user === undefined) throw new CommandError('which presentity? Give its user part, or *')
        const full = isFull(detail)
        const about = user === '*' ? [...pubsub.compositor.allPublications] : publishedAbout(pubsub, user)
        const found = about.filter((one) => domain === '*' || one.domain === domain)
        for (const one of found) out.print(presentity(one, full))
        out.print(`${found.length} publications`)
      },
    },
    {
      words: 'presence watcher_list',
      args: 'basic|full <presentity>',
      help: 'Lists who watches a presentity, for whatever event, by itself or in a resource list.',
      complete: (place) => (place === 0 ? DETAILS : place === 1 ? watched(pubsub) : []),
      run: ([detail = '', uri], out) => {
        if (uri === undefined) throw new CommandError('whose watchers? Give the URI of a presentity, or its user part')
        const full = isFull(detail)
        const found = watchersOf(pubsub, userOf(uri))
        const inLists = [...pubsub.lists.watched.watchersOf(userOf(uri))]
        for (const one of found) out.print(watcher(one, full))
        for (const one of inLists)
          out.print(plain(`${one.watcher}  ${one.event}  ${one.status}  in the list ${one.list}`))
        out.print(`${found.length + inLists.length} watchers`)
      },
    },
    {
      words: 'presence refreshWatchers',
      args: '<presentity> <event> <type> [file_uri filename]',
      help: 'Tells the watchers of a change by another way than PUBLISH: type 0 in the rules, 1 in the table, 2 in the hard state.',
      complete: (place) =>
        place === 0 ? watched(pubsub) : place === 1 ? pubsub.events : place === 2 ? ['0', '1', '2'] : [],
      run: async ([uri, event, type, fileUri, filename], out) => {
        const wanted = ([0, 1, 2] as const).find((one) => String(one) === type)
        if (uri === undefined || event === undefined || wanted === undefined)
          throw new CommandError('expected: presence refreshWatchers <presentity> <event> <type>, type being 0, 1 or 2')
        knownEvent(pubsub, event)
        if (wanted === 2 && filename === undefined)
          throw new CommandError(
            'type 2 needs the file: presence refreshWatchers <presentity> <event> 2 <file_uri> <filename>',
          )
        out.print(`${await pubsub.presRefreshWatchers(uri, event, wanted, fileUri, filename)} watchers are told`)
      },
    },
    {
      words: 'presence updateWatchers',
      args: '<presentity> <event>',
      help: 'Asks the rules again for each watcher of a presentity.',
      complete: (place) => (place === 0 ? watched(pubsub) : place === 1 ? pubsub.events : []),
      run: async ([uri, event], out) => {
        if (uri === undefined || event === undefined)
          throw new CommandError('expected: presence updateWatchers <presentity> <event>')
        knownEvent(pubsub, event)
        out.print(`${await pubsub.presUpdateWatchers(uri, event)} watchers have another status now`)
      },
    },
    {
      words: 'presence withdraw',
      args: '<presentity> [publication]',
      help: 'Takes back what is published about a presentity: all of it, or one publication by its id or entity-tag.',
      complete: (place) =>
        place === 0
          ? presentities(pubsub)
          : place === 1
            ? [...pubsub.compositor.allPublications].map(({ id }) => id)
            : [],
      run: async ([uri, name], out) => {
        if (uri === undefined) throw new CommandError('which presentity? Give its URI, or its user part')
        out.print(`${await withdraw(pubsub, uri, name)} publications are taken back`)
      },
    },
    {
      words: 'presence cleanup',
      help: 'Takes what has expired out of the tables, as every clean_period, and writes what waits for db_update_period.',
      run: async (_args, out) => {
        await pubsub.synchronize()
        out.print(`${cleanedText(await pubsub.cleanup())} were left over and are taken away`)
      },
    },
  ]
}

/** How many were there to be taken back. */
async function withdraw(pubsub: PubsubCore, uri: string, name: string | undefined): Promise<number> {
  const wanted = publishedAbout(pubsub, userOf(uri)).filter(
    (one) => name === undefined || one.id === name || one.entityTag === name,
  )
  if (name !== undefined && wanted.length === 0)
    throw new CommandError(`there is no publication ${name} about ${userOf(uri)}`)
  const taken = await Promise.all(wanted.map((one) => pubsub.compositor.withdraw(one)))
  return taken.filter(Boolean).length
}

export function publishedAbout({ compositor, settings }: PubsubCore, user: string): InboundPublication[] {
  const key = nameKey(user, settings)
  return [...compositor.allPublications].filter((one) => nameKey(one.resource, settings) === key)
}

export function watchersOf({ subscriptions, settings }: PubsubCore, user: string): NotifierSubscription[] {
  const key = nameKey(user, settings)
  return [...subscriptions].filter((one) => nameKey(one.resource, settings) === key)
}

function knownEvent(pubsub: PubsubCore, event: string): void {
  if (!pubsub.containsEvent(event))
    throw new CommandError(`there is no package for ${event}, expected one of: ${pubsub.getEventList()}`)
}

function isFull(detail: string): boolean {
  if (!DETAILS.includes(detail)) throw new CommandError(`expected basic or full, not '${detail}'`)
  return detail === 'full'
}

const presentities = ({ compositor }: PubsubCore): string[] => [
  ...new Set([...compositor.allPublications].map((one) => one.resource)),
]
export const watched = ({ subscriptions }: PubsubCore): string[] => [
  ...new Set([...subscriptions].map((one) => one.resource)),
]

function block(one: InboundPublication): string {
  const expiry = (one.neverExpires ? 'never' : String(seconds(one.expires - Date.now()))).padStart(8)
  const lines = [
    `Endpoint: ${one.endpointId}/${one.publisher}`,
    `Resource: ${one.resource}/${one.event}`,
    `  Expiry: ${expiry}  ${one.entityTag}`,
  ]
  return lines.map(plain).join('\n')
}

/** `full` adds the document. */
function presentity(one: InboundPublication, full: boolean): string {
  const now = Date.now()
  const shown = table([
    ['presentity', `${one.resource}@${one.domain}`],
    ['event', one.event],
    ['publisher', `${one.publisher} (endpoint ${one.endpointId})`],
    ['etag', one.entityTag],
    ['expires', one.neverExpires ? 'never' : `in ${seconds(one.expires - now)} s`],
    ['received', `${seconds(now - one.received)} s ago`],
    ['priority', String(one.priority)],
    ...(one.sender === '' ? [] : [['sender', one.sender] as const]),
    ['content-type', one.contentType],
  ])
  return full ? `${shown}\n${one.body.split('\n').map(plain).join('\n')}\n` : `${shown}\n`
}

function watcher(one: NotifierSubscription, full: boolean): string {
  const basic = plain(`${one.watcher}  ${one.event}  ${one.state}  expires in ${one.secondsLeft} s`)
  if (!full) return basic
  const { dialog } = one
  return `${basic}\n${table([
    ['endpoint', one.endpoint.id],
    ['rule', one.authorization.why],
    ['last event', one.lastEvent],
    ['contact', dialog.remoteTarget],
    ['callid', dialog.callId],
    ['to_tag', dialog.localTag],
    ['from_tag', dialog.remoteTag],
    ['local_cseq', String(dialog.localCseq)],
    ['version', String(one.version)],
    ['content-type', one.contentType],
    ['user_agent', one.userAgent],
  ])}\n`
}

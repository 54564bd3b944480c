/** Console: what we publish elsewhere, and that it be published again. */
import { CommandError, type ConsoleCommand, likeFilter, plain } from '../core/console/console.ts'
import type { Agent } from './agent.ts'
import type { Client } from './client.ts'
import type { OutboundPublication } from './outbound-publication.ts'

const HEADER = `Publish:  <Section/Event.................................................>
  Server: <URI...........................................................>
  Expiry: <Expiry>  <State...>  <Waiting>  <Entity-tag...................>
===========================================================================
`

export function publicationCommands(agent: Agent): ConsoleCommand[] {
  return [
    {
      words: 'pjsip show publications outbound',
      args: '[like <regular expression>]',
      help: 'Shows what we publish elsewhere.',
      run: (args, out) => {
        const like = likeFilter(args)
        const shown = agent.clients.flatMap((client) =>
          [...client.publications].map(([user, publication]) => block(client, user, publication)),
        )
        const matching = shown.filter(like)
        out.print(HEADER)
        for (const one of matching) out.print(`${one}\n`)
        out.print(`${matching.length} outbound publications`)
      },
    },
    {
      words: 'pjsip send publish',
      args: '<section>',
      help: 'Publishes everything of an outbound-publish again.',
      complete: (place) => (place === 0 ? agent.clients.map(({ section }) => section.id) : []),
      run: ([name], out) => {
        if (name === undefined) throw new CommandError('which outbound-publish? Give the name of its section')
        const client = agent.client(name)
        if (!client) throw new CommandError(`there is no outbound-publish ${name}, or nobody publishes its event`)
        client.again()
        client.retry()
        out.print(`Everything of ${name} is published again.`)
      },
    },
  ]
}

function block({ section }: Client, user: string, publication: OutboundPublication): string {
  const { phase, waiting, lease, serverUri, why } = publication
  const left = lease ? Math.max(0, Math.ceil((lease.expires - Date.now()) / 1000)) : 0
  const of = user === '' ? '' : `/${user}`
  return (
    `Publish:  ${section.id}${of}/${section.event}\n` +
    `  Server: ${serverUri}\n` +
    `  Expiry: ${String(left).padStart(8)}  ${phase.padEnd(9)}  ${String(waiting).padStart(7)}  ${plain(lease?.entityTag ?? '<none>')}` +
    (why === '' ? '' : `\n  Error:  ${plain(why)}`)
  )
}

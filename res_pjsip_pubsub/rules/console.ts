/** Console commands: the rules of presentities, and what they make of a watcher. */
import { readFile } from 'node:fs/promises'
import { CommandError, type ConsoleCommand, plain, plainLines } from '../../core/console/console.ts'
import { decodeXml } from '../../core/documents/encoding.ts'
import type { Endpoints } from '../../core/endpoints.ts'
import { reasonOf } from '../../core/log.ts'
import type { RulesAuthorizer } from './authorizer.ts'
import type { RulesBook } from './book.ts'
import { RulesFault, readRuleset } from './document.ts'
import type { RulesReading } from './reading.ts'
import type { RulesTable } from './table.ts'

interface RulesParts {
  readonly book: RulesBook
  readonly authorizer: RulesAuthorizer
  readonly table: RulesTable
  readonly endpoints: Endpoints
  readonly reading: RulesReading
}

export function rulesCommands(parts: RulesParts): ConsoleCommand[] {
  const { book, authorizer, table, reading, endpoints } = parts
  const presentities = (place: number): readonly string[] => (place === 0 ? book.all.map(([name]) => name) : [])
  return [
    {
      words: 'presence rules show',
      args: '[presentity]',
      help: 'Lists who has authorization rules, or shows those of one.',
      complete: presentities,
      run: ([name], out) => {
        if (name !== undefined) {
          const document = book.get(name)
          if (!document) throw new CommandError(`${name} has no rules`)
          return out.print(plainLines(document.text))
        }
        for (const [presentity, { ruleset, fault, place }] of book.all)
          out.print(
            plain(
              `${presentity.padEnd(20)} ${ruleset ? `${ruleset.rules.length} rules` : `not read: ${fault}`}  ${place}`,
            ),
          )
        out.print(`${book.all.length} presentities with rules`)
      },
    },
    {
      words: 'presence rules set',
      args: '<presentity> <file>',
      help: 'Puts the rules of a file (RFC 4745, 5025) into the table of rules; they hold at once.',
      complete: presentities,
      run: async ([name, path], out) => {
        if (name === undefined || path === undefined) throw new CommandError('expected a presentity and a file')
        refuseDirectory(book, name)
        const text = await textOf(path)
        await reading.put(name, text)
        out.print(`The rules of ${name} hold.`)
      },
    },
    {
      words: 'presence rules remove',
      args: '<presentity>',
      help: 'Takes the rules of a presentity out of the table of rules.',
      complete: presentities,
      run: async ([name], out) => {
        const document = name === undefined ? undefined : book.get(name)
        if (name === undefined || !document) throw new CommandError(`${name ?? 'this presentity'} has no rules`)
        if (document.presentity !== book.keyOf(name))
          throw new CommandError(`${name} has no rules of its own: those of ${document.presentity} hold for it`)
        refuseDirectory(book, name)
        await table.remove(name)
        await reading.all()
        const other = book.get(name)?.presentity
        out.print(
          `${name} has no rules ${other === undefined ? 'any more' : `of its own any more: those of ${other} hold`}.`,
        )
      },
    },
    {
      words: 'presence rules reload',
      help: 'Reads the directory and the table of rules again.',
      run: async (_args, out) => {
        await authorizer.refresh()
        out.print(`${book.all.length} presentities with rules`)
      },
    },
    {
      words: 'presence rules test',
      args: '<presentity> <endpoint> [watcher URI]',
      help: 'Says what the rules of a presentity make of a watcher now.',
      complete: presentities,
      run: async ([resource, id, uri], out) => {
        if (resource === undefined || id === undefined) throw new CommandError('expected a presentity and an endpoint')
        const endpoint = await endpoints.endpoint(id)
        if (!endpoint) throw new CommandError(`there is no endpoint ${id}`)
        const asked = { event: 'presence', resource, endpoint, watcher: uri ?? `sip:${id}@localhost` }
        const decision = authorizer.authorize(asked)
        if (!decision) throw new CommandError(`what ${resource} has published is not read, so its sphere is not known`)
        const { handling, view, why } = decision.value
        out.print(plain(`${handling}${view && handling === 'allow' ? `, of which it is shown ${view.key}` : ''}`))
        out.print(plain(why))
      },
    },
  ]
}

/** A document of the directory would go before whatever is put into the table. */
function refuseDirectory(book: RulesBook, name: string): void {
  const refusal = book.notInTable(name)
  if (refusal !== undefined) throw new CommandError(refusal)
}

async function textOf(path: string): Promise<string> {
  try {
    const text = decodeXml(await readFile(path))
    if (typeof text !== 'string') throw new RulesFault(text.fault)
    readRuleset(text)
    return text
  } catch (error) {
    throw new CommandError(`${path}: ${reasonOf(error)}`)
  }
}

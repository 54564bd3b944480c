/**
 * Authorization of watchers by the rules of those who are watched (RFC 4745, RFC 5025), for packages that require it.
 *
 *     rules/directory.ts, rules/table.ts   where documents are
 *     rules/document.ts                    a document as data
 *     rules/book.ts, rules/reading.ts      all of them, by presentity, and how they get there
 *     rules/decision.ts                    what a document says of a watcher now
 *     rules/authorizer.ts                  decisions that follow document, clock and sphere
 *     rules/view.ts                        what is left of a presence document
 */
import { reasonOf } from '../core/log.ts'
import { defineModule, type ModuleContext } from '../core/module.ts'
import type { Pubsub } from './contract.ts'
import { nameKey } from './identity.ts'
import { RulesAuthorizer } from './rules/authorizer.ts'
import { RulesBook } from './rules/book.ts'
import { rulesCommands } from './rules/console.ts'
import { RulesReading } from './rules/reading.ts'
import { RulesTable } from './rules/table.ts'

/** Milliseconds between two looks for a table that could not be read. */
const AGAIN = 1000

export default defineModule({
  name: 'res_pjsip_presence_rules',
  description: 'Authorization of watchers by rules documents (RFC 5025)',
  requires: ['res_pjsip_pubsub'],
  async load(context, { res_pjsip_pubsub: pubsub }) {
    context.own(pubsub.expectAuthorizer())
    // Documents are filed by these keys, so that another sip_uri_match holds when the module is loaded again.
    const { sip_uri_match } = pubsub.settings
    const book = new RulesBook(context.log, (name) => nameKey(name, { sip_uri_match }))
    try {
      await openRules(context, pubsub, book)
    } catch (error) {
      // Who has no rules goes on without them.
      if (!book.isRead || book.all.length > 0 || pubsub.settings.rules_absent !== 'allow')
        pubsub.authorizerFailed(`res_pjsip_presence_rules declined: ${reasonOf(error)}`)
      throw error
    }
  },
})

async function openRules({ core, log, own }: ModuleContext, pubsub: Pubsub, book: RulesBook): Promise<void> {
  const table = await RulesTable.open({
    store: pubsub.store,
    name: pubsub.settings.xcap_table,
    domains: () => pubsub.settings.rules_domains,
    keyOf: book.keyOf,
  })
  const reading = new RulesReading({ book, table, directory: () => pubsub.settings.rules_directory, log })
  own(() => reading.close())
  own(reading.follow())
  await reading.all()
  // Spheres are in it: whoever waits for a decision is decided on by what holds.
  await pubsub.publicationsRead()
  const authorizer = new RulesAuthorizer(pubsub, book, reading)
  own(() => authorizer.close())
  own(pubsub.authorizer(authorizer))
  if (!book.isRead) {
    log.error(
      `the table ${pubsub.settings.xcap_table} cannot be read now, and may have rules: watchers of presence wait until it can; who has no rules may set force_active = 1 in pubsub.conf`,
    )
    // The store goes on without a file that it cannot use, and opens it later.
    const looking = setInterval(() => {
      if (book.isRead) clearInterval(looking)
      else void reading.again(() => authorizer.refresh())
    }, AGAIN)
    looking.unref()
    own(() => clearInterval(looking))
  }
  const parts = { book, authorizer, table, reading, endpoints: core.endpoints }
  for (const command of rulesCommands(parts)) own(core.console.register(command))
}

import { expect } from 'chai'
import { Mailboxes } from '../../core/states/mailboxes.ts'
import { LastChanges } from '../../res_pjsip_mwi/last-changes.ts'
import { MailboxSums, type SumDefinition } from '../../res_pjsip_mwi/mailbox-sums.ts'
import { until } from '../support/tools.ts'

describe('Sums of mailboxes', () => {
  it('follow the counts though they were let go of before they are watched', async () => {
    const mailboxes = new Mailboxes()
    const sums = new MailboxSums(mailboxes, new LastChanges(mailboxes), 0)
    const undo = sums.follow()
    let definition: SumDefinition | undefined = { mailboxes: ['100@default'], account: '' }
    const find = () => sums.find('aor 100', () => Promise.resolve(definition))
    const found = await find()
    await until('none', () => sums.list().length === 0)
    const another = await find()
    const told: number[] = []
    let ended = 0
    const watches = [found, another].map((sum) =>
      sum?.watch({ value: ({ newMessages }) => void told.push(newMessages), end: () => void ended++ }),
    )
    mailboxes.set('pbx1', '100@default', { newMessages: 2, oldMessages: 0 })
    await until('both', () => told.filter((count) => count === 2).length === 2)
    definition = undefined
    await sums.reread()
    expect([ended, sums.list()]).to.deep.equal([2, []])
    for (const stop of watches) void stop?.()
    await undo()
    sums.dispose()
  })
})

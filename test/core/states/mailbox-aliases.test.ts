import { expect } from 'chai'
import { MailboxAliases } from '../../../core/states/mailbox-aliases.ts'
import { type MailboxCounts, Mailboxes } from '../../../core/states/mailboxes.ts'

const counts = (newMessages: number, oldMessages: number): MailboxCounts => ({ newMessages, oldMessages })

describe('aliases of mailboxes', () => {
  let mailboxes: Mailboxes
  let aliases: MailboxAliases
  beforeEach(() => {
    mailboxes = new Mailboxes()
    aliases = new MailboxAliases(mailboxes, new Map([['100@devices', '100@default']]))
  })

  it('have the counts of their mailbox, from before and from then on, whatever the case', async () => {
    mailboxes.set('pbx', '100@Default', counts(2, 1))
    await mailboxes.need('100@Devices').ready
    expect(mailboxes.get('100@devices')).to.deep.equal(counts(2, 1))
    mailboxes.set('pbx', '100@default', counts(0, 3))
    expect(mailboxes.get('100@devices')).to.deep.equal(counts(0, 3))
    mailboxes.set('pbx', '100@default', undefined)
    expect(mailboxes.reports('100@devices')).to.deep.equal([])
  })

  it('make their mailbox needed, so that it is read, and are ready when it has been', async () => {
    mailboxes.addReader({
      origin: 'pbx',
      read: async (name) => {
        await Promise.resolve()
        if (name === '100@default') mailboxes.set('pbx', name, counts(5, 0))
      },
    })
    await mailboxes.need('100@devices').ready
    expect(mailboxes.isNeeded('100@default')).to.equal(true)
    expect(mailboxes.get('100@devices')).to.deep.equal(counts(5, 0))
  })

  it('follow another voicemail.conf', async () => {
    mailboxes.set('pbx', '100@default', counts(1, 0))
    mailboxes.set('pbx', '200@default', counts(7, 0))
    await mailboxes.need('100@devices').ready
    await mailboxes.need('300@devices').ready
    aliases.replace(
      new Map([
        ['100@devices', '200@default'],
        ['300@devices', '100@default'],
      ]),
    )
    await mailboxes.need('100@devices').ready
    await mailboxes.need('300@devices').ready
    expect(mailboxes.get('100@devices')).to.deep.equal(counts(7, 0))
    expect(mailboxes.get('300@devices')).to.deep.equal(counts(1, 0))
    aliases.replace(new Map())
    expect(mailboxes.reports('100@devices')).to.deep.equal([])
    expect(mailboxes.isNeeded('200@default')).to.equal(false)
  })

  it('that go in a circle say nothing', async () => {
    aliases.replace(
      new Map([
        ['1@a', '2@a'],
        ['2@a', '1@a'],
        ['3@a', '3@a'],
      ]),
    )
    await mailboxes.need('1@a').ready
    await mailboxes.need('3@a').ready
    expect(mailboxes.reports('1@a')).to.deep.equal([])
  })

  it('leave nothing behind', async () => {
    mailboxes.set('pbx', '100@default', counts(1, 0))
    const { ready, release } = mailboxes.need('100@devices')
    await ready
    void release()
    aliases.close()
    mailboxes.set('pbx', '100@default', undefined)
    expect(mailboxes.list()).to.deep.equal([])
  })
})

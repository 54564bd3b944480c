/** Counts of mailboxes, as they are read. */
import { expect } from 'chai'
import { Complaints } from '../../../core/ari/complaints.ts'
import { MailboxReader } from '../../../core/ari/mailbox-reader.ts'
import { Probe } from '../../../core/ari/probe.ts'
import type { AriAnswer } from '../../../core/ari/protocol.ts'
import { Log } from '../../../core/log.ts'
import { Mailboxes } from '../../../core/states/mailboxes.ts'
import { FakeLink, found } from '../../support/fake-link.ts'
import { until } from '../../support/tools.ts'

const BOX = '100@default'

describe('Mailboxes that are read', () => {
  function readerOver(link: FakeLink): { mailboxes: Mailboxes; reader: MailboxReader } {
    const log = new Log('error').logger('ari')
    const complaints = new Complaints(log)
    const mailboxes = new Mailboxes()
    const probe = new Probe(link, () => 'lamplighter', complaints, log)
    mailboxes.need(BOX)
    return { mailboxes, reader: new MailboxReader('pbx1', mailboxes, { link, probe, complaints, log }, () => 5000) }
  }

  it('are as the newer list says, though an older one comes after it', async () => {
    const answers: ((new_messages: number) => void)[] = []
    const link = new FakeLink(
      ['mailboxes.list'],
      () =>
        new Promise<AriAnswer>((resolve) => {
          answers.push((new_messages) => resolve(found([{ name: BOX, new_messages, old_messages: 0 }])))
        }),
    )
    const { mailboxes, reader } = readerOver(link)
    reader.external = true
    const slow = reader.refresh([BOX])
    reader.event(`MWI:${BOX}`)
    await until('both to be asked for', () => answers.length === 2)
    answers[1]?.(3)
    await until('the newer one', () => mailboxes.get(BOX).newMessages === 3)
    answers[0]?.(0)
    expect(await slow).to.equal(0)
    expect(mailboxes.get(BOX).newMessages).to.equal(3)
    const next = reader.refresh([BOX])
    answers[2]?.(4)
    await next
    expect(mailboxes.get(BOX).newMessages).to.equal(4)
  })

  it('are found in the list by a name without a context, where there is none with the default one', async () => {
    const boxes = [{ name: '100', new_messages: 2, old_messages: 1 }]
    const { mailboxes, reader } = readerOver(new FakeLink(['mailboxes.list'], () => found(boxes)))
    reader.external = true
    await reader.refresh([BOX])
    expect(mailboxes.get(BOX)).to.deep.equal({ newMessages: 2, oldMessages: 1 })
    boxes.unshift({ name: BOX, new_messages: 5, old_messages: 0 })
    await reader.refresh([BOX])
    expect(mailboxes.get(BOX).newMessages).to.equal(5)
    boxes.length = 0
    await reader.refresh([BOX])
    expect(mailboxes.reports(BOX)).to.deep.equal([])
  })

  it('are as they became while it was asked whether an empty one exists', async () => {
    let unread = 0
    let asked = 0
    let answer: () => void = () => undefined
    const link = new FakeLink(['channels.getChannelVar'], (operation, { variable }) => {
      if (operation !== 'channels.getChannelVar') return found({})
      if (variable === `VM_INFO(${BOX},exists)`) return found({ value: '1' })
      const value = found({ value: variable === `VMCOUNT(${BOX})` ? String(unread) : '0' })
      if (++asked > 1) return value
      return new Promise<AriAnswer>((resolve) => {
        answer = () => resolve(value)
      })
    })
    const { mailboxes, reader } = readerOver(link)
    const first = reader.refresh([BOX])
    await until('the first question', () => asked > 0)
    unread = 1
    const second = reader.refresh([BOX])
    answer()
    await Promise.all([first, second])
    expect(mailboxes.get(BOX).newMessages).to.equal(1)
  })
})

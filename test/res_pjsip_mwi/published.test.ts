/** Message summaries that are published (RFC 3842): what is read, and what they and Asterisk's mailboxes become. */
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { array, assert, constantFrom, integer, property, record, shuffledSubarray, string } from 'fast-check'
import { defaultsOf } from '../../core/options.ts'
import { Mailboxes } from '../../core/states/mailboxes.ts'
import { type Watchable, Watched } from '../../core/watch.ts'
import { LastChanges } from '../../res_pjsip_mwi/last-changes.ts'
import { MailboxSums, type SumDefinition } from '../../res_pjsip_mwi/mailbox-sums.ts'
import { Summaries, summed } from '../../res_pjsip_mwi/summaries.ts'
import { printSummary, readSummary, type SummaryDocument } from '../../res_pjsip_mwi/summary-publication.ts'
import { pubsubOptions } from '../../res_pjsip_pubsub/options.ts'
import { pjsipConfig, type TestCoreSettings } from '../support/core.ts'
import type { Headers } from '../support/fake-sip.ts'
import { MwiOffice } from '../support/mwi-office.ts'
import { until } from '../support/tools.ts'

const faultOf = (text: string): string => {
  const read = readSummary(text)
  return 'fault' in read ? read.fault : ''
}

function good(text: string): SummaryDocument {
  const read = readSummary(text)
  if ('fault' in read) throw new Error(read.fault)
  return read.state
}

describe('message summaries that are published', () => {
  it('are read with all their classes, and written again', () => {
    const text =
      'Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\n' +
      'Voice-Message: 2/8 (0/2)\r\nFax-Message: 1/0 (0/0)\r\n'
    const document = good(text)
    expect(document).to.include({ waiting: true, account: 'sip:alice@vmail.example.com' })
    expect(document.classes.get('voice-message')).to.deep.equal({
      newMessages: 2,
      oldMessages: 8,
      newUrgent: 0,
      oldUrgent: 2,
    })
    expect(printSummary(document)).to.equal(text)
  })

  it('may be short, of any case, and followed by headers of messages', () => {
    expect(good('messages-waiting:NO')).to.deep.include({ waiting: false, account: '' })
    const document = good('Messages-Waiting: yes\nvoice-message : 1 / 2\n\nTo: <alice@x>\nSubject: carpool\n')
    expect(document.classes.get('voice-message')).to.deep.include({ newMessages: 1, oldMessages: 2 })
  })

  it('may have blanks wherever the grammar has them', () => {
    const document = good('Messages-Waiting :\tyes\r\nVoice-Message:  2  /\t8  (  0 /  2\t)\t\r\n')
    expect(printSummary(document)).to.equal('Messages-Waiting: yes\r\nVoice-Message: 2/8 (0/2)\r\n')
  })

  it('may have the highest count there is, in sums too', () => {
    const document = good('Messages-Waiting: yes\r\nVoice-Message: 4294967295/4294967295 (0/0)\r\n')
    const { published } = summed(undefined, [document, document])
    expect(published && printSummary(published))
      .to.equal(printSummary(document))
      .and.include(' 4294967295/4294967295 ')
    expect(faultOf('Messages-Waiting: yes\r\nVoice-Message: 4294967296/0')).to.equal('Malformed Message Counts')
  })

  for (const [what, text, fault] of [
    ['nothing', '', 'Body Does Not Begin With Messages-Waiting'],
    ['counts alone', 'Voice-Message: 1/0', 'Body Does Not Begin With Messages-Waiting'],
    ['neither yes nor no', 'Messages-Waiting: perhaps', 'Messages-Waiting Is Neither yes Nor no'],
    ['an account that is no URI', 'Messages-Waiting: no\r\nMessage-Account: alice', 'Malformed Message-Account'],
    [
      'an account behind the counts',
      'Messages-Waiting: no\r\nVoice-Message: 0/0\r\nMessage-Account: sip:a@b',
      'Malformed Message-Account',
    ],
    ['a line of no field', 'Messages-Waiting: no\r\nhello', 'Line Without A Colon In Message Summary'],
    ['a class there is not', 'Messages-Waiting: no\r\nSmoke-Message: 1/0', 'Unknown Message Context Class'],
    [
      'a class twice',
      'Messages-Waiting: no\r\nVoice-Message: 1/0\r\nVoice-Message: 1/0',
      'Message Context Class Twice',
    ],
    ['counts that are none', 'Messages-Waiting: no\r\nVoice-Message: many', 'Malformed Message Counts'],
    ['counts below nothing', 'Messages-Waiting: no\r\nVoice-Message: -1/0', 'Malformed Message Counts'],
  ] as const) {
    it(`are refused for ${what}`, () => {
      expect(faultOf(text)).to.equal(fault)
    })
  }

  it('are read or refused, whatever they are', () => {
    assert(
      property(array(string(), { maxLength: 6 }), (lines) => {
        expect(faultOf(`Messages-Waiting: yes\r\n${lines.join('\r\n')}`)).to.match(/^[A-Za-z -]*$/)
      }),
    )
  })

  it('sum up to the same in any order', () => {
    const one = record({
      waiting: constantFrom('yes', 'no'),
      name: constantFrom('Voice', 'Fax', 'Text'),
      count: integer({ min: 0, max: 99 }),
    })
    const all = array(one, { maxLength: 6 }).map((many) =>
      many.map(({ waiting, name, count }) =>
        good(`Messages-Waiting: ${waiting}\r\n${name}-Message: ${count}/1 (1/0)\r\n`),
      ),
    )
    const own = { newMessages: 1, oldMessages: 2, account: '' }
    assert(
      property(
        all.chain((documents) =>
          shuffledSubarray(documents, { minLength: documents.length }).map((mixed) => [documents, mixed]),
        ),
        ([documents = [], mixed = []]) => {
          expect(summed(own, mixed)).to.deep.equal(summed(own, documents))
        },
      ),
    )
  })
})

describe('a summary without mailboxes', () => {
  it('is looked for again also where it was found before its last watcher left', async () => {
    const publications = (): Watchable<never[]> => new Watched([])
    const summaries = new Summaries({ publications, isPublished: () => true, settings: defaultsOf(pubsubOptions) })
    let looks = 0
    const look = async (): Promise<undefined> => void looks++
    const nobody = { value: () => undefined }
    const first = summaries.of('aor vm', 'vm', undefined, look)
    void first.watch(nobody)()
    const stop = first.watch(nobody)
    const second = summaries.of('aor vm', 'vm', undefined, look)
    second.watch(nobody)
    void stop()
    await summaries.reread()
    expect(looks).to.equal(1)
    const other = summaries.of('aor vm', 'vm', undefined, look)
    expect(other).to.equal(second)
  })

  it('is not kept where it is found and watched by nobody', () => {
    const publications = (): Watchable<never[]> => new Watched([])
    const summaries = new Summaries({ publications, isPublished: () => true, settings: defaultsOf(pubsubOptions) })
    const find = (name: string) => summaries.of(name, name, undefined, () => Promise.resolve(undefined))
    const [first, watched] = [find('first'), find('watched')]
    watched.watch({ value: () => undefined })
    for (let number = 0; number < 10_000; number++) find(String(number))
    expect([find('first') === first, find('watched') === watched]).to.deep.equal([false, true])
  })
})

describe('a summary whose mailboxes go while phones wait for the disk', () => {
  it('is over for all who found it, and not for the first alone', async () => {
    const mailboxes = new Mailboxes()
    const sums = new MailboxSums(mailboxes, new LastChanges(mailboxes))
    let definition: SumDefinition | undefined = { mailboxes: ['100@default'], account: '' }
    const look = () => sums.find('aor 100', () => Promise.resolve(definition))
    const publications = (): Watchable<never[]> => new Watched([])
    const summaries = new Summaries({ publications, isPublished: () => false, settings: defaultsOf(pubsubOptions) })
    const sum = await look()
    const found = [1, 2].map(() => summaries.of('aor 100', '100', sum, look))
    definition = undefined
    await sums.reread()
    const ends: string[] = []
    for (const one of found) one.watch({ value: () => undefined, end: (reason) => ends.push(reason) })
    expect(ends).to.deep.equal(['noresource', 'noresource'])
    sums.dispose()
  })
})

describe('message-summary of publications and mailboxes', () => {
  const SETTINGS: TestCoreSettings = {
    endpoints: { 100: { aors: ['100', 'vm'], allow_publish: 'any' } },
    aors: { 100: { mailboxes: ['100@default'], voicemail_extension: '*97' }, vm: {} },
  }
  let office: MwiOffice

  afterEach(() => office.test.close())

  async function publish(user: string, body: string, headers: Headers = {}): Promise<string> {
    const tx = await office.sip.publish(user, body, {
      Event: 'message-summary',
      'Content-Type': body === '' ? undefined : 'application/simple-message-summary',
      ...headers,
    })
    expect(tx.status, tx.given?.reason).to.equal(200)
    return tx.header('SIP-ETag') ?? ''
  }

  /** Times of what comes and what changes are compared by the millisecond. */
  const later = (): Promise<void> => pause(2)
  const VOICE = 'Messages-Waiting: yes\r\nVoice-Message: 3/0\r\n'
  const FAX = 'Messages-Waiting: yes\r\nFax-Message: 1/1 (1/0)\r\n'
  const account = 'Message-Account: sip:*97@pbx.example\r\n'

  it('is the newest of them', async () => {
    office = await MwiOffice.open(SETTINGS)
    office.count('100@default', 1)
    const { dialog } = await office.subscribe('100')
    const tag = await publish('100', VOICE)
    await until(
      'the published',
      () => dialog.last.text === `Messages-Waiting: yes\r\n${account}Voice-Message: 3/0 (0/0)\r\n`,
    )
    await later()
    office.count('100@default', 0, 1)
    await until(
      'the mailbox',
      () => dialog.last.text === `Messages-Waiting: no\r\n${account}Voice-Message: 0/1 (0/0)\r\n`,
    )
    await later()
    const next = await publish('100', FAX, { 'SIP-If-Match': tag })
    await until(
      'the newest',
      () => dialog.last.text === `Messages-Waiting: yes\r\n${account}Fax-Message: 1/1 (1/0)\r\n`,
    )
    await publish('100', '', { 'SIP-If-Match': next, Expires: '0' })
    await until('the mailbox again', () => dialog.last.text.includes('Voice-Message: 0/1'))
  })

  it('is the newest for who asks later, too', async () => {
    office = await MwiOffice.open(SETTINGS)
    office.count('100@default', 1)
    const first = await office.subscribe('100')
    await publish('100', VOICE)
    await until('the published', () => first.dialog.last.text.includes('3/0'))
    await office.unsubscribe(first)
    const second = await office.subscribe('100')
    expect(second.dialog.last.text, 'first counts hide nothing').to.contain('3/0')
    await office.unsubscribe(second)
    await later()
    office.count('100@default', 0, 1)
    const third = await office.subscribe('100')
    expect(third.dialog.last.text).to.equal(`Messages-Waiting: no\r\n${account}Voice-Message: 0/1 (0/0)\r\n`)
    await office.test.loader.restart('res_pjsip_mwi')
    const afterwards = await office.subscribe('100')
    expect(afterwards.dialog.last.text, 'after a restart').to.contain('0/1')
  })

  it('stays what was published where a reload changes the account and no count', async () => {
    office = await MwiOffice.open(SETTINGS)
    office.count('100@default', 0)
    const { dialog } = await office.subscribe('100')
    await publish('100', VOICE)
    await until('the published', () => dialog.last.text.includes('3/0'))
    await later()
    const aors = { ...SETTINGS.aors, 100: { mailboxes: ['100@default'], voicemail_extension: '*98' } }
    office.test.core.endpoints.replace(pjsipConfig({ ...SETTINGS, aors }))
    await until('the account', () => dialog.last.text.includes('Message-Account: sip:*98@'))
    expect(dialog.last.text).to.include('Voice-Message: 3/0')
  })

  it('is their sum where that is wanted', async () => {
    office = await MwiOffice.open({ ...SETTINGS, files: { 'pubsub.conf': { message_summary: 'sum' } } })
    office.count('100@default', 1, 2)
    const { dialog } = await office.subscribe('100')
    await publish('100', VOICE, { Contact: '<sip:a@192.0.2.7>' })
    await publish('100', FAX, { Contact: '<sip:b@192.0.2.7>' })
    const expected = `Messages-Waiting: yes\r\n${account}Voice-Message: 4/2 (0/0)\r\nFax-Message: 1/1 (1/0)\r\n`
    await until('the sum', () => dialog.last.text === expected)
  })

  it('is what was published alone where there is no mailbox, found by 404 before', async () => {
    office = await MwiOffice.open(SETTINGS)
    expect((await office.subscribe('vm')).status).to.equal(404)
    const tag = await publish(
      'vm',
      `Messages-Waiting: yes\r\nMessage-Account: sip:vm@elsewhere.example\r\nVoice-Message: 1/0\r\n`,
    )
    const { dialog } = await office.subscribe('vm')
    expect(dialog.last.text).to.contain('Message-Account: sip:vm@elsewhere.example\r\nVoice-Message: 1/0 (0/0)\r\n')
    await publish('vm', '', { 'SIP-If-Match': tag, Expires: '0' })
    await until('nothing', () => dialog.last.text === 'Messages-Waiting: no\r\nVoice-Message: 0/0 (0/0)\r\n')
  })

  it('follows mailboxes that a reload brings, or brings back, while something is published', async () => {
    const settings = (vm: readonly string[]): TestCoreSettings => ({
      ...SETTINGS,
      aors: { ...SETTINGS.aors, vm: { mailboxes: vm } },
    })
    office = await MwiOffice.open(SETTINGS)
    const { endpoints } = office.test.core
    const tag = await publish('vm', VOICE)
    const { dialog } = await office.subscribe('vm')
    endpoints.replace(pjsipConfig(settings(['7@default'])))
    await until('the mailbox to be needed', () => office.test.core.mailboxes.isNeeded('7@default'))
    office.count('7@default', 7)
    await until('the new mailbox', () => dialog.last.text.includes('7/0'))
    endpoints.replace(pjsipConfig(SETTINGS))
    await until('the published', () => dialog.last.text.includes('3/0'))
    endpoints.replace(pjsipConfig(settings(['7@default'])))
    await until('the mailbox to be needed again', () => office.test.core.mailboxes.isNeeded('7@default'))
    await publish('vm', '', { 'SIP-If-Match': tag, Expires: '0' })
    await until('the mailbox again', () => dialog.last.text.includes('7/0'))
  })

  it('goes back to the mailboxes when what was published expires', async () => {
    office = await MwiOffice.open(SETTINGS)
    const { dialog } = await office.subscribe('100')
    await publish('100', VOICE, { Expires: '1' })
    await until('the published', () => dialog.last.text.includes('3/0'))
    await until('the mailbox', () => dialog.last.text.includes('0/0 (0/0)'))
  })

  it('is told without being asked, too', async () => {
    office = await MwiOffice.open(
      {
        endpoints: { 100: { aors: ['100'], mailboxes: ['100@default'], allow_publish: 'any' } },
        aors: { 100: { mailboxes: ['100@default'] } },
        files: { 'pubsub.conf': { message_summary: 'sum' } },
      },
      (before) => before.contacts.has('100', 'sip:100@192.0.2.7'),
    )
    office.count('100@default', 1, 2)
    const last = (): string => office.sip.unsolicited.at(-1)?.notify.text ?? ''
    await until('the mailbox', () => last() === 'Messages-Waiting: yes\r\nVoice-Message: 1/2 (0/0)\r\n')
    const tag = await publish('100', VOICE)
    await until('the sum', () => last() === 'Messages-Waiting: yes\r\nVoice-Message: 4/2 (0/0)\r\n')
    await publish('100', '', { 'SIP-If-Match': tag, Expires: '0' })
    await until('the mailbox again', () => last() === 'Messages-Waiting: yes\r\nVoice-Message: 1/2 (0/0)\r\n')
  })

  it('is not hidden without being asked by counts that are read for the first time, but by each change of them', async () => {
    office = await MwiOffice.open({
      endpoints: { 100: { aors: ['100'], mailboxes: ['100@default'], allow_publish: 'any' } },
      aors: { 100: { mailboxes: ['100@default'] } },
    })
    const { mailboxes } = office.test.core
    await publish('100', VOICE)
    await later()
    mailboxes.addReader({ origin: 'pbx1', read: async () => office.count('100@default', 0) })
    office.contacts.register('100', 'sip:100@192.0.2.7')
    const last = (): string => office.sip.told.at(-1) ?? ''
    await until('the published', () => last() !== '')
    expect(last()).to.equal('sip:100@192.0.2.7 3/0')
    await later()
    office.count('100@default', 0, 1)
    await until('the mailbox', () => last() === 'sip:100@192.0.2.7 0/1')
  })
})

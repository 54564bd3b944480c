import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import type { MailboxCounts } from '../../core/states/mailboxes.ts'
import { pjsipConfig, type TestCoreSettings } from '../support/core.ts'
import { MwiOffice } from '../support/mwi-office.ts'
import { until } from '../support/tools.ts'

const SETTINGS: TestCoreSettings = {
  endpoints: { 100: { aors: ['100', '100-shared', '100-none'] }, 101: { aors: ['101'] } },
  aors: {
    100: { mailboxes: ['100@default'], voicemail_extension: '*97' },
    '100-shared': { mailboxes: ['500', '501@sales', '100'], voicemail_extension: 'VoiceMail' },
    '100-none': {},
    101: { mailboxes: ['101'] },
  },
  global: { default_voicemail_extension: '8500' },
}

const body = (newMessages: number, oldMessages: number, account: string): string =>
  `Messages-Waiting: ${newMessages > 0 ? 'yes' : 'no'}\r\nMessage-Account: sip:${account}@pbx.example\r\n` +
  `Voice-Message: ${newMessages}/${oldMessages} (0/0)\r\n`

describe('message-summary that is asked for', () => {
  let office: MwiOffice

  afterEach(() => office.test.close())

  /** A server that takes a moment to say how many messages there are. */
  const slowReader = (newMessages: number) => ({
    origin: 'pbx1',
    read: async (name: string): Promise<void> => {
      await pause(20)
      office.count(name, newMessages)
    },
  })

  it('shows the mailboxes of an AOR, and each change of the counts', async () => {
    office = await MwiOffice.open(SETTINGS)
    office.count('100@default', 2, 1)
    const { dialog } = await office.subscribe('100')
    expect(dialog.last.text).to.equal(body(2, 1, '*97'))
    expect(dialog.last.header('Event')).to.equal('message-summary')
    office.count('100@DEFAULT', 3, 1)
    await until('NOTIFY of the change', () => dialog.last.text === body(3, 1, '*97'))
    office.count('100@default', 0, 4)
    await until('NOTIFY of the next', () => dialog.last.text === body(0, 4, '*97'))
    expect(dialog.notifies.length).to.equal(3)
  })

  it('sums the mailboxes of an AOR', async () => {
    office = await MwiOffice.open(SETTINGS)
    office.count('500@default', 1, 10)
    office.count('501@sales', 2, 20)
    office.count('500@sales', 99, 99)
    office.count('100@default', 4, 40)
    expect((await office.subscribe('100-shared')).dialog.last.text).to.equal(body(7, 70, 'VoiceMail'))
  })

  it('takes the default voicemail extension where the AOR has none', async () => {
    office = await MwiOffice.open(SETTINGS)
    expect((await office.subscribe('101')).dialog.last.text).to.equal(body(0, 0, '8500'))
  })

  it('is found by the voicemail extension of an AOR of the endpoint, without case', async () => {
    office = await MwiOffice.open(SETTINGS)
    office.count('501@sales', 1)
    expect((await office.subscribe('voicemail')).dialog.last.text).to.equal(body(1, 0, 'VoiceMail'))
    expect((await office.subscribe('voicemail', { From: '<sip:101@pbx.example>;tag=1' })).status).to.equal(404)
  })

  it('sums all AORs of the endpoint where the URI has no user, each mailbox once', async () => {
    office = await MwiOffice.open(SETTINGS)
    office.count('100@default', 1, 2)
    office.count('500@default', 10, 20)
    const { dialog } = await office.subscribe('')
    expect(dialog.last.text).to.equal(body(11, 22, '*97'))
    office.count('501@sales', 100)
    await until('NOTIFY of the change', () => dialog.last.text === body(111, 22, '*97'))
  })

  it('names no account where the URI has no user, under compat=asterisk as in Asterisk', async () => {
    office = await MwiOffice.open({ ...SETTINGS, general: { compat: 'asterisk' } })
    office.count('100@default', 1, 2)
    const { dialog } = await office.subscribe('')
    expect(dialog.last.text).to.equal('Messages-Waiting: yes\r\nVoice-Message: 1/2 (0/0)\r\n')
    expect((await office.subscribe('100')).dialog.last.text).to.equal(body(1, 2, '*97'))
  })

  it('is not found without an AOR, or without mailboxes in it', async () => {
    office = await MwiOffice.open(SETTINGS)
    expect((await office.subscribe('nobody')).status).to.equal(404)
    expect((await office.subscribe('100-none')).status).to.equal(404)
    expect((await office.subscribe('*98')).status).to.equal(404)
    expect(office.test.logged.filter((line) => line.startsWith('NOTICE Endpoint')).length).to.equal(3)
  })

  it('may be of somebody else, as in Asterisk', async () => {
    office = await MwiOffice.open(SETTINGS)
    expect((await office.subscribe('101')).status).to.equal(200)
  })

  it('waits for the first counts before it tells any', async () => {
    office = await MwiOffice.open(SETTINGS)
    office.test.core.mailboxes.addReader(slowReader(5))
    const { dialog } = await office.subscribe('100')
    expect(dialog.notifies.map(({ text }) => text)).to.deep.equal([body(5, 0, '*97')])
  })

  it('has its mailboxes read as long as somebody watches', async () => {
    office = await MwiOffice.open(SETTINGS)
    const { mailboxes } = office.test.core
    expect(mailboxes.needed()).to.deep.equal([])
    await office.subscribe('100-shared')
    expect(mailboxes.needed()).to.have.members(['500@default', '501@sales', '100@default'])
    await office.test.loader.unload('res_pjsip_mwi')
    expect(mailboxes.needed()).to.deep.equal([])
  })

  it('shows no empty mailbox while those that a reload brings are read', async () => {
    office = await MwiOffice.open(SETTINGS)
    office.count('100@default', 1)
    const { dialog } = await office.subscribe('100')
    office.test.core.mailboxes.addReader(slowReader(5))
    const aors = { ...SETTINGS.aors, 100: { mailboxes: ['7', '8'], voicemail_extension: '*97' } }
    office.test.core.endpoints.replace(pjsipConfig({ ...SETTINGS, aors }))
    await until('NOTIFY of the others', () => dialog.last.text === body(10, 0, '*97'))
    expect(dialog.notifies.map(({ text }) => text)).to.deep.equal([body(1, 0, '*97'), body(10, 0, '*97')])
  })

  it('follows an AOR through a reload, and ends where it is gone', async () => {
    office = await MwiOffice.open(SETTINGS)
    const { endpoints } = office.test.core
    office.count('7@default', 7)
    const { dialog } = await office.subscribe('100')
    const all = await office.subscribe('')
    const aors = { ...SETTINGS.aors, 100: { mailboxes: ['7'], voicemail_extension: '*98' } }
    endpoints.replace(pjsipConfig({ ...SETTINGS, aors }))
    await until('NOTIFY of the other mailbox', () => dialog.last.text === body(7, 0, '*98'))
    await until('NOTIFY of all', () => all.dialog.last.text === body(7, 0, '*98'))
    const { 100: _gone, ...rest } = aors
    endpoints.replace(pjsipConfig({ ...SETTINGS, aors: rest }))
    await until('end of it', () => dialog.last.state === 'terminated;reason=noresource')
    await until('NOTIFY of the rest', () => all.dialog.last.text === body(0, 0, 'VoiceMail'))
    expect(all.dialog.last.state).to.match(/^active/)
  })

  it('by an extension is that of the AOR which the extension stands for, through a reload', async () => {
    office = await MwiOffice.open(SETTINGS)
    const { endpoints } = office.test.core
    office.count('100@default', 3)
    office.count('101@default', 5)
    const { dialog } = await office.subscribe('*97')
    expect(dialog.last.text).to.equal(body(3, 0, '*97'))
    const reassigned = (aors: readonly string[], voicemail_extension: string): void =>
      endpoints.replace(
        pjsipConfig({
          ...SETTINGS,
          endpoints: { 100: { aors } },
          aors: { 101: { mailboxes: ['101'], voicemail_extension } },
        }),
      )
    reassigned(['101'], '*97')
    await until('NOTIFY of the other mailbox', () => dialog.last.text === body(5, 0, '*97'))
    office.count('101@default', 6)
    await until('NOTIFY of its change', () => dialog.last.text === body(6, 0, '*97'))
    reassigned(['101'], '*98')
    await until('NOTIFY of the other extension', () => dialog.last.text === body(6, 0, '*98'))
    reassigned([], '*98')
    await until('end of it', () => dialog.last.state === 'terminated;reason=noresource')
    expect(dialog.notifies.map(({ text }) => text)).to.not.include(body(0, 0, '*97'))
  })

  describe('about an AOR that only a server knows', () => {
    let knows: Record<string, { readonly mailboxes: readonly string[]; readonly voicemail_extension?: string }>

    beforeEach(async () => {
      knows = { 900: { mailboxes: ['900'], voicemail_extension: '*97' }, 901: { mailboxes: ['901'] } }
      office = await MwiOffice.open(
        {
          ...SETTINGS,
          endpoints: { 100: { aors: ['900', '901'], mailboxes: ['7'], mwi_subscribe_replaces_unsolicited: true } },
          lists: { voicemail: { event: 'message-summary', list_item: ['900', '901'] } },
        },
        ({ contacts }) => contacts.has('900', 'sip:900@192.0.2.9'),
      )
      office.test.core.endpoints.addSource({
        name: 'pbx1',
        endpoint: async () => undefined,
        aor: async (id) => pjsipConfig({ aors: knows }).aors.get(id),
        auth: async () => undefined,
      })
      for (const [mailbox, count] of [
        ['7@default', 7],
        ['900@default', 1],
        ['901@default', 20],
      ] as const)
        office.count(mailbox, count)
    })

    for (const [user, before, after] of [
      ['900', body(1, 0, '*97'), body(7, 0, '*98')],
      ['*97', body(1, 0, '*97'), body(7, 0, '*97')],
      ['', body(21, 0, '*97'), body(27, 0, '*98')],
    ] as const)
      it(`follows it when the phone renews its subscription to '${user}'`, async () => {
        const tx = await office.subscribe(user)
        expect(tx.dialog.last.text).to.equal(before)
        knows = { ...knows, 900: { mailboxes: ['7'], voicemail_extension: user === '*97' ? '*97' : '*98' } }
        await office.sip.again(tx)
        await until('NOTIFY of the other mailbox', () => tx.dialog.last.text === after)
      })

    it('follows it when the phone renews its subscription to a list that has it', async () => {
      const tx = await office.subscribe('voicemail', {
        Supported: 'eventlist',
        Accept: 'multipart/related, application/rlmi+xml, application/simple-message-summary',
      })
      expect(tx.dialog.last.text).to.include('Voice-Message: 1/0')
      knows = { ...knows, 900: { mailboxes: ['7'] } }
      await office.sip.again(tx, { Supported: 'eventlist' })
      await until('NOTIFY of the other mailbox', () => tx.dialog.last.text.includes('Voice-Message: 7/0'))
    })

    it('counts as watched by what it is then, where that replaces unsolicited NOTIFYs', async () => {
      const tx = await office.subscribe('900')
      const told = (await office.told(1)).length
      knows = { ...knows, 900: { mailboxes: ['7'] } }
      await office.sip.again(tx)
      await until('NOTIFY of the other mailbox', () => tx.dialog.last.text.includes('7/0'))
      office.count('7@default', 8)
      await until('NOTIFY of its change', () => tx.dialog.last.text.includes('8/0'))
      expect(await office.settled()).to.have.length(told)
    })

    it('ends with its mailboxes', async () => {
      const tx = await office.subscribe('900')
      knows = { ...knows, 900: { mailboxes: [] } }
      await office.sip.again(tx)
      await until('end of it', () => tx.dialog.last.state === 'terminated;reason=noresource')
    })
  })

  describe('beside unsolicited NOTIFYs for the same mailbox', () => {
    const conflict = (replaces: boolean, compat: 'rfc' | 'asterisk'): TestCoreSettings => ({
      ...SETTINGS,
      endpoints: {
        100: { aors: ['100'], mailboxes: ['100', 'other'], mwi_subscribe_replaces_unsolicited: replaces },
      },
      general: { compat },
    })
    const registered = ({ contacts }: MwiOffice): unknown => contacts.has('100', 'sip:100@192.0.2.7')

    for (const [compat, replaces, contact, status] of [
      ['rfc', false, true, 200],
      ['rfc', true, true, 200],
      ['asterisk', false, true, 500],
      ['asterisk', true, true, 200],
      ['asterisk', false, false, 200],
    ] as const) {
      it(`is answered ${status} by ${compat}, ${replaces ? '' : 'not '}replacing, ${contact ? 'with' : 'without'} a contact`, async () => {
        office = await MwiOffice.open(conflict(replaces, compat), (it) => contact && registered(it))
        await office.settled()
        expect((await office.subscribe('100')).status).to.equal(status)
      })
    }

    it('is given up in Asterisk when the endpoint registers', async () => {
      office = await MwiOffice.open({
        ...conflict(false, 'asterisk'),
        aors: { ...SETTINGS.aors, 100: { mailboxes: ['OTHER'] } },
      })
      const tx = await office.subscribe('100')
      const unrelated = await office.subscribe('101')
      office.contacts.register('100', 'sip:100@192.0.2.7')
      await until('final NOTIFY', () => tx.dialog.last.state === 'terminated')
      expect(unrelated.dialog.last.state).to.match(/^active/)
    })
  })

  it('counts as the mailbox says, whatever was believed of it', async () => {
    office = await MwiOffice.open(SETTINGS)
    const counts: MailboxCounts[] = [1, 2, 3].map((n) => ({ newMessages: n, oldMessages: 0 }))
    const { dialog } = await office.subscribe('101')
    for (const each of counts) office.test.core.mailboxes.set('pbx1', '101@default', each)
    await until('NOTIFY of the newest', () => dialog.last.text === body(3, 0, '8500'))
  })
})

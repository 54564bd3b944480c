/** `kill -9` of real processes, in each mode that writes; two servers on one file. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { Instance } from '../support/instance.ts'
import { localOffice, PASSWORD } from '../support/office.ts'
import { type PhoneDialog, type PhoneRequest, TestPhone, type WireMessage } from '../support/phone.ts'
import { endLeases, sqlite } from '../support/sqlite.ts'
import { until } from '../support/tools.ts'

const DIALOG_INFO = [
  ['Event', 'dialog'],
  ['Accept', 'application/dialog-info+xml'],
] as const
/** Subscriptions that a kill is to find. */
const MANY = 20
const LAMPS = ['101', '102', '103', '200', '201']

describe('kill -9 and the store', function () {
  this.timeout(60000)
  let directory: string
  const instances: Instance[] = []
  const phones: TestPhone[] = []

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'lamplighter-shared-'))
  })
  afterEach(async () => {
    for (const phone of phones.splice(0)) await phone.close()
    for (const instance of instances.splice(0)) await instance.dispose()
    rmSync(directory, { recursive: true, force: true })
  })

  /** The dialog in which it watches the calls of 101, once it was told of them. */
  async function watched(lamp: TestPhone): Promise<ReturnType<TestPhone['dialog']>> {
    const dialog = lamp.dialog('sip:101@127.0.0.1')
    const headers = [...DIALOG_INFO, ['Expires', '600']] as const
    expect((await lamp.request('SUBSCRIBE', { dialog, headers })).status).to.equal(200)
    await until('a NOTIFY', () => notifiesOf(lamp, dialog).length > 0)
    return dialog
  }

  async function begin(options: Readonly<Record<string, string | number>>): Promise<Instance> {
    const lines = Object.entries(options).map(([name, value]) => `${name} = ${value}`)
    const instance = new Instance({
      ...localOffice(['udp', 'tcp']),
      'pubsub.conf': ['[general]', ...lines, ''].join('\n'),
    })
    instances.push(instance)
    await instance.start()
    return instance
  }

  async function phoneAt(instance: Instance, user: string, contact?: string, patience?: number): Promise<TestPhone> {
    const { host: address, port } = instance.address()
    const server = { address, port }
    const phone = await TestPhone.open({
      server,
      user,
      password: PASSWORD,
      ...(patience && { patience }),
      ...(contact && { contact }),
    })
    phones.push(phone)
    return phone
  }

  const notifiesOf = (phone: TestPhone, dialog: PhoneDialog): WireMessage[] =>
    phone.received.filter((message) => message.method === 'NOTIFY' && message.header('call-id') === dialog.callId)

  /** Every NOTIFY once, in the order of its first copy. */
  const numbersOf = (phone: TestPhone, dialog: PhoneDialog): number[] => [
    ...new Set(notifiesOf(phone, dialog).map(({ cseq }) => cseq)),
  ]

  /**
   * Subscribes until the server is dead; resolves with the dialogs that were answered 200, and those of them that a kill
   * must find: many. Where they are written later, it comes once one that was answered after them is.
   */
  async function subscribeUntilKilled(
    instance: Instance,
    writtenLater: boolean,
  ): Promise<[phone: TestPhone, answered: PhoneDialog[], due: PhoneDialog[]]> {
    // What is on its way when the server dies is waited for so long, in vain.
    const phone = await phoneAt(instance, '100', undefined, 4000)
    const answered: PhoneDialog[] = []
    const server = { dead: false }
    const subscribe = async (exten: string, instanceId: string): Promise<void> => {
      const dialog = phone.dialog(`sip:${exten}@127.0.0.1`)
      const answer = await phone.request('SUBSCRIBE', {
        dialog,
        contact: false,
        headers: [
          ['Event', 'presence'],
          ['Expires', '600'],
          ['Contact', `<sip:100@${phone.local.address}:${phone.local.port}>;+sip.instance="<urn:uuid:${instanceId}>"`],
        ],
      })
      expect(answer.status).to.equal(200)
      answered.push(dialog)
    }
    const work = async (worker: number): Promise<void> => {
      for (let i = 0; !server.dead; i++) {
        await subscribe(LAMPS[i % LAMPS.length] ?? '', `${worker}-${i}`).catch((error: unknown) => {
          if (!server.dead) throw error
        })
        // One socket of ours is to take the NOTIFYs of all of them after the restart.
        await pause(20)
      }
    }
    const workers = Promise.all([0, 1, 2, 3].map(work))
    const enough = async (): Promise<PhoneDialog[]> => {
      await pause(1000)
      await until('many subscriptions', () => answered.length > MANY)
      const due = [...answered]
      if (!writtenLater) return due
      await until('one that is written', async () => {
        const rows = await sqlite(join(instance.directory, 'lamplighter.db'), 'SELECT callid FROM active_watchers')
        const written = new Set(rows.map(({ callid }) => callid))
        return answered.slice(due.length).some(({ callId }) => written.has(callId))
      })
      return due
    }
    const due = await Promise.race([workers.then(() => []), enough()])
    server.dead = true
    await instance.end('SIGKILL')
    await workers
    return [phone, answered, due]
  }

  for (const [mode, options, writtenLater] of [
    [1, {}, false],
    [2, { db_update_period: 1 }, true],
    [3, { waitn_time: 1 }, false],
  ] as const) {
    it(`subs_db_mode = ${mode}: what was answered 200 ${writtenLater ? 'before one that is written ' : ''}is there after a kill`, async () => {
      const instance = await begin({ subs_db_mode: mode, restore_spread: 1, ...options })
      const [phone, answered, due] = await subscribeUntilKilled(instance, writtenLater)
      expect(due.length).to.be.above(MANY)
      const before = new Map(answered.map((dialog) => [dialog, Math.max(0, ...numbersOf(phone, dialog))]))
      if (mode === 3) await endLeases(join(instance.directory, 'lamplighter.db'))
      await instance.start()
      const missing = (): number =>
        due.filter((dialog) => Math.max(0, ...numbersOf(phone, dialog)) <= (before.get(dialog) ?? 0)).length
      await until('a NOTIFY in every dialog', () => missing() === 0).catch(() => {
        throw new Error(`${missing()} of ${due.length} are lost`)
      })
      for (const dialog of answered) {
        const numbers = numbersOf(phone, dialog)
        expect(numbers).to.deep.equal(numbers.toSorted((a, b) => a - b))
      }
    })
  }

  it('publ_cache = 1: what was published is there after a kill right behind the 200', async () => {
    const instance = await begin({})
    const publisher = await phoneAt(instance, '101')
    const answer = await publisher.request('PUBLISH', publication('confirmed'))
    expect(answer.status).to.equal(200)
    await instance.end('SIGKILL')
    await instance.start()
    const lamp = await phoneAt(instance, '100')
    const dialog = await watched(lamp)
    await until('a lamp that is lit', () => notifiesOf(lamp, dialog).at(-1)?.body.includes('>confirmed<'))
    const back = await phoneAt(instance, '101')
    const refresh = publication('terminated', answer.header('sip-etag'))
    expect((await back.request('PUBLISH', refresh)).status).to.equal(200)
    await until('a dark lamp', () => notifiesOf(lamp, dialog).at(-1)?.body.includes('>terminated<'))
  })

  async function stopped(one: Instance, file: string): Promise<void> {
    // By then it has read the answer, too, and has nothing to repeat.
    await one.command('core show uptime')
    await until('a stop that is not amid a transaction, which would keep the other out', async () => {
      one.signal('SIGSTOP')
      const isFree = await sqlite(file, 'BEGIN IMMEDIATE').catch(() => false)
      if (!isFree) one.signal('SIGCONT')
      return isFree
    })
  }

  it('subs_db_mode = 3: a server that was stopped and goes on does not send for what was taken over', async () => {
    const file = join(directory, 'shared.db')
    const shared = { subs_db_mode: 3, db_url: `sqlite://${file}`, notifier_processes: 0 }
    const [one, other] = await Promise.all([begin(shared), begin(shared)])
    const lamp = await phoneAt(one, '100')
    const publisher = await phoneAt(other, '101')
    const dialog = await watched(lamp)
    await stopped(one, file)
    const { port } = other.address()
    await until('a NOTIFY of the other', () => notifiesOf(lamp, dialog).at(-1)?.from.port === port)
    const taken = notifiesOf(lamp, dialog).length
    one.signal('SIGCONT')
    let entityTag = ''
    for (const state of ['early', 'confirmed', 'early', 'terminated']) {
      const answer = await publisher.request('PUBLISH', publication(state, entityTag))
      expect(answer.status).to.equal(200)
      entityTag = answer.header('sip-etag')
      await until(`a lamp that is ${state}`, () => notifiesOf(lamp, dialog).at(-1)?.body.includes(`>${state}<`))
      await pause(200)
    }
    expect(
      notifiesOf(lamp, dialog)
        .slice(taken)
        .map(({ from }) => from.port),
    ).not.to.include(one.address().port)
    const numbers = numbersOf(lamp, dialog)
    expect(numbers).to.deep.equal(numbers.toSorted((a, b) => a - b))
  })

  it('subs_db_mode = 3: phones with a connection that only the server has which was stopped go on there', async () => {
    const file = join(directory, 'shared.db')
    const shared = { subs_db_mode: 3, db_url: `sqlite://${file}`, notifier_processes: 0 }
    const [one, other] = await Promise.all([begin(shared), begin(shared)])
    const { host: address, port } = one.address('tcp')
    const lamp = await TestPhone.open({ server: { address, port }, protocol: 'tcp', user: '100', password: PASSWORD })
    phones.push(lamp)
    const publisher = await phoneAt(other, '101')
    const dialog = await watched(lamp)
    await stopped(one, file)
    await until('that the other has it', async () => {
      const { stdout } = await other.command('pjsip show subscriptions inbound')
      return stdout.includes('101/dialog')
    })
    one.signal('SIGCONT')
    expect((await publisher.request('PUBLISH', publication('confirmed'))).status).to.equal(200)
    await until('a lamp that is lit', () => notifiesOf(lamp, dialog).at(-1)?.body.includes('>confirmed<'))
    const numbers = numbersOf(lamp, dialog)
    expect(numbers).to.deep.equal(numbers.toSorted((a, b) => a - b))
  })

  it('subs_db_mode = 3: published at one, shown at the other; refreshed at either; taken over when one is killed', async () => {
    const shared = { subs_db_mode: 3, db_url: `sqlite://${join(directory, 'shared.db')}`, notifier_poll_rate: 50 }
    const [one, other] = await Promise.all([begin(shared), begin(shared)])
    const lamp = await phoneAt(one, '100')
    const sameLamp = await phoneAt(other, '100', lamp.contact)
    const publisher = await phoneAt(other, '101')
    const dialog = lamp.dialog('sip:101@127.0.0.1')
    const subscribe = (at: TestPhone): Promise<WireMessage> =>
      at.request('SUBSCRIBE', {
        dialog,
        uri: 'sip:101@127.0.0.1',
        headers: [...DIALOG_INFO, ['Expires', '600']],
      })
    const shown = (): string => /<state>(\w+)<\/state>/.exec(notifiesOf(lamp, dialog).at(-1)?.body ?? '')?.[1] ?? ''
    let entityTag = ''
    const publish = async (state: string): Promise<void> => {
      const answer = await publisher.request('PUBLISH', publication(state, entityTag))
      expect(answer.status).to.equal(200)
      entityTag = answer.header('sip-etag')
    }

    expect((await subscribe(lamp)).status).to.equal(200)
    await until('a dark lamp', () => shown() === 'terminated')
    await publish('early')
    await until('a lamp that blinks', () => shown() === 'early')
    expect((await subscribe(sameLamp)).status).to.equal(200)
    await publish('confirmed')
    await until('a lamp that is lit', () => shown() === 'confirmed')
    expect((await subscribe(lamp)).status).to.equal(200)
    await one.end('SIGKILL')
    const before = Math.max(...numbersOf(lamp, dialog))
    await until('a NOTIFY of the other', () => Math.max(...numbersOf(lamp, dialog)) > before)
    await publish('terminated')
    await until('a dark lamp', () => shown() === 'terminated')
    expect((await subscribe(sameLamp)).status).to.equal(200)

    const sent = notifiesOf(lamp, dialog)
    const byNumber = new Map(sent.map((message) => [message.cseq, message.body]))
    for (const message of sent) expect(byNumber.get(message.cseq)).to.equal(message.body)
    expect(new Set(sent.map(({ from }) => from.port)).size).to.equal(2)
    const numbers = numbersOf(lamp, dialog)
    expect(numbers).to.deep.equal(numbers.toSorted((a, b) => a - b))
  })
})

function publication(state: string, entityTag = ''): PhoneRequest {
  return {
    uri: 'sip:101@127.0.0.1',
    headers: [
      ['Event', 'dialog'],
      ['Expires', '600'],
      ['Content-Type', 'application/dialog-info+xml'],
      ...(entityTag === '' ? [] : [['SIP-If-Match', entityTag] as const]),
    ],
    body: dialogInfo(state),
  }
}

function dialogInfo(state: string): string {
  return (
    '<?xml version="1.0"?><dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0" state="full" ' +
    `entity="sip:101@127.0.0.1"><dialog id="a1" call-id="c1" direction="recipient"><state>${state}</state></dialog></dialog-info>`
  )
}

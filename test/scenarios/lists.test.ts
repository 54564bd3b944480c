/** Resource lists in a whole server, over real sockets: sipp as the phone, lists of each event, reloads, and big ones. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { ListClient } from '../support/list-reader.ts'
import { EXTENSIONS_CONF, localOffice, PASSWORD } from '../support/office.ts'
import { TestPhone, type WireMessage } from '../support/phone.ts'
import { ruleset } from '../support/rules.ts'
import { Scene } from '../support/scene.ts'
import { Sipp } from '../support/sipp.ts'
import { needTool, until } from '../support/tools.ts'

const OFFICE = localOffice(['udp', 'tcp'])
const MANY = Array.from({ length: 500 }, (_, at) => String(3000 + at))

const list = (name: string, event: string, items: readonly string[], more = ''): string =>
  `\n[${name}]\ntype = resource_list\nevent = ${event}\nlist_item = ${items.join(',')}\n${more}`

const pjsip = (...lists: readonly string[]): Record<string, string> => ({
  'pjsip.conf': `${OFFICE['pjsip.conf']}${lists.join('')}`,
})

describe('resource lists in a server', function () {
  this.timeout(60_000)
  let scene: Scene
  const connected: TestPhone[] = []

  const files = {
    ...OFFICE,
    'extensions.conf': `${EXTENSIONS_CONF}exten => _3XXX,hint,Custom:lamp\${EXTEN}\n`,
    ...pjsip(
      list('doors', 'dialog', ['200', '201'], 'resource_display_name = yes\n'),
      list('people', 'presence', ['100', 'doorpeople']),
      list('doorpeople', 'presence', ['200']),
      list('mail', 'message-summary', ['100', '101']),
      list('many', 'dialog', MANY),
      list('typo', 'dialogs', ['200']),
    ),
  }

  before(async () => {
    scene = await Scene.open(files)
    for (const device of ['door', 'gate']) await scene.command(`devstate change Custom:${device} NOT_INUSE`)
  })
  afterEach(async () => {
    for (const phone of connected.splice(0)) await phone.close()
  })
  after(() => scene?.close())

  async function watch(
    name: string,
    event: string,
    protocol: 'udp' | 'tcp' = 'udp',
    expires = '600',
    more: readonly (readonly [name: string, value: string])[] = [],
  ): Promise<[TestPhone, ListClient]> {
    const { host, port } = scene.instance.address(protocol)
    const server = { address: host, port }
    const phone = await TestPhone.open({ server, protocol, user: '100', password: PASSWORD })
    connected.push(phone)
    const headers = [['Event', event], ['Supported', 'eventlist'], ['Expires', expires], ...more] as const
    const answer = await phone.request('SUBSCRIBE', { dialog: phone.dialog(`sip:${name}@${host}:${port}`), headers })
    expect([answer.status, answer.header('require')]).to.deep.equal([200, 'eventlist'])
    return [phone, new ListClient()]
  }

  /** The next NOTIFY; a busy machine may bring one twice. */
  async function take(phone: TestPhone, client: ListClient): Promise<WireMessage> {
    const isNew = (message: WireMessage): boolean =>
      message.method === 'NOTIFY' &&
      phone.received.find(({ cseq, method }) => cseq === message.cseq && method === 'NOTIFY') === message
    const notify = await phone.take(isNew, 'a NOTIFY')
    expect(notify.header('require')).to.equal('eventlist')
    client.take(notify.header('content-type'), notify.body)
    return notify
  }

  for (const protocol of ['udp', 'tcp'] as const) {
    it(`sipp subscribes to one over ${protocol}, and sees a lamp change`, async function () {
      needTool(this, 'sipp')
      const scenario = fileURLToPath(new URL('list.xml', import.meta.url))
      const server = scene.instance.address(protocol)
      const sipp = new Sipp({ server, protocol, scenario, user: '100', resource: 'doors' })
      const watches = async (): Promise<boolean> =>
        (await scene.command('pjsip show subscriptions inbound')).includes('doors/dialog')
      await until('subscription to the list', async () => sipp.over || (await watches()))
      await scene.command('devstate change Custom:door INUSE')
      const ended = await sipp.ended
      await scene.command('devstate change Custom:door NOT_INUSE')
      expect(ended, sipp.said).to.equal(0)
    })
  }

  it('show dialogs under the names of their hints', async () => {
    const [phone, client] = await watch('doors', 'dialog')
    await take(phone, client)
    expect(client.documents[0]?.entries.map(({ name }) => name)).to.deep.equal(['The door', '201'])
    await scene.command('devstate change Custom:gate INUSE')
    await take(phone, client)
    expect(client.documents[1]?.entries.map(({ name }) => name)).to.deep.equal(['201'])
    const bodies = [...client.table.values()].map((body) => /<state>(\w+)/.exec(body)?.[1])
    expect(bodies).to.deep.equal(['terminated', 'confirmed'])
    await scene.command('devstate change Custom:gate NOT_INUSE')
  })

  it('show other names after a reload that says so', async () => {
    const [phone, client] = await watch('doors', 'dialog')
    await take(phone, client)
    const named = pjsip(list('doors', 'dialog', ['200', '201'], 'resource_display_name = yes\n'))
    await scene.reload(pjsip(list('doors', 'dialog', ['200', '201'])))
    await take(phone, client)
    await scene.reload(named)
    await take(phone, client)
    const names = client.documents.map(({ entries }) => entries.map(({ name }) => name))
    expect(names).to.deep.equal([['The door', '201'], ['200'], ['The door']])
    await scene.reload(files)
  })

  it('show presence, with a list in the list', async () => {
    const [phone, client] = await watch('people', 'presence')
    await take(phone, client)
    const { host, port } = scene.instance.address()
    const at = `@${host}:${port}`
    expect([...client.table.keys()]).to.deep.equal([`sip:100${at}`, `sip:doorpeople${at} sip:200${at}`])
    expect([...client.table.values()].every((body) => body.includes('<basic>'))).to.equal(true)
  })

  it('are written for Linphone as its own server writes them, as it shows no others', async () => {
    const [phone] = await watch('people', 'presence', 'udp', '600', [
      ['User-Agent', 'LinphoneAndroid/5.2.4 (Pixel 6) LinphoneSDK/5.3.47'],
    ])
    const notify = await phone.next('NOTIFY')
    const { body } = notify
    expect(notify.header('event')).to.equal('Presence')
    const cids = [...body.matchAll(/ cid="([^"]+)"/g)].map(([, cid]) => cid)
    expect(cids.length).to.be.above(1)
    for (const cid of cids) expect(body).to.include(`\r\nContent-Id: ${cid}\r\n`)
    expect(body).not.to.include('Content-ID')
  })

  it('show Linphone nobody where it may not look any more, as it goes on showing what has no body', async () => {
    const [phone] = await watch('doorpeople', 'presence', 'udp', '600', [['User-Agent', 'Linphonec/5.1.65']])
    const rules = join(scene.instance.directory, 'rules.xml')
    const told = async (handling?: string): Promise<string> => {
      if (handling !== undefined) {
        writeFileSync(rules, ruleset({ handling }))
        await scene.command(`presence rules set 200 ${rules}`)
      }
      const { body } = await phone.next('NOTIFY')
      return `${/<instance [^>]*state="(\w+)"/.exec(body)?.[1]} ${/<basic>(\w+)/.exec(body)?.[1]}`
    }
    const seen = [await told()]
    for (const handling of ['confirm', 'allow', 'block', 'allow']) seen.push(await told(handling))
    await scene.command('presence rules remove 200')
    expect(seen).to.deep.equal(['active open', 'active closed', 'active open', 'active closed', 'active open'])
  })

  it('show mailboxes', async () => {
    const [phone, client] = await watch('mail', 'message-summary')
    await take(phone, client)
    const said = [...client.table.values()].map((body) => /Messages-Waiting: (\w+)/.exec(body)?.[1])
    expect(said).to.deep.equal(['no', 'no'])
  })

  it('follow a reload: what is new comes, and what is gone ends, without a new subscription', async () => {
    const [phone, client] = await watch('doors', 'dialog')
    await take(phone, client)
    await scene.reload(pjsip(list('doors', 'dialog', ['201', '202', '102']), list('many', 'dialog', MANY)))
    await take(phone, client)
    const entries = client.documents[1]?.entries.map(
      ({ name, instance }) => `${name} ${instance?.state} ${instance?.reason}`,
    )
    expect(entries).to.deep.equal(['202 terminated noresource', '102 active ', 'The door terminated noresource'])
    await scene.reload(pjsip(list('many', 'dialog', MANY)))
    expect((await phone.next('NOTIFY')).header('subscription-state')).to.equal('terminated;reason=noresource')
    expect(await scene.command('pjsip show resource_lists')).to.include('1 resource lists')
  })

  it('hold the hints that `dialplan reload` brings, by name and by pattern', async () => {
    const lists = [list('floor', 'dialog', ['200', '202']), list('rooms', 'dialog', ['_20X'])]
    await scene.reload(pjsip(...lists, list('many', 'dialog', MANY)))
    const [phone, client] = await watch('floor', 'dialog')
    await take(phone, client)
    scene.instance.write({ 'extensions.conf': `${files['extensions.conf']}exten => 202,hint,Custom:attic\n` })
    await scene.command('dialplan reload')
    await take(phone, client)
    const entries = client.documents[1]?.entries.map(({ name, instance }) => `${name} ${instance?.state}`)
    expect(entries).to.deep.equal(['202 active'])
    const [other, all] = await watch('rooms', 'dialog')
    await take(other, all)
    expect(all.documents[0]?.entries.map(({ name }) => name)).to.deep.equal(['200', '201', '202'])
    scene.instance.write({ 'extensions.conf': `${files['extensions.conf']}exten => 203,hint,Custom:roof\n` })
    await scene.command('dialplan reload')
    await take(other, all)
    expect(all.documents[1]?.entries.map(({ name }) => name)).to.include('203')
    scene.instance.write({ 'extensions.conf': files['extensions.conf'] })
    await scene.command('dialplan reload')
  })

  it('of an event that no module serves are complained about once, with their place, at the start and at a reload', async () => {
    const complaint =
      /pjsip\.conf:\d+: resource_list \[typo\] has event = dialogs, which no module serves; expected presence/g
    const complaints = (): number => [...scene.instance.stderr.matchAll(complaint)].length
    expect(complaints()).to.equal(1)
    expect(scene.instance.stderr).not.to.match(/resource_list \[doors\] has event/)
    await scene.reload(pjsip(list('many', 'dialog', MANY), list('late', 'summary', ['100'])))
    await until('the other complaint', () => scene.instance.stderr.includes('resource_list [late] has event = summary'))
    await scene.reload(files)
    // Lists are looked at a tenth of a second after a reload.
    await pause(300)
    expect(complaints()).to.equal(1)
  })

  it('that are too big for a datagram come in several, and what changes in one', async () => {
    const [phone, client] = await watch('many', 'dialog')
    const told = (): number => [...client.table.values()].filter((body) => body !== 'unknown').length
    const sizes: number[] = []
    while (told() < MANY.length) sizes.push((await take(phone, client)).raw.length)
    expect(sizes.length).to.be.within(2, 12)
    expect(Math.max(...sizes)).to.be.below(65508)
    expect(client.documents.map(({ full, entries }) => [full, full ? entries.length : 0])[0]).to.deep.equal([true, 500])
    expect(client.documents.slice(1).some(({ full }) => full)).to.equal(false)
    await scene.command('devstate change Custom:lamp3123 INUSE')
    const { raw } = await take(phone, client)
    expect(raw.length).to.be.below(3000)
    expect(client.documents.at(-1)?.entries.map(({ name }) => name)).to.deep.equal(['3123'])
  })

  it('that are too big for a datagram are fetched in several, the last of which is the end', async () => {
    const watchers = async (): Promise<number> =>
      (await scene.command('pjsip show subscriptions inbound')).split('many/dialog').length
    const before = await watchers()
    const [phone, client] = await watch('many', 'dialog', 'udp', '0')
    const states: string[] = []
    while (!states.at(-1)?.startsWith('terminated'))
      states.push((await take(phone, client)).header('subscription-state'))
    expect(states.length).to.be.within(2, 12)
    expect(states.slice(0, -1).every((state) => state.startsWith('active;'))).to.equal(true)
    expect([...client.table.values()].filter((body) => body !== 'unknown')).to.have.length(500)
    await until('its end', async () => (await watchers()) === before)
  })

  it('come whole over a connection, also to a phone that subscribed over UDP and has one', async () => {
    const [direct, client] = await watch('many', 'dialog', 'tcp')
    const whole = await take(direct, client)
    expect(whole.raw.length).to.be.above(65535)
    expect(client.table.size).to.equal(500)
    await direct.close()
    connected.splice(0)
    await until(
      'end of the connection',
      async () => !(await scene.command('pjsip show subscriptions inbound')).includes('tcp'),
    )
    const { host, port } = scene.instance.address('tcp')
    const side = await TestPhone.open({ server: { address: host, port }, protocol: 'tcp', user: '100' })
    connected.push(side)
    side.send('\r\n\r\n')
    await until('pong', () => side.received.length > 0)
    await watch('many', 'dialog')
    const other = new ListClient()
    await take(side, other)
    expect(other.table.size).to.equal(500)
  })
  it('outlive a kill -9: the phone is told the whole list again, in its dialog, and then what changes', async () => {
    await scene.close()
    // What is answered is kept.
    scene = await Scene.open({ ...files, 'pubsub.conf': '[general]\nsubs_db_mode = 1\n' })
    const [phone, client] = await watch('many', 'dialog', 'udp')
    let last = await take(phone, client)
    const told = (): number => [...client.table.values()].filter((body) => body !== 'unknown').length
    while (told() < MANY.length) last = await take(phone, client)
    await scene.instance.end('SIGKILL')
    await scene.instance.start()
    const again = new ListClient()
    const first = await take(phone, again)
    expect(first.header('call-id')).to.equal(last.header('call-id'))
    expect(first.cseq).to.be.above(last.cseq)
    expect(again.documents[0]?.version).to.be.above(client.documents.at(-1)?.version ?? 0)
    expect(again.documents[0]?.full).to.equal(true)
    while ([...again.table.values()].some((body) => body === 'unknown')) await take(phone, again)
    expect([...again.table.keys()]).to.deep.equal([...client.table.keys()])
    await scene.instance.command('devstate change Custom:lamp3007 RINGING')
    await take(phone, again)
    expect(again.documents.at(-1)?.entries.map(({ name }) => name)).to.deep.equal(['3007'])
  })

  it('reach a phone on UDP beside another of the same account and address that is connected', async () => {
    const [connectedPhone, other] = await watch('doors', 'dialog', 'tcp')
    const theirs = (await take(connectedPhone, other)).header('call-id')
    connectedPhone.onRequest = (request) => (request.header('call-id') === theirs ? 200 : 481)
    const [phone, client] = await watch('many', 'dialog', 'udp')
    await take(phone, client)
    expect(client.table.size).to.equal(500)
  })
})

import { createServer } from 'node:net'
import { expect } from 'chai'
import { type ConsoleClient, connectConsole } from '../../core/console/server.ts'
import { Instance } from '../support/instance.ts'
import { localOffice, PASSWORD } from '../support/office.ts'
import { TestPhone, type WireMessage } from '../support/phone.ts'
import { until } from '../support/tools.ts'

const LAMPLIGHTER_CONF = '[general]\nremoved_hint_grace = 1\n'

describe('a reload', function () {
  this.timeout(30000)
  let instance: Instance
  let client: ConsoleClient
  const phones: TestPhone[] = []

  beforeEach(async () => {
    instance = new Instance({ ...localOffice(), 'lamplighter.conf': LAMPLIGHTER_CONF })
    await instance.start()
    client = await connectConsole(`${instance.directory}/lamplighter.ctl`)
  })
  afterEach(async () => {
    client?.close()
    for (const phone of phones.splice(0)) await phone.close()
    await instance?.dispose()
  })

  const phoneOf = async (user: string, password = PASSWORD): Promise<TestPhone> => {
    const { host, port } = instance.address()
    const phone = await TestPhone.open({ server: { address: host, port }, user, password })
    phones.push(phone)
    return phone
  }
  const subscribe = (
    phone: TestPhone,
    exten: string,
    event: string,
    expires = 600,
    accept?: string,
  ): Promise<WireMessage> => {
    const { host, port } = instance.address()
    const dialog = phone.dialog(`sip:${exten}@${host}:${port}`)
    return phone.request('SUBSCRIBE', { dialog, headers: headersOf(event, expires, accept) })
  }
  /** Subscribes and takes the first NOTIFY. */
  const watching = async (user: string, exten: string, event: string): Promise<[TestPhone, WireMessage]> => {
    const phone = await phoneOf(user)
    expect((await subscribe(phone, exten, event)).status).to.equal(200)
    return [phone, await phone.next('NOTIFY')]
  }
  const command = async (line: string): Promise<string> => {
    const said: string[] = []
    const failure = await client.run(line, (text) => said.push(text))
    expect(failure, line).to.equal(undefined)
    return said.join('\n')
  }
  /** Writes files, sends SIGHUP, and waits for the log to say how that went. Resolves with what was logged. */
  const reload = async (files: Readonly<Record<string, string>>, how = 'configuration reloaded'): Promise<string> => {
    const before = instance.stderr.length
    instance.write(files)
    instance.signal('SIGHUP')
    const logged = (): string => instance.stderr.slice(before)
    await until(`'${how}' in the log`, () => logged().includes(how), 8000).catch((error: unknown) => {
      throw new Error(`${String(error)}:\n${logged()}`)
    })
    return logged().replaceAll(`${instance.directory}/`, '')
  }
  const pjsip = localOffice()['pjsip.conf'] ?? ''
  const extensions = localOffice()['extensions.conf'] ?? ''

  it('of pjsip.conf: a new endpoint may subscribe, one that is gone may not, and the others keep their lamps', async () => {
    const [phone, first] = await watching('100', '200', 'dialog')
    await reload({ 'pjsip.conf': pjsip.replaceAll('103', '104') })
    expect((await subscribe(await phoneOf('104'), '200', 'dialog')).status).to.equal(200)
    expect((await subscribe(await phoneOf('103'), '200', 'dialog')).status).to.be.oneOf([401, 403])
    await command('devstate change Custom:door INUSE')
    expectNext(first, await phone.next('NOTIFY'), /<state>confirmed<\/state>/)
  })

  it('of extensions.conf: a hint changes in place, another comes, and one that is gone ends after its grace', async () => {
    await command('devstate change Custom:gate INUSE')
    const [door, first] = await watching('100', '200', 'dialog')
    const [gate, second] = await watching('101', '201', 'dialog')
    const unknown = await phoneOf('102')
    expect((await subscribe(unknown, '202', 'dialog')).status).to.equal(404)
    await reload({
      'extensions.conf': '[office]\nexten => 200,hint,Custom:gate\nexten => 202,hint,Custom:door\n',
    })
    expectNext(first, await door.next('NOTIFY'), /<state>confirmed<\/state>/)
    expect((await subscribe(unknown, '202', 'dialog')).status).to.equal(200)
    const unavailable = await gate.next('NOTIFY')
    expect(unavailable.header('subscription-state')).to.match(/^active/)
    expect(unavailable.cseq).to.equal(second.cseq + 1)
    const last = await gate.next('NOTIFY')
    expect(last.header('subscription-state')).to.equal('terminated;reason=noresource')
  })

  it('of extensions.conf by `dialplan reload`, too; faults are logged and nothing changes', async () => {
    const [door, first] = await watching('100', '200', 'dialog')
    await command('devstate change Custom:gate INUSE')
    instance.write({ 'extensions.conf': '[office]\nexten => 200,hint,Custom:gate&${\n' })
    expect(await client.run('dialplan reload', () => undefined)).to.match(/extensions.conf:2: /)
    await until('fault in the log', () => /ERROR\[core\]: [^\n]*extensions.conf:2: /.test(instance.stderr))
    instance.write({ 'extensions.conf': '[office]\nexten => 200,hint,Custom:gate\n' })
    await command('dialplan reload')
    expectNext(first, await door.next('NOTIFY'), /<state>confirmed<\/state>/)
  })

  it('of voicemail.conf: an alias of a mailbox has its counts', async () => {
    const [phone, first] = await watching('100', '100', 'message-summary')
    expect(first.body).to.match(/Messages-Waiting: no/)
    await command('mwi update 500@default 3 1')
    await reload({
      'voicemail.conf': '[general]\naliasescontext = aliases\n[aliases]\n100@default => 500@default\n',
    })
    expectNext(first, await phone.next('NOTIFY'), /Voice-Message: 3\/1/)
  })

  it('of lamplighter.conf: servers come and go, the log has its new level, and what needs a restart is said', async () => {
    const server = '[pbx1]\ntype = server\nurl = http://127.0.0.1:9\nusername = lamp\n'
    await reload({ 'lamplighter.conf': `${LAMPLIGHTER_CONF}[console]\nlevel = debug\n${server}` })
    expect(await command('ari show servers')).to.match(/^pbx1 /m)
    expect(await command('logger show levels')).to.match(/^core +debug$/m)
    const said = await reload({
      'lamplighter.conf': `${LAMPLIGHTER_CONF}[store]\npath = other.db\n[console]\nsocket = other.ctl\nlogfile = log\ntimestamp = no\n`,
    })
    expect(await command('ari show servers')).not.to.match(/pbx1/)
    expect(await command('logger show levels')).to.match(/^core +notice$/m)
    expect([...said.matchAll(/WARNING\[core\]: (.*)/g)].map(([, text]) => text)).to.deep.equal(
      ['path in [store]', 'socket in [console]', 'logfile in [console]', 'timestamp in [console]'].map(
        (what) => `${what} of lamplighter.conf has changed, which needs a restart`,
      ),
    )
    expect(await reload({ 'lamplighter.conf': LAMPLIGHTER_CONF })).not.to.contain('WARNING')
  })

  it('of modules.conf: a body generator goes and comes back', async () => {
    const [presence, first] = await watching('100', '200', 'presence')
    const [lamp] = await watching('102', '200', 'dialog')
    const phone = await phoneOf('101')
    const asked = (): Promise<WireMessage> => subscribe(phone, '200', 'dialog', 600, 'application/dialog-info+xml')
    await reload({
      'pubsub.conf': '[general]\nunload_grace = 1\n',
      'modules.conf': '[modules]\nautoload = yes\nnoload = res_pjsip_dialog_info_body_generator\n',
    })
    expect((await asked()).status).to.equal(406)
    expect((await lamp.next('NOTIFY')).header('subscription-state')).to.match(/^terminated;reason=deactivated/)
    await reload({ 'modules.conf': '[modules]\nautoload = yes\n' })
    expect((await asked()).status).to.equal(200)
    await command('devstate change Custom:door INUSE')
    expectNext(first, await presence.next('NOTIFY'), /./)
  })

  it('of pubsub.conf: the options hold for the next subscription, and nobody gets a NOTIFY for it', async () => {
    const [phone, first] = await watching('100', '200', 'dialog')
    await reload({ 'pubsub.conf': '[general]\nmin_expires = 120\n' })
    const refused = await subscribe(await phoneOf('101'), '200', 'dialog', 60)
    expect([refused.status, refused.header('min-expires')]).to.deep.equal([423, '120'])
    await command('devstate change Custom:door INUSE')
    expectNext(first, await phone.next('NOTIFY'), /<state>confirmed<\/state>/)
  })

  it('with faults in any file changes nothing, and logs all of them', async () => {
    const [phone, first] = await watching('100', '200', 'dialog')
    await command('devstate change Custom:gate INUSE')
    const faulty = {
      'lamplighter.conf': '[general]\ncompat = rcf\n',
      'pjsip.conf': `${pjsip}[200]\ntype = endpoint\nauth = nobody\n`,
      'extensions.conf': `${extensions.replace('Custom:door', 'Custom:gate')}exten => 300,hint,\${x\n`,
      'voicemail.conf': '[default]\n1 00 => 1,Alice\n',
      'modules.conf': '[modules]\nautoload = yes\nnoload = res_pjsip_mvi\n',
      'pubsub.conf': '[general]\nmax_expires = soon\n',
    }
    for (const [name, text] of Object.entries(faulty)) {
      const said = await reload({ ...allGood(), [name]: text }, 'mend the faults above')
      expect(said).to.match(new RegExp(`ERROR\\[core\\]: ${name}:\\d+: `))
    }
    const said = await reload(faulty, 'mend the faults above')
    for (const name of Object.keys(faulty)) expect(said).to.match(new RegExp(`ERROR\\[core\\]: ${name}:\\d+: `))
    expect(await client.run('core reload', () => undefined)).to.match(/^'core reload' failed: /)
    await command('devstate change Custom:door INUSE')
    expectNext(first, await phone.next('NOTIFY'), /<state>confirmed<\/state>/)
  })
  const allGood = (): Record<string, string> => ({
    ...localOffice(),
    'lamplighter.conf': LAMPLIGHTER_CONF,
    'voicemail.conf': '',
    'modules.conf': '[modules]\nautoload = yes\n',
    'pubsub.conf': '',
  })

  it('with a port that is taken says so, goes on with all the rest, and is a failure to whom asked for it', async () => {
    const [phone, first] = await watching('100', '200', 'dialog')
    await command('devstate change Custom:gate INUSE')
    const taken = createServer().listen(0, '127.0.0.1')
    try {
      const port = await until('port', () => portOf(taken.address()))
      const more = `[more]\ntype = transport\nprotocol = tcp\nbind = 127.0.0.1:${port}\n`
      const said = await reload(
        {
          'pjsip.conf': more + pjsip,
          'extensions.conf': extensions.replace('Custom:door', 'Custom:gate'),
          'pubsub.conf': '[general]\nmin_expires = 120\n',
        },
        'mend them and reload again',
      )
      expect(said).to.contain(`[more] cannot listen on TCP 127.0.0.1:${port}, another program uses that port`)
      expect(said).to.contain('transport [more] does not listen')
      expectNext(first, await phone.next('NOTIFY'), /<state>confirmed<\/state>/)
      expect((await subscribe(await phoneOf('101'), '200', 'dialog', 60)).status).to.equal(423)
      expect(await client.run('core reload', () => undefined)).to.match(/transport \[more\] does not listen/)
    } finally {
      taken.close()
    }
    await command('core reload')
    expect(await command('pjsip show transports')).to.match(/more /)
  })

  it('that changes what is in a body sends one NOTIFY to each whose body differs, and to nobody else', async () => {
    const [presence, firstPresence] = await watching('100', '200', 'presence')
    const [summary, firstSummary] = await watching('101', '101', 'message-summary')
    await reload({ 'lamplighter.conf': `${LAMPLIGHTER_CONF}compat = asterisk\n` })
    const changed = await presence.next('NOTIFY')
    expect(changed.body).not.to.equal(firstPresence.body)
    await command('devstate change Custom:door INUSE')
    await command('mwi update 101@default 1 0')
    // The next CSeq: there was nothing between.
    expectNext(changed, await presence.next('NOTIFY'), /./)
    expectNext(firstSummary, await summary.next('NOTIFY'), /Voice-Message: 1\/0/)
  })

  /** It is the NOTIFY after that one in the same dialog, and says this. */
  function expectNext(before: WireMessage, now: WireMessage, says: RegExp): void {
    expect(now.header('call-id')).to.equal(before.header('call-id'))
    expect(now.header('subscription-state')).to.match(/^active/)
    expect(now.body).to.match(says)
    expect(now.cseq).to.equal(before.cseq + 1)
  }
})

function headersOf(event: string, expires: number, accept?: string): [string, string][] {
  return [
    ['Event', event],
    ['Expires', String(expires)],
    ...(accept === undefined ? [] : [['Accept', accept] satisfies [string, string]]),
  ]
}

function portOf(address: ReturnType<ReturnType<typeof createServer>['address']>): number | undefined {
  return typeof address === 'object' ? address?.port : undefined
}

import { createServer } from 'node:net'
import { expect } from 'chai'
import { startDemoPbx } from '../../core/demo/pbx.ts'
import { bridgedOffice, localOffice } from '../support/office.ts'
import { pbxData } from '../support/pbx-data.ts'
import type { WireMessage } from '../support/phone.ts'
import { expectNext, Scene } from '../support/scene.ts'
import { until } from '../support/tools.ts'

const LAMPLIGHTER_CONF = '[general]\nremoved_hint_grace = 1\n'

describe('a reload', function () {
  this.timeout(60_000)
  let scene: Scene
  beforeEach(async () => {
    scene = await Scene.open({ ...localOffice(), 'lamplighter.conf': LAMPLIGHTER_CONF })
  })
  afterEach(() => scene?.close())

  const pjsip = localOffice()['pjsip.conf'] ?? ''
  const extensions = localOffice()['extensions.conf'] ?? ''

  it('of pjsip.conf: a new endpoint may subscribe, one that is gone may not, and the others keep their lamps', async () => {
    const [phone, first] = await scene.watching('100', '200', 'dialog')
    await scene.reload({ 'pjsip.conf': pjsip.replaceAll('103', '104') })
    expect((await scene.subscribe(await scene.phone('104'), '200', 'dialog')).status).to.equal(200)
    expect((await scene.subscribe(await scene.phone('103'), '200', 'dialog')).status).to.be.oneOf([401, 403])
    await scene.command('devstate change Custom:door INUSE')
    expectNext(first, await phone.next('NOTIFY'), /<state>confirmed<\/state>/)
  })

  it('of extensions.conf: a hint changes in place, another comes, and one that is gone ends after its grace', async () => {
    await scene.command('devstate change Custom:gate INUSE')
    const [door, first] = await scene.watching('100', '200', 'dialog')
    const [gate, second] = await scene.watching('101', '201', 'dialog')
    const unknown = await scene.phone('102')
    expect((await scene.subscribe(unknown, '202', 'dialog')).status).to.equal(404)
    await scene.reload({
      'extensions.conf': '[office]\nexten => 200,hint,Custom:gate\nexten => 202,hint,Custom:door\n',
    })
    expectNext(first, await door.next('NOTIFY'), /<state>confirmed<\/state>/)
    expect((await scene.subscribe(unknown, '202', 'dialog')).status).to.equal(200)
    const unavailable = await gate.next('NOTIFY')
    expect(unavailable.header('subscription-state')).to.match(/^active/)
    expect(unavailable.cseq).to.equal(second.cseq + 1)
    const last = await gate.next('NOTIFY')
    expect(last.header('subscription-state')).to.equal('terminated;reason=noresource')
  })

  it('of extensions.conf by `dialplan reload`, too; faults are logged and nothing changes', async () => {
    const [door, first] = await scene.watching('100', '200', 'dialog')
    await scene.command('devstate change Custom:gate INUSE')
    scene.instance.write({ 'extensions.conf': '[office]\nexten => 200,hint,Custom:gate&${\n' })
    expect(await scene.client.run('dialplan reload', () => undefined)).to.match(/extensions.conf:2: /)
    await until('fault in the log', () => /ERROR\[core\]: [^\n]*extensions.conf:2: /.test(scene.instance.stderr))
    scene.instance.write({ 'extensions.conf': '[office]\nexten => 200,hint,Custom:gate\n' })
    await scene.command('dialplan reload')
    expectNext(first, await door.next('NOTIFY'), /<state>confirmed<\/state>/)
  })

  it('of voicemail.conf: an alias of a mailbox has its counts', async () => {
    const [phone, first] = await scene.watching('100', '100', 'message-summary')
    expect(first.body).to.match(/Messages-Waiting: no/)
    await scene.command('mwi update 500@default 3 1')
    await scene.reload({
      'voicemail.conf': '[general]\naliasescontext = aliases\n[aliases]\n100@default => 500@default\n',
    })
    expectNext(first, await phone.next('NOTIFY'), /Voice-Message: 3\/1/)
    expect(await scene.command('voicemail show users')).to.match(/^100@default +is 500@default +3 new, 1 old\n1 mail/)
  })

  it('of lamplighter.conf: servers come and go, the log has its new level, and what needs a restart is said', async () => {
    const server = '[pbx1]\ntype = server\nurl = http://127.0.0.1:9\nusername = lamp\n'
    await scene.reload({ 'lamplighter.conf': `${LAMPLIGHTER_CONF}[console]\nlevel = debug\n${server}` })
    expect(await scene.command('ari show servers')).to.match(/^pbx1 /m)
    expect(await scene.command('logger show levels')).to.match(/^core +debug$/m)
    const said = await scene.reload({
      'lamplighter.conf': `${LAMPLIGHTER_CONF}[store]\npath = other.db\n[console]\nsocket = other.ctl\nlogfile = log\ntimestamp = no\n`,
    })
    expect(await scene.command('ari show servers')).not.to.match(/pbx1/)
    expect(await scene.command('logger show levels')).to.match(/^core +notice$/m)
    expect([...said.matchAll(/WARNING\[core\]: (.*)/g)].map(([, text]) => text)).to.deep.equal(
      ['path in [store]', 'socket in [console]', 'logfile in [console]', 'timestamp in [console]'].map(
        (what) => `${what} of lamplighter.conf has changed, which needs a restart`,
      ),
    )
    expect(await scene.reload({ 'lamplighter.conf': LAMPLIGHTER_CONF })).not.to.contain('WARNING')
  })

  it('of modules.conf: a body generator goes and comes back', async () => {
    const [presence, first] = await scene.watching('100', '200', 'presence')
    const [lamp] = await scene.watching('102', '200', 'dialog')
    const phone = await scene.phone('101')
    const asked = (): Promise<WireMessage> =>
      scene.subscribe(phone, '200', 'dialog', { accept: 'application/dialog-info+xml' })
    await scene.reload({
      'pubsub.conf': '[general]\nunload_grace = 1\n',
      'modules.conf': '[modules]\nautoload = yes\nnoload = res_pjsip_dialog_info_body_generator\n',
    })
    expect((await asked()).status).to.equal(406)
    expect((await lamp.next('NOTIFY')).header('subscription-state')).to.match(/^terminated;reason=deactivated/)
    await scene.reload({ 'modules.conf': '[modules]\nautoload = yes\n' })
    expect((await asked()).status).to.equal(200)
    await scene.command('devstate change Custom:door INUSE')
    expectNext(first, await presence.next('NOTIFY'), /./)
  })

  it('of pubsub.conf: the options hold for the next subscription, and nobody gets a NOTIFY for it', async () => {
    const [phone, first] = await scene.watching('100', '200', 'dialog')
    await scene.reload({ 'pubsub.conf': '[general]\nmin_expires = 120\n' })
    const refused = await scene.subscribe(await scene.phone('101'), '200', 'dialog', { expires: 60 })
    expect([refused.status, refused.header('min-expires')]).to.deep.equal([423, '120'])
    await scene.command('devstate change Custom:door INUSE')
    expectNext(first, await phone.next('NOTIFY'), /<state>confirmed<\/state>/)
  })

  it('of one module with a fault anywhere in its file changes nothing, and `module refresh` unloads nothing', async () => {
    await scene.reload({ 'pubsub.conf': '[general]\nmin_expires = 120\n' })
    const [phone, first] = await scene.watching('100', '200', 'dialog')
    const run = async (line: string): Promise<string> =>
      ((await scene.client.run(line, () => undefined)) ?? '').replaceAll(`${scene.instance.directory}/`, '')
    scene.instance.write({ 'pubsub.conf': '[genral]\nmin_expires = 120\n' })
    const fault = "pubsub.conf:1: unknown section [genral], did you mean 'general'?"
    expect(await run('module reload res_pjsip_pubsub')).to.equal(`'module reload' failed: ${fault}`)
    expect((await scene.subscribe(await scene.phone('101'), '200', 'dialog', { expires: 60 })).status).to.equal(423)
    expect(await run('module refresh res_pjsip_pubsub')).to.equal(`'module refresh' failed: ${fault}`)
    expect(await run('module reload')).to.equal(`'module reload' failed: ${fault}`)
    await scene.command('devstate change Custom:door INUSE')
    expectNext(first, await phone.next('NOTIFY'), /<state>confirmed<\/state>/)
  })

  it('with faults in any file changes nothing, and logs all of them', async () => {
    const [phone, first] = await scene.watching('100', '200', 'dialog')
    await scene.command('devstate change Custom:gate INUSE')
    const faulty = {
      'lamplighter.conf': '[general]\ncompat = rcf\n',
      'pjsip.conf': `${pjsip}[200]\ntype = endpoint\nauth = nobody\n`,
      'extensions.conf': `${extensions.replace('Custom:door', 'Custom:gate')}exten => 300,hint,\${x\n`,
      'voicemail.conf': '[default]\n1 00 => 1,Alice\n',
      'modules.conf': '[modules]\nautoload = yes\nnoload = res_pjsip_mvi\n',
      'pubsub.conf': '[general]\nmax_expires = soon\n',
    }
    for (const [name, text] of Object.entries(faulty)) {
      const said = await scene.reload({ ...allGood(), [name]: text }, 'mend the faults above')
      expect(said).to.match(new RegExp(`ERROR\\[core\\]: ${name}:\\d+: `))
    }
    const said = await scene.reload(faulty, 'mend the faults above')
    for (const name of Object.keys(faulty)) expect(said).to.match(new RegExp(`ERROR\\[core\\]: ${name}:\\d+: `))
    expect(await scene.client.run('core reload', () => undefined)).to.match(/^'core reload' failed: /)
    await scene.command('devstate change Custom:door INUSE')
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
    const [phone, first] = await scene.watching('100', '200', 'dialog')
    await scene.command('devstate change Custom:gate INUSE')
    const taken = createServer().listen(0, '127.0.0.1')
    try {
      const port = await until('port', () => portOf(taken.address()))
      const more = `[more]\ntype = transport\nprotocol = tcp\nbind = 127.0.0.1:${port}\n`
      const said = await scene.reload(
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
      expect((await scene.subscribe(await scene.phone('101'), '200', 'dialog', { expires: 60 })).status).to.equal(423)
      expect(await scene.client.run('core reload', () => undefined)).to.match(/transport \[more\] does not listen/)
    } finally {
      taken.close()
    }
    await scene.command('core reload')
    expect(await scene.command('pjsip show transports')).to.match(/more /)
  })

  it('that changes what is in a body sends one NOTIFY to each whose body differs, and to nobody else', async () => {
    const [presence, firstPresence] = await scene.watching('100', '200', 'presence')
    const [summary, firstSummary] = await scene.watching('101', '101', 'message-summary')
    await scene.reload({ 'lamplighter.conf': `${LAMPLIGHTER_CONF}compat = asterisk\n` })
    const changed = await presence.next('NOTIFY')
    expect(changed.body).not.to.equal(firstPresence.body)
    await scene.command('devstate change Custom:door INUSE')
    await scene.command('mwi update 101@default 1 0')
    // The next CSeq: there was nothing between.
    expectNext(changed, await presence.next('NOTIFY'), /./)
    expectNext(firstSummary, await summary.next('NOTIFY'), /Voice-Message: 1\/0/)
  })
})

describe('a reload during calls', function () {
  this.timeout(60_000)

  it('that changes what is told of callers sends one NOTIFY to each whose body differs, and to nobody else', async () => {
    const data = pbxData({
      endpoints: Object.fromEntries(['100', '101', '102'].map((id) => [id, { context: 'office' }])),
      hints: { office: {} },
      mailboxes: {},
    })
    const pbx = await startDemoPbx({ port: 0, data, username: 'lamp', password: 'lamp' })
    const files = bridgedOffice(pbx.port)
    let scene: Scene | undefined
    try {
      for (const id of ['100', '101', '102']) pbx.register(id, true)
      pbx.call('101', '100').answer()
      pbx.call('102', '100')
      scene = await Scene.open(files)
      const [watcher] = await scene.watching('103', '100', 'dialog')
      const [other, door] = await scene.watching('102', '200', 'dialog')
      const notifies = (): WireMessage[] => watcher.received.filter(({ method }) => method === 'NOTIFY')
      const dialogs = (): number =>
        notifies()
          .at(-1)
          ?.body.match(/<dialog /g)?.length ?? 0
      await until('NOTIFY with both calls', () => dialogs() === 2)
      expect(notifies().at(-1)?.body).to.match(/sip:101@[^]*sip:102@|sip:102@[^]*sip:101@/)

      const before = notifies().length
      const change = (line: string): Record<string, string> => ({
        'lamplighter.conf': (files['lamplighter.conf'] ?? '').replace('[general]\n', `[general]\n${line}\n`),
      })
      await scene.reload(change('hide_callers = yes'))
      await until('NOTIFY without callers', () => notifies().length === before + 1)
      expect(notifies().at(-1)?.body).not.to.match(/sip:10[12]@/)
      expect(dialogs()).to.equal(2)
      await scene.reload(change('hide_callers = yes\nsingle_dialog = yes'))
      await until('NOTIFY with one call', () => notifies().length === before + 2)
      expect(dialogs()).to.equal(1)

      pbx.setCustom('door', 'INUSE')
      expectNext(door, await other.next('NOTIFY'), /<state>confirmed<\/state>/)
      expect(notifies().length).to.equal(before + 2)
    } finally {
      await scene?.close()
      await pbx.stop()
    }
  })
})

function portOf(address: ReturnType<ReturnType<typeof createServer>['address']>): number | undefined {
  return typeof address === 'object' ? address?.port : undefined
}

import { expect } from 'chai'
import { Dialplan } from '../../../core/conf/dialplan.ts'
import { readDialplan } from '../../../core/conf/dialplan-conf.ts'
import { parseConfig } from '../../../core/conf/parser.ts'
import { registerCoreCommands } from '../../../core/console/commands.ts'
import { defineModule, type ModuleDefinition } from '../../../core/module.ts'
import { registerLocalStates } from '../../../core/states/local-states.ts'
import { TestCore } from '../../support/core.ts'

describe('commands of the core', () => {
  let office: TestCore

  beforeEach(async () => {
    office = await TestCore.start({
      hints: { '200@office': ['Custom:gate', 'Custom:door'], '300@office': ['Custom:gate', 'CustomPresence:300'] },
    })
    const reload = async (): Promise<void> => void operations.push('reload')
    registerCoreCommands(office.core, office.loader, {
      version: '1',
      started: new Date(),
      listening: () => [],
      dialplan: new Dialplan(data),
      reload,
      reloadDialplan: async () => undefined,
      configuredLevel: () => 'notice',
      reopenLog: () => undefined,
      reloaded: () => new Date(),
      stop: () => void operations.push('stop'),
      restart: () => void operations.push('restart'),
    })
  })
  afterEach(() => office.close())

  const operations: string[] = []
  const files =
    '[office]\nexten => 200,hint,Custom:gate\nexten => _3XX,hint,PJSIP/${EXTEN}\n[desk]\ninclude => office\n'
  const { data } = readDialplan([{ ...parseConfig(files, '/own/extensions.conf'), foreign: false }])
  const run = (line: string): Promise<string> => office.run(line)
  const refusal = (line: string): Promise<string> =>
    office.run(line).then(
      () => 'accepted',
      (error: Error) => error.message,
    )

  it('core show hint shows each device as it is now, also where the lamp does not depend on it', async () => {
    const { core } = office
    core.devices.set('pbx1', 'Custom:gate', 'INUSE')
    const hint = await core.hints.find('office', '200')
    expect(hint).to.be.an('object')
    core.devices.set('pbx1', 'Custom:door', 'ONHOLD')
    const shown = await office.run('core show hint 200@office')
    expect(shown).to.match(/Custom:gate +INUSE +pbx1: INUSE/)
    expect(shown).to.match(/Custom:door +ONHOLD +pbx1: ONHOLD/)
  })

  it('core show hint shows who says what of the presence in it, too', async () => {
    const { core } = office
    expect(await core.hints.find('office', '300')).to.be.an('object')
    core.presences.set('pbx1', 'CustomPresence:300', { state: 'not_set', subtype: '', message: '' })
    core.presences.set('local', 'CustomPresence:300', { state: 'dnd', subtype: '', message: '' })
    const shown = await office.run('core show hint 300')
    expect(shown).to.match(/^ {2}CustomPresence:300 +dnd +pbx1: not_set, local: dnd$/m)
  })

  it('shows what others chose in one line: a caller or a peer cannot write another one', async () => {
    const { core } = office
    registerLocalStates(core.console, core)
    const forged = 'x\nPJSIP/200 idle'
    core.devices.set('pbx1', `Custom:${forged}`, 'INUSE')
    core.presences.set('pbx1', 'CustomPresence:100', { state: 'away', subtype: '', message: forged })
    core.mailboxes.set('pbx1', `${forged}@office`, { newMessages: 1, oldMessages: 0 })
    const caller = { number: forged, name: '', restricted: false }
    const call = { origin: 'pbx1', id: '1', device: 'PJSIP/100', held: false, local: caller, remote: caller, since: 0 }
    core.calls.set({ ...call, direction: 'recipient', state: 'early' })
    for (const list of ['devstate list', 'presencestate list', 'mwi list', 'core show calls']) {
      const [line, end] = (await office.run(list)).split('\n')
      expect(line, list).to.contain('x?PJSIP/200 idle')
      expect(end, list).to.match(/^1 /)
    }
  })

  it('core show hint shows a hint that nobody watches, too', async () => {
    office.core.devices.set('pbx1', 'Custom:gate', 'INUSE')
    const shown = await office.run('core show hint 300@office')
    expect(shown).to.match(/^300@office +: Custom:gate,CustomPresence:300 +State:InUse .* Watchers +0$/m)
    expect(shown).to.match(/Custom:gate +INUSE +pbx1: INUSE/)
    office.core.hints.addSource(new Dialplan(data))
    expect(await refusal('core show hint 200@lobby')).to.equal('there is no hint 200 in lobby, but in office')
  })

  it('core show hint says what it expects, and where there is no such hint', async () => {
    expect(await refusal('core show hint')).to.equal('Usage: core show hint <extension>[@context]')
    expect(await refusal('core show hint 999@office')).to.equal('there is no hint 999 in office')
    expect(await refusal('core show hint 999')).to.match(/999 is in use, and .*: core show hint 999@context$/)
  })

  describe('module', () => {
    const running = (): string[] =>
      office.loader
        .list()
        .filter(({ status }) => status === 'Running')
        .map(({ name }) => name)

    beforeEach(async () => {
      const module = (name: `res_${string}`, requires: `res_${string}`[] = []): ModuleDefinition =>
        defineModule({ name, description: name, requires, load: () => ({}) })
      await office.load(module('res_a'), module('res_b', ['res_a']), module('res_c'), module('res_d'))
    })

    it('unload takes several, as in Asterisk, and one that another took with it is no fault', async () => {
      expect(await office.run('module unload res_a res_b.so res_c')).to.equal('Unloaded res_b, res_a\nUnloaded res_c')
      expect(running()).to.deep.equal(['res_d'])
      expect(await refusal('module unload res_d res_c')).to.equal("'module unload' failed: res_c is not loaded")
      expect(running()).to.deep.equal([])
    })

    it('show knows its modules with .so, too, and help its commands in whatever case they are typed', async () => {
      expect(await run('module show like ^res_a.so$')).to.match(/\nres_a [^]*\n1 modules$/)
      office.core.console.register({ words: 'presence refreshWatchers', help: 'All.', run: () => undefined })
      expect(await run('core show help PRESENCE refreshW')).to.match(/^presence refreshWatchers +All\.$/)
    })

    it('reload takes several, and says which is not loaded', async () => {
      expect(await office.run('module reload res_a.so res_c')).to.equal('Reloaded res_a\nReloaded res_c')
      expect(await office.run('module reload')).to.equal('Reloaded all modules')
      await office.run('module unload res_c')
      expect(await refusal('module reload res_a res_c')).to.equal("'module reload' failed: res_c is not loaded")
    })

    it('load and refresh take one, and nothing of more is left out without a word', async () => {
      await office.run('module unload res_c res_d')
      expect(await refusal('module load res_c res_d')).to.equal('Usage: module load <module>')
      expect(await refusal('module refresh res_a res_b')).to.equal('Usage: module refresh <module>')
      expect(running()).to.deep.equal(['res_a', 'res_b'])
      expect(await office.run('module load res_c')).to.equal('Loaded res_c')
    })
  })

  it('what is too much for a command is not passed over', async () => {
    registerLocalStates(office.core.console, office.core)
    for (const [line, usage] of [
      ['mwi update M 2 1 3', 'mwi update <mailbox[@context]> <new> [old]'],
      ['mwi delete M N', 'mwi delete <mailbox[@context]>'],
      ['core show hint 100 101', 'core show hint <extension>[@context]'],
      ['core show hints like 1 2', 'core show hints [like <regular expression>]'],
      ['pjsip set logger host 192.0.2.7 192.0.2.8', 'pjsip set logger {on|off|host <address>}'],
      ['core show version now', 'core show version'],
    ] as const)
      expect(await refusal(line)).to.equal(`Usage: ${usage}`)
    expect(await office.run('mwi update M 2 1')).to.equal('Mailbox M@default has 2 new and 1 old messages')
    expect(await office.run('presencestate change CustomPresence:x away,,gone to lunch')).to.include('gone to lunch')
    expect(await office.run('core show help module unload')).to.include('module unload')
  })

  it('what was set here is taken back, and a slip of the pen is no success', async () => {
    registerLocalStates(office.core.console, office.core)
    await office.run('devstate change Custom:night INUSE')
    await office.run('mwi update 100 1')
    office.core.devices.set('pbx1', 'Custom:nigth', 'INUSE')
    expect(await refusal('devstate delete Custom:nigth')).to.equal('nothing was set here for Custom:nigth')
    expect(await refusal('mwi delete 1000')).to.equal('nothing was set here for 1000@default')
    expect(await refusal('mwi update 100@ 1')).to.equal('expected a mailbox: 100@default')
    expect(await refusal('mwi update @default 1')).to.equal('expected a mailbox: 100@default')
    expect(await office.run('devstate delete custom:NIGHT')).to.equal('Deleted Custom:NIGHT')
    expect(await office.run('mwi delete 100')).to.equal('Deleted 100@default')
    expect(await refusal('mwi delete 100')).to.equal('nothing was set here for 100@default')
  })

  it('logger set level says which categories there are, and takes those of modules that are not loaded', async () => {
    office.core.log.logger('lamps')
    await office.load(defineModule({ name: 'res_a', description: '', load: () => undefined }))
    await office.run('module unload res_a')
    const { categories } = office.core.log
    expect(categories).to.include('lamps')
    expect(await refusal('logger set level debug nosuch')).to.match(
      /^'nosuch' is no category, expected one of .*\blamps\b.*\bres_a\b/,
    )
    expect(await refusal('logger set level debug lamsp')).to.equal("'lamsp' is no category, did you mean 'lamps'?")
    expect(office.core.log.categories).to.deep.equal(categories)
    for (const category of ['lamps', 'res_a'])
      expect(await office.run(`logger set level debug ${category}`)).to.equal(`Level of ${category} is debug`)
    expect(office.core.log.levelOf('lamps')).to.equal('debug')
    expect(await office.run('logger set level notice')).to.equal('Level of all is notice')
  })

  it("stops, starts again and reloads in all of Asterisk's words", async () => {
    operations.length = 0
    for (const when of ['now', 'gracefully', 'when convenient'])
      for (const what of ['stop', 'restart']) await office.run(`core ${what} ${when}`)
    expect(operations.splice(0)).to.deep.equal(['stop', 'restart', 'stop', 'restart', 'stop', 'restart'])
    for (const words of ['core reload', 'reload', 'pjsip reload', 'voicemail reload']) await office.run(words)
    expect(operations).to.deep.equal(['reload', 'reload', 'reload', 'reload'])
    expect(await refusal('core stop')).to.match(/^No such command/)
    expect(await office.run('help core stop now')).to.equal(await office.run('core show help core stop now'))
  })

  it('dialplan show has the hints of the files, watched or not, with their lines', async () => {
    const gate = "  '200' =>          hint: Custom:gate                              [extensions.conf:2]"
    const pattern = "  '_3XX' =>         hint: PJSIP/${EXTEN}                           [extensions.conf:3]"
    const include = "  Include =>        'office'"
    const office = "[ Context 'office' ]"
    expect((await run('dialplan show')).split('\n')).to.deep.equal([
      office,
      gate,
      pattern,
      "[ Context 'desk' ]",
      include,
    ])
    expect((await run('dialplan show office')).split('\n')).to.deep.equal([office, gate, pattern])
    expect((await run('dialplan show 345@desk')).split('\n')).to.deep.equal([office, pattern])
    expect(await refusal('dialplan show 400@desk')).to.equal('the files have no hint 400@desk')
    expect(await refusal('dialplan show lobby')).to.equal('the files have no context lobby')
  })

  it('core show uptime says since when it runs, and when its files were read; in seconds for a script', async () => {
    expect(await office.run('core show uptime')).to.match(
      /^System uptime: \d+ seconds, since 20.*Z\nLast reload: \d+ seconds, since 20.*Z$/,
    )
    expect(await office.run('core show uptime seconds')).to.match(/^System uptime: \d+\nLast reload: \d+$/)
    expect(await refusal('core show uptime minutes')).to.equal('Usage: core show uptime [seconds]')
  })

  it('core set debug is the level of all, or of one module, and off that of lamplighter.conf', async () => {
    for (const category of ['lamps', 'res_a']) office.core.log.logger(category)
    expect(await office.run('core set debug 3')).to.equal('Level of all is debug')
    expect(await office.run('core set debug OFF')).to.equal('Level of all is notice')
    expect(await office.run('core set debug 1 lamps')).to.equal('Level of lamps is debug')
    expect(await office.run('core set debug 0 lamps')).to.equal('Level of lamps is notice')
    await office.run('core set debug 3')
    expect(office.core.log.levelOf('lamps')).to.equal('debug')
    for (const line of ['core set debug 3 lamps', 'logger set level error res_a', 'core set debug off'])
      await office.run(line)
    expect(['lamps', 'res_a'].map((one) => office.core.log.levelOf(one))).to.deep.equal(['notice', 'error'])
    expect(await refusal('core set debug off lamsp')).to.match(/did you mean 'lamps'/)
    for (const wrong of ['', ' on', ' -1', ' lamps'])
      expect(await refusal(`core set debug${wrong}`)).to.equal('Usage: core set debug <number>|off [category]')
    expect(await refusal('core set debug 3 lamsp')).to.match(/did you mean 'lamps'/)
  })

  it('core set verbose and logger mute are for a console that shows the log', async () => {
    for (const line of ['core set verbose 3', 'logger mute'])
      expect(await refusal(line)).to.match(/^no log is shown here/)
    expect(await refusal('core set verbose on')).to.equal('Usage: core set verbose <number>|off')
  })

  it('pjsip set logger takes addresses only, with or without brackets', async () => {
    expect(await refusal('pjsip set logger host phone.example')).to.match(/^'phone.example' is no IP address/)
    expect(await office.run('pjsip set logger host [::1]')).to.equal('PJSIP logging enabled for host ::1')
    expect(await office.run('pjsip set logger host 2001:DB8:0::0:7')).to.equal(
      'PJSIP logging enabled for host 2001:db8::7',
    )
    expect(await refusal('pjsip set logger off host')).to.equal('Usage: pjsip set logger {on|off|host <address>}')
    expect(await office.run('pjsip set logger host 192.0.2.7')).to.equal('PJSIP logging enabled for host 192.0.2.7')
    expect(await office.run('pjsip set logger off')).to.equal('PJSIP logging disabled')
  })
})

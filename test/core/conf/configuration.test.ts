import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { type ConfigurationReading, readConfiguration } from '../../../core/conf/configuration.ts'
import { Dialplan } from '../../../core/conf/dialplan.ts'
import { defaultsOf, integer } from '../../../core/options.ts'
import { generalOptions, storeOptions } from '../../../core/settings.ts'

const FIXTURES = join(import.meta.dirname, 'fixtures')
const fixture = (name: string): ConfigurationReading =>
  readConfiguration(join(FIXTURES, name), [{ file: 'pubsub.conf', section: 'general', set: {} }])

/** Without the path of the fixtures. */
const messages = (problems: ConfigurationReading['problems']): string[] =>
  problems.map((problem) => problem.message.replaceAll(`${FIXTURES}/`, ''))

function devices(
  { configuration }: ConfigurationReading,
  exten: string,
  context: string,
): readonly string[] | undefined {
  return new Dialplan(configuration.dialplan).lookup(context, exten)?.devices
}

describe('configuration: without files', () => {
  it('stands on defaults, without a directory and with an empty one', () => {
    const empty = mkdtempSync(join(tmpdir(), 'conf-'))
    try {
      for (const directory of [undefined, empty]) {
        const { configuration, problems, notes } = readConfiguration(directory)
        expect(messages([...problems, ...notes])).to.deep.equal([])
        expect(configuration.general).to.deep.equal(defaultsOf(generalOptions))
        expect(configuration.store).to.deep.equal(defaultsOf(storeOptions))
        expect(configuration.servers).to.deep.equal([])
        expect(configuration.pjsip.transports.map(({ protocol, bind }) => [protocol, bind])).to.deep.equal([
          ['udp', '0.0.0.0:5060'],
        ])
        expect(configuration.modules.autoload).to.equal(true)
        expect(configuration.storePath).to.equal(join(directory ?? process.cwd(), 'lamplighter.db'))
      }
    } finally {
      rmSync(empty, { recursive: true })
    }
  })

  it('says that a file is a link that leads nowhere, for which no defaults hold', () => {
    const directory = mkdtempSync(join(tmpdir(), 'conf-'))
    try {
      const names = ['acl.conf', 'lamplighter.conf', 'modules.conf', 'pjsip.conf', 'pubsub.conf']
      for (const name of names) symlinkSync(join(directory, 'gone', name), join(directory, name))
      const { problems } = readConfiguration(directory, [{ file: 'pubsub.conf', section: 'general', set: {} }])
      expect(problems.map(({ message }) => message)).to.have.members(
        names.map((name) => `${join(directory, name)}: cannot be read (ENOENT), expected a readable file`),
      )
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('says that the directory is not there', () => {
    expect(messages(fixture('nowhere').problems)).to.deep.equal([
      'nowhere is not there, expected a configuration directory',
    ])
  })
})

describe('configuration: beside an Asterisk', () => {
  it('reads the files of an Asterisk as they are, and keeps off its port', () => {
    const reading = fixture('beside-asterisk')
    expect(messages(reading.problems)).to.deep.equal([])
    expect(messages(reading.notes)).to.deep.equal([
      'asterisk/extensions.conf:21: a line without =, expected key = value',
      'asterisk/extensions.conf:19: hint 7050: the function DB(lamp/7050) cannot be evaluated here, Asterisk is asked over ARI',
    ])
    const { configuration } = reading
    const { pjsip, servers, mailboxes, modules } = configuration
    expect([...pjsip.endpoints.keys()].sort()).to.deep.equal(['7000', '7001', 'carol', 'mytrunk'])
    expect(pjsip.endpoints.get('7000')?.rewrite_contact).to.equal(true)
    expect(pjsip.auths.get('auth7000')?.password).to.equal('7000')
    expect(pjsip.global.default_voicemail_extension).to.equal('*97')
    expect(pjsip.global.user_agent).to.equal('Lamplighter')
    expect(pjsip.transports.map(({ bind }) => bind)).to.deep.equal(['0.0.0.0:5070'])
    expect(servers.map(({ name, options }) => [name, options.username])).to.deep.equal([['pbx1', 'lamplighter']])
    expect(modules.noload, "Asterisk's modules.conf is not ours").to.deep.equal([])
    expect(devices(reading, '7000', 'internal')).to.deep.equal(['PJSIP/7000'])
    expect(devices(reading, '7001', 'internal')).to.deep.equal(['PJSIP/7001', 'Custom:dnd7001'])
    expect(devices(reading, '7002', 'internal')).to.deep.equal(['PJSIP/carol'])
    expect(devices(reading, '7123', 'internal')).to.deep.equal(['Custom:call23'])
    expect(devices(reading, '700', 'internal')).to.deep.equal(['park:700@parkedcalls'])
    expect(devices(reading, '7050', 'internal')).to.equal(undefined)
    expect([...mailboxes.mailboxes.values()].map(({ name, fullName }) => `${name} ${fullName}`)).to.deep.equal([
      '7000@default Alice Example',
      '7001@default ',
      '7000@other Company2 User',
    ])
    expect([...mailboxes.aliases]).to.deep.equal([['7000@devices', '7000@default']])
  })

  it('reads the tree of includes that FreePBX writes; ours overrules it', () => {
    const reading = fixture('beside-freepbx')
    expect(messages(reading.problems)).to.deep.equal([])
    expect(messages(reading.notes)).to.deep.equal([
      "freepbx/pjsip.identify.conf:3: endpoint = trunk-in-a-database of [trunk]: there is no endpoint 'trunk-in-a-database', expected the name of a section with type = endpoint",
    ])
    const { pjsip, files } = reading.configuration
    expect(pjsip.endpoints.get('200')?.hintContext).to.equal('blf')
    expect(pjsip.endpoints.get('200')?.callerid).to.equal('Front Desk <200>')
    expect(pjsip.auths.get('200-auth')?.password).to.equal('f00')
    expect(pjsip.global.keep_alive_interval).to.equal(30)
    expect(pjsip.transports.map(({ id, protocol, bind }) => [id, protocol, bind])).to.deep.equal([
      ['t', 'tcp', '127.0.0.1:0'],
    ])
    expect(devices(reading, '200', 'ext-local')).to.deep.equal(['PJSIP/200', 'Custom:DND200'])
    expect(devices(reading, '200', 'blf')).to.deep.equal(['PJSIP/200'])
    expect(new Dialplan(reading.configuration.dialplan).lookup('from-internal', '200')?.name).to.equal('Desk')
    expect(devices(reading, '*76200', 'blf')).to.deep.equal(['Custom:DEVDND200'])
    expect(devices(reading, '*76233', 'blf')).to.deep.equal(['Custom:DEVDND233'])
    expect(devices(reading, '1234', 'blf')).to.deep.equal(['Custom:light'])
    expect(files.map((path) => path.slice(FIXTURES.length + 1))).to.include.members([
      'beside-freepbx/lamplighter.conf',
      'freepbx/pjsip.endpoint_custom_post.conf',
      'freepbx/vm_email.inc',
    ])
  })

  it('keeps no PIN', () => {
    const { configuration } = fixture('beside-asterisk')
    expect(JSON.stringify([...configuration.mailboxes.mailboxes])).not.to.match(/4242|1234|5678/)
  })
})

describe('configuration: with faults', () => {
  it('reports all of them, in all files, with file and line and without secrets', () => {
    const { problems } = fixture('broken')
    expect(messages(problems).slice(0, 13)).to.deep.equal([
      "broken/lamplighter.conf:5: unknown section [stoer], did you mean 'store'?",
      "broken/lamplighter.conf:13: unknown type 'serv' in [pbx], expected type = server",
      "broken/lamplighter.conf:2: compat = 'asterix' is not valid, expected rfc or asterisk",
      "broken/lamplighter.conf:7: unknown option 'levl' in [console], did you mean 'level'?",
      'broken/lamplighter.conf:10: url of [local] has a user in it, which belongs into username and password, expected http://address:8088',
      "broken/lamplighter.conf:8: server [local] has no username, expected the name of a user in Asterisk's ari.conf",
      "broken/lamplighter.conf:17: app = 'my/app' of [a] is not valid, expected letters, digits, dots, dashes and underscores",
      "broken/lamplighter.conf:24: reconcile_interval = '1' is not valid, expected seconds from 5 to 86400",
      'broken/lamplighter.conf:8: [local] is the name of our own states, expected another for a server',
      'broken/lamplighter.conf:21: [c] has the url and the app of [b], expected another server or app',
      'broken/lamplighter.conf:25: a second server [b], expected one (the first is at broken/lamplighter.conf:18)',
      "broken/lamplighter.conf:4: asterisk_eid = '12' is not valid, expected six pairs of hexadecimal digits with colons",
      "broken/lamplighter.conf:3: asterisk_config = nowhere is no directory, expected the directory of Asterisk's configuration",
    ])
    expect(messages(problems).slice(13).sort()).to.deep.equal([
      "broken/extensions.conf:2: device 'X' of hint 1, expected Tech/name or Provider:name",
      "broken/modules.conf:2: autoload = 'maybe' is not valid, expected yes or no",
      "broken/modules.conf:3: unknown directive 'laod', did you mean 'load'?",
      'broken/modules.conf:4: noload = res_y, which is required at broken/modules.conf:5, expected one of both',
      "broken/modules.conf:6: load = 'a/b' is no module, expected a name such as res_pjsip_mwi",
      'broken/modules.conf:7: unknown section [other], expected [modules]',
      'broken/pjsip.conf:3: a line without =, expected key = value',
      'broken/pubsub.conf:1: an entry before the first section, expected [section] above it',
      'broken/voicemail.conf:2: a mailbox of [default] has a blank, @ or comma in its name, expected 100 => PIN,Name',
      'broken/voicemail.conf:4: a second mailbox 100@default, expected one (the first is at broken/voicemail.conf:3)',
    ])
    for (const message of messages(problems)) expect(message).not.to.match(/hunter2|471/)
  })

  it('finds one Asterisk in two sections, however its url is written', () => {
    const directory = mkdtempSync(join(tmpdir(), 'conf-'))
    try {
      const urls = ['http://192.0.2.1:8088', 'HTTP://192.0.2.1:8088/ari', 'http://192.0.2.2:8088']
      const sections = urls.map((url, i) => `[pbx${i}]\ntype = server\nusername = lamp\nurl = ${url}\n`)
      writeFileSync(join(directory, 'lamplighter.conf'), sections.join(''))
      expect(readConfiguration(directory).problems.map(({ message }) => message)).to.deep.equal([
        `${directory}/lamplighter.conf:5: [pbx1] has the url and the app of [pbx0], expected another server or app`,
      ])
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  describe('asterisk_config', () => {
    let directory = ''
    const faults = (text: string): string[] => {
      writeFileSync(join(directory, 'lamplighter.conf'), text)
      return readConfiguration(directory).problems.map((p) => p.message.replaceAll(directory, 'DIR'))
    }
    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), 'conf-'))
    })
    afterEach(() => rmSync(directory, { recursive: true }))

    it('is neither our own directory nor one without the files of an Asterisk', () => {
      expect(faults('[general]\nasterisk_config = .')).to.deep.equal([
        "DIR/lamplighter.conf:2: asterisk_config = . is our own directory, expected Asterisk's directory, and ours beside it",
      ])
      expect(faults(`[general]\nasterisk_config = ${join(FIXTURES, 'broken', '..')}`)[0]).to.contain(
        "has none of pjsip.conf, pjsip_wizard.conf, extensions.conf, voicemail.conf, expected the directory of Asterisk's configuration",
      )
    })

    it('is pointed out where Asterisk has elsewhere what its files would tell (sorcery.conf)', () => {
      mkdirSync(join(directory, 'asterisk'))
      writeFileSync(join(directory, 'asterisk', 'extensions.conf'), '[internal]\n')
      const sorcery = [
        '[res_pjsip]',
        'endpoint/cache = memory_cache,expire_on_reload=yes',
        'endpoint = config,pjsip.conf,criteria=type=endpoint',
        'endpoint = realtime,ps_endpoints',
        'contact = astdb,registrar',
        'auth=config,passwords.conf,criteria=type=auth',
        '[res_pjsip_pubsub]',
        'aor = realtime,ps_aors',
      ]
      writeFileSync(join(directory, 'asterisk', 'sorcery.conf'), sorcery.join('\n'))
      writeFileSync(join(directory, 'lamplighter.conf'), '[general]\nasterisk_config = asterisk')
      const { problems, warnings } = readConfiguration(directory)
      expect(problems).to.deep.equal([])
      const expected = 'expected no asterisk_config, with which endpoints are not asked for over ARI'
      const elsewhere = 'Asterisk has objects elsewhere than in pjsip.conf'
      expect(
        warnings.map(({ message }) => message.replace(`${directory}/asterisk/sorcery.conf`, 'FILE')),
      ).to.deep.equal([
        `FILE:4: ${elsewhere} (endpoint = realtime,ps_endpoints), ${expected}`,
        `FILE:6: ${elsewhere} (auth = config,passwords.conf,criteria=type=auth), ${expected}`,
      ])
    })

    it('is pointed out where all phones are of chan_sip, whose peers are no endpoints', () => {
      mkdirSync(join(directory, 'asterisk'))
      writeFileSync(join(directory, 'asterisk', 'extensions.conf'), '[internal]\n')
      writeFileSync(join(directory, 'asterisk', 'sip.conf'), '[100]\ntype=friend\n')
      writeFileSync(join(directory, 'lamplighter.conf'), '[general]\nasterisk_config = asterisk')
      const warnings = (): string[] => readConfiguration(directory).warnings.map(({ message }) => message)
      expect(warnings()).to.have.lengthOf(1)
      expect(warnings()[0]).to.match(/\/asterisk\/sip\.conf: .*peers of sip\.conf \(chan_sip\) are none/)
      writeFileSync(join(directory, 'pjsip.conf'), '[100]\ntype=endpoint\n')
      expect(warnings()).to.deep.equal([])
    })

    it('is pointed out where phones are told of by an #exec, and not where it is hints, which are asked for', () => {
      const theirs = join(directory, 'asterisk')
      mkdirSync(join(theirs, 'pjsip.d'), { recursive: true })
      writeFileSync(join(theirs, 'pjsip.conf'), '#include "pjsip.d/*.conf"\n')
      writeFileSync(join(theirs, 'pjsip.d', '01.conf'), '#exec /usr/bin/confgen pjsip.conf\n')
      writeFileSync(join(theirs, 'extensions.conf'), '#exec /usr/bin/confgen extensions.conf\n')
      writeFileSync(join(directory, 'lamplighter.conf'), '[general]\nasterisk_config = asterisk')
      const { problems, warnings, notes } = readConfiguration(directory)
      const told = (found: typeof problems): string[] => found.map(({ message }) => message.replace(theirs, 'THEIRS'))
      expect(problems).to.deep.equal([])
      expect(told(warnings)).to.deep.equal([
        'THEIRS/pjsip.d/01.conf:1: #exec is never run here, and the phones that it tells of are refused, expected #include of a file with its output, or no asterisk_config',
      ])
      expect(told(notes)).to.deep.equal([
        'THEIRS/extensions.conf:1: #exec is never run here, expected #include of a file with its output',
      ])
    })

    it('is used also where what says that something is elsewhere cannot be read, which is warned of', () => {
      const theirs = join(directory, 'asterisk')
      mkdirSync(theirs)
      writeFileSync(join(theirs, 'extensions.conf'), '[internal]\nexten => 100,hint,PJSIP/100\n')
      for (const name of ['extconfig.conf', 'sorcery.conf']) writeFileSync(join(theirs, name), '#include gone.conf\n')
      writeFileSync(join(directory, 'lamplighter.conf'), '[general]\nasterisk_config = asterisk')
      const reading = readConfiguration(directory)
      expect(reading.problems).to.deep.equal([])
      expect(reading.warnings.map(({ place }) => place?.file)).to.deep.equal([
        join(theirs, 'extconfig.conf'),
        join(theirs, 'sorcery.conf'),
      ])
      expect(devices(reading, '100', 'internal')).to.deep.equal(['PJSIP/100'])
    })

    it('does not read the files that Asterisk has in a database (extconfig.conf)', () => {
      const theirs = join(directory, 'asterisk')
      mkdirSync(theirs)
      const put = (name: string, text: string): void => writeFileSync(join(theirs, name), text)
      put('extensions.conf', '[globals]\nX = 1\n[internal]\nexten => 100,hint,PJSIP/100\n')
      put('voicemail.conf', '[default]\n100 => 1,Alice\n')
      put('pjsip.conf', '[100]\ntype = endpoint\nauth = 100\n[100]\ntype = auth\nusername = 100\npassword = x\n')
      const read = (settings: string): Record<string, unknown> => {
        put('extconfig.conf', `[settings]\n${settings}\n[other]\npjsip.conf => sqlite3,rt\n`)
        writeFileSync(join(directory, 'lamplighter.conf'), '[general]\nasterisk_config = asterisk\n')
        const reading = readConfiguration(directory)
        const { dialplan, mailboxes, pjsip } = reading.configuration
        return {
          hint: devices(reading, '100', 'internal'),
          global: dialplan.globals('X'),
          mailbox: mailboxes.mailboxes.has('100@default'),
          endpoint: pjsip.endpoints.has('100'),
          said: [...reading.problems, ...reading.warnings, ...reading.notes].map(({ place }) => place?.line),
        }
      }
      const files = { hint: ['PJSIP/100'], global: '1', mailbox: true, endpoint: true, said: [] }
      const ofRealtime = 'ps_endpoints => sqlite3,rt\nextensions => sqlite3,rt\nvoicemail => sqlite3,rt,voicemail_users'
      expect(read(ofRealtime)).to.deep.equal(files)
      expect(read('extensions.conf => sqlite3,rt,ast_config,2\nvoicemail.conf => sqlite3')).to.deep.equal(files)
      const noHints = { ...files, hint: undefined, global: undefined, said: [3] }
      expect(read('ps_aors => sqlite3,rt\nextensions.conf => sqlite3,rt,ast_config')).to.deep.equal(noHints)
      expect(read(';\nextensions.conf => odbc,"a,b",ast_config,1')).to.deep.equal(noHints)
      expect(read('pjsip.conf => sqlite3,rt')).to.deep.equal({ ...files, endpoint: false, said: [2] })
      const nothing = { hint: undefined, global: undefined, mailbox: false, endpoint: false }
      expect(read('Global => sqlite3,rt,ast_config')).to.deep.equal({ ...nothing, said: [2, 2, 2] })
      rmSync(join(theirs, 'pjsip.conf'))
      expect(read('pjsip.conf => sqlite3,rt'), 'nor without one').to.deep.equal({
        ...files,
        endpoint: false,
        said: [2],
      })
    })

    it('and the socket must not be longer than a socket may be', () => {
      const long = 'x'.repeat(120)
      expect(faults(`[console]\nsocket = ${long}`)).to.deep.equal([
        `DIR/lamplighter.conf:2: the console's socket DIR/${long} is longer than 107 bytes, expected a shorter path in socket = of [console]`,
      ])
    })

    it('resolves paths, and finds the faults in the files that modules declare', () => {
      expect(faults('[store]\npath = :memory:\n[console]\nlogfile = log/x')).to.deep.equal([])
      writeFileSync(join(directory, 'other.conf'), '[a]\nx = lamp\n[c]\n')
      const declared = { file: 'other.conf', section: 'a', set: { x: integer(1, 'A number.') } }
      const { configuration, problems } = readConfiguration(directory, [declared])
      expect(configuration.storePath).to.equal(':memory:')
      expect(configuration.logFile).to.equal(join(directory, 'log/x'))
      expect(configuration.consoleSocket).to.equal(join(directory, 'lamplighter.ctl'))
      expect(problems.map(({ place }) => place?.line)).to.have.members([2, 3])
    })
  })
})

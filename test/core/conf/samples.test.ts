import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { readConfiguration } from '../../../core/conf/configuration.ts'
import { Dialplan } from '../../../core/conf/dialplan.ts'
import { MODULE_DIRECTIVES } from '../../../core/conf/modules-conf.ts'
import { parseConfig } from '../../../core/conf/parser.ts'
import { PJSIP_OPTIONS } from '../../../core/conf/pjsip-conf.ts'
import { type ConfigSection, lastValue } from '../../../core/config.ts'
import { findModules } from '../../../core/find-modules.ts'
import type { OptionSet } from '../../../core/options.ts'
import { readWith } from '../../../core/server-configuration.ts'
import { consoleOptions, generalOptions, serverOptions, storeOptions } from '../../../core/settings.ts'

const CONFIGS = join(import.meta.dirname, '../../../configs')
const SAMPLES = readdirSync(CONFIGS).filter((name) => name.endsWith('.sample'))

/** The samples with their options as an administrator would switch them on: `;name = value` and `;[section]`. */
function switchedOn(text: string): string {
  return text
    .split('\n')
    .map((line) => (/^;(?:\[|[a-z0-9_@-]+ =)/.test(line) ? line.slice(1) : line))
    .join('\n')
}

function inDirectory(change: (text: string) => string, look: (directory: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'samples-'))
  try {
    for (const name of SAMPLES)
      writeFileSync(join(directory, name.replace('.sample', '')), change(readFileSync(join(CONFIGS, name), 'utf8')))
    look(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const modules = await findModules()
const messages = (directory: string): string[] => {
  const { problems, notes } = readWith(modules, directory)
  return [...problems, ...notes].map((problem) => problem.message)
}

describe('samples', () => {
  it('are there for each file', () => {
    expect(SAMPLES.sort()).to.include.members([
      'extensions.conf.sample',
      'lamplighter.conf.sample',
      'modules.conf.sample',
      'pjsip.conf.sample',
      'pubsub.conf.sample',
      'voicemail.conf.sample',
    ])
  })

  it('are good as they are, and say what the comments in them promise', () => {
    inDirectory(
      (text) => text,
      (directory) => {
        expect(messages(directory)).to.deep.equal([])
        const { configuration } = readConfiguration(directory)
        const { pjsip, mailboxes, modules } = configuration
        expect(pjsip.transports.map(({ id, bind, protocol }) => [id, protocol, bind])).to.deep.equal([
          ['transport-udp', 'udp', '0.0.0.0'],
          ['transport-tcp', 'tcp', '0.0.0.0'],
        ])
        expect([...pjsip.endpoints.keys()]).to.deep.equal(['100', '101'])
        expect([...mailboxes.mailboxes.keys()]).to.deep.equal(['100@default', '101@default', '100@sales'])
        expect(modules.require).to.deep.equal(['res_pjsip_pubsub'])
        const dialplan = new Dialplan(configuration.dialplan)
        const devices = (exten: string): readonly string[] | undefined =>
          dialplan.lookup('from-internal', exten)?.devices
        expect(['100', '101', '300', '455', '*76200', '*80'].map(devices)).to.deep.equal([
          ['PJSIP/100'],
          ['PJSIP/101', 'Custom:hq-101'],
          ['PJSIP/300'],
          ['PJSIP/455'],
          ['Custom:DND200'],
          ['Custom:callforward'],
        ])
      },
    )
  })

  it('are good with every option in them switched on', () => {
    inDirectory(switchedOn, (directory) => expect(messages(directory)).to.deep.equal([]))
  })

  it('name only modules that there are, and all of them', () => {
    const there = readdirSync(join(CONFIGS, '..'))
      .filter((folder) => folder.startsWith('res_'))
      .flatMap((folder) => readdirSync(join(CONFIGS, '..', folder)))
      .filter((file) => file.startsWith('res_') && file.endsWith('.ts'))
      .map((file) => file.slice(0, -3))
    const [section] = sectionsOf('modules.conf.sample')
    const named = section?.entries.filter((e) => e.key !== 'autoload').map((e) => e.value)
    expect(named?.sort()).to.deep.equal(there.sort())
    const text = readFileSync(join(CONFIGS, 'modules.conf.sample'), 'utf8')
    for (const directive of Object.keys(MODULE_DIRECTIVES))
      expect(text).to.match(new RegExp(`^; {3}${directive} += `, 'm'))
  })

  const sectionsOf = (name: string): readonly ConfigSection[] =>
    // Templates are read as sections, so that what stands in them is seen.
    parseConfig(switchedOn(readFileSync(join(CONFIGS, name), 'utf8')).replaceAll('(!)', ''), name).file.sections

  /** What the sample needs to be an example, in place of the default. */
  const EXAMPLES: Readonly<Record<string, string>> = {
    'identify endpoint': '100',
    'outbound-publish server_uri': 'sip:lamplighter@192.0.2.10',
    'outbound-publish event': 'asterisk-devicestate',
    'inbound-publication endpoint': '100',
    'inbound-publication event_asterisk-devicestate': 'pbx1-states',
    'inbound-publication event_asterisk-mwi': 'pbx1-states',
    'asterisk-publication devicestate_publish': 'to-pbx1',
    'resource_list event': 'dialog',
    'resource_list list_item': '100,101',
    'outbound-subscription server_uri': 'sip:100@voicemail.example.com',
    'outbound-subscription event': 'message-summary',
    'outbound-subscription mailbox': '100@provider',
    'server username': 'lamplighter',
  }

  const declared: [file: string, type: string, set: OptionSet, find: (section: ConfigSection) => boolean][] = [
    ...Object.entries(PJSIP_OPTIONS).map(
      ([type, set]): [string, string, OptionSet, (section: ConfigSection) => boolean] => [
        'pjsip.conf.sample',
        type,
        set,
        (section) => section.entries[0]?.key === 'type' && section.entries[0].value === type,
      ],
    ),
    ['lamplighter.conf.sample', 'general', generalOptions, ({ name }) => name === 'general'],
    ['lamplighter.conf.sample', 'store', storeOptions, ({ name }) => name === 'store'],
    ['lamplighter.conf.sample', 'console', consoleOptions, ({ name }) => name === 'console'],
    ['lamplighter.conf.sample', 'server', serverOptions, (section) => lastValue(section, 'type')?.value === 'server'],
  ]
  for (const [file, type, set, find] of declared) {
    it(`${file} shows every option of ${type} with its default, and no other`, () => {
      const shown = sectionsOf(file)
        .find(find)
        ?.entries.filter((entry) => entry.key !== 'type')
      expect(shown?.map(({ key, value }) => `${key} = ${value}`)).to.have.members(
        Object.entries(set).map(([name, option]) => `${name} = ${EXAMPLES[`${type} ${name}`] ?? option.defaultText}`),
      )
    })
  }

  it('say above each option what the code says of it', () => {
    const said = new Set<string>()
    for (const name of SAMPLES) {
      let comment: string[] = []
      for (const line of readFileSync(join(CONFIGS, name), 'utf8').split('\n')) {
        const option = /^;([a-z0-9_@-]+) = /.exec(`${line} `)?.[1]
        if (option !== undefined) said.add(`${name} ${option}: ${comment.join(' ')}`)
        comment = line.startsWith('; ') ? [...comment, line.slice(2)] : []
      }
    }
    const ofModules = modules.flatMap(({ config = [] }) =>
      config.map(({ file, set }) => [`${file}.sample`, set] as const),
    )
    const sets = [...declared.map(([file, , set]) => [file, set] as const), ...ofModules]
    // A unit or the words that may stand there come in parentheses before the end.
    const isSaid = (what: string, expects: string): boolean =>
      said.has(what) || said.has(`${what.slice(0, -1)} (${expects}).`)
    const unsaid = sets.flatMap(([file, set]) =>
      Object.entries(set)
        .filter(([name, { doc, expects }]) => !isSaid(`${file} ${name}: ${doc}`, expects))
        .map(([name]) => `${file} ${name}`),
    )
    expect(sets.flatMap(([, set]) => Object.keys(set))).to.have.length.above(230)
    expect(unsaid).to.deep.equal([])
  })

  it('of the demo are good, too', () => {
    const demo = join(CONFIGS, 'demo')
    expect(existsSync(demo)).to.equal(true)
    expect(messages(demo)).to.deep.equal([])
  })
})

/** The table of parameters in docs/presence.md says what the code does, and names all of them. */
import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { Findings } from '../../core/conf/findings.ts'
import { parseConfig } from '../../core/conf/parser.ts'
import { checkModuleFile } from '../../core/module-files.ts'
import { defaultsOf, readSection } from '../../core/options.ts'
import { isLibrary, kamailioOptions, storageModes } from '../../res_pjsip_pubsub/kamailio/options.ts'
import { pubsubConfig, pubsubOptions } from '../../res_pjsip_pubsub/options.ts'

const NAMES = ['min_expires', 'max_expires', ...Object.keys(kamailioOptions)]

/** Of OpenSER and Kamailio, old and new, whatever concerns presence. */
const OF_KAMAILIO =
  `db_url presentity_table active_watchers_table watchers_table clean_period db_update_period waitn_time
  notifier_poll_rate notifier_processes to_tag_pref totag_avpid lock_set_size expires_offset max_expires min_expires
  min_expires_action force_active server_address fallback2db subs_db_mode publ_cache subs_htable_size pres_htable_size
  send_fast_notify enable_sphere_check timeout_rm_subs fetch_rows db_table_lock_type local_log_level subs_remove_match
  xavp_cfg retrieve_order sip_uri_match delete_same_subs cseq_offset force_delete subs_respond_200 default_expires
  force_dummy_dialog force_dummy_presence force_single_dialog`.split(/\s+/)

function rows(): string[][] {
  const text = readFileSync(new URL('../../docs/presence.md', import.meta.url), 'utf8')
  const section = text.slice(text.indexOf('## Parameters')).split('\n## ')[0] ?? ''
  return section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()))
    .map((cells) => cells.slice(1, 5))
}

const unquoted = (cell: string | undefined): string => (cell ?? '').replace(/^`|`$/g, '')

function faults(lines: string): string[] {
  const findings = new Findings()
  checkModuleFile(parseConfig(`[general]\n${lines}`, 'pubsub.conf').file, [pubsubConfig], ':memory:', findings)
  return findings.problems.map(({ message }) => message)
}

describe('parameters of Kamailio', () => {
  it('are all there', () => {
    expect(Object.keys(pubsubOptions)).to.include.members(OF_KAMAILIO)
  })

  it('have a row each in the documentation, and no row is about anything else', () => {
    expect(rows().map(([name]) => unquoted(name))).to.deep.equal(NAMES)
  })

  it('have there the default and the sentence of the code', () => {
    for (const [name, byDefault, doc, compared] of rows()) {
      const option = Object.entries(pubsubOptions).find(([key]) => key === unquoted(name))?.[1]
      expect([unquoted(byDefault), doc], name).to.deep.equal([option?.defaultText, option?.doc])
      expect(compared, name).to.not.equal('')
    }
  })

  it('that change nothing say so in both, and why', () => {
    const readOnly = rows().filter(([, , , compared]) => compared === 'read only')
    expect(readOnly.map(([name]) => unquoted(name)).sort()).to.deep.equal(
      NAMES.filter((name) => docOf(name).startsWith('Read and checked only')).sort(),
    )
    for (const [name, , doc] of readOnly) expect(doc, name).to.match(/^Read and checked only: .{20,}\.$/)
  })

  it('are read with 0 and 1 for no and yes, and refuse what they cannot be', () => {
    const read = (values: Record<string, string>): [unknown, string[]] => {
      const problems: Parameters<typeof readSection>[2] = []
      const entries = Object.entries(values).map(([key, value], at) => ({
        key,
        value,
        file: 'pubsub.conf',
        line: at + 2,
      }))
      const section = { name: 'general', entries, file: 'pubsub.conf', line: 1 }
      return [readSection(section, pubsubOptions, problems), problems.map(({ message }) => message)]
    }
    const [good, none] = read({
      timeout_rm_subs: '0',
      force_active: '1',
      subs_db_mode: '3',
      clean_period: '-1',
      notifier_processes: '-1',
      server_address: 'sip:10.10.10.10:5060',
      to_tag_pref: 'pres',
      db_url: 'sqlite:////etc/kamailio/kamailio.db',
      presentity_table: 'presentity',
    })
    expect(none).to.deep.equal([])
    expect(good).to.include({ timeout_rm_subs: false, force_active: true, subs_db_mode: 3, clean_period: -1 })
    expect(good).to.have.deep.property('db_url', { kind: 'sqlite', path: '/etc/kamailio/kamailio.db' })
    const [, faults] = read({
      subs_db_mode: '4',
      min_expires_action: '0',
      server_address: '10.10.10.10',
      to_tag_pref: 'a b',
      db_url: 'mysql://kamailio:p@s,s:w@localhost/kamailio',
      presentity_table: 'presentity; drop',
      sender_header: 'Se nder',
      retrive_order: '1',
    })
    expect(faults).to.have.length(8)
    expect(faults[4]).to.equal(
      "pubsub.conf:6: db_url = 'mysql://kamailio:(hidden)@localhost/kamailio' is not valid, expected store, sqlite:///path, or nothing",
    )
    expect(faults[7]).to.include('retrieve_order')
  })
})

describe('server_address', () => {
  it('is a URI that phones can read, as they ask there for all that follows', () => {
    for (const uri of ['sip:192.0.2.1', 'sips:pbx.example:5061', 'sip:[2001:db8::1]:5060\\;transport=tcp'])
      expect(faults(`server_address = ${uri}`), uri).to.deep.equal([])
    for (const uri of ['192.0.2.1', 'sip:192.0.2.1:506O', 'sip:192.0.2.1:99999', 'sip:2001:db8::1', 'sip:a, sip:b'])
      expect(faults(`server_address = ${uri}`)).to.deep.equal([
        `pubsub.conf:2: server_address = '${uri}' is not valid, expected a SIP URI such as sip:192.0.2.1:5060`,
      ])
  })
})

describe('parameters of storage', () => {
  const settings = defaultsOf(pubsubOptions)

  it('say when the times that are granted contradict each other', () => {
    expect(faults('min_expires = 600\nmax_expires = 300')).to.deep.equal([
      'pubsub.conf:2: min_expires = 600 is more than max_expires, expected 300 at most',
    ])
    expect(faults('min_expires = 60\ndefault_expires = 30')).to.deep.equal([
      'pubsub.conf:3: default_expires = 30 is not between min_expires and max_expires, expected 60 to 3600',
    ])
    expect(faults('default_expires = 900\nmax_expires = 600')).to.deep.equal([
      'pubsub.conf:2: default_expires = 900 is not between min_expires and max_expires, expected 0 to 600',
    ])
    // Without a line of its own it is max_expires at most.
    expect(faults('max_expires = 600')).to.deep.equal([])
    expect(faults('min_expires = 60\nmax_expires = 60\ndefault_expires = 60')).to.deep.equal([])
  })

  it('name four tables, none of them twice or taken, which is found before anything starts', () => {
    expect(faults('presentity_table = a\nactive_watchers_table = b\nwatchers_table = c\nxcap_table = d')).to.deep.equal(
      [],
    )
    expect(faults('presentity_table = watchers\nwatchers_table = presentity')).to.deep.equal([])
    expect(faults('watchers_table = Active_Watchers')).to.deep.equal([
      'pubsub.conf:2: watchers_table = Active_Watchers is that of active_watchers_table too, expected a table of its own',
    ])
    expect(faults('presentity_table = xcap')).to.deep.equal([
      'pubsub.conf:2: presentity_table = xcap is that of xcap_table too, expected a table of its own',
    ])
    expect(faults('watchers_table = x\nxcap_table = X')).to.deep.equal([
      'pubsub.conf:3: xcap_table = X is that of watchers_table too, expected a table of its own',
    ])
    const taken = ['version', 'sqlite_master', 'contacts', 'device_states', 'published_states', 'outbound_publications']
    for (const name of taken) expect(faults(`xcap_table = ${name}`), name).to.have.length(1)
  })

  it('are the library mode where there is no database, unless publications live in memory', () => {
    const nothing = { db_url: { kind: 'none' }, publ_cache: 1 } as const
    expect(isLibrary(settings)).to.equal(false)
    expect(isLibrary(nothing)).to.equal(true)
    expect(isLibrary({ ...nothing, publ_cache: 2 })).to.equal(false)
  })

  it('are those of fallback2db where that is set, and all in memory without a database', () => {
    expect(storageModes(settings)).to.deep.equal({ subscriptions: 2, publications: 1 })
    expect(storageModes({ ...settings, fallback2db: true })).to.deep.equal({ subscriptions: 3, publications: 0 })
    const none = { ...settings, fallback2db: true, db_url: { kind: 'none' } as const }
    expect(storageModes(none)).to.deep.equal({ subscriptions: 0, publications: 2 })
  })
})

function docOf(name: string): string {
  return Object.entries(pubsubOptions).find(([key]) => key === name)?.[1].doc ?? ''
}

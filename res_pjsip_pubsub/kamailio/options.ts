/**
 * The parameters of Kamailio's presence modules that pubsub.conf takes under their own names, with Kamailio's defaults.
 * docs/presence.md says of each what it does here. `0` and `1` are `no` and `yes`, as everywhere in our files.
 */
import { custom, integer, type Option, type OptionValues, options, text, yesno } from '../../core/options.ts'
import { parseUri } from '../../core/sip/parse-uri.ts'

/** Where rows are kept: the store of lamplighter.conf, a file of its own, or nowhere, as only the functions are wanted. */
type DatabaseUrl =
  | { readonly kind: 'store' }
  | { readonly kind: 'sqlite'; readonly path: string }
  | { readonly kind: 'none' }

const storageParameters = options({
  db_url: custom<DatabaseUrl>(
    { kind: 'store' },
    'store',
    'store, sqlite:///path, or nothing',
    readDatabaseUrl,
    "The database of presence: `store` is that of lamplighter.conf, `sqlite:///path` a file of its own; empty, unless publ_cache is 2, answers no request by itself and leaves the functions to other modules (Kamailio's library mode).",
  ),
  presentity_table: table('presentity', 'The table of what was published.'),
  active_watchers_table: table('active_watchers', 'The table of subscriptions.'),
  watchers_table: table('watchers', "The table of watchers and what a presentity's rules make of them."),
  xcap_table: table('xcap', 'The table of authorization rules, in the same database.'),
  subs_db_mode: integer(
    2,
    'Where subscriptions live: 0 in memory only, 1 written before they are answered, 2 written soon after, 3 in the database, for several servers that share one file. With 3 set notifier_processes = 0 as well, or NOTIFYs wait up to waitn_time.',
    { max: 3, unit: 'a mode' },
  ),
  publ_cache: integer(
    1,
    'Where publications live: 0 in the database, for several servers that share one file (as 1 is with subs_db_mode = 3), 1 in memory and written before they are answered, 2 in memory only.',
    { max: 2, unit: 'a mode' },
  ),
  fallback2db: yesno(
    false,
    'The old name for a database that several servers share: the same as subs_db_mode = 3 with publ_cache = 0.',
  ),
  db_update_period: integer(
    100,
    'With subs_db_mode = 2: the longest time that the refresh of a subscription waits to be written; 0 and less leave it until another subscription is written. New subscriptions, ends and reserved numbers are written within milliseconds.',
    { min: -86400, max: 86400, unit: 'seconds' },
  ),
  clean_period: integer(
    100,
    'The time between two searches of the tables for what has expired and nobody took away; 0 and less search never. Phones are told of an expiry at once, whatever is set here.',
    { min: -86400, max: 86400, unit: 'seconds' },
  ),
  fetch_rows: integer(500, 'Rows that are read from a table in one step.', { min: 1, max: 100000, unit: 'rows' }),
  db_table_lock_type: yesno(true, 'Read and checked only: SQLite locks the file in every transaction.'),
})

const publicationParameters = options({
  expires_offset: integer(0, 'What the Expires of a 200 to PUBLISH is less than the time the publication is kept.', {
    max: 3600,
    unit: 'seconds',
  }),
  accept_unknown: yesno(
    false,
    'Whether anything may be published and watched, as in Kamailio; otherwise what has a hint, an endpoint, an AOR or a publication is published about, and what has a hint, mailboxes or a publication is watched.',
  ),
  retrieve_order: integer(
    0,
    'The order in which several publications of one presentity are put together: 0 by the time they came, 1 by their priority.',
    { max: 1, unit: 'an order' },
  ),
  xavp_cfg: custom(
    '',
    '',
    'the name of a header, or nothing',
    readHeaderName,
    "The header in which trusted endpoints (trust_id_inbound) say what Kamailio's xavp of this name says: `priority=100`. Empty reads none; modules say it by themselves.",
  ),
  force_delete: yesno(false, 'Whether expired publications go without a word to their watchers.'),
  force_single_dialog: yesno(
    false,
    'Whether dialog-info shows one dialog, the most interesting of all sources, as single_dialog of lamplighter.conf does.',
  ),
  force_dummy_dialog: yesno(
    false,
    'Whether dialog-info without any dialog carries a terminated one, for phones that cannot read an empty document.',
  ),
  force_dummy_presence: yesno(
    false,
    'Whether a presence document without any tuple carries an open one, for phones that cannot read an empty document.',
  ),
})

const subscriptionParameters = options({
  default_expires: integer(3600, 'The time granted to a SUBSCRIBE or PUBLISH without Expires.', {
    min: 1,
    max: 86400,
    unit: 'seconds',
  }),
  min_expires_action: integer(
    1,
    'What becomes of a request for less than min_expires: 1 refuses it with 423, 2 grants min_expires.',
    { min: 1, max: 2, unit: 'an action' },
  ),
  subs_respond_200: yesno(
    true,
    'Whether a SUBSCRIBE is answered 200, as RFC 6665 has it; otherwise 202 as in RFC 3265, but for watcher information.',
  ),
  send_fast_notify: yesno(
    true,
    'Whether a SUBSCRIBE is followed by a NOTIFY even where there is nothing to show, as RFC 6665 has it; otherwise the first NOTIFY waits for a body.',
  ),
  timeout_rm_subs: yesno(
    true,
    'Whether a subscription ends when notify_retries NOTIFYs in a row were not answered at all; otherwise it stays until it expires.',
  ),
  delete_same_subs: yesno(
    false,
    'Whether a new subscription ends an older one to the same with the same Call-ID, as of a phone that began its dialog anew.',
  ),
  subs_remove_match: integer(
    0,
    'Read and checked only: a subscription is always found by Call-ID and both tags (RFC 3261 12), and what is removed is that one and no other.',
    { max: 1, unit: 'a way' },
  ),
  cseq_offset: integer(
    0,
    'How much lower than the last the CSeq of a SUBSCRIBE in a dialog may be, for proxies that change the order of requests.',
    { max: 1000000, unit: 'a number' },
  ),
  server_address: custom(
    '',
    '',
    'a SIP URI, or nothing',
    readServerAddress,
    'The Contact of answers to SUBSCRIBE and of NOTIFYs; empty is the address of the transport, as the phone reaches it.',
  ),
  to_tag_pref: custom(
    '10',
    '10',
    'letters and digits',
    readTagPrefix,
    'What the To tags of answers to SUBSCRIBE begin with; the time and 80 random bits follow.',
  ),
  totag_avpid: text(
    '',
    'Read and checked only: there are no AVPs; modules find the tag as `to_tag` of a subscription.',
  ),
  sip_uri_match: integer(0, 'Whether the names of presentities and watchers compare with case (0) or without (1).', {
    max: 1,
    unit: 'a way',
  }),
})

const notifierParameters = options({
  waitn_time: integer(5, 'With subs_db_mode = 3 and notifier_processes: the longest time that a NOTIFY is held back.', {
    min: 1,
    max: 3600,
    unit: 'seconds',
  }),
  notifier_poll_rate: integer(10, 'With the same: how often in a second a part of what waits is sent.', {
    min: 1,
    max: 100,
    unit: 'times a second',
  }),
  notifier_processes: integer(
    1,
    'With subs_db_mode = 3: in how many parts each poll divides its work; 0 and less send NOTIFYs at once. There is one process here, whatever the number.',
    { min: -64, max: 64, unit: 'a number' },
  ),
  local_log_level: integer(
    2,
    'The level of what is told without being asked: -1 and less error, 0 warning, 1 notice, 2 verbose, 3 debug.',
    { min: -5, max: 3, unit: 'a level' },
  ),
  subs_htable_size: integer(9, 'Read and checked only: the tables in memory grow by themselves.', {
    max: 30,
    unit: 'a power of two',
  }),
  pres_htable_size: integer(9, 'Read and checked only: the tables in memory grow by themselves.', {
    max: 30,
    unit: 'a power of two',
  }),
  lock_set_size: integer(8, 'Read and checked only: one thread has all subscriptions, and nothing to lock.', {
    min: 1,
    max: 1048576,
    unit: 'a number',
  }),
})

const authorizationParameters = options({
  force_active: yesno(
    false,
    'Whether every subscription is active whatever the rules of the presentity say; nothing asks for rules unless res_pjsip_presence_rules is loaded.',
  ),
  enable_sphere_check: yesno(
    false,
    'Whether the sphere that a presentity publishes (RFC 4480) is held against the sphere conditions of its rules.',
  ),
  sender_header: custom(
    'Sender',
    'Sender',
    'the name of a header, or nothing',
    readHeaderName,
    'The header of a PUBLISH that names who is not told of it; it counts where it names the publisher itself, or the endpoint is trusted (trust_id_inbound).',
  ),
  watcher_header: custom(
    'P-Asserted-Identity',
    'P-Asserted-Identity',
    'the name of a header, or nothing',
    readHeaderName,
    'The header of a SUBSCRIBE that names the watcher in place of From, from trusted endpoints only (trust_id_inbound).',
  ),
})

export const kamailioOptions = options({
  ...subscriptionParameters,
  ...publicationParameters,
  ...authorizationParameters,
  ...notifierParameters,
  ...storageParameters,
})

type StorageSettings = Pick<
  OptionValues<typeof kamailioOptions>,
  'db_url' | 'subs_db_mode' | 'publ_cache' | 'fallback2db'
>

/** Kamailio's library mode: no request is answered but by those who call the functions. */
export function isLibrary({ db_url, publ_cache }: Pick<StorageSettings, 'db_url' | 'publ_cache'>): boolean {
  return db_url.kind === 'none' && publ_cache !== 2
}

/** The modes that hold, after fallback2db and a database that is none have had their say. */
export function storageModes(settings: StorageSettings): {
  readonly subscriptions: number
  readonly publications: number
} {
  if (settings.db_url.kind === 'none') return { subscriptions: 0, publications: 2 }
  if (settings.fallback2db) return { subscriptions: 3, publications: 0 }
  const { subs_db_mode: subscriptions, publ_cache } = settings
  // Servers that share their subscriptions have to know of each other's publications.
  return { subscriptions, publications: subscriptions === 3 && publ_cache === 1 ? 0 : publ_cache }
}

const TABLES = ['presentity_table', 'active_watchers_table', 'watchers_table', 'xcap_table'] as const

/** Tables that two options name; SQLite does not know one from the other by the case of its name. */
export function tablesInCommon(
  settings: Pick<OptionValues<typeof kamailioOptions>, (typeof TABLES)[number]>,
): readonly (readonly [option: (typeof TABLES)[number], why: string])[] {
  const known = new Map<string, (typeof TABLES)[number]>()
  return TABLES.flatMap((option) => {
    const name = settings[option].toLowerCase()
    const other = known.get(name)
    known.set(name, option)
    if (other === undefined) return []
    // The one that is written in the file: no two have the same default.
    const [wrong, right] = name === option.replace('_table', '') ? [other, option] : [option, other]
    return [[wrong, `is that of ${right} too, expected a table of its own`] as const]
  })
}

/** The store's own, and SQLite's. */
const TAKEN =
  /^(sqlite_.*|version|contacts|outbound_publications|(device|presence|mailbox|published)_states|presence_(reserves|servers|counters))$/i

function table(byDefault: string, doc: string): Option<string> {
  return custom(
    byDefault,
    byDefault,
    'the name of a table',
    (name) => {
      if (!/^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(name)) throw new Error('expected letters, digits and underscores')
      if (TAKEN.test(name)) throw new Error('expected another name, this one is taken')
      return name
    },
    doc,
  )
}

/** `sqlite:///etc/presence.db` is `/etc/presence.db`, with a fourth slash too; `sqlite://presence.db` is beside our own files. */
function readDatabaseUrl(url: string): DatabaseUrl {
  if (url === '') return { kind: 'none' }
  if (url.toLowerCase() === 'store') return { kind: 'store' }
  const path = /^sqlite:\/\/(.+)$/i.exec(url)?.[1]?.replace(/^\/+/, '/')
  if (path === undefined || path === '/') throw new Error('expected store, sqlite:///path, or nothing')
  return { kind: 'sqlite', path }
}

function readHeaderName(name: string): string {
  if (!/^[A-Za-z0-9!%*_+`'~.-]{0,64}$/.test(name)) throw new Error('expected the name of a header, or nothing')
  return name
}

function readTagPrefix(prefix: string): string {
  if (!/^[A-Za-z0-9.-]{0,32}$/.test(prefix)) throw new Error('expected at most 32 letters, digits, dots and hyphens')
  return prefix
}

function readServerAddress(uri: string): string {
  if (uri === '') return uri
  if (!parseUri(uri)) throw new Error('expected a SIP URI such as sip:192.0.2.1:5060')
  return uri
}

/** The options of lamplighter.conf. */
import { choice, custom, integer, list, options, secret, text, yesno } from './options.ts'
import { parseUri } from './sip/parse-uri.ts'

export const generalOptions = options({
  compat: choice(
    ['rfc', 'asterisk'],
    'rfc',
    "Whose answer is given where the RFCs and Asterisk differ: the RFC's or Asterisk's.",
  ),
  asterisk_config: text(
    '',
    "Directory of an existing Asterisk's configuration, whose pjsip, extensions and voicemail files are read unchanged.",
    'a directory',
  ),
  asterisk_eid: text(
    '',
    'The entity id of this server, as Asterisk writes it; made from the first network address when empty.',
  ),
  removed_hint_grace: integer(
    30,
    'Seconds that phones keep their subscription, showing unavailable, when a hint disappears from the dialplan; 0 ends it at once. Under compat=asterisk always 0.',
    { max: 86400, unit: 'seconds' },
  ),
  hide_callers: choice(
    ['no', 'name', 'yes'],
    'no',
    'Whether the other party of a call is left out of dialog-info: no, only its name, or all of it.',
  ),
  single_dialog: yesno(
    false,
    'Show one dialog an extension in dialog-info, the most interesting one, for phones that cannot read several.',
  ),
  calls_to: custom(
    '',
    '',
    'a SIP URI',
    addressAlone,
    'Where a phone that calls here is sent, as one does whose BLF keys are tied to its account here: the address of Asterisk; calls are refused when empty.',
  ),
})

function addressAlone(value: string): string {
  const uri = parseUri(value)
  const fine = value === '' || (uri !== undefined && uri.user === '' && uri.headers === '')
  if (!fine) throw new Error('expected a SIP URI of a host alone')
  return value
}

export const storeOptions = options({
  path: text(
    'lamplighter.db',
    'The SQLite file, relative to the configuration directory; `:memory:` keeps nothing over a restart.',
    'a path',
  ),
  synchronous: choice(
    ['normal', 'full', 'off'],
    'normal',
    'How hard SQLite tries to survive a power failure; a crash of the process loses nothing in any of them.',
  ),
})

export const consoleOptions = options({
  socket: text('lamplighter.ctl', 'The Unix socket of the console, relative to the configuration directory.', 'a path'),
  level: choice(['error', 'warning', 'notice', 'verbose', 'debug'], 'notice', 'The log level at start.'),
  logfile: text('', 'A file that gets the log as well; reopened by `logger reload`.', 'a path'),
  timestamp: yesno(true, 'Whether console lines of the log carry the time.'),
})

/** One section per Asterisk server: `[pbx1]` with `type = server`. The section's name is the origin of its states. */
export const serverOptions = options({
  url: text('http://127.0.0.1:8088', "Asterisk's HTTP server, with its prefix if it has one.", 'a URL'),
  username: text('', 'The ARI user (ari.conf); it must not be read_only.'),
  password: secret('Its password.'),
  app: text('lamplighter', 'The name of the ARI application; two Lamplighters on one Asterisk need two names.'),
  stale_after: integer(
    60,
    'Seconds that lamps keep their last state while this Asterisk is away, before its devices become unavailable.',
    { max: 86400, unit: 'seconds' },
  ),
  reconcile_interval: integer(60, 'Seconds between two comparisons of what is believed with what Asterisk says.', {
    min: 5,
    max: 86400,
    unit: 'seconds',
  }),
  hint_interval: integer(60, 'Seconds between two readings of the hints in use through ARI.', {
    min: 5,
    max: 86400,
    unit: 'seconds',
  }),
  unknown_hint_ttl: integer(30, 'Seconds that an extension without a hint is remembered as such.', {
    max: 3600,
    unit: 'seconds',
  }),
  mailbox_interval: integer(10, 'Seconds between two readings of the message counts of the mailboxes in use.', {
    min: 1,
    max: 3600,
    unit: 'seconds',
  }),
  presence_interval: integer(10, 'Seconds between two readings of the presence states in use.', {
    min: 1,
    max: 3600,
    unit: 'seconds',
  }),
  request_timeout: integer(5000, 'Milliseconds after which a request to Asterisk is given up.', {
    min: 100,
    max: 120000,
    unit: 'milliseconds',
  }),
  ping_interval: integer(10, 'Seconds between two pings of the event socket.', { min: 1, max: 600, unit: 'seconds' }),
  reconnect_max: integer(30, 'The longest pause, in seconds, between two attempts to connect.', {
    min: 1,
    max: 3600,
    unit: 'seconds',
  }),
  contexts: list([], 'Dialplan contexts asked for hints here; empty means any context an endpoint names.'),
})

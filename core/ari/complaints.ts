/** What is wrong on Asterisk's side: each thing is said once, with what to change there, and taken back once. */
import type { Logger } from '../log.ts'
import { dropOldest } from '../oldest.ts'
import type { ConnectFailure } from './protocol.ts'
import { isAddressDenied } from './refused.ts'

/** Milliseconds for which an Asterisk that starts may have its HTTP server, and no ARI there yet. */
const STARTS_FOR = 10_000

/** Of one key. */
const MOST_SAID = 20

export class Complaints {
  readonly #log: Logger
  readonly #now: () => number
  /** Since when ARI was not found where something answers. */
  #notFoundSince: number | undefined
  /** key → what holds now */
  readonly #open = new Map<string, string>()
  /** key → what was said since it was right last: who relays a connection that leads nowhere ends it now so, now so. */
  readonly #said = new Map<string, Set<string>>()
  #cause: ConnectFailure['cause'] | undefined

  /** `now`: milliseconds. */
  constructor(log: Logger, now = (): number => performance.now()) {
    this.#log = log
    this.#now = now
  }

  /** What holds now, for the console. */
  get open(): readonly string[] {
    return [...this.#open.values()]
  }

  /** Whether something holds that was said by a key of this beginning. */
  has(keyStart: string): boolean {
    return [...this.#open.keys()].some((key) => key.startsWith(keyStart))
  }

  say(key: string, message: string, level: 'error' | 'warning' = 'warning'): void {
    if (this.#open.get(key) === message) return
    this.#open.set(key, message)
    const said = this.#said.get(key) ?? new Set()
    if (said.has(message)) return
    this.#said.set(key, said.add(message))
    dropOldest(said, MOST_SAID)
    this.#log[level](message)
  }

  /** It is right again. */
  settle(key: string, message?: string): void {
    if (key === 'connection') this.#notFoundSince = undefined
    this.#said.delete(key)
    if (!this.#open.delete(key) || message === undefined) return
    this.#log.notice(message)
  }

  /** Of what was said by keys of this beginning only that stays which is `about` something that is there still. */
  keepOnly(keyStart: string, isThere: (about: string) => boolean): void {
    for (const key of this.#open.keys())
      if (key.startsWith(keyStart) && !isThere(key.slice(keyStart.length))) this.settle(key)
  }

  connection(failure: ConnectFailure, base: string, username: string): void {
    if (this.#mayBeStarting(failure)) return
    // What is wrong now is another thing, also where it was before.
    if (failure.cause !== this.#cause) this.#said.delete('connection')
    this.#cause = failure.cause
    this.say('connection', whyNot(failure, base, username), failure.cause === 'unreachable' ? 'warning' : 'error')
  }

  #mayBeStarting({ cause, reason }: ConnectFailure): boolean {
    const isNotFound = cause === 'not-ari' && reason.startsWith('404')
    this.#notFoundSince = isNotFound ? (this.#notFoundSince ?? this.#now()) : undefined
    return this.#notFoundSince !== undefined && this.#now() < this.#notFoundSince + STARTS_FOR
  }

  probe(status: number, message: string): void {
    // Said of the whole connection.
    if (status === 401 || isAddressDenied(status, message)) return
    if (status === 403) {
      return this.say(
        'probe',
        'the ARI user is read-only, so hints, message counts and presence states cannot be read: set read_only = no ' +
          'for it in ari.conf and run `module reload res_ari.so`',
        'error',
      )
    }
    const hint = status === 404 ? adviceTo404(message) : 'see the log of that Asterisk'
    this.say(
      'probe',
      `no channel can be created to read hints, message counts and presence states (${status} ${message}): ${hint}`,
    )
  }
}

/** Where ARI is there and one of its modules is not, it is the resource that is not found, and not the URL. */
function adviceTo404(message: string): string {
  return /requested URL/i.test(message)
    ? 'its ARI is switched off; set enabled = yes in its ari.conf and http.conf, and run `module reload res_ari.so` there'
    : 'load res_ari_channels.so and res_stasis.so (modules.conf)'
}

function whyNot({ cause, reason }: ConnectFailure, base: string, username: string): string {
  const texts: Readonly<Record<ConnectFailure['cause'], string>> = {
    credentials:
      `Asterisk at ${base} refuses the ARI user '${username}' (401): put [${username || 'lamplighter'}] with ` +
      'type = user, read_only = no and the same password in its ari.conf, run `module reload res_ari.so` there, ' +
      'and compare username and password in lamplighter.conf',
    address:
      `Asterisk at ${base} refuses the address we come from (403): permit it where deny, permit or acl stand in its ` +
      `ari.conf, at [${username}], or http.conf, and run \`module reload res_ari.so\` and \`module reload http\` there`,
    'not-ari':
      `${base} answers, but not as ARI does (${reason}): check url in lamplighter.conf, enabled = yes in ` +
      "Asterisk's ari.conf, its http.conf (prefix), and that res_ari.so and res_ari_asterisk.so are loaded",
    'no-docs':
      `Asterisk at ${base} does not show what its ARI can do (api-docs: ${reason}): its rest-api directory is missing ` +
      'where astdatadir of its asterisk.conf says, or it may not read it; install it again',
    'no-events':
      `Asterisk at ${base} answers, but tells no events (${reason}); trying on. If that lasts, its ARI has ` +
      'locked itself up: restart Asterisk',
    certificate:
      `Asterisk at ${base} shows a certificate that is not trusted (${reason}): it has to be for the host in ` +
      'url, and where its authority is none that Node.js knows, start Lamplighter with ' +
      'NODE_EXTRA_CA_CERTS=/path/to/that-authority.pem in its environment',
    unreachable:
      `cannot reach Asterisk at ${base} (${reason}); trying on. If it runs, check enabled = yes, bindaddr ` +
      'and bindport in its http.conf, and url in lamplighter.conf',
  }
  return texts[cause]
}

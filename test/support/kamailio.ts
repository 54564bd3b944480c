/** Debian's Kamailio as a presence server on the loopback: memory only, nobody authenticated, ended with the run. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { keepTrack, removeDirectory, temporaryDirectory } from '../../bench/leftovers.ts'
import { freeUdpPort } from './free-port.ts'
import { TestPhone } from './phone.ts'
import { until } from './tools.ts'

export const LIMITS = { shortest: 2, longest: 3600 }

export class Kamailio {
  readonly port: number
  readonly version: string
  readonly #child: ChildProcess
  readonly #directory: string

  static async start(): Promise<Kamailio> {
    const directory = temporaryDirectory('kamailio-')
    const port = await freeUdpPort()
    const file = join(directory, 'kamailio.cfg')
    writeFileSync(file, configuration(port))
    const options = ['-DD', '-E', '-w', directory, '-Y', directory, '-m', '64', '-M', '8']
    const child = spawn('kamailio', ['-f', file, ...options], { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    // By SIGTERM it ends its processes itself, but not while it is still starting them.
    keepTrack(child, true)
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text))
    const phone = await TestPhone.open({ server: { address: '127.0.0.1', port }, patience: 300 })
    try {
      const server = await until('answer of Kamailio', async () => {
        if (child.exitCode !== null) throw new Error(`Kamailio ended:\n${said}`)
        return phone.request('OPTIONS').then(
          (answer) => answer.header('server'),
          () => undefined,
        )
      })
      return new Kamailio(child, directory, port, /\(([\d.]+)/.exec(server)?.[1] ?? server)
    } finally {
      await phone.close()
    }
  }

  constructor(child: ChildProcess, directory: string, port: number, version: string) {
    this.#child = child
    this.#directory = directory
    this.port = port
    this.version = version
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null) {
      const ended = once(this.#child, 'exit')
      this.#child.kill('SIGTERM')
      await ended
    }
    removeDirectory(this.#directory)
  }
}

/** Where Debian puts the modules depends on the architecture. */
function modulePath(): string {
  const architecture = readdirSync('/usr/lib').find((name) => name.endsWith('-linux-gnu')) ?? ''
  return `/usr/lib/${architecture}/kamailio/modules/`
}

function configuration(port: number): string {
  const modules = ['tm', 'sl', 'rr', 'pv', 'maxfwd', 'sanity', 'textops', 'siputils']
  const packages = ['presence', 'presence_xml', 'presence_dialoginfo', 'presence_mwi']
  return `#!KAMAILIO
debug=0
log_stderror=yes
fork=yes
children=1
disable_tcp=yes
auto_aliases=no
listen=udp:127.0.0.1:${port}
mpath="${modulePath()}"
${[...modules, ...packages].map((name) => `loadmodule "${name}.so"`).join('\n')}
modparam("presence", "subs_db_mode", 0)
modparam("presence", "publ_cache", 2)
modparam("presence", "clean_period", 1)
modparam("presence", "db_update_period", 1)
modparam("presence", "min_expires", ${LIMITS.shortest})
modparam("presence", "max_expires", ${LIMITS.longest})
modparam("presence_xml", "force_active", 1)
modparam("presence_xml", "disable_bla", 0)
request_route {
  if (!sanity_check("1511", "7")) exit;
  if (has_totag()) loose_route();
  if (is_method("PUBLISH|SUBSCRIBE")) {
    if (!t_newtran()) { sl_reply_error(); exit; }
    if (is_method("SUBSCRIBE")) handle_subscribe();
    else if ($hdr(Sender) != $null) handle_publish("$hdr(Sender)");
    else handle_publish();
    t_release();
    exit;
  }
  if (is_method("OPTIONS")) { sl_send_reply("200", "OK"); exit; }
  sl_send_reply("405", "Method Not Allowed");
}
`
}

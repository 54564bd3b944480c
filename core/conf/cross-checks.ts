/** What no single file shows to be wrong: paths that collide or are too long, certificates that cannot be used. */
import { existsSync } from 'node:fs'
import { type ConfigFile, lastValue } from '../config.ts'
import type { TransportConfig } from '../endpoints.ts'
import { ConfigError } from '../options.ts'
import { readCertificates } from '../sip/certificates.ts'
import type { Findings } from './findings.ts'

/** The path of a Unix socket has to fit into 108 bytes with its end. */
const LONGEST_SOCKET_PATH = 107

/** Absolute paths of what is written. */
export interface OwnPaths {
  readonly storePath: string
  readonly consoleSocket: string
  readonly logFile: string | undefined
}

/** `settings` is lamplighter.conf; `files` is every file that was read. */
export function checkPaths(
  { storePath, consoleSocket, logFile }: OwnPaths,
  settings: ConfigFile | undefined,
  files: readonly string[],
  findings: Findings,
): void {
  const fault = (what: string, key: string): void => {
    const section = settings?.sections.findLast((each) => lastValue(each, key))
    findings.problem(what, lastValue(section, key))
  }
  if (Buffer.byteLength(consoleSocket) > LONGEST_SOCKET_PATH) {
    fault(
      `the console's socket ${consoleSocket} is longer than ${LONGEST_SOCKET_PATH} bytes, ` +
        'expected a shorter path in socket = of [console]',
      'socket',
    )
  }
  const uses = new Map(files.map((file) => [file, 'a file of the configuration']))
  const written: [key: string, path: string | undefined, use: string][] = [
    ['path', storePath, 'the store'],
    ['socket', consoleSocket, "the console's socket"],
    ['logfile', logFile, 'the log file'],
  ]
  for (const [key, path, use] of written) {
    if (path === undefined) continue
    const other = uses.get(path)
    if (other !== undefined) fault(`${key} = ${path} is ${other}, expected a path of its own for ${use}`, key)
    uses.set(path, use)
  }
}

/** Files that are missing have been found where they are named. */
export function checkCertificates(transports: readonly TransportConfig[], findings: Findings): void {
  for (const transport of transports) {
    const { cert_file, priv_key_file, ca_list_file } = transport
    if (transport.protocol !== 'tls' || cert_file === '') continue
    if (![cert_file, priv_key_file, ca_list_file].every((path) => path === '' || existsSync(path))) continue
    try {
      readCertificates(transport)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      findings.problems.push(error)
    }
  }
}

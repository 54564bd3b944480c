/** What no single file shows to be wrong: paths that collide or are too long, certificates that cannot be used. */
import { X509Certificate } from 'node:crypto'
import { accessSync, constants, existsSync, opendirSync, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { type ConfigEntry, type ConfigFile, lastValue } from '../config.ts'
import type { TransportConfig } from '../endpoints.ts'
import { reasonOf } from '../log.ts'
import { ConfigError } from '../options.ts'
import { readCertificates } from '../sip/certificates.ts'
import { realPath } from '../store-file.ts'
import type { Findings } from './findings.ts'
import { exists } from './parser.ts'

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
    findings.problem(what, placeOf(settings, key))
  }
  if (Buffer.byteLength(consoleSocket) > LONGEST_SOCKET_PATH) {
    fault(
      `the console's socket ${consoleSocket} is longer than ${LONGEST_SOCKET_PATH} bytes, ` +
        'expected a shorter path in socket = of [console]',
      'socket',
    )
  }
  for (const [key, path] of [
    ['path', storePath],
    ['socket', consoleSocket],
  ] as const) {
    const isWritten = placeOf(settings, key) !== undefined
    const why = isWritten && path !== ':memory:' && whyNoFile(path)
    if (why) fault(`${key} = ${path} ${why}`, key)
  }
  const whyNoLog = logFile === undefined ? undefined : whyNoFile(logFile)
  // Lamps are lit without it.
  if (whyNoLog) findings.warning(`logfile = ${logFile} ${whyNoLog}`, placeOf(settings, 'logfile'))
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

/** What a check says beside the faults, for the one who asks; a start finds it where it writes, and says it there. */
export function unwritable(
  { storePath, consoleSocket, logFile }: OwnPaths,
  settings: ConfigFile | undefined,
): readonly ConfigError[] {
  const written: [key: string, path: string | undefined, touched: (path: string) => readonly string[]][] = [
    ['path', storePath === ':memory:' ? undefined : storePath, touchedByDatabase],
    // One that was left is taken away first.
    ['socket', consoleSocket, (path) => [dirname(path)]],
    ['logfile', logFile, (path) => [existsSync(path) ? path : dirname(path)]],
  ]
  return written.flatMap(([key, path, touched]) => {
    const why = path === undefined ? undefined : whyUnwritable(touched(path))
    return why === undefined ? [] : [new ConfigError(`${key} = ${path} ${why}`, placeOf(settings, key))]
  })
}

/** SQLite keeps its log beside the file, and not beside a link to it. */
function touchedByDatabase(path: string): readonly string[] {
  return [dirname(realPath(path)), path]
}

function whyUnwritable(paths: readonly string[]): string | undefined {
  const barred = paths.find(isBarred)
  return barred === undefined ? undefined : `cannot be written, expected that this user may write ${barred}`
}

function isBarred(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code !== 'ENOENT' && error.code !== 'ENOTDIR'
  }
}

/** Where lamplighter.conf has an option whose name stands in one section only. */
export function placeOf(settings: ConfigFile | undefined, key: string): ConfigEntry | undefined {
  return lastValue(
    settings?.sections.findLast((each) => lastValue(each, key)),
    key,
  )
}

/** Without these two nothing starts, and the system's own words for it are others: a permission, a file. */
function whyNoFile(path: string): string | undefined {
  if (isDirectory(path)) return 'is a directory, expected a file'
  const directory = dirname(path)
  return isDirectory(directory) === false ? `cannot be made, expected a directory ${directory}` : undefined
}

/** The same for a database of a module, which declines without it, and with it all that requires it. */
export function whyNoDatabase(path: string): string | undefined {
  return whyNoFile(path) ?? whyUnwritable(touchedByDatabase(path))
}

/** Nothing where it is a directory that can be read. */
export function whyNoDirectory(path: string): string | undefined {
  try {
    opendirSync(path).closeSync()
    return undefined
  } catch (error) {
    return `cannot be read (${reasonOf(error)}), expected a directory`
  }
}

/** Nothing where it is a directory, be it one whose files cannot be listed. `none`: what is said where it is not. */
export function whyNotDirectory(path: string, none: string): string | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() ? undefined : none
  } catch (error) {
    return `cannot be looked at (${reasonOf(error)})`
  }
}

/** undefined where it cannot be looked at: the start says why. */
function isDirectory(path: string): boolean | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
  } catch {
    return undefined
  }
}

/** Files that are missing have been found where they are named. */
export function checkCertificates(transports: readonly TransportConfig[], findings: Findings): void {
  for (const transport of transports) {
    const { cert_file, priv_key_file, ca_list_file } = transport
    if (transport.protocol !== 'tls' || cert_file === '') continue
    if (![cert_file, priv_key_file, ca_list_file].every((path) => path === '' || exists(path))) continue
    try {
      readCertificates(transport)
      checkPeerOptions(transport, findings)
      const { validTo } = new X509Certificate(readFileSync(cert_file))
      // Some phones take it all the same.
      if (Date.parse(validTo) < Date.now())
        findings.warning(`cert_file of [${transport.id}] expired on ${validTo}, expected a renewed one`, transport)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      findings.problems.push(error)
    }
  }
}

/** What Asterisk keeps strangers out with, where it would not do so here. */
function checkPeerOptions(transport: TransportConfig, findings: Findings): void {
  const { id, ca_list_file, ca_list_path, require_client_cert, verify_client, verify_server } = transport
  if (require_client_cert && !verify_client)
    findings.warning(
      `require_client_cert of [${id}] asks nobody for a certificate, expected verify_client = yes`,
      transport,
    )
  if (ca_list_path !== '' && ca_list_file === '' && (verify_client || verify_server))
    findings.warning(
      `ca_list_path of [${id}] is not used, expected ca_list_file with all certificates in it`,
      transport,
    )
}

/**
 * Where the demo's Lamplighter has its configuration and its console socket: a copy of the package's `configs/demo`,
 * the user's own, because the package itself may be anybody's and not writable. It is made anew with each demo; ports
 * are chosen in the environment, so nobody needs to edit it.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { chmodSync, cpSync, existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

interface Choice {
  readonly variable: string
  readonly what: string
  /** The file it stands in, and as what. */
  readonly file: string
  readonly port: number
  readonly udp: boolean
}

const SIP: Choice = {
  variable: 'LAMPLIGHTER_DEMO_SIP_PORT',
  what: 'phones reach Lamplighter',
  file: 'pjsip.conf',
  port: 5060,
  udp: true,
}
const ARI: Choice = {
  variable: 'LAMPLIGHTER_DEMO_ARI_PORT',
  what: 'Lamplighter reaches the demo PBX',
  file: 'lamplighter.conf',
  port: 8088,
  udp: false,
}
const HERE = '127.0.0.1'

/** The directory, made if it is not there. A demo on a port of its own has one of its own: two may be played at once. */
export function demoDirectory(): string {
  const { uid } = userInfo()
  const port = chosenPort(SIP)
  const name = `lamplighter-demo-${uid}${port === SIP.port ? '' : `-${port}`}`
  const directory = join(process.env['XDG_RUNTIME_DIR'] || tmpdir(), name)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const found = lstatSync(directory)
  // In a shared directory somebody else may have been there first.
  if (!found.isDirectory() || (uid >= 0 && found.uid !== uid)) throw new Error(`${directory} is not ours; remove it`)
  chmodSync(directory, 0o700)
  if (!existsSync(join(directory, 'lamplighter.conf'))) cpSync(sourceDirectory(), directory, { recursive: true })
  return directory
}

/**
 * Copies the package's configuration there, with the ports that were chosen.
 * @throws Error with one clear line where a port is in use or none.
 */
export async function prepareOwnCopy(): Promise<void> {
  const ports = [SIP, ARI].map((choice) => ({ ...choice, chosen: chosenPort(choice) }))
  for (const { chosen, udp, what, variable } of ports) {
    if ((await isFree(chosen, false)) && (!udp || (await isFree(chosen, true)))) continue
    throw new Error(
      `port ${chosen} of ${HERE}, where ${what}, is used by another program; choose another with ${variable}=${chosen + 10}`,
    )
  }
  const directory = demoDirectory()
  cpSync(sourceDirectory(), directory, { recursive: true })
  for (const { file, port, chosen } of ports) {
    const path = join(directory, file)
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll(`${HERE}:${port}`, `${HERE}:${chosen}`))
  }
}

function chosenPort({ variable, port }: Choice): number {
  const text = process.env[variable]
  if (text === undefined || text === '') return port
  const chosen = Number(text)
  if (!Number.isInteger(chosen) || chosen < 1 || chosen > 65525) throw new Error(`${variable}=${text} is not a port`)
  return chosen
}

async function isFree(port: number, udp: boolean): Promise<boolean> {
  try {
    if (udp) {
      const socket = createSocket('udp4')
      socket.bind({ port, address: HERE, exclusive: true })
      await once(socket, 'listening')
      await new Promise<void>((resolve) => {
        socket.close(resolve)
      })
    } else {
      const server = createServer()
      server.listen({ port, host: HERE, exclusive: true })
      await once(server, 'listening')
      await new Promise((resolve) => {
        server.close(resolve)
      })
    }
    return true
  } catch {
    return false
  }
}

/** `configs/demo` of the package, seen from the sources or from `dist`. */
function sourceDirectory(): string {
  for (const up of ['../../configs/demo', '../../../configs/demo']) {
    const path = fileURLToPath(new URL(up, import.meta.url))
    if (existsSync(path)) return path
  }
  throw new Error('configs/demo is missing from the package')
}

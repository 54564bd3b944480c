import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { keepTrack, removeDirectory, temporaryDirectory } from '../../bench/leftovers.ts'
import { PASSWORD } from './office.ts'

interface SippCall {
  readonly server: { readonly host: string; readonly port: number }
  readonly protocol: 'udp' | 'tcp'
  /** Path of the scenario. */
  readonly scenario: string
  /** Endpoint whose credentials it has. */
  readonly user: string
  /** What `[resource]` stands for in the scenario. */
  readonly resource: string
}

/** sipp, which ends by itself. */
export class SippProcess {
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>
  /** What it complained of. */
  said = ''
  over = false
  readonly kill: () => void

  constructor(...args: readonly string[]) {
    // It dies of what it would only complain of where it cannot open the file for that, such as a /dev/stderr of node's.
    const directory = temporaryDirectory('sipp-')
    const errors = join(directory, 'errors')
    const limits = ['-nostdin', '-timeout', '50s', '-timeout_error']
    const child = spawn('sipp', [...args, ...limits, '-trace_err', '-error_file', errors])
    keepTrack(child)
    this.kill = () => void child.kill('SIGKILL')
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.said += text))
    child.stdout.resume()
    this.ended = new Promise((resolve) => {
      child.on('close', (code) => {
        this.over = true
        if (existsSync(errors)) this.said += readFileSync(errors, 'utf8')
        removeDirectory(directory)
        resolve(code)
      })
    })
  }
}

/** As a phone of the office: plays one scenario once. */
export class Sipp extends SippProcess {
  constructor({ server, protocol, scenario, user, resource }: SippCall) {
    const login = ['-s', user, '-au', user, '-ap', PASSWORD, '-key', 'resource', resource]
    const way = ['-i', '127.0.0.1', '-t', protocol === 'udp' ? 'u1' : 't1']
    super(`${server.host}:${server.port}`, '-sf', scenario, ...way, ...login, '-m', '1')
  }
}

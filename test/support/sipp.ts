/** sipp as a phone of the office: plays one scenario once, and ends by itself. */
import { spawn } from 'node:child_process'
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

export class Sipp {
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>
  /** What it complained of. */
  said = ''
  over = false

  constructor({ server, protocol, scenario, user, resource }: SippCall) {
    const login = ['-s', user, '-au', user, '-ap', PASSWORD, '-key', 'resource', resource]
    const way = ['-i', '127.0.0.1', '-t', protocol === 'udp' ? 'u1' : 't1']
    const limits = ['-m', '1', '-nostdin', '-timeout', '20s', '-timeout_error']
    const trace = ['-trace_err', '-error_file', '/dev/stderr']
    const address = `${server.host}:${server.port}`
    const child = spawn('sipp', [address, '-sf', scenario, ...way, ...login, ...limits, ...trace])
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.said += text))
    child.stdout.resume()
    this.ended = new Promise((resolve) => {
      child.on('close', (code) => {
        this.over = true
        resolve(code)
      })
    })
  }
}

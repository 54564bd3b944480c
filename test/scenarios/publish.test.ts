import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { Instance } from '../support/instance.ts'
import { localOffice, PASSWORD } from '../support/office.ts'
import { needTool, until } from '../support/tools.ts'

/** sipp on both sides: one phone publishes its calls, another one's lamp follows. */
describe('sipp publishing and watching', function () {
  this.timeout(40000)
  let instance: Instance

  before(async function () {
    needTool(this, 'sipp')
    instance = new Instance(localOffice(['udp', 'tcp']))
    await instance.start()
  })
  after(() => instance?.dispose())

  /** Plays a scenario as this endpoint, about extension 101; resolves with its exit code and what it complained of. */
  function play(protocol: 'udp' | 'tcp', scenario: string, endpoint: string): Promise<[number | null, string]> {
    const { host, port } = instance.address(protocol)
    const file = fileURLToPath(new URL(scenario, import.meta.url))
    const login = ['-s', endpoint, '-au', endpoint, '-ap', PASSWORD, '-key', 'resource', '101']
    const limits = ['-m', '1', '-nostdin', '-timeout', '20s', '-timeout_error']
    const trace = ['-trace_err', '-error_file', '/dev/stderr']
    const transport = protocol === 'udp' ? 'u1' : 't1'
    const sipp = spawn('sipp', [
      `${host}:${port}`,
      '-sf',
      file,
      '-i',
      '127.0.0.1',
      '-t',
      transport,
      ...login,
      ...limits,
      ...trace,
    ])
    let said = ''
    sipp.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
    sipp.stdout.resume()
    return new Promise((resolve) => {
      sipp.on('close', (code) => resolve([code, said]))
    })
  }

  for (const protocol of ['udp', 'tcp'] as const) {
    it(`over ${protocol}: initial, modify, refresh, a stale entity-tag, remove, and a NOTIFY for each change`, async () => {
      const watching = play(protocol, 'watch.xml', '100')
      let over = false
      void watching.then(() => (over = true))
      const subscribed = async (): Promise<boolean> =>
        over || (await instance.command('pjsip show subscriptions inbound')).stdout.includes('101/dialog')
      await until('subscription to 101', subscribed, 15000)
      const [code, said] = await play(protocol, 'publish.xml', '101')
      expect(code, said).to.equal(0)
      const [watched, complaints] = await watching
      expect(watched, complaints).to.equal(0)
    })
  }
})

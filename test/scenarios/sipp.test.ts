import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { Instance } from '../support/instance.ts'
import { localOffice, PASSWORD } from '../support/office.ts'
import { needTool, until } from '../support/tools.ts'

/** sipp plays the phone: an implementation that knows nothing of ours on the other end of the wire. */
describe('sipp as the phone', function () {
  this.timeout(40000)
  let instance: Instance

  before(async function () {
    needTool(this, 'sipp')
    instance = new Instance(localOffice(['udp', 'tcp']))
    await instance.start()
  })
  after(() => instance?.dispose())

  for (const protocol of ['udp', 'tcp'] as const) {
    it(`subscribes over ${protocol} with digest, sees the lamp idle and in use, and unsubscribes`, async () => {
      await instance.command('devstate change Custom:door NOT_INUSE')
      const { host, port } = instance.address(protocol)
      const scenario = fileURLToPath(new URL('subscribe.xml', import.meta.url))
      const login = ['-s', '100', '-au', '100', '-ap', PASSWORD, '-key', 'resource', '200']
      const limits = [
        '-m',
        '1',
        '-nostdin',
        '-timeout',
        '20s',
        '-timeout_error',
        '-trace_err',
        '-error_file',
        '/dev/stderr',
      ]
      const sipp = spawn('sipp', [
        `${host}:${port}`,
        '-sf',
        scenario,
        '-i',
        '127.0.0.1',
        '-t',
        protocol === 'udp' ? 'u1' : 't1',
        ...login,
        ...limits,
      ])
      let said = ''
      sipp.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
      sipp.stdout.resume()
      const code = new Promise<number | null>((resolve) => {
        sipp.on('close', resolve)
      })
      const shown = async () =>
        (await instance.command('pjsip show subscriptions inbound')).stdout.includes('200/dialog')
      await until('subscription of 200', async () => sipp.exitCode !== null || (await shown()), 15000)
      await instance.command('devstate change Custom:door INUSE')
      expect(await code, said).to.equal(0)
    })
  }
})

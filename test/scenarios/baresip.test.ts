import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { Instance } from '../support/instance.ts'
import { localOffice, PASSWORD } from '../support/office.ts'
import { needTool, until } from '../support/tools.ts'

/** baresip is a real softphone: its contact list and its voicemail lamp are what its user sees. */
describe('baresip as the phone', function () {
  this.timeout(40000)
  let instance: Instance
  let directory: string
  let phone: ChildProcess | undefined
  let screen = ''

  before(async function () {
    needTool(this, 'baresip')
    instance = new Instance(localOffice())
    await instance.start()
    await instance.command('devstate change Custom:door NOT_INUSE')
    await instance.command('mwi update 100@default 2 1')
    const { port } = instance.address('udp')
    directory = mkdtempSync(join(tmpdir(), 'baresip-'))
    const modules = ['stdio', 'g711', 'account', 'contact', 'menu', 'presence', 'mwi'].map(
      (name) => `module_app ${name}.so`,
    )
    writeFileSync(
      join(directory, 'config'),
      [
        'module_path /usr/lib/baresip/modules',
        'module stdio.so',
        'module g711.so',
        ...modules.slice(2),
        'sip_listen 127.0.0.1:0',
        '',
      ].join('\n'),
    )
    writeFileSync(
      join(directory, 'accounts'),
      `<sip:100@127.0.0.1:${port};transport=udp>;auth_user=100;auth_pass=${PASSWORD};regint=600;mwi=yes\n`,
    )
    writeFileSync(join(directory, 'contacts'), `"Door" <sip:200@127.0.0.1:${port}>;presence=p2p\n`)
    phone = spawn('baresip', ['-f', directory, '-v'], { stdio: ['pipe', 'pipe', 'pipe'] })
    for (const stream of [phone.stdout, phone.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (screen += text))
  })
  after(async () => {
    phone?.kill('SIGKILL')
    await instance?.dispose()
    if (directory) rmSync(directory, { recursive: true, force: true })
  })

  const shows = (what: string, pattern: RegExp) =>
    until(what, () => pattern.test(screen), 15000).catch((error: Error) => {
      throw new Error(`${error.message}; baresip showed:\n${screen}`)
    })

  it('registers', () => shows('registration', /100@127\.0\.0\.1.*200 OK/))

  it('lights its voicemail lamp', () => shows('voicemail lamp', /Messages-Waiting: yes[^]*Voice-Message: 2\/1/i))

  it('shows a colleague going away and coming back', async () => {
    const { stdout } = await until('presence subscription', async () => {
      const shown = await instance.command('pjsip show subscriptions inbound')
      return shown.stdout.includes('200/presence') && shown
    })
    expect(stdout).to.contain('Endpoint: 100')
    // baresip tells changes only, not what it saw first.
    await instance.command('devstate change Custom:door UNAVAILABLE')
    await shows('the door offline', /200@127\.0\.0\.1.*changed status from .*Online.* to .*Offline/i)
    await instance.command('devstate change Custom:door NOT_INUSE')
    await shows('the door online', /200@127\.0\.0\.1.*changed status from .*Offline.* to .*Online/i)
  })
})

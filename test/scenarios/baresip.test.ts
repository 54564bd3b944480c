import { expect } from 'chai'
import { Instance } from '../support/instance.ts'
import { localOffice, PASSWORD } from '../support/office.ts'
import { Softphone } from '../support/softphone.ts'
import { needTool, until } from '../support/tools.ts'

/** baresip is a real softphone: its contact list and its voicemail lamp are what its user sees. */
describe('baresip as the phone', function () {
  this.timeout(60_000)
  let instance: Instance
  let phone: Softphone

  before(async function () {
    needTool(this, 'baresip')
    instance = new Instance(localOffice())
    await instance.start()
    await instance.command('devstate change Custom:door NOT_INUSE')
    await instance.command('mwi update 100@default 2 1')
    const { port } = instance.address('udp')
    const modules = ['account', 'contact', 'menu', 'presence', 'mwi'].map((name) => `module_app ${name}.so`)
    const config = ['module_path /usr/lib/baresip/modules', 'module stdio.so', 'module g711.so', ...modules]
    const files = {
      config: `${config.join('\n')}\nsip_listen 127.0.0.1:0\n`,
      accounts: `<sip:100@127.0.0.1:${port};transport=udp>;auth_user=100;auth_pass=${PASSWORD};regint=600;mwi=yes\n`,
      contacts: `"Door" <sip:200@127.0.0.1:${port}>;presence=p2p\n`,
    }
    phone = new Softphone('baresip', files, (home) => ['-f', home, '-v'])
  })
  after(async () => {
    await phone?.dispose()
    await instance?.dispose()
  })

  it('registers', () => phone.shows('registration', /100@127\.0\.0\.1.*200 OK/))

  it('lights its voicemail lamp', () => phone.shows('voicemail lamp', /Messages-Waiting: yes[^]*Voice-Message: 2\/1/i))

  it('shows a colleague going away and coming back', async () => {
    const { stdout } = await until('presence subscription', async () => {
      const shown = await instance.command('pjsip show subscriptions inbound')
      return shown.stdout.includes('200/presence') && shown
    })
    expect(stdout).to.contain('Endpoint: 100')
    // baresip tells changes only, not what it saw first.
    await instance.command('devstate change Custom:door UNAVAILABLE')
    await phone.shows('the door offline', /200@127\.0\.0\.1.*changed status from .*Online.* to .*Offline/i)
    await instance.command('devstate change Custom:door NOT_INUSE')
    await phone.shows('the door online', /200@127\.0\.0\.1.*changed status from .*Offline.* to .*Online/i)
  })
})

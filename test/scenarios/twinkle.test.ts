import { expect } from 'chai'
import { freeTcpPort } from '../support/free-port.ts'
import { localOffice, PASSWORD } from '../support/office.ts'
import { Scene } from '../support/scene.ts'
import { Softphone } from '../support/softphone.ts'
import { needTool, until } from '../support/tools.ts'

const LOG = '.twinkle/twinkle.log'

/** Twinkle is a real softphone, here over TCP. It shows no lamps on its console: what came is in its log. */
describe('Twinkle as the phone', function () {
  this.timeout(60_000)
  let scene: Scene
  let phone: Softphone

  const command = async (line: string) => (await scene.instance.command(line)).stdout

  before(async function () {
    needTool(this, 'twinkle-console')
    const [server, own] = [await freeTcpPort(), await freeTcpPort()]
    // What is answered is kept.
    const kept = { 'pubsub.conf': '[general]\nsubs_db_mode = 1\n' }
    scene = await Scene.open({ ...localOffice(['udp', 'tcp'], server), ...kept })
    await command('mwi update 100@default 2 1')
    for (const device of ['PJSIP/100', 'Custom:dnd100']) await command(`devstate change ${device} UNAVAILABLE`)
    const address = `127.0.0.1:${server}`
    const settings = [
      `user_name=100\nuser_domain=${address}\nauth_name=100\nauth_pass=${PASSWORD}\nsip_transport=tcp`,
      `registrar=${address}\nregister_at_startup=yes\npres_publish_startup=yes`,
      `mwi_sollicited=yes\nmwi_user=100\nmwi_server=${address}`,
    ]
    const files = {
      '.twinkle/p.cfg': `${settings.join('\n')}\n`,
      '.twinkle/twinkle.sys': `sip_port=${own}\nstart_user_profile=p\nvalidate_audio_dev=no\n`,
    }
    phone = new Softphone('twinkle-console', files, () => [])
    await phone.shows('registration', /registration succeeded/)
  })
  after(async () => {
    await phone?.dispose()
    await scene?.close()
  })

  const got = (what: string, pattern: RegExp) => until(what, () => pattern.test(phone.file(LOG)))

  const callId = () =>
    until('subscription to its mailbox', async () => {
      const shown = await command('pjsip show subscriptions inbound')
      return /Resource: 100\/message-summary\n {2}Expiry: +\d+ +(\S+)/.exec(shown)?.[1]
    })

  it('is told of its voicemail', () => got('voicemail', /Messages-Waiting: yes\s+Voice-Message: 2\/1/))

  it('lights the lamp of its own, as its user says', async () => {
    await until('publication', async () => (await command('pjsip show publications inbound')).includes('100/presence'))
    const [colleague, notify] = await scene.watching('101', '100', 'presence')
    expect(notify.body).to.include('<basic>open<')
    for (const [said, shown] of [
      ['offline', false],
      ['online', true],
    ] as const) {
      phone.type(`presence -b ${said}`)
      const { body } = await colleague.next('NOTIFY')
      expect(body.includes('<basic>open<'), said).to.equal(shown)
    }
  })

  it('is told on after a kill -9, in the same subscription', async () => {
    const before = await callId()
    await scene.instance.end('SIGKILL')
    await scene.instance.start()
    await command('mwi update 100@default 4 1')
    await got('voicemail', /Voice-Message: 4\/1/)
    expect(await callId()).to.equal(before)
  })

  it('subscribes anew when its subscription is ended', async () => {
    const before = await callId()
    await command(`pubsub terminate ${before}`)
    const anew = await until('another subscription', async () => {
      const now = await callId()
      return now !== before && now
    })
    await command('mwi update 100@default 5 1')
    await got('voicemail', new RegExp(`Call-ID: ${anew}\\b[^]*Voice-Message: 5/1`))
  })

  it('leaves nothing behind when it quits', async () => {
    phone.type('quit')
    await until('end of all that was its own', async () => {
      const shown = [
        await command('pjsip show subscriptions inbound'),
        await command('pjsip show publications inbound'),
      ]
      const contacts = await command('pjsip show contacts')
      return !shown.join('').includes('Endpoint: 100/') && contacts.includes('\n0 contacts')
    })
  })
})

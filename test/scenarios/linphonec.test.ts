import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Instance } from '../support/instance.ts'
import { localOffice, PASSWORD } from '../support/office.ts'
import { ruleset } from '../support/rules.ts'
import { Softphone } from '../support/softphone.ts'
import { needTool } from '../support/tools.ts'

/** Linphone is a real softphone: what it says of its friends is what its user sees. */
describe('Linphone as the phone', function () {
  this.timeout(60_000)
  let instance: Instance
  /** With a subscription for each friend. */
  let phone: Softphone
  /** With a list of its own (RFC 5367), which it sends packed. */
  let listed: Softphone

  const state = (device: string, value: string) => instance.command(`devstate change ${device} ${value}`)

  function linphone(user: string, friends: readonly string[], more = ''): Softphone {
    const { port } = instance.address('udp')
    const linphonerc = [
      // -1 is any port that is free.
      '[sip]\nsip_port=-1\nsip_tcp_port=0\nsip_tls_port=0\nuse_ipv6=0\ndefault_proxy=0\npublish_presence=1',
      more,
      `[proxy_0]\nreg_proxy=<sip:127.0.0.1:${port};transport=udp>\nreg_identity=sip:${user}@127.0.0.1`,
      'reg_expires=600\nreg_sendregister=1\npublish=1\npublish_expires=600',
      `[auth_info_0]\nusername=${user}\npasswd=${PASSWORD}\nrealm=asterisk`,
      ...friends.map((friend, at) => `[friend_${at}]\nurl="${friend}" <sip:${friend}@127.0.0.1:${port}>\nsubscribe=1`),
    ]
    // It reads and writes its data here.
    const files = {
      linphonerc: `${linphonerc.join('\n')}\n`,
      '.local/share/linphone/.keep': '',
      '.config/linphone/.keep': '',
    }
    return new Softphone('linphonec', files, (home) => ['-c', join(home, 'linphonerc')])
  }

  const friend = (name: string, status: string) => new RegExp(`Friend "${name}" <sip:\\S+> is ${status}\n`)

  before(async function () {
    needTool(this, 'linphonec')
    instance = new Instance(localOffice())
    await instance.start()
    // From now on also after a restart.
    instance.write(localOffice(['udp'], instance.address('udp').port))
    for (const device of ['Custom:door', 'Custom:gate']) await state(device, 'NOT_INUSE')
    for (const device of ['PJSIP/100', 'Custom:dnd100']) await state(device, 'UNAVAILABLE')
    const { port } = instance.address('udp')
    listed = linphone(
      '101',
      ['100', '200', '201'],
      `rls_uri=sip:rls@127.0.0.1:${port}\n[net]\nfriendlist_subscription_enabled=1`,
    )
    await listed.shows('a colleague who is away', friend('100', 'Offline'))
    phone = linphone('100', ['200'])
  })
  after(async () => {
    await phone?.dispose()
    await listed?.dispose()
    await instance?.dispose()
  })

  it('lights the lamp of who publishes presence, in the list of a colleague', async () => {
    await phone.shows('the door', friend('200', 'Online'))
    await listed.shows('who has come', friend('100', 'Online'))
  })

  for (const restart of ['a change', 'a restart', 'a kill -9'])
    it(`shows lamps after ${restart}`, async () => {
      if (restart !== 'a change') {
        await instance.end(restart === 'a restart' ? 'SIGTERM' : 'SIGKILL')
        await instance.start()
      }
      for (const one of [phone, listed]) {
        await one.showsThen('the door in use', friend('200', 'On the phone'), () => state('Custom:door', 'INUSE'))
        await one.showsThen('the door gone', friend('200', 'Offline'), () => state('Custom:door', 'UNAVAILABLE'))
        await one.showsThen('the door free', friend('200', 'Online'), () => state('Custom:door', 'NOT_INUSE'))
      }
    })

  it('shows nobody who may not be seen any more', async () => {
    const rules = join(instance.directory, 'rules.xml')
    const decide = (handling: string) => {
      writeFileSync(rules, ruleset({ handling }))
      return instance.command(`presence rules set 200 ${rules}`)
    }
    for (const handling of ['confirm', 'block']) {
      await listed.showsThen(`the end (${handling})`, friend('200', 'Offline'), () => decide(handling))
      await listed.showsThen('the door again', friend('200', 'Online'), () => decide('allow'))
    }
  })

  it('takes the lamp back when it quits', () =>
    listed.showsThen('who has left', friend('100', 'Offline'), () => phone.type('quit')))
})

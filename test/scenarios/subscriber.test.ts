/** Two Lamplighters: a lamp and a mailbox of the one are shown by the other, through kill -9 and a clean end. */
import { join } from 'node:path'
import { expect } from 'chai'
import { Instance } from '../support/instance.ts'
import { localOffice, PASSWORD } from '../support/office.ts'
import { TestPhone } from '../support/phone.ts'
import { sqlite } from '../support/sqlite.ts'
import { until } from '../support/tools.ts'

/** The office with the phones, and the one that watches its extensions 200 and 101 and its mailbox 100. */
function watchingOffice(port: number, protocol: 'udp' | 'tcp', own = 0): Record<string, string> {
  const at = `127.0.0.1:${port}`
  return {
    'lamplighter.conf': '[general]\n',
    'extensions.conf': '[office]\nexten => 300,hint,Remote:200\nexten => 301,hint,Remote:101\n',
    'pjsip.conf': `
[${protocol}]
type = transport
protocol = ${protocol}
bind = 127.0.0.1:${own}
[udp-phones]
type = transport
bind = 127.0.0.2:0
[phone]
type = endpoint
context = office
[there]
type = auth
username = 100
password = ${PASSWORD}
[elsewhere](!)
type = outbound-subscription
from_uri = sip:100@127.0.0.1
outbound_auth = there
transport = ${protocol}
max_retry_interval = 1
[door](elsewhere)
server_uri = sip:200@${at}
event = dialog
device = Remote:200
[bob](elsewhere)
server_uri = sip:101@${at}
event = presence
device = Remote:101
[messages](elsewhere)
server_uri = sip:100@${at}
event = message-summary
mailbox = 100@there
`,
  }
}

describe('a Lamplighter that watches another', function () {
  this.timeout(60000)

  for (const protocol of ['udp', 'tcp'] as const)
    it(`over ${protocol}`, async () => {
      const office = new Instance(localOffice([protocol]))
      let watching: Instance | undefined
      let phone: TestPhone | undefined
      const inbound = async (): Promise<number> => {
        const { stdout } = await office.command('pjsip show subscriptions inbound')
        return Number(/(\d+) active subscriptions/.exec(stdout)?.[1])
      }
      try {
        await office.start()
        watching = new Instance(watchingOffice(office.address(protocol).port, protocol))
        await watching.start()
        await until('three subscriptions', async () => (await inbound()) === 3)

        const port = Number(/udp:127\.0\.0\.2:(\d+)/.exec(watching.stdout)?.[1])
        phone = await TestPhone.open({ server: { address: '127.0.0.2', port }, user: 'phone' })
        const dialog = phone.dialog('sip:300@127.0.0.2')
        const subscribed = await phone.request('SUBSCRIBE', {
          dialog,
          headers: [
            ['Event', 'dialog'],
            ['Accept', 'application/dialog-info+xml'],
            ['Expires', '600'],
          ],
        })
        expect(subscribed.status).to.equal(200)
        const lamp = (word: string): Promise<unknown> | undefined =>
          phone?.take(({ body }) => body.includes(`<state>${word}</state>`), `a lamp that is ${word}`)
        await lamp('terminated')
        await office.command('devstate change Custom:door RINGING')
        await lamp('early')
        await office.command('devstate change Custom:door INUSE')
        await lamp('confirmed')

        await office.command('mwi update 100@default 3 1')
        const messages = async (): Promise<string> => (await watching?.command('mwi list'))?.stdout ?? ''
        const devices = async (): Promise<string> => (await watching?.command('devstate list'))?.stdout ?? ''
        await until('messages', async () => /100@there +3 new, 1 old/.test(await messages()))
        expect(await messages()).to.include('subscription/messages: 3 new, 1 old')

        const own = watching.address(protocol).port
        const watched = office.address(protocol).port
        if (protocol === 'tcp') {
          // The watched one is gone for a while, and all connections with it.
          await office.end('SIGTERM')
          office.write(localOffice([protocol], watched))
          await office.start()
        } else {
          // What another server said is written within a second.
          const { directory } = watching
          const stored = (): Promise<unknown[]> =>
            sqlite(join(directory, 'lamplighter.db'), "SELECT 1 FROM mailbox_states WHERE state = '3/1'")
          await until('counts on disk', async () => (await stored()).length > 0)
          // Back where it listened before: whoever goes on with the old subscriptions hears that nobody knows them.
          await watching.end('SIGKILL')
          watching.write(watchingOffice(watched, protocol, own))
          await watching.start()
          expect(await messages()).to.match(/100@there +3 new, 1 old/)
        }
        await office.command('devstate change Custom:door RINGING')
        await until('the lamp of the next life', async () => /Remote:200 +RINGING/.test(await devices()))
        await office.command('mwi update 100@default 0 4')
        await until('messages of the next life', async () => /100@there +0 new, 4 old/.test(await messages()))
        await office.command('devstate change Custom:dnd101 INUSE')
        await until('three subscriptions, and no old ones', async () => (await inbound()) === 3)

        await watching.end('SIGTERM')
        expect(await inbound()).to.equal(0)
      } finally {
        await phone?.close()
        await watching?.dispose()
        await office.dispose()
      }
    })
})

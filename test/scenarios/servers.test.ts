import { expect } from 'chai'
import { freeUdpPort } from '../support/free-port.ts'
import { Instance } from '../support/instance.ts'
import { localOffice, PASSWORD } from '../support/office.ts'
import { TestPhone } from '../support/phone.ts'
import { until } from '../support/tools.ts'

const [HERE, THERE] = ['02:00:00:00:00:0a', '02:00:00:00:00:0b']
/** Seconds that a publication lasts. */
const EXPIRATION = 4

function publishingOffice(eid: string, port: number, peer: number): Record<string, string> {
  const files = localOffice(['udp'], port)
  return {
    ...files,
    'lamplighter.conf': `[general]\nasterisk_eid = ${eid}\n`,
    'pjsip.conf': `${files['pjsip.conf']}
[peer]
type = endpoint
identify_by = ip
auth = peer
outbound_auth = peer
[peer]
type = auth
username = peer
password = between-servers
[peer]
type = identify
endpoint = peer
match_header = Event: /^asterisk-/
[devices]
type = outbound-publish
server_uri = sip:lamps@127.0.0.1:${peer}
event = asterisk-devicestate
outbound_auth = peer
expiration = ${EXPIRATION}
[lamps]
type = inbound-publication
endpoint = peer
event_asterisk-devicestate = all
[all]
type = asterisk-publication
device_state = yes
devicestate_publish = devices
`,
  }
}

/** Two Lamplighters, a phone at one of them, and a lamp whose device the other one knows. */
describe('two servers', function () {
  this.timeout(60000)
  let here: Instance
  let there: Instance
  let phone: TestPhone

  before(async () => {
    const ports = [await freeUdpPort(), await freeUdpPort()] as const
    here = new Instance(publishingOffice(HERE, ports[0], ports[1]))
    there = new Instance(publishingOffice(THERE, ports[1], ports[0]))
    await Promise.all([here.start(), there.start()])
    phone = await TestPhone.open({
      server: { address: '127.0.0.1', port: ports[1] },
      user: '100',
      password: PASSWORD,
    })
    const dialog = phone.dialog(`sip:200@127.0.0.1:${ports[1]}`)
    const headers = [
      ['Event', 'dialog'],
      ['Expires', '600'],
    ] as const
    const answer = await phone.request('SUBSCRIBE', { dialog, headers })
    expect(answer.status).to.equal(200)
  })
  after(async () => {
    await phone?.close()
    await here?.dispose()
    await there?.dispose()
  })

  const lamp = (): string =>
    /<state>(\w+)<\/state>/.exec(phone.received.filter(({ method }) => method === 'NOTIFY').at(-1)?.body ?? '')?.[1] ??
    ''
  const change = async (instance: Instance, state: string): Promise<void> => {
    const { code, stderr } = await instance.command(`devstate change Custom:door ${state}`)
    expect(code, stderr).to.equal(0)
  }

  it('light the lamp of a phone at the other', async () => {
    await change(here, 'INUSE')
    await until('lit lamp', () => lamp() === 'confirmed')
    await change(here, 'RINGING')
    await until('blinking lamp', () => lamp() === 'early')
    await change(here, 'NOT_INUSE')
    await until('dark lamp', () => lamp() === 'terminated')
  })

  it('do so in the other direction too, and nothing stays lit by going in circles', async () => {
    await change(there, 'INUSE')
    const devices = async (): Promise<string> => (await here.command('devstate list')).stdout
    await until('the state at the other server', async () => (await devices()).includes(`${THERE}: INUSE`))
    await change(there, 'NOT_INUSE')
    await until('its end', async () => (await devices()).includes(`${THERE}: NOT_INUSE`))
    expect(lamp()).to.equal('terminated')
    expect((await there.command('devstate list')).stdout).to.not.include('Custom:door INUSE')
  })

  it('keep the lamp over a kill -9 of the server that shows it', async () => {
    await change(here, 'INUSE')
    await until('lit lamp', () => lamp() === 'confirmed')
    await there.end('SIGKILL')
    const before = phone.received.length
    await there.start()
    await until('a NOTIFY', () => phone.received.slice(before).some(({ method }) => method === 'NOTIFY'))
    const notifies = phone.received.slice(before).filter(({ method }) => method === 'NOTIFY')
    expect(notifies.every(({ body }) => !body.includes('<state>terminated'))).to.equal(true)
    expect(lamp()).to.equal('confirmed')
  })

  it('put the lamp out when the server whose device it is has died, and light it when it is back', async () => {
    await here.end('SIGKILL')
    await until('dark lamp', () => lamp() === 'terminated', (EXPIRATION + 6) * 1000)
    await here.start()
    await until('lit lamp', () => lamp() === 'confirmed')
  })
})

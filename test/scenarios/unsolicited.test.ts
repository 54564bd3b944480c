/** A phone whose account only an Asterisk has, and that does not subscribe: it is told of its mailbox over restarts, too. */
import { expect } from 'chai'
import { type DemoPbx, startDemoPbx } from '../../core/demo/pbx.ts'
import { freeUdpPort } from '../support/free-port.ts'
import { Instance } from '../support/instance.ts'
import { pbxData } from '../support/pbx-data.ts'
import { TestPhone } from '../support/phone.ts'

const DATA = pbxData({
  endpoints: { 130: { context: 'office', auth: '130', aors: '130', mailboxes: '130@default' } },
  auths: { 130: { auth_type: 'userpass', username: '130', password: 'secret' } },
  aors: { 130: { max_contacts: '1' } },
  mailboxes: { '130@default': '1234,Dora' },
})

describe('a phone that registers, with an account and a mailbox that only Asterisk has', function () {
  this.timeout(60_000)
  let pbx: DemoPbx
  let instance: Instance
  let phone: TestPhone

  before(async () => {
    const port = await freeUdpPort()
    pbx = await startDemoPbx({ port: 0, data: DATA })
    pbx.setMessages('130@default', { newMessages: 1, oldMessages: 0 })
    instance = new Instance({
      'lamplighter.conf': `[pbx]\ntype = server\nurl = ${pbx.url}\nusername = lamplighter\npassword = lamplighter\nreconnect_max = 1\n`,
      'pjsip.conf': `[udp]\ntype = transport\nprotocol = udp\nbind = 127.0.0.1:${port}\n`,
    })
    await instance.start()
    const server = { address: '127.0.0.1', port }
    phone = await TestPhone.open({ server, user: '130', password: 'secret' })
  })
  after(async () => {
    await phone?.close()
    await instance?.dispose()
    await pbx?.stop()
  })

  const told = async (): Promise<string | undefined> =>
    /Voice-Message: (\S+)/.exec((await phone.next('NOTIFY')).body)?.[1]

  it('is told when it registers', async () => {
    const { host, port } = instance.address()
    const to = `<sip:130@${host}:${port}>`
    const ok = await phone.request('REGISTER', { uri: `sip:${host}:${port}`, to, headers: [['Expires', '3600']] })
    expect(ok.status).to.equal(200)
    expect(await told()).to.equal('1/0')
  })

  it('is told what came while Lamplighter was away, without registering again', async () => {
    await instance.end('SIGKILL')
    pbx.setMessages('130@default', { newMessages: 2, oldMessages: 0 })
    await instance.start()
    expect(await told()).to.equal('2/0')
  })

  it('is told when Asterisk comes, where that was away at the start', async () => {
    await instance.end()
    const { port } = pbx
    await pbx.stop()
    await instance.start()
    pbx = await startDemoPbx({ port, data: DATA })
    pbx.setMessages('130@default', { newMessages: 3, oldMessages: 1 })
    expect(await told()).to.equal('3/1')
  })
})

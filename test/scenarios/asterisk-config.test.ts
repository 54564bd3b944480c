import { expect } from 'chai'
import { type DemoPbx, startDemoPbx } from '../../core/demo/pbx.ts'
import { Instance, run } from '../support/instance.ts'
import { pbxData } from '../support/pbx-data.ts'
import { TestPhone } from '../support/phone.ts'

const TRANSPORT = '[udp]\ntype = transport\nprotocol = udp\nbind = 127.0.0.1:0\n'
const PHONE = '[100]\ntype = endpoint\ncontext = office\naors = 100\n[100]\ntype = aor\nmailboxes = 100@default\n'

describe('Asterisk asked over ARI for what its files said', function () {
  this.timeout(60_000)
  let pbx: DemoPbx
  let instance: Instance
  let phone: TestPhone

  before(async () => {
    pbx = await startDemoPbx({
      port: 0,
      data: pbxData({
        endpoints: { 100: { context: 'office', aors: '100', auth: '' } },
        aors: { 100: { mailboxes: '100@default' } },
        mailboxes: { '100@default': '1,Alice' },
      }),
    })
    instance = new Instance({
      'pjsip.conf': TRANSPORT,
      'asterisk/pjsip.conf': PHONE,
      'asterisk/voicemail.conf': '[default]\n100 => 1,Alice\n',
    })
    instance.write({ 'lamplighter.conf': configured(`asterisk_config = ${instance.directory}/asterisk\n`) })
    await instance.start()
    const { host, port } = instance.address()
    phone = await TestPhone.open({ server: { address: host, port }, user: '100' })
  })
  after(async () => {
    await phone.close()
    await instance.dispose()
    await pbx.stop()
  })

  const configured = (general: string): string =>
    `[general]\n${general}[pbx1]\ntype = server\nurl = ${pbx.url}\nusername = lamplighter\npassword = lamplighter\n` +
    'mailbox_interval = 1\n'

  it('goes on telling a phone of its messages', async () => {
    const { host, port } = instance.address()
    const headers: [string, string][] = [
      ['Event', 'message-summary'],
      ['Expires', '600'],
    ]
    const answer = await phone.request('SUBSCRIBE', { dialog: phone.dialog(`sip:100@${host}:${port}`), headers })
    expect(answer.status).to.equal(200)
    expect((await phone.next('NOTIFY')).body).to.include('Voice-Message: 0/0')
    instance.write({ 'lamplighter.conf': configured('') })
    expect((await instance.command('core reload')).code).to.equal(0)
    pbx.setMessages('100@default', { newMessages: 1, oldMessages: 0 })
    const told = await phone.next('NOTIFY')
    expect(told.header('Subscription-State')).to.match(/^active/)
    expect(told.body).to.include('Voice-Message: 1/0')
  })
})

describe("A line that nobody can read in Asterisk's pjsip.conf", function () {
  this.timeout(60_000)
  let instance: Instance
  before(async () => {
    instance = new Instance({
      'pjsip.conf': TRANSPORT,
      'asterisk/extensions.conf': '[office]\nexten => 100,hint,Custom:100\n',
      'asterisk/acl.conf': '[lan]\ndeny = 0.0.0.0/0\npermit = here\n',
      'asterisk/pjsip.conf': `
${endpoint('100')}
${endpoint('101')}sub_min_expiry = soon
${endpoint('102')}auth = 102
[102]
type = auth
auth_type = digest
username = 102
password = secret
password_digest = none
${endpoint('103')}acl = lan
`,
    })
    instance.write({ 'lamplighter.conf': `[general]\nasterisk_config = ${instance.directory}/asterisk\n` })
    await instance.start()
  })
  after(() => instance.dispose())

  const endpoint = (id: string): string => `[${id}]\ntype = endpoint\ncontext = office\n`
  const statusFor = async (user: string): Promise<number | undefined> => {
    const { host, port } = instance.address()
    const phone = await TestPhone.open({ server: { address: host, port }, user, password: 'secret' })
    try {
      const headers: [string, string][] = [
        ['Event', 'dialog'],
        ['Expires', '600'],
      ]
      return (await phone.request('SUBSCRIBE', { dialog: phone.dialog(`sip:100@${host}:${port}`), headers })).status
    } finally {
      await phone.close()
    }
  }

  it('costs only its own object, and lets nobody in', async () => {
    expect(await statusFor('100')).to.equal(200)
    expect(await statusFor('101'), 'no endpoint').to.equal(401)
    expect(await statusFor('102'), 'its auth is not there').to.equal(401)
    expect(await statusFor('103'), 'its ACL is not there').to.equal(403)
  })

  it('is told of by a check, and a reload that meets it leaves its object as it was', async () => {
    const checked = await run('--check', '-C', instance.directory)
    expect(checked.code).to.equal(1)
    expect(checked.stdout + checked.stderr)
      .to.include('endpoint [101] is left out')
      .and.include('ACL [lan] is left out')
    const changed = (line: string): string => `${endpoint('100')}${line}\n${endpoint('104')}`
    instance.write({ 'asterisk/pjsip.conf': changed('sub_min_expiry = soon') })
    expect((await instance.command('core reload')).code).to.equal(0)
    expect([await statusFor('100'), await statusFor('104')]).to.deep.equal([200, 200])
    instance.write({ 'asterisk/pjsip.conf': changed('sub_min_expiry = 700') })
    expect((await instance.command('core reload')).code).to.equal(0)
    expect(await statusFor('100'), 'mended').to.equal(423)
  })
})

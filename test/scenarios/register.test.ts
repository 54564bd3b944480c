import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { TestCore } from '../support/core.ts'
import { SippProcess } from '../support/sipp.ts'
import { Softphone } from '../support/softphone.ts'
import { needTool, until } from '../support/tools.ts'

/** Phones that sipp plays, several at a time. */
const PHONES = 60

describe('sipp at the registrar', function () {
  this.timeout(60_000)
  let office: TestCore
  const changes = { added: 0, lost: 0 }

  before(async function () {
    needTool(this, 'sipp')
    office = await TestCore.start({
      endpoints: { 100: { auth: ['100'], aors: ['100'] } },
      auths: { 100: { password: 'lamp-secret' } },
      aors: { 100: { max_contacts: PHONES } },
      transports: { udp: {}, tcp: { protocol: 'tcp' } },
      contacts: 'registrar',
    })
    office.core.contacts.onChange((_aor, added) => changes[added ? 'added' : 'lost']++)
  })
  after(() => office?.close())

  for (const protocol of ['udp', 'tcp'] as const) {
    it(`registers ${PHONES} phones over ${protocol}, refreshes them and lets them go`, async () => {
      Object.assign(changes, { added: 0, lost: 0 })
      const address = office.addresses.find((text) => text.startsWith(`${protocol}:`))?.slice(4)
      const { code, said } = await sipp(address ?? '', protocol)
      expect(code, said).to.equal(0)
      expect(changes).to.deep.equal({ added: PHONES, lost: PHONES })
      expect(await office.core.contacts.of('100')).to.deep.equal([])
    })
  }
})

describe('baresip behind its connection', function () {
  this.timeout(60_000)
  let office: TestCore

  before(async function () {
    needTool(this, 'baresip')
    office = await TestCore.start({
      endpoints: { 100: { auth: ['100'], aors: ['100'], rewrite_contact: true } },
      auths: { 100: { password: 'lamp-secret' } },
      aors: { 100: { max_contacts: 1 } },
      transports: { tcp: { protocol: 'tcp' } },
      contacts: 'registrar',
    })
  })
  after(() => office?.close())

  it('registers by RFC 5626, can be reached, and is forgotten when it is cut off', async () => {
    const address = office.addresses[0]?.slice('tcp:'.length)
    const server = `sip:${address};transport=tcp`
    const login = 'auth_user=100;auth_pass=lamp-secret;regint=600'
    const files = {
      config: ['module_path /usr/lib/baresip/modules', 'module stdio.so', 'module g711.so', 'module uuid.so']
        .concat('module_app account.so', 'module_app menu.so', 'sip_listen 127.0.0.1:0', '')
        .join('\n'),
      uuid: '0c67446e-0000-4000-8000-000000000001',
      accounts: `<sip:100@${address}>;${login};outbound="${server}";sipnat=outbound\n`,
    }
    const phone = new Softphone('baresip', files, (home) => ['-f', home, '-v'])
    try {
      const { contacts, sip } = office.core
      const contact = await until('registration', async () => (await contacts.of('100'))[0])
      expect(contact.instance).to.equal(`<urn:uuid:${files.uuid}>`)
      expect(contact.flow?.protocol).to.equal('TCP')
      const to = `<${contact.uri}>`
      const status = await new Promise<number | string>((resolve) => {
        sip.request(
          { method: 'OPTIONS', requestUri: contact.uri, from: '<sip:pbx@127.0.0.1>', to, flow: contact.flow },
          (outcome) => resolve(outcome.kind === 'response' ? outcome.response.status : outcome.kind),
        )
      })
      expect(status).to.equal(200)
      phone.kill()
      await until('end of the binding', async () => (await contacts.of('100')).length === 0)
    } finally {
      await phone.dispose()
    }
  })
})

async function sipp(address: string, protocol: 'udp' | 'tcp'): Promise<{ code: number | null; said: string }> {
  const scenario = fileURLToPath(new URL('register.xml', import.meta.url))
  const who = ['-s', '100', '-au', '100', '-ap', 'lamp-secret', '-i', '127.0.0.1']
  const howMany = ['-m', String(PHONES), '-r', '60', '-t', protocol === 'udp' ? 'u1' : 't1']
  const process = new SippProcess(address, '-sf', scenario, ...who, ...howMany)
  const code = await process.ended
  return { code, said: process.said }
}

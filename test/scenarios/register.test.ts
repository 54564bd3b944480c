import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { TestCore } from '../support/core.ts'
import { needTool } from '../support/tools.ts'

/** Phones that sipp plays, several at a time. */
const PHONES = 60

describe('sipp at the registrar', function () {
  this.timeout(40000)
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

function sipp(address: string, protocol: 'udp' | 'tcp'): Promise<{ code: number | null; said: string }> {
  const scenario = fileURLToPath(new URL('register.xml', import.meta.url))
  const who = ['-s', '100', '-au', '100', '-ap', 'lamp-secret', '-i', '127.0.0.1']
  const howMany = ['-m', String(PHONES), '-r', '60', '-t', protocol === 'udp' ? 'u1' : 't1']
  const errors = ['-nostdin', '-timeout', '30s', '-timeout_error', '-trace_err', '-error_file', '/dev/stderr']
  const child = spawn('sipp', [address, '-sf', scenario, ...who, ...howMany, ...errors])
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  child.stdout.resume()
  return new Promise((resolve) => {
    child.on('close', (code) => resolve({ code, said }))
  })
}

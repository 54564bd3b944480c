import dns from 'node:dns/promises'
import { syncBuiltinESMExports } from 'node:module'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { removeDirectory } from '../../bench/leftovers.ts'
import { startServer } from '../../core/server.ts'
import { generalOptions } from '../../core/settings.ts'
import { freeUdpPort } from '../support/free-port.ts'
import { Instance } from '../support/instance.ts'
import { TestPhone } from '../support/phone.ts'

describe('A start', () => {
  const { lookup } = dns

  function answerNames(by: typeof lookup | ((name: string) => Promise<unknown>)): void {
    Object.assign(dns, { lookup: by })
    syncBuiltinESMExports()
  }
  afterEach(() => answerNames(lookup))

  it('hears nobody before the host names of identify sections are known', async () => {
    answerNames(async () => pause(1500, [{ address: '127.0.0.1', family: 4 }]))
    const port = await freeUdpPort()
    const { directory } = new Instance({
      'pjsip.conf': `[udp]\ntype = transport\nbind = 127.0.0.1:${port}
[pbx]\ntype = endpoint\ncontext = office\nidentify_by = ip
[pbx]\ntype = identify\nendpoint = pbx\nmatch = pbx.example\nsrv_lookups = no\n`,
      'extensions.conf': '[office]\nexten => 100,hint,Custom:100\n',
    })
    const server = await startServer({ directory, version: '0', onStop: () => undefined })
    const phone = await TestPhone.open({ server: { address: '127.0.0.1', port }, user: 'somebody' })
    try {
      const dialog = phone.dialog('sip:100@127.0.0.1')
      const headers = [['Event', 'dialog']] as const
      expect((await phone.request('SUBSCRIBE', { dialog, headers })).status).to.equal(200)
    } finally {
      await phone.close()
      await server.stop()
      removeDirectory(directory)
    }
  })
})

describe('A call that comes here', () => {
  it('is sent to calls_to, with the number that was dialled, and is refused without', async () => {
    const port = await freeUdpPort()
    const conf = (calls_to: string): string => `[general]\n${calls_to}\n`
    const office = new Instance({
      'lamplighter.conf': conf('calls_to = sip:[2001:db8::1]:5060\\;transport=tcp'),
      'pjsip.conf': `[udp]\ntype = transport\nbind = 127.0.0.1:${port}\n`,
    })
    const { directory } = office
    const server = await startServer({ directory, version: '0', onStop: () => undefined })
    const phone = await TestPhone.open({ server: { address: '127.0.0.1', port }, user: '100' })
    const call = async (uri: string): Promise<string> => {
      const answer = await phone.request('INVITE', { uri })
      return `${answer.status} ${answer.header('contact')}`
    }
    try {
      const sentOn = (user: string): string => `sip:${user}@[2001:db8::1]:5060;transport=tcp;sent-on-by=lamplighter`
      expect(await call('sip:*8104@127.0.0.1;transport=udp')).to.equal(`302 <${sentOn('*8104')}>`)
      expect(await call('sip:%23104@127.0.0.1')).to.equal(`302 <${sentOn('%23104')}>`)
      expect(await call('sip:104@[2001:db8::1]:5060'), 'an account with the same address').to.equal(
        `302 <${sentOn('104')}>`,
      )
      expect(await call(sentOn('104')), 'one that the phone sends through here all the same').to.equal('482 ')
      const pickup = { uri: 'sip:104@127.0.0.1', headers: [['Require', 'replaces'] as const] }
      expect((await phone.request('INVITE', pickup)).status, 'what it requires is for Asterisk').to.equal(302)
      expect((await phone.request('MESSAGE', pickup)).status).to.equal(420)
      expect((await phone.request('INVITE', { uri: 'sip:127.0.0.1' })).status).to.equal(405)
      expect((await phone.request('MESSAGE', { uri: 'sip:104@127.0.0.1' })).status).to.equal(405)
      office.write({ 'lamplighter.conf': conf('') })
      await server.reload()
      expect((await phone.request('INVITE', pickup)).status).to.equal(405)
    } finally {
      await phone.close()
      await server.stop()
      removeDirectory(directory)
    }
  })

  it('is refused as everything is where an ACL forbids its source: who may not come is not told where Asterisk is', async () => {
    const port = await freeUdpPort()
    const denied = (network: string): string =>
      `[udp]\ntype = transport\nbind = 127.0.0.1:${port}\n[strangers]\ntype = acl\ndeny = ${network}\n`
    const office = new Instance({
      'lamplighter.conf': '[general]\ncalls_to = sip:192.0.2.1\n',
      'pjsip.conf': denied('198.51.100.0/24'),
    })
    const { directory } = office
    const server = await startServer({ directory, version: '0', onStop: () => undefined })
    const phone = await TestPhone.open({ server: { address: '127.0.0.1', port }, user: '100' })
    const ask = async (method: string): Promise<number> =>
      (await phone.request(method, { uri: 'sip:104@127.0.0.1', headers: [['Event', 'dialog']] })).status
    const answers = async (): Promise<number[]> => {
      const statuses: number[] = []
      for (const method of ['INVITE', 'OPTIONS', 'MESSAGE', 'SUBSCRIBE', 'NOTIFY']) statuses.push(await ask(method))
      return statuses
    }
    try {
      expect(await answers()).to.deep.equal([302, 200, 405, 401, 489])
      office.write({ 'pjsip.conf': denied('127.0.0.0/8') })
      await server.reload()
      expect(await answers()).to.deep.equal([403, 403, 403, 403, 403])
    } finally {
      await phone.close()
      await server.stop()
      removeDirectory(directory)
    }
  })

  it('needs an address that the number can be put into', () => {
    for (const wrong of ['192.0.2.1', 'sip:104@192.0.2.1', 'sip:192.0.2.1?Subject=x'])
      expect(() => generalOptions.calls_to.read(wrong)).to.throw('expected a SIP URI of a host alone')
    expect(generalOptions.calls_to.read('')).to.equal('')
  })
})

import dns from 'node:dns/promises'
import { syncBuiltinESMExports } from 'node:module'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { removeDirectory } from '../../bench/leftovers.ts'
import { startServer } from '../../core/server.ts'
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

import { expect } from 'chai'
import type { Stack } from '../../../core/sip/stack.ts'
import { TestPhone } from '../../support/phone.ts'
import { testStack } from '../../support/stack.ts'

describe('sip stack over UDP', () => {
  let stack: Stack
  let phone: TestPhone

  beforeEach(async () => {
    stack = await testStack()
    const [server] = stack.listening
    if (!server) throw new Error('nothing listens')
    phone = await TestPhone.open({ server })
  })

  afterEach(async () => {
    await phone.close()
    await stack.close()
  })

  it('answers OPTIONS with what is allowed and advertised', async () => {
    stack.handle('SUBSCRIBE', () => undefined)
    stack.advertise(() => [['Allow-Events', 'presence, dialog']])
    const answer = await phone.request('OPTIONS')
    expect(answer.startLine).to.equal('SIP/2.0 200 OK')
    expect(answer.header('allow')).to.equal('OPTIONS, SUBSCRIBE')
    expect(answer.header('allow-events')).to.equal('presence, dialog')
    expect(answer.param('to', 'tag')).to.match(/^[0-9a-f]{32}$/)
  })

  it('makes a dialog and sends requests in it', async () => {
    stack.handle('SUBSCRIBE', (tx) => {
      const dialog = stack.createDialog(tx, { followFlow: false })
      tx.answer({ status: 200, dialog, headers: [['Expires', '600']] })
      const body = { contentType: 'text/plain', content: 'on' }
      dialog.request('NOTIFY', { headers: [['Event', 'presence']], body }, () => undefined)
    })
    const dialog = phone.dialog('sip:101@127.0.0.1')
    const answer = await phone.request('SUBSCRIBE', { dialog, headers: [['Event', 'presence']] })
    expect(answer.status).to.equal(200)
    const notify = await phone.next('NOTIFY')
    expect(notify.header('call-id')).to.equal(dialog.callId)
    expect(notify.body).to.equal('on')
    expect(notify.param('to', 'tag')).to.equal(dialog.localTag)
    expect(notify.param('from', 'tag')).to.equal(dialog.remoteTag)
    expect(notify.header('contact')).to.equal(answer.header('contact'))
    expect(notify.header('contact')).to.equal(`<sip:101@127.0.0.1:${stack.listening[0]?.port}>`)
  })
})

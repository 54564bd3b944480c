import { expect } from 'chai'
import { simpleMessageSummary } from '../../res_pjsip_mwi/res_pjsip_mwi_body_generator.ts'
import { summaryText, withUser } from '../../res_pjsip_mwi/summary.ts'
import { addressing, RFC } from '../support/extension-state.ts'

describe('application/simple-message-summary', () => {
  for (const [newMessages, oldMessages, waiting] of [
    [0, 0, 'no'],
    [1, 0, 'yes'],
    [0, 3, 'no'],
    [2, 8, 'yes'],
    [120, 4500, 'yes'],
  ] as const) {
    it(`says ${newMessages} new and ${oldMessages} old`, () => {
      const summary = { newMessages, oldMessages, account: '' }
      expect(summaryText(summary, 'sip:104@127.0.0.1')).to.equal(
        `Messages-Waiting: ${waiting}\r\nVoice-Message: ${newMessages}/${oldMessages} (0/0)\r\n`,
      )
      expect(summaryText({ ...summary, account: '*105' }, 'sip:104@127.0.0.1')).to.equal(
        `Messages-Waiting: ${waiting}\r\nMessage-Account: sip:*105@127.0.0.1\r\nVoice-Message: ${newMessages}/${oldMessages} (0/0)\r\n`,
      )
    })
  }

  it('has the lengths that Asterisk was seen to send', () => {
    const length = (newMessages: number): number =>
      Buffer.byteLength(summaryText({ newMessages, oldMessages: 0, account: '' }, 'sip:104@127.0.0.1'))
    expect([length(0), length(1)]).to.deep.equal([48, 49])
  })

  it('puts the account into the URI that is watched', () => {
    expect(withUser('sips:104:secret@[::1]:5061;transport=tls?x=y', '8500')).to.equal('sips:8500@[::1]:5061')
    expect(withUser('sip:pbx.example', '#97@home')).to.equal('sip:%2397%40home@pbx.example')
    expect(withUser('sip:pbx.example', '1\r\nEvil: yes')).to.equal('sip:1%0D%0AEvil%3A%20yes@pbx.example')
    expect(withUser('tel:+49301234', '8500')).to.equal('tel:+49301234')
  })

  it('is made for a watched URI, and shared by all who watch it', () => {
    const to = addressing({ localUri: 'sip:104@pbx.example:5062' })
    const summary = simpleMessageSummary(RFC)
    const doc = summary.generate({ newMessages: 1, oldMessages: 0, account: '8500' }, to)
    expect(summary.print(doc)).to.deep.equal({
      text: 'Messages-Waiting: yes\r\nMessage-Account: sip:8500@pbx.example:5062\r\nVoice-Message: 1/0 (0/0)\r\n',
    })
    expect(summary.share(to)).to.equal(
      summary.share(addressing({ localUri: 'sip:104@pbx.example:5062', remoteUri: 'sip:1@x' })),
    )
    expect(summary.share(to)).to.not.equal(summary.share(addressing()))
  })
})

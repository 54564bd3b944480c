/** Where a request goes that is redirected (RFC 3261 8.1.3.4), answer by answer. */
import { expect } from 'chai'
import type { Outcome, OutOfDialogRequest } from '../../../core/sip/contract.ts'
import { followingRedirects } from '../../../core/sip/redirects.ts'
import { responseOf, sipBytes } from '../../support/sip-text.ts'

function answered(status: number, ...contacts: string[]): Outcome {
  const lines = [`SIP/2.0 ${status} Said`, ...contacts.map((contact) => `Contact: ${contact}`)]
  return { kind: 'response', response: responseOf(sipBytes(lines)) }
}

/** What is sent where each address answers what it is given here, and what comes of it. */
function follow(requestUri: string, answers: (uri: string) => Outcome): { sent: string[]; outcome: string } {
  const sent: string[] = []
  let outcome = ''
  const request: OutOfDialogRequest = { method: 'PUBLISH', requestUri, from: '<sip:a@b>', to: '<sip:c@d>' }
  followingRedirects(
    request,
    (next, done) => {
      sent.push(next.requestUri)
      done(answers(next.requestUri))
    },
    (last) => {
      outcome = last.kind === 'response' ? String(last.response.status) : last.kind
    },
  )
  return { sent, outcome }
}

describe('a request that is redirected', () => {
  it('is never sent for all to hear where it was to be secret', () => {
    const contacts = ['<sip:open@there>', '<sips:secret@there>;q=0.1']
    const { sent } = follow('sips:a@there', (uri) => (uri.includes('a@') ? answered(302, ...contacts) : answered(200)))
    expect(sent).to.deep.equal(['sips:a@there', 'sips:secret@there'])
    expect(follow('sips:a@there', () => answered(302, '<sip:open@there>')).outcome).to.equal('302')
  })

  it('goes to a few addresses and no more', () => {
    let made = 0
    const { sent, outcome } = follow('sip:a@there', () =>
      answered(301, `<sip:${++made}@there>`, `<sip:x${made}@there>`),
    )
    expect(sent).to.have.length(8)
    expect(outcome).to.equal('301')
  })

  it('is sent to the next address where one fails, and to no other where that would not help', () => {
    const to = (second: Outcome): string[] => {
      const answers = [answered(302, '<sip:1@there>', '<sip:2@there>'), second, answered(200)]
      return follow('sip:a@there', () => answers.shift() ?? answered(500)).sent
    }
    for (const failure of [answered(404), answered(503), { kind: 'timeout' } as const])
      expect(to(failure)).to.have.length(3)
    for (const word of [200, 412, 423, 603]) expect(to(answered(word))).to.have.length(2)
  })

  it('is not where a proxy or another service is meant', () => {
    for (const status of [305, 380])
      expect(follow('sip:a@there', () => answered(status, '<sip:b@there>')).sent).to.have.length(1)
  })
})

import { expect } from 'chai'
import { parseConfig } from '../../../core/conf/parser.ts'
import { type PjsipReading, readPjsip } from '../../../core/conf/pjsip-conf.ts'
import { isNotifierOrigin, providerOrigin, subscriptionOrigin } from '../../../core/subscription-options.ts'

function read(text: string, foreign = false): PjsipReading {
  const { file } = parseConfig(text, '/own/pjsip.conf', { foreign })
  return readPjsip([{ kind: 'pjsip', file, foreign }], '/own')
}

const faults = (section: string): string[] =>
  read(`[there]\ntype = outbound-subscription\n${section}`).problems.map(({ message }) => message)

const GOOD = 'server_uri = sip:100@there\nevent = dialog\ndevice = Remote:100\n'

describe('pjsip.conf: outbound-subscription', () => {
  it('is read with its defaults', () => {
    const { config, problems } = read(`[there]\ntype = outbound-subscription\n${GOOD}`)
    expect(problems).to.deep.equal([])
    expect(config.outboundSubscriptions?.get('there')).to.deep.equal({
      id: 'there',
      server_uri: 'sip:100@there',
      to_uri: '',
      from_uri: '',
      event: 'dialog',
      mailbox: '',
      device: 'Remote:100',
      expiration: 3600,
      outbound_auth: [],
      outbound_proxy: '',
      transport: '',
      max_retry_interval: 600,
      stale_after: 60,
    })
  })

  const BAD: readonly [what: string, section: string, fault: string][] = [
    ['no server', 'event = dialog\ndevice = x', '/own/pjsip.conf:1: [there] has no server_uri, expected a SIP URI'],
    ['a server that is none', `${GOOD}server_uri = tel:1`, '/own/pjsip.conf:6: [there] has server_uri = tel:1, expected a SIP URI'],
    ['headers', `${GOOD}to_uri = sip:a@b?x=y`, '/own/pjsip.conf:6: [there] has to_uri = sip:a@b?x=y, expected a SIP URI without headers'],
    ['no event', 'server_uri = sip:a@b\ndevice = x', '/own/pjsip.conf:1: [there] has no event, expected message-summary, dialog or presence'],
    ['no device', 'server_uri = sip:a@b\nevent = presence', '/own/pjsip.conf:1: [there] has no device, expected one for event = presence'],
    ['no mailbox', 'server_uri = sip:a@b\nevent = message-summary', '/own/pjsip.conf:1: [there] has no mailbox, expected one for event = message-summary'],
    ['both', `${GOOD}mailbox = 100@there`, '/own/pjsip.conf:6: [there] has a mailbox, expected a device for event = dialog'],
    ['an auth that there is not', `${GOOD}outbound_auth = nobody`, "/own/pjsip.conf:6: [there] has outbound_auth = nobody: there is no auth 'nobody', expected the name of a section with type = auth"],
    ['a transport that there is not', `${GOOD}transport = nothing`, "/own/pjsip.conf:6: [there] has transport = nothing: there is no transport 'nothing', expected the name of a section with type = transport"],
    ['a mailbox that another has', `${GOOD}[one]\ntype = outbound-subscription\nserver_uri = sip:a@b\nevent = message-summary\nmailbox = 1@x\n[two]\ntype = outbound-subscription\nserver_uri = sip:a@b\nevent = message-summary\nmailbox = 1@X`, '/own/pjsip.conf:15: [two] has mailbox = 1@X as [one] has, expected another'],
    ['a mailbox that another has by its whole name', `${GOOD}[one]\ntype = outbound-subscription\nserver_uri = sip:a@b\nevent = message-summary\nmailbox = 1@default\n[two]\ntype = outbound-subscription\nserver_uri = sip:a@b\nevent = message-summary\nmailbox = 1`, '/own/pjsip.conf:15: [two] has mailbox = 1 as [one] has, expected another'],
  ] // biome-ignore format: a table
  for (const [what, section, fault] of BAD)
    it(`${what} is a fault`, () => {
      expect(faults(section)).to.deep.equal([fault])
    })

  it('an event that there is not is a fault, and an option', () => {
    expect(faults(`${GOOD}event = kpml`)[0]).to.include('expected message-summary, dialog, presence')
    expect(faults(`${GOOD}expiraton = 60`)).to.deep.equal([
      "/own/pjsip.conf:6: unknown option 'expiraton' in [there], did you mean 'expiration'?",
    ])
  })

  it('is none of ours in a file of Asterisk', () => {
    const { config, problems } = read(`[there]\ntype = outbound-subscription\n${GOOD}`, true)
    expect([problems, config.outboundSubscriptions?.size]).to.deep.equal([[], 0])
  })

  it('names the origin of what is learned, which is kept while the section is there', () => {
    const { config } = read(`[there]\ntype = outbound-subscription\n${GOOD}`)
    const kept = (origin: string): boolean => isNotifierOrigin(origin, config.outboundSubscriptions)
    expect(['there', 'gone'].map((id) => kept(subscriptionOrigin(id)))).to.deep.equal([true, false])
    expect(kept(providerOrigin('anybody'))).to.equal(true)
    expect(kept('pbx1')).to.equal(false)
  })
})

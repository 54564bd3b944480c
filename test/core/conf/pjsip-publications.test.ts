import { expect } from 'chai'
import { parseConfig } from '../../../core/conf/parser.ts'
import { type PjsipReading, readPjsip } from '../../../core/conf/pjsip-conf.ts'
import { compileFilter } from '../../../core/publication-options.ts'

function read(text: string, foreign = false): PjsipReading {
  const { file, problems } = parseConfig(text, '/etc/pjsip.conf', { foreign })
  expect(problems).to.deep.equal([])
  return readPjsip([{ kind: 'pjsip', file, foreign }], '/etc')
}

const SECTIONS = `
[out]
type = outbound-publish
server_uri = sip:lamps@192.0.2.1, sip:lamps@192.0.2.2
event = asterisk-devicestate
@device_state_filter = ^PJSIP/
[lamps]
type = inbound-publication
event_asterisk-devicestate = states
[states]
type = asterisk-publication
devicestate_publish = out
device_state = yes
`

describe('pjsip.conf: what servers publish to each other', () => {
  it('is read, filters with it', () => {
    const { config, problems } = read(SECTIONS)
    expect(problems).to.deep.equal([])
    expect(config.outboundPublishes?.get('out')).to.include({
      id: 'out',
      event: 'asterisk-devicestate',
      expiration: 3600,
      '@device_state_filter': '^PJSIP/',
    })
    expect(config.outboundPublishes?.get('out')?.server_uri).to.deep.equal([
      'sip:lamps@192.0.2.1',
      'sip:lamps@192.0.2.2',
    ])
    expect(config.inboundPublications?.get('lamps')?.['event_asterisk-devicestate']).to.equal('states')
    expect(config.asteriskPublications?.get('states')).to.include({ device_state: true, mailbox_state: false })
  })

  it("is Asterisk's own in Asterisk's files", () => {
    const { config, problems } = read(`${SECTIONS}[bad]\ntype=outbound-publish\n`, true)
    expect(problems).to.deep.equal([])
    expect(config.outboundPublishes?.size).to.equal(0)
    expect(config.inboundPublications?.size).to.equal(0)
    expect(config.asteriskPublications?.size).to.equal(0)
  })

  it('says where it is wrong', () => {
    const { problems } = read(
      '[a]\ntype=outbound-publish\n' +
        '[b]\ntype=outbound-publish\nserver_uri=lamps\nevent=presence\noutbound_auth=nobody\ntransport=none\n@exten=(1\n' +
        '[c]\ntype=outbound-publish\nserver_uri=sip:x@192.0.2.1\nevent=weather\nexpiration=0\n' +
        '[d]\ntype=inbound-publication\nevent_asterisk-mwi=nothing\n' +
        '[e]\ntype=asterisk-publication\ndevicestate_publish=a\nmailboxstate_publish=b\n' +
        '[f]\ntype=asterisk-publication\ndevice_states=yes\n' +
        '[g]\ntype=outbound-publish\nserver_uri=sip:x@192.0.2.1\nevent=\n',
    )
    expect(problems.map(({ message }) => message)).to.have.members([
      '/etc/pjsip.conf:1: [a] has no server_uri, expected a SIP URI',
      '/etc/pjsip.conf:1: [a] has no event, expected one that is published',
      '/etc/pjsip.conf:28: [g] has no event, expected one that is published',
      '/etc/pjsip.conf:5: [b] has server_uri = lamps, expected a SIP URI',
      '/etc/pjsip.conf:3: [b] publishes presence of many extensions, expected multi_user = yes',
      "/etc/pjsip.conf:7: [b] has outbound_auth = nobody: there is no auth 'nobody', expected the name of a section with type = auth",
      "/etc/pjsip.conf:8: [b] has transport = none: there is no transport 'none', expected the name of a section with type = transport",
      "/etc/pjsip.conf:9: @exten = '(1' is not valid, expected ')'",
      "/etc/pjsip.conf:13: event = 'weather' is not valid, expected asterisk-devicestate, asterisk-mwi, presence, dialog",
      "/etc/pjsip.conf:14: expiration = '0' is not valid, expected seconds from 1 to 2147483647",
      "/etc/pjsip.conf:17: [d] has event_asterisk-mwi = nothing: there is no asterisk-publication 'nothing', expected the name of a section with type = asterisk-publication",
      '/etc/pjsip.conf:21: [e] has mailboxstate_publish = b, which publishes presence, expected one for asterisk-mwi',
      "/etc/pjsip.conf:24: unknown option 'device_states' in [f], did you mean 'device_state'?",
    ])
  })

  it('filters without case, anywhere in the name', () => {
    const matches = compileFilter('^PJSIP/1[0-9]{2}$|custom:')
    expect(['pjsip/100', 'PJSIP/199', 'Custom:x'].map(matches)).to.deep.equal([true, true, true])
    expect(['PJSIP/1000', 'SIP/100'].map(matches)).to.deep.equal([false, false])
    expect(compileFilter('')('anything')).to.equal(true)
  })
})

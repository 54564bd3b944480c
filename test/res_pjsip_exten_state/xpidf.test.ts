import { expect } from 'chai'
import { EXTENSION, type ExtensionStateCode } from '../../core/states/extension-state.ts'
import { cpimPidf, xpidf } from '../../res_pjsip_exten_state/res_pjsip_xpidf_body_generator.ts'
import {
  ALL_STATES,
  ASTERISK,
  addressing,
  bodyText,
  document,
  extensionState,
  RFC,
} from '../support/extension-state.ts'

const WORDS: Readonly<Record<ExtensionStateCode, readonly [status: string, substatus: string]>> = {
  0: ['open', 'online'],
  1: ['inuse', 'onthephone'],
  2: ['inuse', 'onthephone'],
  4: ['closed', 'offline'],
  8: ['inuse', 'onthephone'],
  9: ['inuse', 'onthephone'],
  16: ['inuse', 'onthephone'],
}

function expected(address: string, atomid: string, status: string, substatus: string): string {
  return document(`
<presence>
 <presentity uri="sip:200@127.0.0.1;method=SUBSCRIBE" />
 <atom atomid="${atomid}" id="200">
  <address uri="${address};user=ip" priority="0.80000">
   <status status="${status}" />
   <msnsubstatus substatus="${substatus}" />
  </address>
 </atom>
</presence>`)
}

const TYPE = 'application/xpidf+xml'
const atomIn = (text: string): string => /atomid="([^"]*)"/.exec(text)?.[1] ?? ''

describe('application/xpidf+xml', () => {
  for (const [name, code] of ALL_STATES) {
    it(`says ${name}, with Asterisk's address and with ours`, () => {
      const [status, substatus] = WORDS[code]
      const theirs = bodyText(xpidf(ASTERISK, TYPE), extensionState(code), addressing())
      expect(theirs).to.equal(expected('sip:100@127.0.0.1', atomIn(theirs), status, substatus))
      expect(bodyText(cpimPidf(ASTERISK), extensionState(code), addressing())).to.equal(theirs)
      const ours = bodyText(xpidf(RFC, TYPE), extensionState(code), addressing())
      expect(ours).to.equal(expected('sip:200@127.0.0.1', atomIn(ours), status, substatus))
    })
  }

  it('has an atom id that looks like a UUID and stays', () => {
    const generator = xpidf(ASTERISK, TYPE)
    const first = atomIn(bodyText(generator, extensionState(0), addressing()))
    expect(first).to.match(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    expect(atomIn(bodyText(generator, extensionState(1), addressing()))).to.equal(first)
    const other = addressing({ remoteUri: 'sip:101@127.0.0.1' })
    expect(atomIn(bodyText(generator, extensionState(0), other))).to.not.equal(first)
  })
})

describe('application/cpim-pidf+xml', () => {
  const dnd = { presence: { state: 'dnd', subtype: '', message: '' } } as const
  for (const [code, changed, activities, basic] of [
    [EXTENSION.NOT_INUSE, {}, [], 'open'],
    [EXTENSION.INUSE, {}, ['e:on-the-phone'], 'open'],
    [EXTENSION.RINGING, {}, ['ce:alerting'], 'open'],
    [EXTENSION.RINGINUSE, {}, ['ce:alerting'], 'open'],
    [EXTENSION.ONHOLD, {}, ['e:on-the-phone'], 'open'],
    [EXTENSION.UNAVAILABLE, {}, [], 'closed'],
    [EXTENSION.NOT_INUSE, dnd, ['ce:dnd'], 'open'],
    [EXTENSION.INUSE, dnd, ['e:on-the-phone', 'ce:dnd'], 'open'],
  ] as const)
    it(`says ${code} ${activities.join()} as Cisco's enterprise phones read it`, () => {
      const told = activities.map((name) => `   <${name} />\n`).join('')
      expect(bodyText(cpimPidf(RFC), extensionState(code, changed), addressing())).to.equal(
        document(`
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:e="urn:ietf:params:xml:ns:pidf:status:rpid" xmlns:ce="urn:cisco:params:xml:ns:pidf:rpid" entity="sip:200@127.0.0.1">
 <dm:person>
  ${told === '' ? '<e:activities />' : `<e:activities>\n${told}  </e:activities>`}
 </dm:person>
 <tuple id="t-200">
  <status>
   <basic>${basic}</basic>
  </status>
 </tuple>
</presence>`),
      )
    })
})

describe('presence in application/xpidf+xml', () => {
  const away = { presence: { state: 'away', subtype: '', message: '' } } as const
  const dnd = { presence: { state: 'dnd', subtype: '', message: '' } } as const
  const generator = xpidf(RFC, 'application/xpidf+xml')

  it('shows away and do-not-disturb of an idle line', () => {
    const text = bodyText(generator, extensionState(EXTENSION.NOT_INUSE, away), addressing())
    expect(text).to.contain('<status status="open" />').and.to.contain('substatus="away"')
    expect(bodyText(generator, extensionState(EXTENSION.NOT_INUSE, dnd), addressing())).to.contain('substatus="busy"')
  })

  it('shows the line while it is in use', () => {
    expect(bodyText(generator, extensionState(EXTENSION.INUSE, dnd), addressing())).to.contain('"onthephone"')
  })

  it('is left out as in Asterisk', () => {
    const theirs = xpidf(ASTERISK, 'application/xpidf+xml')
    expect(bodyText(theirs, extensionState(EXTENSION.NOT_INUSE, dnd), addressing())).to.contain('"online"')
  })
})

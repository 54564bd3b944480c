import { expect } from 'chai'
import { assert, asyncProperty, constantFrom, string } from 'fast-check'
import { EXTENSION, type ExtensionStateCode } from '../../core/states/extension-state.ts'
import { PRESENCE_STATES, type PresenceName } from '../../core/states/presence.ts'
import { parseXml } from '../../core/xml.ts'
import { xmlId } from '../../res_pjsip_exten_state/mapping.ts'
import { pidf } from '../../res_pjsip_exten_state/res_pjsip_pidf_body_generator.ts'
import { digium } from '../../res_pjsip_exten_state/res_pjsip_pidf_digium_body_supplement.ts'
import { eyebeam } from '../../res_pjsip_exten_state/res_pjsip_pidf_eyebeam_body_supplement.ts'
import { xpidf } from '../../res_pjsip_exten_state/res_pjsip_xpidf_body_generator.ts'
import {
  ALL_STATES,
  ASTERISK,
  addressing,
  bodyText,
  document,
  endpoint,
  extensionState,
  RFC,
} from '../support/extension-state.ts'

const presence = (state: PresenceName, subtype = '', message = ''): object => ({
  presence: { state, subtype, message },
})

function asterisk(note: string, basic: string, activity: string): string {
  const person =
    activity === ''
      ? ' <dm:person />'
      : ` <dm:person>
  <rpid:activities>
   <rpid:${activity} />
  </rpid:activities>
 </dm:person>`
  return document(`
<presence entity="sip:200@127.0.0.1" xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid">
 <note>${note}</note>
 <tuple id="200">
  <status>
   <basic>${basic}</basic>
  </status>
  <contact priority="1">sip:100@127.0.0.1</contact>
 </tuple>
${person}
</presence>`)
}

function rfc(note: string, basic: string, person: string): string {
  return document(`
<presence entity="sip:200@127.0.0.1" xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid">
 <tuple id="t-200">
  <status>
   <basic>${basic}</basic>
  </status>
  <contact priority="1">sip:200@127.0.0.1</contact>
 </tuple>
 <note xml:lang="en">${note}</note>
${person}
</presence>`)
}

const IDLE_PERSON = ' <dm:person id="p-200" />'
const activities = (names: readonly string[], ...notes: readonly string[]): string =>
  ` <dm:person id="p-200">
  <rpid:activities>
${names.map((name) => `   <rpid:${name} />`).join('\n')}
  </rpid:activities>
${notes.map((note) => `  <dm:note xml:lang="en">${note}</dm:note>\n`).join('')} </dm:person>`

const WORDS: Readonly<Record<ExtensionStateCode, readonly [note: string, basic: string, activity: string]>> = {
  0: ['Ready', 'open', ''],
  1: ['On the phone', 'open', 'on-the-phone'],
  2: ['On the phone', 'open', 'on-the-phone'],
  4: ['Unavailable', 'closed', ''],
  8: ['Ringing', 'open', 'on-the-phone'],
  9: ['Ringing', 'open', 'on-the-phone'],
  16: ['On hold', 'open', 'on-the-phone'],
}

describe('application/pidf+xml', () => {
  for (const [name, code] of ALL_STATES) {
    const [note, basic, activity] = WORDS[code]

    it(`says ${name} as Asterisk says it`, () => {
      const text = bodyText(pidf(ASTERISK), extensionState(code), addressing(), [eyebeam(ASTERISK)])
      expect(text).to.equal(asterisk(note, basic, activity))
    })

    it(`says ${name} as the RFCs want it`, () => {
      const text = bodyText(pidf(RFC), extensionState(code), addressing(), [eyebeam(RFC)])
      expect(text).to.equal(rfc(note, basic, activity === '' ? IDLE_PERSON : activities([activity])))
    })
  }

  it('has the length that Asterisk was seen to send', () => {
    const idle = bodyText(pidf(ASTERISK), extensionState(0), addressing(), [eyebeam(ASTERISK)])
    const inUse = bodyText(pidf(ASTERISK), extensionState(1), addressing(), [eyebeam(ASTERISK)])
    expect([Buffer.byteLength(idle), Buffer.byteLength(inUse)]).to.deep.equal([382, 467])
  })

  it('has no person without the supplement for it', () => {
    expect(bodyText(pidf(ASTERISK), extensionState(0), addressing())).to.equal(
      document(`
<presence entity="sip:200@127.0.0.1" xmlns="urn:ietf:params:xml:ns:pidf">
 <note>Ready</note>
 <tuple id="200">
  <status>
   <basic>open</basic>
  </status>
  <contact priority="1">sip:100@127.0.0.1</contact>
 </tuple>
</presence>`),
    )
  })

  for (const [state, subtype, message, told, note] of [
    ['away', '', '', ['away'], 'Away'],
    ['xa', '', '', ['away'], 'Extended away'],
    ['away', 'lunch', '', ['away', 'meal'], 'Away (lunch)'],
    ['away', 'Vacation', '', ['away', 'vacation'], 'Away (Vacation)'],
    ['xa', 'elsewhere', '', ['away'], 'Extended away (elsewhere)'],
    ['dnd', '', '', ['busy'], 'Do not disturb'],
    ['dnd', 'meeting', 'back at 3 & not before', ['busy', 'meeting'], 'back at 3 &amp; not before'],
    ['unavailable', '', '', ['away'], 'Unavailable'],
  ] as const) {
    it(`shows ${state} ${subtype} ${message} of an idle line to every phone`, () => {
      const shown = extensionState(EXTENSION.NOT_INUSE, presence(state, subtype, message))
      expect(bodyText(pidf(RFC), shown, addressing(), [eyebeam(RFC)])).to.equal(
        rfc(note, 'open', activities(told, note)),
      )
    })
  }

  // Phones with PJSIP (MicroSIP) show of a person's notes the first, and that before the note of the document.
  for (const [code, note] of [
    [EXTENSION.INUSE, 'On the phone'],
    [EXTENSION.RINGING, 'Ringing'],
  ] as const)
    it(`says ${note} first while the line is in use, and tells of the person behind it`, () => {
      const shown = extensionState(code, presence('dnd'))
      expect(bodyText(pidf(RFC), shown, addressing(), [eyebeam(RFC)])).to.equal(
        rfc(note, 'open', activities(['on-the-phone', 'busy'], note, 'Do not disturb')),
      )
    })

  it('says nothing of a person who is available, or of whom nothing is known', () => {
    for (const state of ['available', 'not_set', 'invalid'] as const)
      expect(
        bodyText(pidf(RFC), extensionState(EXTENSION.NOT_INUSE, presence(state)), addressing(), [eyebeam(RFC)]),
      ).to.equal(rfc('Ready', 'open', IDLE_PERSON))
  })

  it('leaves presence out as Asterisk does', () => {
    const shown = extensionState(EXTENSION.NOT_INUSE, presence('dnd', '', 'away'))
    expect(bodyText(pidf(ASTERISK), shown, addressing(), [eyebeam(ASTERISK)])).to.equal(asterisk('Ready', 'open', ''))
  })

  it('opens a hint that has a presence part alone, unless the person is unavailable', () => {
    const only = (state: PresenceName): string =>
      bodyText(pidf(RFC), extensionState(EXTENSION.UNAVAILABLE, { devices: [], ...presence(state) }), addressing())
    expect(only('available')).to.contain('<basic>open</basic>').and.to.contain('>Ready</note>')
    expect(only('away')).to.contain('<basic>open</basic>').and.to.contain('>Away</note>')
    expect(only('unavailable')).to.contain('<basic>closed</basic>')
    expect(only('not_set')).to.contain('<basic>closed</basic>')
  })

  it('tells Digium and Sangoma phones of presence in their own form', () => {
    const shown = extensionState(EXTENSION.NOT_INUSE, presence('away', 'lunch', 'banana'))
    const tuple = ` <tuple id="digium-presence">
  <status>
   <digium_presence type="away" subtype="lunch">banana</digium_presence>
  </status>
 </tuple>
`
    for (const userAgent of ['Digium D40 1.4', 'sangoma P330'])
      expect(bodyText(pidf(ASTERISK), shown, addressing({ userAgent }), [eyebeam(ASTERISK), digium])).to.equal(
        asterisk('Ready', 'open', '').replace('</presence>', `${tuple}</presence>`),
      )
    expect(bodyText(pidf(ASTERISK), shown, addressing(), [eyebeam(ASTERISK), digium])).to.equal(
      asterisk('Ready', 'open', ''),
    )
    const unset = bodyText(pidf(ASTERISK), extensionState(0), addressing({ userAgent: 'Digium' }), [digium])
    expect(unset).to.contain('   <digium_presence type="not_set" />\n')
  })

  it('is shared by all watchers, unless the watcher is in it', () => {
    const alice = addressing()
    const bob = addressing({ remoteUri: 'sip:101@127.0.0.1' })
    expect(pidf(RFC).share(alice)).to.equal(pidf(RFC).share(bob))
    expect(pidf(ASTERISK).share(alice)).to.not.equal(pidf(ASTERISK).share(bob))
    expect(pidf(ASTERISK).share(alice)).to.not.equal(pidf(RFC).share(alice))
    expect(pidf(RFC).share(alice)).to.not.equal(pidf(RFC).share(addressing({ localUri: 'sip:200@other' })))
    expect(digium.share(alice)).to.not.equal(digium.share(addressing({ userAgent: 'DIGIUM' })))
  })

  it('says where its key depends on more than the subject', () => {
    const alice = addressing()
    const bob = addressing({ remoteUri: 'sip:101@127.0.0.1', endpoint: endpoint({ id: '101' }) })
    for (const made of [pidf, (core: typeof RFC) => xpidf(core, 'application/xpidf+xml')]) {
      expect(made(RFC).variant?.(alice)).to.equal(made(RFC).variant?.(bob))
      expect(made(RFC).share(alice)).to.equal(made(RFC).share(bob))
      expect(made(ASTERISK).variant?.(alice)).to.not.equal(made(ASTERISK).variant?.(bob))
    }
    for (const supplement of [digium, eyebeam(RFC), eyebeam(ASTERISK)]) {
      expect(supplement.variant?.(alice)).to.equal(supplement.variant?.(bob))
      expect(supplement.share(alice)).to.equal(supplement.share(bob))
    }
  })

  it('makes ids of any extension that are xs:ID, each its own', () => {
    expect(xmlId('t', '*97')).to.equal('t-_2a97')
    expect(xmlId('t', '_2a97')).to.not.equal(xmlId('t', '*97'))
    expect(xmlId('t', 'é 1')).to.match(/^[A-Za-z_][A-Za-z0-9._-]*$/)
  })

  it('is well-formed whatever people and extensions are called, and says what they said', async () => {
    await assert(
      asyncProperty(
        string({ unit: 'grapheme', maxLength: 30 }),
        string({ unit: 'grapheme', maxLength: 30 }),
        constantFrom(...PRESENCE_STATES),
        constantFrom(RFC, ASTERISK),
        async (message, resource, state, core) => {
          const shown = extensionState(EXTENSION.NOT_INUSE, presence(state, resource, message))
          const to = addressing({ resource, localUri: `sip:${resource}@127.0.0.1`, userAgent: 'Digium' })
          const root = parseXml(bodyText(pidf(core), shown, to, [eyebeam(core), digium]))
          const told = root.children.find((c) => c.attributes.get('id') === 'digium-presence')?.children[0]?.children[0]
          expect(root.attributes.get('entity')).to.equal(to.localUri)
          expect(told?.text).to.equal(message.trim() === '' ? '' : message)
        },
      ),
      { numRuns: 200 },
    )
  })
})

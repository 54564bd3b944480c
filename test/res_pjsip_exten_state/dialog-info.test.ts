import { expect } from 'chai'
import { assert, asyncProperty, constantFrom, string } from 'fast-check'
import { printUri } from '../../core/sip/parse-uri.ts'
import { EXTENSION, type ExtensionState, type ExtensionStateCode } from '../../core/states/extension-state.ts'
import { parseXml } from '../../core/xml.ts'
import { dialogInfo } from '../../res_pjsip_exten_state/res_pjsip_dialog_info_body_generator.ts'
import type { Addressing } from '../../res_pjsip_pubsub/contract.ts'
import {
  ALL_STATES,
  ASTERISK,
  addressing,
  call,
  document,
  endpoint,
  extensionState,
  type General,
  general,
  RFC,
} from '../support/extension-state.ts'

function text(core: { general: General }, state: ExtensionState, to: Addressing = addressing(), version = '0'): string {
  const generator = dialogInfo(core)
  const body = generator.print(generator.generate(state, to))
  return body.text.slice(0, body.versionAt) + version + body.text.slice(body.versionAt)
}

const info = (dialogs: string, version = '0'): string =>
  document(`
<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="${version}" state="full" entity="sip:200@127.0.0.1">
${dialogs}
</dialog-info>`)

const simple = (state: string): string => ` <dialog id="200">
  <state>${state}</state>
 </dialog>`

const EARLY = ` <dialog id="200" direction="recipient">
  <local>
   <identity>sip:200@127.0.0.1</identity>
   <target uri="sip:200@127.0.0.1" />
  </local>
  <state>early</state>
 </dialog>`

const HELD = ` <dialog id="200">
  <state>confirmed</state>
  <local>
   <target uri="sip:200@127.0.0.1">
    <param pname="+sip.rendering" pvalue="no" />
   </target>
  </local>
 </dialog>`

const LOCAL = `  <local>
   <identity>sip:200@127.0.0.1</identity>
   <target uri="sip:200@127.0.0.1" />
  </local>`

const MADE: Readonly<Record<ExtensionStateCode, readonly [asterisk: string, rfc: string]>> = {
  0: [simple('terminated'), simple('terminated')],
  1: [simple('confirmed'), ` <dialog id="200">\n  <state>confirmed</state>\n${LOCAL}\n </dialog>`],
  2: [simple('confirmed'), ` <dialog id="200">\n  <state>confirmed</state>\n${LOCAL}\n </dialog>`],
  4: [simple('terminated'), simple('terminated')],
  8: [EARLY, ` <dialog id="200" direction="recipient">\n  <state>early</state>\n${LOCAL}\n </dialog>`],
  9: [simple('confirmed'), ` <dialog id="200">\n  <state>confirmed</state>\n${LOCAL}\n </dialog>`],
  16: [
    HELD,
    ` <dialog id="200">
  <state>confirmed</state>
  <local>
   <identity>sip:200@127.0.0.1</identity>
   <target uri="sip:200@127.0.0.1">
    <param pname="+sip.rendering" pval="no" />
   </target>
  </local>
 </dialog>`,
  ],
}

describe('application/dialog-info+xml', () => {
  for (const [name, code] of ALL_STATES) {
    it(`says ${name} without calls, as Asterisk and as the RFC`, () => {
      const [asterisk, rfc] = MADE[code]
      expect(text(ASTERISK, extensionState(code))).to.equal(info(asterisk))
      expect(text(RFC, extensionState(code))).to.equal(info(rfc))
    })
  }

  it('has the lengths that Asterisk was seen to send', () => {
    expect(Buffer.byteLength(text(ASTERISK, extensionState(0)))).to.equal(221)
    const to = addressing({ resource: '100', localUri: 'sip:100@127.0.0.1' })
    expect(Buffer.byteLength(text(ASTERISK, extensionState(8), to, '1'))).to.equal(339)
  })

  it('is early while in use for endpoints that want that', () => {
    const to = addressing({ endpoint: endpoint({ notify_early_inuse_ringing: true }) })
    expect(text(ASTERISK, extensionState(EXTENSION.RINGINUSE), to)).to.equal(info(EARLY))
    expect(text(RFC, extensionState(EXTENSION.RINGINUSE), to)).to.equal(info(MADE[8][1]))
  })

  it('takes any version', () => {
    expect(text(RFC, extensionState(0), addressing(), '4294967295')).to.equal(info(simple('terminated'), '4294967295'))
  })

  it('names the caller as Asterisk does, while it rings', () => {
    const state = extensionState(EXTENSION.RINGING, {
      calls: [call({ local: { number: '200', name: 'Bob', restricted: false } })],
    })
    expect(text(ASTERISK, state)).to.equal(
      info(` <dialog id="200" direction="recipient">
  <remote>
   <identity display="Carol">sip:301@127.0.0.1</identity>
   <target uri="sip:301@127.0.0.1" />
  </remote>
  <local>
   <identity display="Bob">sip:200@127.0.0.1</identity>
   <target uri="sip:200@127.0.0.1" />
  </local>
  <state>early</state>
 </dialog>`),
    )
    const inUse = { ...state, state: EXTENSION.INUSE, devices: [{ device: 'PJSIP/200', state: 'INUSE' as const }] }
    expect(text(ASTERISK, inUse)).to.equal(info(simple('confirmed')))
  })

  it('names a caller without a number invalid, and one who wants that anonymous, as Asterisk does', () => {
    const from = (number: string, restricted: boolean): string =>
      text(ASTERISK, extensionState(EXTENSION.RINGING, { calls: [call({ remote: { number, name: '', restricted } })] }))
    expect(from('', false)).to.contain('<identity>sip:invalid@127.0.0.1</identity>')
    expect(from('301', true)).to.contain('<identity display="anonymous">sip:anonymous@anonymous.invalid</identity>')
    expect(from('301', true)).to.not.contain('301')
  })

  it('has no tag of a phone that has not answered yet', () => {
    const calls = [call({ id: '1', sip: { callId: 'x', localTag: '', remoteTag: 'z' } })]
    expect(text(RFC, extensionState(EXTENSION.RINGING, { calls }))).to.contain(
      '<dialog id="1@pbx1" call-id="x" remote-tag="z" direction="recipient">',
    )
  })

  it('has a dialog for each call with the other party, early and confirmed, in the RFC form', () => {
    const state = extensionState(EXTENSION.RINGINUSE, {
      name: 'Bob Example',
      calls: [
        call({
          id: '1700000000.1',
          state: 'confirmed',
          direction: 'initiator',
          remote: { number: '0#1 é', name: '', restricted: false },
          sip: { callId: 'f81d4fae@192.0.2.4', localTag: 'aa', remoteTag: 'bb' },
        }),
        call({ id: '1700000000.7', sip: { callId: 'x', localTag: 'y', remoteTag: 'z' } }),
      ],
    })
    const to = addressing({
      localUri: 'sips:200@[2001:db8::1]:5061',
      endpoint: endpoint({ notify_early_inuse_ringing: true }),
    })
    expect(text(RFC, state, to, '7')).to.equal(
      document(`
<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="7" state="full" entity="sips:200@[2001:db8::1]:5061">
 <dialog id="1700000000.1@pbx1" call-id="f81d4fae@192.0.2.4" local-tag="aa" remote-tag="bb" direction="initiator">
  <state>confirmed</state>
  <local>
   <identity display="Bob Example">sips:200@[2001:db8::1]:5061</identity>
   <target uri="sips:200@[2001:db8::1]:5061" />
  </local>
  <remote>
   <identity>sips:0%231%20%C3%A9@[2001:db8::1]</identity>
   <target uri="sips:0%231%20%C3%A9@[2001:db8::1]" />
  </remote>
 </dialog>
 <dialog id="1700000000.7@pbx1" call-id="x" local-tag="y" remote-tag="z" direction="recipient">
  <state>early</state>
  <local>
   <identity display="Bob Example">sips:200@[2001:db8::1]:5061</identity>
   <target uri="sips:200@[2001:db8::1]:5061" />
  </local>
  <remote>
   <identity display="Carol">sips:301@[2001:db8::1]</identity>
   <target uri="sips:301@[2001:db8::1]" />
  </remote>
 </dialog>
</dialog-info>`),
    )
  })

  it('shows of the other party what may be shown', () => {
    const remote = (number: string, name: string, restricted: boolean): string =>
      text(RFC, extensionState(EXTENSION.RINGING, { calls: [call({ remote: { number, name, restricted } })] }))
    expect(remote('301', 'Carol', true))
      .to.contain('<identity display="Anonymous">sip:anonymous@anonymous.invalid</identity>')
      .and.not.contain('Carol')
    expect(remote('', 'Carol', false)).to.contain('<identity display="Carol">sip:unknown@unknown.invalid</identity>')
    expect(remote('', '', false)).to.not.contain('<remote>')
  })

  it('hides callers, or their names, as the endpoint or the server is told', () => {
    const state = extensionState(EXTENSION.RINGING, { calls: [call()] })
    for (const compat of ['rfc', 'asterisk'] as const) {
      for (const [server, own, number, name] of [
        ['no', 'default', true, true],
        ['name', 'default', true, false],
        ['yes', 'default', false, false],
        ['yes', 'no', true, true],
        ['no', 'name', true, false],
        ['no', 'yes', false, false],
      ] as const) {
        const to = addressing({ endpoint: endpoint({ hide_callers: own }) })
        const body = text(general({ compat, hide_callers: server }), state, to)
        expect(body.includes('sip:301@'), `${compat} ${server} ${own}`).to.equal(number)
        expect(body.includes('Carol'), `${compat} ${server} ${own}`).to.equal(name)
      }
    }
  })

  it('shows one dialog as the endpoint or the server is told', () => {
    const state = extensionState(EXTENSION.INUSE, {
      calls: [call({ id: 'a', state: 'confirmed' }), call({ id: 'b', state: 'confirmed' })],
    })
    const count = (server: boolean, own: 'default' | 'yes' | 'no'): number => {
      const to = addressing({ endpoint: endpoint({ single_dialog: own }) })
      return text(general({ single_dialog: server }), state, to).split('<dialog ').length - 1
    }
    expect([count(false, 'default'), count(true, 'no')]).to.deep.equal([2, 2])
    expect([count(true, 'default'), count(false, 'yes')]).to.deep.equal([1, 1])
  })

  it('shows of the calls of a trunk those that a datagram has room for, and what rings first', () => {
    const calls = Array.from({ length: 500 }, (_, at) =>
      call({ id: `call${at}`, device: 'PJSIP/trunk', state: at === 499 ? 'early' : 'confirmed', since: at }),
    )
    const state = extensionState(EXTENSION.RINGINUSE, {
      devices: [{ device: 'PJSIP/trunk', state: 'RINGINUSE' }],
      calls,
    })
    const body = text(RFC, state, addressing({ endpoint: endpoint({ notify_early_inuse_ringing: true }) }))
    const ids = parseXml(body).children.map((dialog) => dialog.attribute('id'))
    expect(ids).to.deep.equal(['call499@pbx1', ...calls.slice(0, 63).map(({ id }) => `${id}@pbx1`)])
    expect(body.length).to.be.below(40_000)
  })

  it('is shared by watchers for whom it is the same', () => {
    const generator = dialogInfo(RFC)
    // The variant tells apart whom the key does, but for other subjects.
    const share = (to: Addressing): string => {
      const { resource, localUri } = addressing()
      const alike = generator.variant?.({ ...to, resource, localUri }) === generator.variant?.(addressing())
      expect(generator.share({ ...to, resource, localUri }) === generator.share(addressing())).to.equal(alike)
      return generator.share(to)
    }
    const mine = share(addressing())
    expect(share(addressing({ remoteUri: 'sip:101@127.0.0.1', userAgent: 'Other' }))).to.equal(mine)
    expect(share(addressing({ endpoint: endpoint({ id: '101', hide_callers: 'no' }) }))).to.equal(mine)
    for (const other of [
      addressing({ localUri: 'sip:200@other' }),
      addressing({ endpoint: endpoint({ hide_callers: 'name' }) }),
      addressing({ endpoint: endpoint({ single_dialog: 'yes' }) }),
      addressing({ endpoint: endpoint({ notify_early_inuse_ringing: true }) }),
    ])
      expect(share(other)).to.not.equal(mine)
    expect(dialogInfo(ASTERISK).share(addressing())).to.not.equal(mine)
  })

  it('is well-formed whatever a caller calls himself', async () => {
    const anything = string({ unit: 'grapheme', maxLength: 40 })
    await assert(
      asyncProperty(anything, anything, anything, constantFrom(RFC, ASTERISK), async (name, number, exten, core) => {
        const state = extensionState(EXTENSION.RINGING, {
          calls: [call({ remote: { name, number, restricted: false } })],
        })
        const to = addressing({ resource: exten, localUri: printUri({ user: exten, host: '127.0.0.1' }) })
        const root = parseXml(text(core, state, to))
        const dialog = root.children[0]
        const identity = dialog?.children.find((c) => c.name === 'remote')?.children[0]
        expect(root.attributes.get('entity')).to.equal(to.localUri)
        expect(identity?.attributes.get('display') ?? '').to.equal(number === '' && name === '' ? '' : name)
        if (core === RFC && number !== '') expect(identity?.text).to.match(/^sip:[^@\s<>"]+@127\.0\.0\.1$/)
      }),
      { numRuns: 200 },
    )
  })
})

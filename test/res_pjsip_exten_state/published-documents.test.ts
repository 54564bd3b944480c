/** Reading what is published: what is right, what is wrong with the rest, and that nothing of it is lost. */
import { expect } from 'chai'
import { assert, constantFrom, oneof, property, string, tuple } from 'fast-check'
import { element, printElement, printXml } from '../../core/xml.ts'
import { readDialogs } from '../../res_pjsip_exten_state/dialog-publication.ts'
import { EndedDialogs } from '../../res_pjsip_exten_state/ended-dialogs.ts'
import { addPublished, joinPersons } from '../../res_pjsip_exten_state/pidf-composition.ts'
import { readPresence } from '../../res_pjsip_exten_state/pidf-publication.ts'
import type { PublishedDialogs, PublishedPresence } from '../../res_pjsip_exten_state/published.ts'
import type { ReadBody } from '../../res_pjsip_pubsub/contract.ts'
import { heapInUse } from '../support/garbage.ts'
import { dialogBody, personOf, pidfBody } from '../support/published-bodies.ts'
import { computed } from '../support/tools.ts'

const presence = (text: string): ReadBody<PublishedPresence> => readPresence({ text })

function dialogs(text: string, previous?: PublishedDialogs, ended = new EndedDialogs()): ReadBody<PublishedDialogs> {
  return readDialogs({ text, previous, resource: '200' }, ended)
}

function good<State>(read: ReadBody<State>): State {
  if ('fault' in read) throw new Error(read.fault)
  return read.state
}

const faultOf = <State>(read: ReadBody<State>): string => ('fault' in read ? read.fault : '')

const wordsOf = (state: PublishedDialogs): string[] => state.dialogs.map(({ id, state: word }) => `${id}=${word}`)

const NS = 'xmlns="urn:ietf:params:xml:ns:pidf"'

describe('presence documents that are published', () => {
  for (const [what, text, fault] of [
    ['no XML', 'hello', 'Presence Document Is Not XML'],
    ['a document type', `<!DOCTYPE a><presence ${NS} entity="x"/>`, 'Presence Document Is Not XML'],
    ['another root', `<presents ${NS} entity="x"/>`, 'Root Element Is Not The presence Of PIDF'],
    ['a root of another namespace', '<presence xmlns="urn:x" entity="x"/>', 'Root Element Is Not The presence Of PIDF'],
    ['no entity', `<presence ${NS}/>`, 'presence Without entity'],
    ['a tuple without id', `<presence ${NS} entity="x"><tuple><status/></tuple></presence>`, 'tuple Without id'],
    ['a tuple without status', `<presence ${NS} entity="x"><tuple id="a"/></presence>`, 'tuple Without status'],
    [
      'an id twice',
      `<presence ${NS} entity="x"><tuple id="a"><status/></tuple><tuple id="a"><status/></tuple></presence>`,
      'Two Tuples With One id',
    ],
  ] as const) {
    it(`refuses ${what}`, () => {
      expect(faultOf(presence(text))).to.equal(fault)
    })
  }

  it('takes a basic that is neither open nor closed, as of baresip when it starts, for none, and shows it to nobody', () => {
    const tuple = (id: string, status: string): string => `<tuple id="${id}"><status>${status}</status></tuple>`
    const odd = '<basic>unknown</basic>'
    const more = '<x:hat xmlns:x="urn:x">red</x:hat>'
    const tuples = tuple('a', odd) + tuple('b', `${odd}${more}`) + tuple('c', '<basic>closed</basic>')
    const state = good(presence(`<presence ${NS} entity="x">${tuples}</presence>`))
    expect(state.basic).to.equal('closed')
    const document = element('presence', { entity: 'sip:200@h', xmlns: 'urn:ietf:params:xml:ns:pidf' })
    addPublished(document, { alone: true, presence: [state], ahead: 0, dialogs: [], sender: '' })
    const shown = printXml(document)
    expect([...shown.matchAll(/<tuple id="(.)">/g)].map(([, id]) => id)).to.deep.equal(['b', 'c'])
    expect(shown).to.contain('>red<').and.to.contain('<basic>closed</basic>').and.not.to.contain('unknown')
  })

  it('is written with one of the words of RFC 3863 in basic, whatever blanks stood around it', () => {
    const state = good(presence(pidfBody('a', 'open').replace('>open<', '>\n   open\n<')))
    const document = element('presence', { entity: 'sip:200@h', xmlns: 'urn:ietf:params:xml:ns:pidf' })
    addPublished(document, { alone: true, presence: [state], ahead: 0, dialogs: [], sender: '' })
    expect(printXml(document)).to.contain('<basic>open</basic>')
  })

  it('keeps elements of every namespace, known or not, with their attributes', () => {
    const inner =
      '<d:device id="dev1" xml:lang="en"><d:deviceID>urn:uuid:1</d:deviceID></d:device>' +
      '<x:lunch xmlns:x="urn:example:lunch" x:with="Bob" at="noon"><x:dish>Soup &amp; bread</x:dish></x:lunch>'
    const state = good(presence(pidfBody('a', 'open', `${personOf('meal', 'back at one')}${inner}`)))
    expect(state).to.deep.include({ basic: 'open', note: '', activities: ['meal'] })
    const document = element('presence', { entity: 'sip:200@h', xmlns: 'urn:ietf:params:xml:ns:pidf' })
    addPublished(document, { alone: true, presence: [state], ahead: 0, dialogs: [], sender: '' })
    const again = good(presence(printXml(document)))
    expect(again).to.deep.equal(state)
    expect(printXml(document)).to.match(/<n[0-9a-f]{6}:lunch n[0-9a-f]{6}:with="Bob" at="noon">/)
    expect(printXml(document)).to.contain('xml:lang="en"').and.to.contain('Soup &amp; bread')
  })

  it('has notes of activities before the activities of all publishers (the schema of RFC 4480)', () => {
    const noted = '<d:person id="p2"><r:activities><r:note>till one</r:note><r:busy/></r:activities></d:person>'
    const presences = [personOf('meal'), noted].map((person, n) => good(presence(pidfBody(`t${n}`, 'open', person))))
    const document = element('presence', { entity: 'sip:200@h' })
    addPublished(document, { alone: true, presence: presences, ahead: 0, dialogs: [], sender: '' })
    joinPersons(document)
    const [, activities = ''] = /<rpid:activities>(.*)<\/rpid:activities>/s.exec(printXml(document)) ?? []
    expect([...activities.matchAll(/<rpid:([\w-]+)/g)].map(([, name]) => name)).to.deep.equal(['note', 'meal', 'busy'])
  })

  it('does not change what it was given when it is composed again', () => {
    const one = good(presence(pidfBody('a', 'open', personOf('meal'))))
    const two = good(presence(pidfBody('b', 'open', personOf('busy'))))
    const compose = (): string => {
      const document = element('presence', { entity: 'sip:200@h' })
      addPublished(document, { alone: true, presence: [one, two], ahead: 0, dialogs: [], sender: '' })
      joinPersons(document)
      return printXml(document)
    }
    const first = compose()
    expect(compose()).to.equal(first)
    expect(first.match(/<dm:person/g)).to.have.length(1)
  })
})

describe('dialog information that is published', () => {
  const root = (attributes: string, inner = ''): string =>
    `<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" ${attributes}>${inner}</dialog-info>`
  const whole = 'version="0" state="full" entity="sip:200@h"'

  for (const [what, text, fault] of [
    ['no XML', '<', 'Dialog Information Is Not XML'],
    ['another root', '<dialog-info/>', 'Root Element Is Not dialog-info'],
    ['no entity', root('version="0" state="full"'), 'dialog-info Without entity'],
    ['no version', root('state="full" entity="x"'), 'dialog-info Without A version'],
    ['a version that is no number', root('version="-1" state="full" entity="x"'), 'dialog-info Without A version'],
    ['another state', root('version="0" state="half" entity="x"'), 'state Of dialog-info Is Neither full Nor partial'],
    ['a dialog without id', root(whole, '<dialog><state>early</state></dialog>'), 'dialog Without id'],
    ['a dialog without state', root(whole, '<dialog id="a"/>'), 'dialog Without A State Of RFC 4235'],
    [
      'a state that is none',
      root(whole, '<dialog id="a"><state>on</state></dialog>'),
      'dialog Without A State Of RFC 4235',
    ],
    [
      'an id twice',
      root(whole, '<dialog id="a"><state>early</state></dialog><dialog id="a"><state>early</state></dialog>'),
      'Two Dialogs With One id',
    ],
  ] as const) {
    it(`refuses ${what}`, () => {
      expect(faultOf(dialogs(text))).to.equal(fault)
    })
  }

  it('is written with one of the words of RFC 4235 in state, whatever blanks stood around it', () => {
    const text = dialogBody([{ id: 'a', callId: 'x', state: '\n  early\n', inner: '<remote/>' }])
    const [dialog] = good(dialogs(text)).dialogs
    if (!dialog) throw new Error('no dialog')
    expect(dialog.text).to.contain('<state>early</state>').and.to.contain('<remote />')
    expect(printElement(dialog.element, 1)).to.equal(dialog.text)
    expect(dialog.renamed('b').text).to.contain('<state>early</state>')
    expect(dialog.asEnded().text).to.contain('<state>terminated</state>')
  })

  it('a partial document is not kept for the dialogs that it told of', () => {
    const before = heapInUse()
    let state: PublishedDialogs | undefined
    for (let version = 0; version < 100; version++) {
      const [kind, comment] = [version === 0 ? 'full' : 'partial', `<!--${'x'.repeat(30_000)}-->`] as const
      const text = dialogBody([{ id: `d${version}`, state: 'confirmed' }], kind, version)
      state = good(dialogs(text.replace('</dialog-info>', `${comment}</dialog-info>`), state))
    }
    expect(state?.dialogs).to.have.length(100)
    expect(heapInUse() - before).to.be.lessThan(1_000_000)
  })

  it('partial documents do not add up to more than can be read, and one that ends dialogs is taken then', () => {
    const many = (from: number, state: string, version: number): string =>
      dialogBody(
        Array.from({ length: 200 }, (_, n) => ({ id: `d${from + n}`, callId: `c${from + n}`, state })),
        version === 0 ? 'full' : 'partial',
        version,
      )
    let state = good(dialogs(many(0, 'confirmed', 0)))
    let fault = ''
    for (let version = 1; version < 100 && fault === ''; version++) {
      const read = dialogs(many(200 * version, 'confirmed', version), state)
      fault = faultOf(read)
      if (fault === '') state = good(read)
    }
    expect(fault).to.equal('Partial Documents Add Up To Too Much')
    const count = state.dialogs.length
    expect(count).to.be.below(1000)
    expect(good(dialogs(many(0, 'terminated', 100), state)).dialogs).to.have.length(count)
  })

  it('a partial document changes what it names; a full one is all there is', () => {
    const first = good(
      dialogs(
        dialogBody([
          { id: 'a', state: 'early' },
          { id: 'b', state: 'trying' },
        ]),
      ),
    )
    const second = good(dialogs(dialogBody([{ id: 'b', state: 'confirmed' }], 'partial', 1), first))
    expect(wordsOf(second)).to.deep.equal(['a=early', 'b=confirmed'])
    const third = good(dialogs(dialogBody([{ id: 'c', state: 'early' }], 'full', 2), second))
    expect(wordsOf(third)).to.deep.equal(['c=early'])
  })

  it('a terminated dialog stays so, in this publication and in the next of the resource', () => {
    const ended = new EndedDialogs()
    const over = dialogBody([{ id: 'a', callId: 'x', state: 'terminated' }])
    const late = dialogBody([{ id: 'a', callId: 'x', state: 'early' }])
    const first = good(dialogs(over, undefined, ended))
    const behind = good(dialogs(late, first, new EndedDialogs()))
    expect(behind).to.deep.equal(first)
    expect(good(dialogs(late, undefined, ended))).to.deep.equal(first)
    expect(wordsOf(good(dialogs(over, undefined, ended)))).to.deep.equal(['a=terminated'])
  })

  it('is the same state where it says the same again, and another where anything is new', () => {
    const early = { id: 'a', callId: 'x', state: 'early' }
    const first = good(dialogs(dialogBody([early])))
    expect(good(dialogs(dialogBody([early], 'full', 7), first))).to.equal(first)
    expect(good(dialogs(dialogBody([early], 'partial', 8), first))).to.equal(first)
    for (const other of [
      [],
      [{ ...early, state: 'confirmed' }],
      [{ ...early, callId: 'y' }],
      [early, { ...early, id: 'b' }],
    ])
      expect(good(dialogs(dialogBody(other), first))).not.to.equal(first)
    const over = good(dialogs(dialogBody([{ ...early, state: 'terminated' }]), first))
    expect(over).not.to.equal(first)
    expect(good(dialogs(dialogBody([early]), over)).ended).to.deep.equal(over.ended)
  })

  it('a document of many dialogs that are shown otherwise is read once more, and not for each of them', () => {
    const many = Array.from({ length: 400 }, (_, n) => ({ id: `d${n}`, callId: 'x', state: 'early' }))
    const { dialogs: published } = good(dialogs(dialogBody(many)))
    const started = computed()
    for (const dialog of published) expect(dialog.asEnded().element.attributes.get('id')).to.equal(dialog.id)
    expect(computed() - started).to.be.below(200)
  })

  it('without a Call-ID the next call has its say', () => {
    const first = good(dialogs(dialogBody([{ id: 'a', state: 'terminated' }])))
    expect(wordsOf(good(dialogs(dialogBody([{ id: 'a', state: 'early' }]), first)))).to.deep.equal(['a=early'])
  })

  it('forgets what ended long ago, and the oldest of too many', () => {
    let now = 0
    const ended = new EndedDialogs(() => now)
    ended.note('200', 'a')
    expect([ended.has('200', 'a'), ended.has('201', 'a')]).to.deep.equal([true, false])
    now = 32_000
    expect(ended.has('200', 'a')).to.equal(false)
    for (let n = 0; n <= 10_000; n++) ended.note('200', `n${n}`)
    expect([ended.has('200', 'n0'), ended.has('200', 'n1'), ended.has('200', 'n10000')]).to.deep.equal([
      false,
      true,
      true,
    ])
  })
})

describe('whatever is published', () => {
  it('is read or refused in words that fit into a reason phrase, and never throws', () => {
    const seeds = constantFrom(
      pidfBody('a', 'open', personOf('away', 'x')),
      dialogBody([{ id: 'a', callId: 'x', state: 'early' }]),
      dialogBody([{ id: 'a', state: 'terminated' }], 'partial', 7),
    )
    const broken = tuple(seeds, string(), string({ maxLength: 3 })).map(([seed, at, put]) => {
      const place = (at.length * 37) % seed.length
      return seed.slice(0, place) + put + seed.slice(place + put.length)
    })
    assert(
      property(oneof(string(), broken), (text) => {
        for (const read of [presence(text), dialogs(text)]) expect(faultOf<unknown>(read)).to.match(/^[A-Za-z0-9 -]*$/)
      }),
      { numRuns: 300 },
    )
  })
})

/** The quick reader and the library: what the quick one takes, both read alike, and what the library refuses it leaves. */
import { expect } from 'chai'
import { array, assert, constantFrom, integer, letrec, nat, oneof, property, record, string, tuple } from 'fast-check'
import { readAnyXml, XmlError } from '../../core/xml.ts'
import { readUsualXml } from '../../core/xml-usual.ts'
import { dialogBody, personOf, pidfBody } from '../support/published-bodies.ts'

const DIALOGS = dialogBody([
  { id: 'a', callId: 'x', state: 'early' },
  { id: 'b', state: 'terminated' },
])
const PRESENCE = pidfBody('a', 'open', personOf('away', 'back <b>soon</b>'.replace(/[<>]/g, '')))

/** Whether the quick reader took it. */
function agree(text: string): boolean {
  const quick = readUsualXml(text)
  if (!quick) return false
  expect(quick).to.deep.equal(readAnyXml(text))
  return true
}

const blanks = constantFrom('', '', ' ', '\r\n', '\t', ' \n ')
const name = constantFrom('a', 'dialog', 'b-c.d', '_x9', 'constructor', '__proto__', 'xmlns', 'xml')
const prefix = constantFrom('', '', '', 'p:', 'q:', 'xml:', 'toString:')
const namespace = constantFrom('urn:one', 'urn:two', '', 'urn:&amp;')
const value = oneof(
  string({ maxLength: 6 }).map((text) => text.replace(/[<&"']/g, '')),
  constantFrom('&amp;', '&#65;', '&#x1f600;', '&#0;', '&bogus;', '&AMP;', 'a > b', '\n', '&copy;', '&#0065;', ' '),
)
const attribute = oneof(
  tuple(prefix, name, value, constantFrom('"', "'")).map(([p, n, v, quote]) => ` ${p}${n}=${quote}${v}${quote}`),
  namespace.map((ns) => ` xmlns="${ns}"`),
  tuple(constantFrom('p', 'q', 'xml', 'constructor'), namespace).map(([p, ns]) => ` xmlns:${p}="${ns}"`),
)
const comment = string({ maxLength: 5 }).map((text) => `<!--${text}-->`)
const { element } = letrec<{ readonly element: string; readonly inner: string }>((tie) => ({
  element: record({
    tag: tuple(prefix, name).map((parts) => parts.join('')),
    attributes: array(attribute, { maxLength: 3 }).map((all) => all.join('')),
    before: blanks,
    inner: array(tie('inner'), { maxLength: 4 }).map((all) => all.join('')),
    isShort: nat(3),
  }).map(({ tag, attributes, before, inner, isShort }) =>
    isShort === 0 ? `<${tag}${attributes}${before}/>` : `<${tag}${attributes}${before}>${inner}</${tag}${before}>`,
  ),
  inner: oneof(
    { depthSize: 'small' },
    blanks,
    value,
    comment,
    constantFrom('<![CDATA[x<y]]>', '\u00a0'),
    tie('element'),
  ),
}))
const scope = ' xmlns="urn:home" xmlns:p="urn:p" xmlns:q="urn:q"'
const whole = tuple(
  constantFrom('', '<?xml version="1.0"?>', '<?xml a??>', '\ufeff', '<!-- c -->'),
  blanks,
  element,
).map(([head, blank, root]) => `${head}${blank}<root${scope}>${root}</root>${blank}`)

describe('the quick reader of XML', () => {
  for (const [what, text] of [
    ['dialog information', DIALOGS],
    ['a presence document', PRESENCE],
    ['an empty root', '<a/>'],
    [
      'blanks and comments around everything',
      ' \r\n<!-- a > b -->\n<a >\n<b c = "d"/>\n</a >\n<!-- -->\n'.replace(' = ', '='),
    ],
    ['references', "<a b='&lt;&#62;&quot;&apos;'>&amp;&#x41;&#10;</a>"],
    ['text that a comment interrupts', '<a>one<!-- two -->three</a>'],
    ['prefixes that hide others', '<p:a xmlns:p="urn:1" p:c="1"><p:b xmlns:p="urn:2" p:c="2"/><p:d/></p:a>'],
    ['a default namespace that is taken back', '<a xmlns="urn:1"><b xmlns=""><c/></b><d/></a>'],
  ] as const) {
    it(`takes ${what}`, () => {
      expect(agree(text)).to.equal(true)
    })
  }

  for (const [what, text] of [
    ['CDATA', '<a><![CDATA[b]]></a>'],
    ['a document type', '<!DOCTYPE a><a/>'],
    ['an attribute twice', '<a b="1" b="2"/>'],
    ['an unknown entity', '<a>&copy;</a>'],
    ['a name of other letters', '<ä/>'],
    ['an instruction', '<a><?b c?></a>'],
    ['a second root', '<a/><b/>'],
    ['text outside', '<a/>b'],
    ['nothing', ''],
    ['crossed tags', '<a><b></a></b>'],
    ['an end tag that goes on', '<a></ab>'],
    ['an unbound prefix', '<p:a/>'],
    ['a declaration of nothing', '<a xmlns:p=""/>'],
    ['65 levels', '<a>'.repeat(65) + '</a>'.repeat(65)],
    ['65 attributes', `<a ${Array.from({ length: 65 }, (_, i) => `b${i}=""`).join(' ')}/>`],
    ['65537 characters', `<a>${' '.repeat(65530)}</a>`],
  ] as const) {
    it(`leaves ${what} to the library`, () => {
      expect(readUsualXml(text)).to.equal(undefined)
    })
  }

  it('takes as much as the library', () => {
    expect(agree('<a>'.repeat(64) + '</a>'.repeat(64))).to.equal(true)
    expect(agree(`<a ${Array.from({ length: 64 }, (_, i) => `b${i}=""`).join(' ')}/>`)).to.equal(true)
    expect(agree(`<a>${' '.repeat(65529)}</a>`)).to.equal(true)
  })

  it('reads like the library whatever it takes of documents made at random', () => {
    let taken = 0
    assert(
      property(whole, (text) => {
        if (agree(text)) taken++
      }),
      { numRuns: 3000 },
    )
    expect(taken).to.be.above(300)
  })

  it('reads like the library whatever it takes of documents with a mistake in them', () => {
    const mistake = oneof(string({ maxLength: 3 }), constantFrom('<', '>', '/', '&', '"', '=', ':', ' ', '--', '<!--'))
    assert(
      property(constantFrom(DIALOGS, PRESENCE), nat(), mistake, integer({ min: 0, max: 3 }), (seed, at, put, cut) => {
        const place = at % seed.length
        agree(seed.slice(0, place) + put + seed.slice(place + cut))
      }),
      { numRuns: 3000 },
    )
  })

  it('takes linear time for hostile texts of the greatest size', () => {
    for (const text of [
      '<a>'.repeat(64) + ' '.repeat(65000),
      `<a>${'&amp'.repeat(16000)}</a>`,
      `<a>${'&amp;'.repeat(13000)}</a>`,
      `<a>${'<!---'.repeat(13000)}</a>`,
      `<a>${'x<b/>'.repeat(13000)}</a>`,
      `<a>${`<b ${Array.from({ length: 64 }, (_, i) => `c${i}=""`).join(' ')}/>`.repeat(150)}</a>`,
    ]) {
      const started = process.hrtime.bigint()
      readUsualXml(text)
      expect(Number(process.hrtime.bigint() - started) / 1e6).to.be.below(200)
    }
  })

  it('leaves what the library refuses', () => {
    assert(
      property(whole, (text) => {
        try {
          readAnyXml(text)
        } catch (error) {
          expect(error).to.be.instanceOf(XmlError)
          expect(readUsualXml(text)).to.equal(undefined)
        }
      }),
      { numRuns: 1000 },
    )
  })
})

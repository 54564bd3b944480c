import { expect } from 'chai'
import { array, assert, constantFrom, oneof, property, string, stringMatching } from 'fast-check'
import { cutForEscaping, element, escapeXml, parseXml, printXml, type XmlElement, XmlError } from '../../core/xml.ts'
import { computed } from '../support/tools.ts'

function refusal(text: string): string {
  try {
    parseXml(text)
  } catch (error) {
    expect(error).to.be.instanceOf(XmlError)
    return error instanceof Error ? error.message : ''
  }
  throw new Error('it was accepted')
}

const namespaces = (count: number, prefix = 'n'): string =>
  Array.from({ length: count }, (_, n) => `xmlns:${prefix}${n}="u"`).join(' ')

function readOrRefused(text: string): void {
  try {
    parseXml(text)
  } catch (error) {
    expect(error).to.be.instanceOf(XmlError)
  }
}

describe('reading XML', () => {
  it('resolves namespaces, keeps the order of children, and knows local names of attributes', () => {
    const root = parseXml(
      '<?xml version="1.0"?>\n<!-- < -->\n<p:presence xmlns:p="urn:pidf" xmlns="urn:other" entity="sip:bob@h" p:entity="no">' +
        '<p:tuple id="a&gt;\'"/><note xml:lang="en">On &amp; off</note><p:tuple id="b"><![CDATA[1 < 2]]></p:tuple></p:presence>',
    )
    expect([root.name, root.ns, root.text]).to.deep.equal(['presence', 'urn:pidf', ''])
    expect([...root.attributes]).to.deep.equal([['entity', 'sip:bob@h']])
    expect(root.children.map((c) => [c.name, c.ns, c.text])).to.deep.equal([
      ['tuple', 'urn:pidf', ''],
      ['note', 'urn:other', 'On & off'],
      ['tuple', 'urn:pidf', '1 < 2'],
    ])
    expect(root.children[0]?.attributes.get('id')).to.equal("a>'")
    expect(root.children[1]?.attributes.get('lang')).to.equal('en')
  })

  it('takes whatever ends a line for a line feed (XML 2.11), and a carriage return that is written as such for one', () => {
    for (const declaration of ['', '<?xml version="1.0"?>\r\n', '<?xml-stylesheet href="a"?>\r']) {
      const root = parseXml(`${declaration}<note>out\r\nto\rlunch\n<![CDATA[\r\n1]]>&#13;</note>\r\n`)
      expect(root.text).to.equal('out\nto\nlunch\n\n1\r')
    }
    expect(printXml(element('note', {}, parseXml('<note>out\r\nto</note>').text))).to.not.contain('&#13;')
  })

  it('reads element and attribute names that JavaScript knows otherwise', () => {
    const root = parseXml('<a toString="1" constructor="2"><__proto__>x</__proto__><_>y</_><cdata>z</cdata></a>')
    expect([...root.attributes]).to.deep.equal([
      ['toString', '1'],
      ['constructor', '2'],
    ])
    expect(root.children.map((c) => [c.name, c.text])).to.deep.equal([
      ['__proto__', 'x'],
      ['_', 'y'],
      ['cdata', 'z'],
    ])
  })

  it('reads a root of text alone, and an empty one', () => {
    expect(parseXml('<a>text</a>').text).to.equal('text')
    expect(parseXml('\ufeff<a/>')).to.deep.include({ name: 'a', ns: '', text: '', children: [] })
  })

  for (const [what, text, why] of [
    ['nothing', '', 'no element'],
    ['blanks', ' \r\n ', 'no element'],
    ['text', 'hello', 'text outside'],
    ['an unclosed element', '<a><b></b>', 'does not end'],
    ['an unclosed tag', '<a', 'does not end'],
    ['an unclosed quote', '<a b="', "no '\"'"],
    ['an unclosed comment', '<a><!-- </a>', "no '-->'"],
    ['crossed tags', '<a><b></a></b>', 'not well-formed'],
    ['two roots', '<a/><b/>', 'second root'],
    ['text behind the root', '<a/>b', 'text outside'],
    ['an end tag first', '</a>', 'end tag'],
    ['an unknown entity', '<a>&bogus;</a>', 'not well-formed'],
    ['an impossible character reference', '<a>&#x110000;</a>', 'not well-formed'],
    ['an unbound prefix', '<x:a/>', 'not well-formed'],
    ['a DTD', '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', 'document type'],
    ['too much depth', '<a>'.repeat(65) + '</a>'.repeat(65), 'nested deeper'],
    ['too many attributes', `<a ${Array.from({ length: 65 }, (_, i) => `b${i}=""`).join(' ')}/>`, 'attributes'],
    ['namespaces for each of many elements', `<a ${namespaces(60)}><?b?>${'<c/>'.repeat(3000)}</a>`, 'namespaces'],
    ['too much of it', `<a>${' '.repeat(65536)}</a>`, 'longer than'],
  ] as const) {
    it(`refuses ${what}`, () => {
      expect(refusal(text)).to.contain(why)
    })
  }

  it('answers any text at all with a node or an XmlError', () => {
    const piece = constantFrom(
      '<a',
      '<b>',
      '</b>',
      '/>',
      '>',
      ' c="',
      '"',
      '<!--',
      '-->',
      '<![CDATA[',
      ']]>',
      '<?',
      '&amp;',
      '&',
      '&#1;',
      'x',
    )
    assert(
      property(array(oneof(piece, string()), { maxLength: 30 }), (pieces) => {
        readOrRefused(pieces.join(''))
      }),
      { numRuns: 500 },
    )
  })

  it('takes linear time for hostile texts of the greatest size', () => {
    for (const text of [
      '<a>'.repeat(64) + ' '.repeat(65000),
      `<a ${'b '.repeat(32000)}/>`,
      `<a>${'<b/>'.repeat(16000)}</a>`,
      `${Array.from({ length: 60 }, (_, n) => `<a ${namespaces(40, `n${n}_`)}>`).join('')}<?b?>${'<c/>'.repeat(6000)}${'</a>'.repeat(60)}`,
    ]) {
      const started = computed()
      readOrRefused(text)
      expect(computed() - started).to.be.below(2000)
    }
  })
})

describe('writing XML', () => {
  it('prints as pjproject does', () => {
    const tree = element('presence', { entity: 'sip:a@b', absent: undefined }, [
      element('note', {}, 'On <the> "phone"'),
      element('tuple', { id: "'&'" }, [element('status'), element('empty', { a: '' }, '')]),
    ])
    expect(printXml(tree)).to.equal(
      `<?xml version="1.0" encoding="UTF-8"?>
<presence entity="sip:a@b">
 <note>On &lt;the&gt; &quot;phone&quot;</note>
 <tuple id="&apos;&amp;&apos;">
  <status />
  <empty a="" />
 </tuple>
</presence>
`,
    )
  })

  it('escapes line ends and drops what XML cannot hold', () => {
    expect(escapeXml('a\r\nb\tc\0\x1b\uffff\ud800')).to.equal('a&#13;&#10;b\tc')
    expect(escapeXml('\u{1f600}')).to.equal('\u{1f600}')
  })

  it('cuts where the escaped form fills 511 bytes, never inside a character', () => {
    expect(cutForEscaping('short')).to.equal('short')
    expect(escapeXml(cutForEscaping('&'.repeat(200)))).to.equal('&amp;'.repeat(102))
    expect(Buffer.byteLength(escapeXml(cutForEscaping('ü'.repeat(300))))).to.equal(510)
  })

  it('writes what it reads back, whatever the texts are', () => {
    const name = stringMatching(/^[A-Za-z_][A-Za-z0-9_.-]{0,8}$/).filter((n) => !n.toLowerCase().startsWith('xml'))
    const anything = string({ unit: 'binary', maxLength: 40 })
    assert(
      property(name, name, anything, anything, (tag, attribute, value, text) => {
        const tree: XmlElement = element(tag, { [attribute]: value }, [element('inner', {}, text)])
        const root = parseXml(printXml(tree))
        const kept = (s: string): string => s.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|\p{Surrogate}/gu, '')
        expect(root.name).to.equal(tag)
        expect(root.attributes.get(attribute)).to.equal(kept(value))
        expect(root.children[0]?.text).to.equal(kept(text).trim() === '' ? '' : kept(text))
      }),
      { numRuns: 400 },
    )
  })
})

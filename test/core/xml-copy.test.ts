/** Elements of others in documents of ours: printed at once as their copy would be. */
import { expect } from 'chai'
import { array, assert, constant, constantFrom, letrec, oneof, property, tuple } from 'fast-check'
import { element, PrintedXml, parseXml, printElement, printXml } from '../../core/xml.ts'
import { copyXml, printCopy } from '../../core/xml-copy.ts'

const HOME = 'urn:home'
const PREFIXES = new Map([['urn:known', 'k']])

const text = constantFrom('', 'x', ' y ', '&lt;&amp;&gt;', 'ü', '&#10;')
const attribute = constantFrom('', ' a="1"', ' k:a="&lt;"', " xml:lang='de'", ' a="&quot;" u:b="2" v:b="3"', ' u:b="2"')
const { node } = letrec<{ readonly node: string }>((tie) => ({
  node: tuple(
    constantFrom('one', 'k:two', 'u:three', 'none xmlns=""'),
    attribute,
    text,
    oneof({ depthSize: 'small' }, constant([]), array(tie('node'), { maxLength: 3 })),
  ).map(([name, attributes, said, inner]) => `<${name}${attributes}>${said}${inner.join('')}</${name.split(' ')[0]}>`),
}))
const root = node.map(
  (inner) => `<root xmlns="${HOME}" xmlns:k="urn:known" xmlns:u="urn:unknown" xmlns:v="urn:unknown">${inner}</root>`,
)

describe('an element of somebody else', () => {
  it('is printed as its copy is, and declares the same', () => {
    assert(
      property(root, (document) => {
        const [child] = parseXml(document).children
        if (!child) throw new Error('no child')
        const copy = copyXml(child, HOME, PREFIXES)
        const printed = printCopy(child, HOME, PREFIXES)
        expect(printed.text).to.equal(printElement(copy.element, 1))
        expect([...printed.declarations]).to.deep.equal([...copy.declarations])
      }),
      { numRuns: 500 },
    )
  })

  it('is printed as it was until somebody looks into it, and then as it is', () => {
    const source = {
      get element() {
        return element('a', { b: '1' }, [element('c')])
      },
    }
    const printed = new PrintedXml(' <a b="1">as it was</a>', source)
    expect(printXml(element('root', {}, [printed]))).to.contain('\n <a b="1">as it was</a>\n')
    printed.attributes.set('b', '2')
    printed.text = 'd'
    expect([printed.name, printed.text, printed.children.length]).to.deep.equal(['a', 'd', 1])
    expect(printXml(element('root', {}, [printed]))).to.contain(' <a b="2">\n  <c />d\n </a>')
    const deeper = new PrintedXml(' <a b="1">as it was</a>', source)
    expect(printXml(element('root', {}, [element('x', {}, [deeper])]))).to.contain('  <a b="1">\n   <c />\n  </a>')
  })
})

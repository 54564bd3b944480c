/** What XML documents are read in (RFC 7303 3): byte order mark, charset, declaration. */
import { expect } from 'chai'
import { decodeXml } from '../../core/documents/encoding.ts'

const declared = (encoding: string): string =>
  `<?xml version="1.0" encoding="${encoding}" standalone='yes'?>\n<a>Büro</a>`
const bigEndian = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16()

const READ: readonly (readonly [what: string, bytes: Buffer, charset: string | undefined])[] = [
  ['UTF-8', Buffer.from(declared('utf-8')), undefined],
  ['UTF-8 with a mark, whatever else is said', Buffer.from(`\ufeff${declared('ISO-8859-1')}`), 'windows-1252'],
  ['ISO-8859-1 by its declaration', Buffer.from(declared('ISO-8859-1'), 'latin1'), undefined],
  ['windows-1252 by its charset', Buffer.from(declared('UTF-8'), 'latin1'), 'Windows-1252'],
  ['UTF-8 by its charset', Buffer.from(declared('ISO-8859-1')), 'UTF-8'],
  ['UTF-8 that says US-ASCII', Buffer.from(declared('US-ASCII')), undefined],
  ['UTF-8 that says UTF-16', Buffer.from(declared('UTF-16')), undefined],
  ['UTF-16 with a mark', Buffer.from(`\ufeff${declared('UTF-16')}`, 'utf16le'), undefined],
  ['UTF-16, big-endian, with a mark', bigEndian(`\ufeff${declared('UTF-16')}`), 'utf-16'],
  ['UTF-16 without a mark', Buffer.from(declared('UTF-16'), 'utf16le'), 'utf-16'],
  ['UTF-16, big-endian, without a mark', bigEndian(declared('UTF-16')), undefined],
]

describe('the encoding of XML', () => {
  for (const [what, bytes, charset] of READ)
    it(`is read: ${what}`, () => {
      expect(decodeXml(bytes, charset)).to.equal(declared('UTF-8'))
    })

  it('tells what nobody reads from what is not what it says', () => {
    const unknown = { isUnknown: true, fault: 'Unknown Character Encoding' }
    expect(decodeXml(Buffer.from('<a/>'), 'EBCDIC-DE')).to.deep.equal(unknown)
    expect(decodeXml(Buffer.from(declared('x-nothing')))).to.deep.equal(unknown)
    const wrong = { isUnknown: false, fault: 'Body Is Not In Its Character Encoding' }
    expect(decodeXml(Buffer.from([0xff, 0xfe, 0x3c]))).to.deep.equal(wrong)
  })

  it('is nothing where there is nothing', () => {
    expect(decodeXml(Buffer.alloc(0))).to.equal('')
  })
})

/**
 * XML documents of others as text, whatever they are encoded in (RFC 7303 3): by their byte order mark, the charset of
 * their Content-Type, or their own declaration. The text says UTF-8 of itself, as that is what it is written in from now on.
 */
import type { SipMessage } from '../sip/contract.ts'
import { parseMediaType } from '../sip/values.ts'

/** Why there is no text. `isUnknown`: nobody here reads that encoding. `fault`: for a reason phrase. */
export interface EncodingFault {
  readonly isUnknown: boolean
  readonly fault: string
}

const UNKNOWN: EncodingFault = { isUnknown: true, fault: 'Unknown Character Encoding' }
const WRONG: EncodingFault = { isUnknown: false, fault: 'Body Is Not In Its Character Encoding' }

/** What is UTF-8 at the first look. */
const USUAL = /^<(?:[a-z_]|\?xml version=["']1\.0["'](?: encoding=["']utf-8["'])? ?\?>)/i
const DECLARED = /^(<\?xml\s[^>]*?\sencoding\s*=\s*["'])([a-z][\w.-]*)(?=["'])/i
/** No declaration is longer that says anything. */
const LONGEST_DECLARATION = 200
/** Those that say no more than UTF-8 does: whoever writes other bytes under the name of ASCII writes UTF-8 most likely. */
const UTF_8: ReadonlySet<string> = new Set(['', 'utf-8', 'utf8', 'us-ascii', 'ascii'])

/** The body of a message; what is no XML is UTF-8. `type`: that of its Content-Type, without parameters. */
export function bodyTextOf(
  message: Pick<SipMessage, 'body' | 'bodyText'>,
  type: string,
  contentType: string,
): string | EncodingFault {
  const text = message.bodyText
  if (!type.endsWith('xml')) return text
  if (!contentType.includes(';') && USUAL.test(text)) return text
  return decodeXml(message.body, parseMediaType(contentType)?.params.get('charset'))
}

/** What stands in a file or a table; what is no XML is UTF-8. What comes as a text has been decoded already. */
export function documentTextOf(document: string | Uint8Array, type: string): string | EncodingFault {
  const isXml = type.endsWith('xml')
  if (typeof document === 'string') return isXml ? sayingUtf8(document) : document
  return isXml ? decodeXml(document) : new TextDecoder().decode(document)
}

/** `charset`: of the Content-Type. */
export function decodeXml(bytes: Uint8Array, charset = ''): string | EncodingFault {
  const encoding = encodingOf(bytes, charset.toLowerCase())
  // What is broken UTF-8 is read as far as it goes.
  if (UTF_8.has(encoding)) return sayingUtf8(new TextDecoder().decode(bytes))
  try {
    return sayingUtf8(new TextDecoder(encoding, { fatal: true }).decode(bytes))
  } catch (error) {
    if (error instanceof RangeError) return UNKNOWN
    if (error instanceof TypeError) return WRONG
    throw error
  }
}

function encodingOf(bytes: Uint8Array, charset: string): string {
  const [first, second, third] = bytes
  if (first === 0xef && second === 0xbb && third === 0xbf) return 'utf-8'
  if (first === 0xfe && second === 0xff) return 'utf-16be'
  if (first === 0xff && second === 0xfe) return 'utf-16le'
  // XML 1.0 F.1: the first character is `<`, whatever the order of its bytes.
  const wide = first === 0 ? 'utf-16be' : second === 0 ? 'utf-16le' : ''
  // RFC 2781 4.3: big-endian where nothing says otherwise.
  if (charset !== '') return charset === 'utf-16' ? wide || 'utf-16be' : charset
  if (wide !== '') return wide
  const start = Buffer.from(bytes.subarray(0, LONGEST_DECLARATION)).toString('latin1')
  const declared = DECLARED.exec(start)?.[2]?.toLowerCase() ?? ''
  // Written by who had it as UTF-16 in memory: it could not be read up to here if it were.
  return /^(?:utf-16|utf-32|ucs-)/.test(declared) ? '' : declared
}

function sayingUtf8(text: string): string {
  return text.replace(DECLARED, (_, before: string) => `${before}UTF-8`)
}

/**
 * What messages are written with. Whatever is given as a value, it stays within its line: CR, LF and NUL become spaces,
 * so nothing a peer said can begin a header of its own. Content-Length is always written, last. What comes out is a
 * string with one character per byte.
 */
import { joined } from '../text.ts'
import type { HeaderLine } from './contract.ts'
import { isToken, toWire } from './grammar.ts'
import { writtenName } from './headers.ts'

/** Header lines as they go on the wire, each with its CRLF: UTF-8 bytes as characters. */
export function headerBlock(lines: readonly HeaderLine[], compact = false): string {
  let block = ''
  for (const line of lines) block += headerLine(line[0], line[1], compact)
  return block
}

/** One header line, with its CRLF. */
export function headerLine(name: string, value: string, compact: boolean): string {
  return `${headerName(name, compact)}: ${wireValue(value)}\r\n`
}

// The last few names are the same few names, over and over.
const checkedNames = new Set<string>()
function headerName(name: string, compact: boolean): string {
  if (!checkedNames.has(name)) {
    if (!isToken(name)) throw new Error(`'${name}' is no header name`)
    if (checkedNames.size < 500) checkedNames.add(name)
  }
  return compact ? writtenName(name, true) : name
}

/** A value as it goes on the wire: in one line, one character per byte. */
export function wireValue(value: string): string {
  return isPlain(value) ? value : toWire(value.replace(UNSAFE, ' '))
}

/** Whether a value goes on the wire as it is. */
export function isPlain(value: string): boolean {
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at)
    if (code > 0x7e || code === 0x0d || code === 0x0a || code === 0) return false
  }
  return true
}

/** A value within one line, in characters. */
export function oneLine(value: string): string {
  return isPlain(value) ? value : value.replace(UNSAFE, ' ')
}

const UNSAFE = /[\r\n\0]/g

/** Content-Type, Content-Length, the empty line and what comes after it. */
export function writtenBody(
  contentType: string | undefined,
  body: string | Buffer | undefined,
  compact: boolean,
): string {
  if (body === undefined) return compact ? 'l: 0\r\n\r\n' : 'Content-Length: 0\r\n\r\n'
  const content = typeof body === 'string' ? toWire(body) : body.toString('latin1')
  return `${bodyStart(content.length > 0 ? contentType : undefined, compact)}${content.length}\r\n\r\n${content}`
}

let lastType: string | undefined
let lastCompact = false
let lastStart = ''

/** Content-Type, if it is said, and Content-Length up to the number. Most are as the one before. */
export function bodyStart(contentType: string | undefined, compact: boolean): string {
  if (lastStart === '' || contentType !== lastType || compact !== lastCompact) {
    lastStart = joined(writtenStart(contentType, compact))
    lastType = contentType
    lastCompact = compact
  }
  return lastStart
}

function writtenStart(contentType: string | undefined, compact: boolean): string {
  const type = contentType === undefined ? '' : headerLine('Content-Type', contentType, compact)
  return `${type}${writtenName('Content-Length', compact)}: `
}

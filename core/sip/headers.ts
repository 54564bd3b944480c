/**
 * Header names: their keys (long name in lower case), their numbers, how they are printed, compact forms, and which are
 * comma lists.
 */

interface HeaderName {
  readonly name: string
  readonly compact?: string
  /** Its grammar is a comma list, so that one line with commas says the same as several lines (RFC 3261 7.3.1). */
  readonly list?: true
}

const HEADERS: readonly HeaderName[] = [
  { name: 'Accept', list: true },
  { name: 'Accept-Contact', compact: 'a', list: true },
  { name: 'Accept-Encoding', list: true },
  { name: 'Accept-Language', list: true },
  { name: 'Alert-Info', list: true },
  { name: 'Allow', list: true },
  { name: 'Allow-Events', compact: 'u', list: true },
  { name: 'Authentication-Info' },
  { name: 'Authorization' },
  { name: 'Call-ID', compact: 'i' },
  { name: 'Call-Info', list: true },
  { name: 'Contact', compact: 'm', list: true },
  { name: 'Content-Disposition' },
  { name: 'Content-Encoding', compact: 'e', list: true },
  { name: 'Content-Language', list: true },
  { name: 'Content-Length', compact: 'l' },
  { name: 'Content-Type', compact: 'c' },
  { name: 'CSeq' },
  { name: 'Date' },
  { name: 'Error-Info', list: true },
  { name: 'Event', compact: 'o' },
  { name: 'Expires' },
  { name: 'Flow-Timer' },
  { name: 'From', compact: 'f' },
  { name: 'History-Info', list: true },
  { name: 'Identity', compact: 'y' },
  { name: 'Identity-Info', compact: 'n' },
  { name: 'In-Reply-To', list: true },
  { name: 'Max-Forwards' },
  { name: 'MIME-Version' },
  { name: 'Min-Expires' },
  { name: 'Organization' },
  { name: 'P-Asserted-Identity', list: true },
  { name: 'P-Preferred-Identity', list: true },
  { name: 'Path', list: true },
  { name: 'Priority' },
  { name: 'Privacy' },
  { name: 'Proxy-Authenticate' },
  { name: 'Proxy-Authorization' },
  { name: 'Proxy-Require', list: true },
  { name: 'Reason', list: true },
  { name: 'Record-Route', list: true },
  { name: 'Refer-To', compact: 'r' },
  { name: 'Referred-By', compact: 'b' },
  { name: 'Reject-Contact', compact: 'j', list: true },
  { name: 'Remote-Party-ID', list: true },
  { name: 'Reply-To' },
  { name: 'Request-Disposition', compact: 'd', list: true },
  { name: 'Require', list: true },
  { name: 'Retry-After' },
  { name: 'Route', list: true },
  { name: 'Server' },
  { name: 'Service-Route', list: true },
  { name: 'Session-Expires', compact: 'x' },
  { name: 'SIP-ETag' },
  { name: 'SIP-If-Match' },
  { name: 'Subject', compact: 's' },
  { name: 'Subscription-State' },
  { name: 'Supported', compact: 'k', list: true },
  { name: 'Suppress-If-Match' },
  { name: 'Timestamp' },
  { name: 'To', compact: 't' },
  { name: 'Unsupported', list: true },
  { name: 'User-Agent' },
  { name: 'Via', compact: 'v', list: true },
  { name: 'Warning', list: true },
  { name: 'WWW-Authenticate' },
]

/**
 * Numbers of headers, so that a message knows where each is without comparing names; 0 is a name not in the table. Under
 * every usual spelling: as printed, lower case, upper case, compact in both cases.
 */
const NUMBERS: ReadonlyMap<string, number> = new Map(
  HEADERS.flatMap(({ name, compact = '' }, at) =>
    [name, name.toLowerCase(), name.toUpperCase(), compact, compact.toUpperCase()]
      .filter((spelling) => spelling !== '')
      .map((spelling) => [spelling, at + 1] as const),
  ),
)

export const HEADER_COUNT = HEADERS.length + 1

/** The number of a header, for any spelling of its name; 0 for names not in the table. */
export function headerNumber(name: string): number {
  return NUMBERS.get(name) ?? NUMBERS.get(name.toLowerCase()) ?? 0
}

/** Numbers of the headers that every message is asked for. */
export const HEADER = {
  callId: headerNumber('Call-ID'),
  contact: headerNumber('Contact'),
  contentLength: headerNumber('Content-Length'),
  cseq: headerNumber('CSeq'),
  from: headerNumber('From'),
  maxForwards: headerNumber('Max-Forwards'),
  recordRoute: headerNumber('Record-Route'),
  require: headerNumber('Require'),
  timestamp: headerNumber('Timestamp'),
  to: headerNumber('To'),
  via: headerNumber('Via'),
} as const

/** What `numberInText` makes of two characters and the length of a name → its number; each name has a place of its own. */
const PLACES = 4096
const BY_PLACE = new Uint8Array(PLACES)
const LOWER: readonly string[] = ['', ...HEADERS.map(({ name }) => name.toLowerCase())]
const COMPACT_OF: readonly string[] = ['', ...HEADERS.map(({ compact = '' }) => compact)]
/** The same as numbers, which are read in half the time of characters. */
const LOWER_CODES = LOWER.map(codesOf)
const COMPACT_CODES = COMPACT_OF.map(codesOf)
const FACTOR = factorWithoutCollisions()

/** The number of the header whose name stands in the text from `start` to `end`; 0 for names not in the table. */
export function numberInText(text: string, start: number, end: number): number {
  const length = end - start
  if (length === 0) return 0
  const number = BY_PLACE[placeOf(text, start, length, FACTOR)] ?? 0
  const name = length === 1 ? COMPACT_CODES[number] : LOWER_CODES[number]
  if (name === undefined || name.length !== length) return 0
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(start + at)
    const wanted = name[at] ?? 0
    // Case is one bit of a letter.
    if (code !== wanted && ((code ^ wanted) !== 0x20 || wanted === 0x2d)) return 0
  }
  return number
}

function codesOf(name: string): Uint8Array {
  return Uint8Array.from(name, (character) => character.charCodeAt(0))
}

function placeOf(text: string, start: number, length: number, factor: number): number {
  const first = text.charCodeAt(start) | 0x20
  const middle = text.charCodeAt(start + (length >> 1)) | 0x20
  const last = text.charCodeAt(start + length - 1) | 0x20
  return Math.imul((((first << 8) | middle) << 8) ^ (last << 3) ^ length, factor) >>> 20
}

function factorWithoutCollisions(): number {
  for (let factor = 0x9e3779b1; ; factor += 2) {
    BY_PLACE.fill(0)
    const fits = HEADERS.every(({ name, compact }, at) =>
      [name, compact ?? ''].every((spelling) => spelling === '' || takePlace(spelling, at + 1, factor)),
    )
    if (fits) return factor
  }
}

function takePlace(spelling: string, number: number, factor: number): boolean {
  const place = placeOf(spelling, 0, spelling.length, factor)
  if (BY_PLACE[place] !== 0) return false
  BY_PLACE[place] = number
  return true
}

const LISTS: readonly boolean[] = [false, ...HEADERS.map(({ list = false }) => list)]

/** The key for any name: the long name in lower case. */
export function headerKey(name: string): string {
  return LOWER[headerNumber(name)] || name.toLowerCase()
}

/** Whether the header with this number is a comma list. */
export function isListHeader(number: number): boolean {
  return LISTS[number] === true
}

/** The name to write: as it was given, or its compact form where there is one and it is wanted. */
export function writtenName(name: string, compact: boolean): string {
  return (compact && COMPACT_OF[headerNumber(name)]) || name
}

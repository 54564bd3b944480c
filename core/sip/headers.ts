/** Header names: their keys (long name in lower case), how they are printed, compact forms, and which are comma lists. */

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

/** From every usual spelling to the key: as printed, lower case, upper case, compact in both cases. */
const KEYS: ReadonlyMap<string, string> = new Map(
  HEADERS.flatMap(({ name, compact }) => {
    const key = name.toLowerCase()
    const spellings = [name, key, name.toUpperCase()]
    if (compact) spellings.push(compact, compact.toUpperCase())
    return spellings.map((spelling) => [spelling, key] as const)
  }),
)

const LISTS: ReadonlySet<string> = new Set(HEADERS.filter(({ list }) => list).map(({ name }) => name.toLowerCase()))

const COMPACT: ReadonlyMap<string, string> = new Map(
  HEADERS.flatMap(({ name, compact }) => (compact ? [[name.toLowerCase(), compact] as const] : [])),
)

/** The key under which a header is known, for any spelling of its name; undefined for names not in the table. */
export function knownKey(name: string): string | undefined {
  return KEYS.get(name) ?? KEYS.get(name.toLowerCase())
}

/** The key for any name: the long name in lower case. */
export function headerKey(name: string): string {
  return knownKey(name) ?? name.toLowerCase()
}

export function isListHeader(key: string): boolean {
  return LISTS.has(key)
}

/** The name to write: as it was given, or its compact form where there is one and it is wanted. */
export function writtenName(name: string, compact: boolean): string {
  return compact ? (COMPACT.get(headerKey(name)) ?? name) : name
}

/** What a lamp shows, per package: the body that says state number n, and whether a body that came says it. */

export type Seen = 'now' | 'older' | 'wrong'

export interface LampLanguage {
  readonly event: string
  readonly accept: string
  /** Whether a body says which of the states with its words it is. */
  readonly numbered: boolean
  /** The body a publisher sends for state `n` of a lamp. */
  publish(lamp: string, n: number): string
  /** What a NOTIFY says of a lamp whose newest state is `n`. */
  seen(text: string, body: number, n: number): Seen
  /** Where the package counts its documents (RFC 4235 4.1.1). */
  version(text: string, body: number): number | undefined
}

const CALL_STATES = ['early', 'confirmed'] as const

function versionOf(text: string, body: number): number | undefined {
  const at = text.indexOf(' version="', text.indexOf('<dialog-info', body))
  return at < 0 ? undefined : digits(text, at + 10)
}

/** Published dialogs: the call's id carries the number. */
export const dialogs: LampLanguage = {
  event: 'dialog',
  accept: 'application/dialog-info+xml',
  numbered: true,
  publish: (lamp, n) =>
    `<?xml version="1.0"?>\r\n<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="${n}" state="full" ` +
    `entity="sip:${lamp}@127.0.0.1">\r\n<dialog id="n-${n}-" call-id="call-${n}" direction="recipient">\r\n` +
    `<state>${CALL_STATES[n % 2]}</state>\r\n<remote><identity>sip:caller@127.0.0.1</identity>` +
    `<target uri="sip:caller@127.0.0.1"/></remote>\r\n<local><identity>sip:${lamp}@127.0.0.1</identity>` +
    `<target uri="sip:${lamp}@127.0.0.1"/></local>\r\n</dialog>\r\n</dialog-info>\r\n`,
  seen(text, body, n) {
    const at = text.indexOf('<dialog id="n-', body)
    if (at < 0) return 'wrong'
    const said = digits(text, at + 14)
    const state = text.indexOf('<state>', at)
    const word = CALL_STATES[said % 2] ?? ''
    if (said > n || state < 0 || !text.startsWith(word, state + 7)) return 'wrong'
    // One publication holds one call; a second in the document would be a ghost.
    if (text.includes('<dialog ', at + 8)) return 'wrong'
    return said === n ? 'now' : 'older'
  },
  version: versionOf,
}

export const messages: LampLanguage = {
  event: 'message-summary',
  accept: 'application/simple-message-summary',
  numbered: true,
  publish: (lamp, n) =>
    `Messages-Waiting: ${n === 0 ? 'no' : 'yes'}\r\nMessage-Account: sip:${lamp}@127.0.0.1\r\nVoice-Message: ${n}/0 (0/0)\r\n`,
  seen(text, body, n) {
    const at = text.indexOf('Voice-Message: ', body)
    if (at < 0) return 'wrong'
    const said = digits(text, at + 15)
    if (said > n || !text.startsWith(`Messages-Waiting: ${said === 0 ? 'no' : 'yes'}`, body)) return 'wrong'
    return said === n ? 'now' : 'older'
  },
  version: () => undefined,
}

/** Device states in their order, and what dialog-info makes of each. */
export const DEVICE_STATES = ['NOT_INUSE', 'INUSE', 'RINGING'] as const
const DEVICE_WORDS = ['terminated', 'confirmed', 'early'] as const

/** Devices of Asterisk: there is no number in a state, so neighbours differ and one in three is the same. */
export const devices: LampLanguage = {
  event: 'dialog',
  accept: 'application/dialog-info+xml',
  numbered: false,
  publish: (_, n) => DEVICE_STATES[n % 3] ?? 'UNKNOWN',
  seen(text, body, n) {
    const at = text.indexOf('<state>', body)
    if (at < 0) return n % 3 === 0 && text.includes('<dialog-info', body) ? 'now' : 'wrong'
    const word = text.slice(at + 7, text.indexOf('<', at + 7))
    const said = DEVICE_WORDS.findIndex((known) => known === word)
    return said < 0 ? 'wrong' : said === n % 3 ? 'now' : 'older'
  },
  version: versionOf,
}

export const LANGUAGES = { dialogs, messages, devices }
export type LanguageName = keyof typeof LANGUAGES

function digits(text: string, from: number): number {
  let value = 0
  for (let at = from; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 0x30
    if (digit < 0 || digit > 9) break
    value = value * 10 + digit
  }
  return value
}

/** What a lamp shows, per package: the body that says state number n, and whether a body that came says it. */

export interface LampLanguage {
  readonly event: string
  readonly accept: string
  /** States alike have one key: the number itself where a body carries it. */
  readonly numbered: boolean
  key(n: number): number
  /** The body a publisher sends for state `n` of a lamp. */
  publish(lamp: string, n: number): string
  /** Key of the state that a NOTIFY shows; -1 where it shows what was never said, `newest` being the last that was. */
  shown(text: string, body: number, newest: number): number
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
  key: (n) => n,
  publish: (lamp, n) =>
    `<?xml version="1.0"?>\r\n<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="${n}" state="full" ` +
    `entity="sip:${lamp}@127.0.0.1">\r\n<dialog id="n-${n}-" call-id="call-${n}" direction="recipient">\r\n` +
    `<state>${CALL_STATES[n % 2]}</state>\r\n<remote><identity>sip:caller@127.0.0.1</identity>` +
    `<target uri="sip:caller@127.0.0.1"/></remote>\r\n<local><identity>sip:${lamp}@127.0.0.1</identity>` +
    `<target uri="sip:${lamp}@127.0.0.1"/></local>\r\n</dialog>\r\n</dialog-info>\r\n`,
  shown(text, body, newest) {
    const at = text.indexOf('<dialog id="n-', body)
    if (at < 0) return -1
    const said = digits(text, at + 14)
    const state = text.indexOf('<state>', at)
    const word = CALL_STATES[said % 2] ?? ''
    if (said > newest || state < 0 || !text.startsWith(word, state + 7)) return -1
    // One publication holds one call; a second in the document would be a ghost.
    return text.includes('<dialog ', at + 8) ? -1 : said
  },
  version: versionOf,
}

export const messages: LampLanguage = {
  event: 'message-summary',
  accept: 'application/simple-message-summary',
  numbered: true,
  key: (n) => n,
  publish: (lamp, n) =>
    `Messages-Waiting: ${n === 0 ? 'no' : 'yes'}\r\nMessage-Account: sip:${lamp}@127.0.0.1\r\nVoice-Message: ${n}/0 (0/0)\r\n`,
  shown(text, body, newest) {
    const at = text.indexOf('Voice-Message: ', body)
    if (at < 0) return -1
    const said = digits(text, at + 15)
    const fits = text.startsWith(`Messages-Waiting: ${said === 0 ? 'no' : 'yes'}`, body)
    return said > newest || !fits ? -1 : said
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
  key: (n) => n % 3,
  publish: (_, n) => DEVICE_STATES[n % 3] ?? 'UNKNOWN',
  shown(text, body) {
    const at = text.indexOf('<state>', body)
    // No dialog at all is a phone that nobody talks on.
    if (at < 0) return text.includes('<dialog-info', body) ? 0 : -1
    const word = text.slice(at + 7, text.indexOf('<', at + 7))
    return DEVICE_WORDS.findIndex((known) => known === word)
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

/** What the demo PBX is configured with, as plain data: what a real Asterisk would have read from its files. */

/** An endpoint, auth or aor of pjsip.conf: its id and the options that were written. */
export interface PbxObject {
  readonly id: string
  readonly values: ReadonlyMap<string, string>
}

/** `exten => 100,hint,PJSIP/100(Alice)`. */
export interface PbxHint {
  readonly context: string
  /** As written: `100` or a pattern such as `_11X`. */
  readonly exten: string
  /** As written, unexpanded: `PJSIP/${EXTEN}&Custom:x,CustomPresence:x`. */
  readonly hint: string
  readonly name: string
}

export interface PbxMailbox {
  /** `100@default` */
  readonly name: string
  readonly pin: string
  readonly fullName: string
  readonly email: string
}

export interface PbxData {
  readonly endpoints: readonly PbxObject[]
  readonly auths: readonly PbxObject[]
  readonly aors: readonly PbxObject[]
  readonly hints: readonly PbxHint[]
  /** Context → contexts it includes. */
  readonly includes: ReadonlyMap<string, readonly string[]>
  readonly mailboxes: readonly PbxMailbox[]
}

/** `PJSIP/103(Bob Example)` is the hint and its name. */
export function splitHintName(text: string): { hint: string; name: string } {
  const open = text.indexOf('(')
  const close = text.lastIndexOf(')')
  if (open < 0 || close < open || text.slice(0, open).includes('${')) return { hint: text.trim(), name: '' }
  return { hint: text.slice(0, open).trim(), name: text.slice(open + 1, close).trim() }
}

/** A line of voicemail.conf: `4100,Alice Example,alice@example.com`. */
export function mailboxOf(name: string, text: string): PbxMailbox {
  const [pin = '', fullName = '', email = ''] = text.split(',').map((part) => part.trim())
  return { name, pin, fullName, email }
}

/**
 * The dialplan functions that may be asked, and nothing else. Some others end Asterisk (`VM_INFO(box,email)`), tell
 * secrets (`AST_SORCERY`) or write; and what stands between the brackets may come from whoever sends a SUBSCRIBE, so an
 * argument that could end its bracket, or start another function, makes no expression.
 */
declare const allowed: unique symbol
/** Made in this file only. */
export type Expression = string & { readonly [allowed]: true }

const LONGEST_ARGUMENT = 120

/** Whether Asterisk can be asked about an extension of this name: no brackets, quotes, commas, variables or spaces. */
export function isPlain(argument: string): boolean {
  return argument.length <= LONGEST_ARGUMENT && /^[A-Za-z0-9.+*#!~=:;/_-]+$/.test(argument)
}

/** The same for names of devices, providers and mailboxes, which may hold an `@`. */
function isPlainName(name: string): boolean {
  return name.length <= LONGEST_ARGUMENT && /^[A-Za-z0-9.+*#!~=:;/_@-]+$/.test(name)
}

const expression = (text: string): Expression => text as Expression

export interface HintFunctions {
  readonly text: Expression
  readonly name: Expression
  readonly state: Expression
}

/**
 * The hint as written, or no answer where there is none; its state, of which Asterisk makes the extension a hint of its
 * own where it is one of a pattern. A leading `_` would ask for a pattern itself.
 */
export function hintOf(context: string, exten: string): HintFunctions | undefined {
  if (!isPlain(context) || !isPlain(exten) || exten.startsWith('_')) return undefined
  const place = `${exten}@${context}`
  return {
    text: expression(`HINT(${place})`),
    name: expression(`HINT(${place},n)`),
    state: expression(`EXTENSION_STATE(${place})`),
  }
}

/** Of the module that has HINT; fails only where that is not loaded. */
export const ALWAYS_THERE = expression('DEVICE_STATE(Custom:lamplighter)')

/** UNKNOWN or INVALID for a device that does not exist; never fails. */
export function deviceStateOf(device: string): Expression | undefined {
  return isPlainName(device) ? expression(`DEVICE_STATE(${device})`) : undefined
}

export function presenceOf(
  provider: string,
): { value: Expression; subtype: Expression; message: Expression } | undefined {
  if (!isPlainName(provider)) return undefined
  return {
    value: expression(`PRESENCE_STATE(${provider},value)`),
    subtype: expression(`PRESENCE_STATE(${provider},subtype)`),
    message: expression(`PRESENCE_STATE(${provider},message)`),
  }
}

/** Counts are `0` for a mailbox that does not exist, which `exists` tells (app_voicemail only). */
export function mailboxOf(mailbox: string): { unread: Expression; old: Expression; exists: Expression } | undefined {
  if (!isPlainName(mailbox)) return undefined
  return {
    unread: expression(`VMCOUNT(${mailbox})`),
    old: expression(`VMCOUNT(${mailbox},Old)`),
    exists: expression(`VM_INFO(${mailbox},exists)`),
  }
}

/** Asked on a call's own channel. */
export const SIP_LEG = {
  callId: expression('CHANNEL(pjsip,call-id)'),
  localTag: expression('CHANNEL(pjsip,local_tag)'),
  remoteTag: expression('CHANNEL(pjsip,remote_tag)'),
} as const
/** `allowed…`, `prohib…` or `unavailable`: whether the other party may be shown, and whether its name may. */
export const CONNECTED_PRESENTATION = {
  number: expression('CONNECTEDLINE(num-pres)'),
  name: expression('CONNECTEDLINE(name-pres)'),
} as const

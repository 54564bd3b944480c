/** The dialplan functions that a channel of the demo PBX evaluates, with the answers a real Asterisk gives. */
import type { DeviceState } from '../states/devices.ts'
import { mailboxName } from '../states/mailboxes.ts'
import type { PbxChannel } from './channel.ts'
import type { PbxData } from './data.ts'
import { type Dialplan, devicesOf, extensionStateName } from './dialplan.ts'
import { sorceryAttributes } from './sorcery.ts'
import type { States } from './states.ts'

export interface FunctionContext {
  readonly data: PbxData
  readonly dialplan: Dialplan
  readonly states: States
  readonly version: string
  loaded(module: string): boolean
  /** Asterisk dies of what was asked. */
  crash(): void
}

/** undefined: "Unable to read provided function". */
type DialplanFunction = (args: readonly string[], context: FunctionContext, channel: PbxChannel) => string | undefined

/** Function → the module that brings it, and what it does. */
const FUNCTIONS: Readonly<Record<string, readonly [module: string, run: DialplanFunction]>> = {
  HINT: ['func_devstate.so', hint],
  EXTENSION_STATE: ['func_extstate.so', extensionState],
  DEVICE_STATE: ['func_devstate.so', ([device = ''], { states }) => states.get(device)],
  PRESENCE_STATE: ['func_presencestate.so', presenceState],
  VMCOUNT: ['func_vmcount.so', vmCount],
  VM_INFO: ['app_voicemail.so', vmInfo],
  PJSIP_ENDPOINT: ['func_pjsip_endpoint.so', (args, { data }) => sorceryField(data, 'endpoint', args)],
  PJSIP_AOR: ['func_pjsip_aor.so', pjsipAor],
  AST_SORCERY: ['func_sorcery.so', ([, type = '', ...args], { data }) => sorceryField(data, type, args)],
  AST_CONFIG: ['func_config.so', astConfig],
  DB_KEYS: ['func_db.so', ([family = ''], { states }) => dbKeys(states, family)],
  DIALPLAN_EXISTS: ['func_dialplan.so', () => '0'],
  VERSION: ['func_version.so', (_, { version }) => version],
  CHANNEL: ['func_channel.so', channelField],
  CALLERID: ['func_callerid.so', ([field = ''], _, { caller }) => partyField(field, caller)],
  CONNECTEDLINE: ['func_callerid.so', ([field = ''], _, { connected }) => partyField(field, connected)],
}

/** `HINT(100@from-internal)`; undefined where the function is unknown or has no answer. */
export function evaluate(expression: string, context: FunctionContext, channel: PbxChannel): string | undefined {
  const open = expression.indexOf('(')
  const name = expression.slice(0, open)
  const found = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined
  if (!found) return undefined
  const [module, run] = found
  if (module.endsWith('.so') && !context.loaded(module)) return undefined
  return run(splitArguments(expression.slice(open + 1, -1)), context, channel)
}

/** At commas that stand in no parentheses. */
export function splitArguments(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let start = 0
  for (let at = 0; at < text.length; at++) {
    const c = text[at]
    if (c === '(') depth++
    else if (c === ')') depth--
    else if (c === ',' && depth === 0) {
      parts.push(text.slice(start, at))
      start = at + 1
    }
  }
  parts.push(text.slice(start))
  return parts
}

function hint([place = '', option = '']: readonly string[], { dialplan }: FunctionContext): string | undefined {
  const [exten = '', context = ''] = place.split('@')
  if (context === '') return undefined
  const found = dialplan.find(context, exten) ?? dialplan.written(context).find((h) => h.exten === exten)
  if (!found) return undefined
  return option === 'n' ? found.name : found.hint
}

function extensionState([place = '']: readonly string[], { dialplan, states }: FunctionContext): string {
  const [exten = '', context = 'default'] = place.split('@')
  const found = dialplan.find(context, exten)
  if (!found) return 'UNKNOWN'
  dialplan.writeOut(found, exten)
  return extensionStateName(devicesOf(found, exten).map((device): DeviceState => states.get(device)))
}

function presenceState(
  [provider = '', field = '', option = '']: readonly string[],
  { states }: FunctionContext,
): string | undefined {
  if (!provider.toLowerCase().startsWith('custompresence:')) return undefined
  const presence = states.presence(provider)
  const base64 = option === 'e'
  switch (field) {
    case 'value':
      return presence.state
    case 'subtype':
      return base64 ? Buffer.from(presence.subtype).toString('base64') : presence.subtype
    case 'message':
      return base64 ? Buffer.from(presence.message).toString('base64') : presence.message
    default:
      return undefined
  }
}

function vmCount([boxes = '', folder = 'INBOX']: readonly string[], { states }: FunctionContext): string {
  const count = (box: string): number => {
    const counts = states.counts(box)
    return countIn(counts, folder)
  }
  return String(boxes.split('&').reduce((sum, box) => sum + count(box), 0))
}

function vmInfo(
  [box = '', attribute = '', folder = 'INBOX']: readonly string[],
  context: FunctionContext,
): string | undefined {
  const found = context.states.box(box)
  if (attribute === 'exists') return found ? '1' : '0'
  if (!found) return undefined
  switch (attribute) {
    case 'count':
      return String(countIn(context.states.counts(box), folder))
    case 'fullname':
      return found.fullName
    case 'password':
      return found.pin
    case 'context':
      return mailboxName(box).split('@')[1]
    case 'email':
      // ast_copy_string() of a null pointer: the real one ends with a segmentation fault here.
      if (found.email === '') context.crash()
      return found.email
    default:
      return undefined
  }
}

function countIn(counts: { newMessages: number; oldMessages: number } | undefined, folder: string): number {
  switch (folder.toLowerCase()) {
    case 'inbox':
      return counts?.newMessages ?? 0
    case 'old':
      return counts?.oldMessages ?? 0
    default:
      return 0
  }
}

function pjsipAor([id = '', field = '']: readonly string[], { data, states }: FunctionContext): string | undefined {
  if (field !== 'contact') return sorceryField(data, 'aor', [id, field])
  if (!data.aors.some((aor) => aor.id === id)) return undefined
  return states.contact(id) === undefined ? '' : `${id};@${Buffer.from(id).toString('hex').padEnd(32, '0')}`
}

function sorceryField(data: PbxData, type: string, [id = '', field = '']: readonly string[]): string | undefined {
  return sorceryAttributes(data, type, id)?.get(field)
}

/** Only what hints and mailboxes are written in. */
function astConfig(
  [file = '', category = '', variable = '', index = '0']: readonly string[],
  { data, dialplan }: FunctionContext,
): string | undefined {
  if (!/^-?[0-9]{1,9}$/.test(index)) return undefined
  if (file === 'voicemail.conf') {
    const box = data.mailboxes.find((mailbox) => mailbox.name === `${variable}@${category}`)
    return box && [box.pin, box.fullName, box.email].filter((part, at) => part !== '' || at === 0).join(',')
  }
  if (file !== 'extensions.conf' || variable !== 'exten') return undefined
  const found = dialplan.written(category).at(Number(index))
  return found && `${found.exten},hint,${found.hint}${found.name === '' ? '' : `(${found.name})`}`
}

function dbKeys(states: States, family: string): string | undefined {
  if (family !== 'CustomDevstate') return undefined
  return states
    .listSet('Custom:')
    .map(({ name }) => name.slice('Custom:'.length))
    .join(',')
}

function channelField([item = '', field = '']: readonly string[], _: FunctionContext, channel: PbxChannel) {
  switch (item) {
    case 'name':
      return channel.name
    case 'uniqueid':
      return channel.id
    case 'linkedid':
      return channel.linkedId
    case 'state':
      return channel.state
    case 'channeltype':
      return channel.technology
    case 'language':
      return 'en'
    case 'pjsip':
      return channel.sip && sipField(channel, field)
    default:
      return undefined
  }
}

function sipField({ sip, device }: PbxChannel, field: string): string | undefined {
  switch (field) {
    case 'call-id':
      return sip?.callId
    case 'local_tag':
      return sip?.localTag
    case 'remote_tag':
      return sip?.remoteTag
    case 'secure':
      return '0'
    case 'endpoint':
      return device.slice(device.indexOf('/') + 1)
    default:
      return undefined
  }
}

function partyField(field: string, party: { name: string; number: string }): string | undefined {
  switch (field) {
    case 'num':
    case 'number':
      return party.number
    case 'name':
      return party.name
    case 'all':
      return `"${party.name}" <${party.number}>`
    case 'num-pres':
    case 'name-pres':
    case 'pres':
      return 'allowed_not_screened'
    default:
      return undefined
  }
}

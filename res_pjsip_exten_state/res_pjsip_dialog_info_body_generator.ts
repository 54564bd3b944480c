/**
 * Dialog information (RFC 4235): application/dialog-info+xml. The version number is put in for each NOTIFY by the
 * pubsub core.
 *
 * Asterisk's form is one dialog with the caller while it rings; the RFC's form has a dialog for each call, with the
 * other party for as long as it lasts.
 */

import type { Core } from '../core/core.ts'
import { DIALOG_INFO } from '../core/documents/dialog-info.ts'
import { defineModule } from '../core/module.ts'
import { parseUri, printHostPort, printUri } from '../core/sip/parse-uri.ts'
import type { Party } from '../core/states/calls.ts'
import { EXTENSION, type ExtensionState } from '../core/states/extension-state.ts'
import { keyOf } from '../core/text.ts'
import { cutForEscaping, element, printXml, XML_DECLARATION, type XmlElement } from '../core/xml.ts'
import type { Addressing, BodyGenerator } from '../res_pjsip_pubsub/contract.ts'
import { type AskedDialog, askedOf, isAsked, readAsked } from './asked-dialog.ts'
import {
  type ComposedDialogs,
  composeDialogs,
  endedDialog,
  interest,
  mostInteresting,
  shownElement,
} from './dialog-composition.ts'
import { dialogAlone, dialogsOf, oldestRinging, type ShownDialog } from './dialogs.ts'
import { STATE_WORDS } from './mapping.ts'
import { extensionStateKind, type PublishedState } from './published.ts'

/** Nothing before the version varies. */
const VERSION_AT = `${XML_DECLARATION}<dialog-info xmlns="${DIALOG_INFO}" version="`.length

export default defineModule({
  name: 'res_pjsip_dialog_info_body_generator',
  description: 'Extension state dialog info generator: application/dialog-info+xml',
  requires: ['res_pjsip_pubsub'],
  load({ core, own }, { res_pjsip_pubsub: pubsub }) {
    own(pubsub.bodyGenerator(dialogInfo(core, pubsub)))
  },
})

interface View {
  readonly asterisk: boolean
  /** The other party is left out, or its name. */
  readonly hide: 'no' | 'name' | 'yes'
  readonly single: boolean
  readonly earlyInUse: boolean
  /** Undefined: all dialogs. */
  readonly asked: AskedDialog | undefined
}

/** Of pubsub.conf: one dialog only; and one that has ended, where there is none. */
interface Forced {
  readonly settings: { readonly force_single_dialog: boolean; readonly force_dummy_dialog: boolean }
}

const NOTHING_FORCED: Forced = { settings: { force_single_dialog: false, force_dummy_dialog: false } }

function viewOf({ general }: Pick<Core, 'general'>, { settings }: Forced, { endpoint, narrowed }: Addressing): View {
  const byDefault = general.single_dialog || settings.force_single_dialog
  const asterisk = general.compat === 'asterisk'
  // Asterisk does not look at what is asked for.
  const asked = narrowed && !asterisk ? readAsked(narrowed) : undefined
  return {
    asterisk,
    hide: endpoint.hide_callers === 'default' ? general.hide_callers : endpoint.hide_callers,
    // The most interesting dialog may not be the one that is asked for.
    single: !asked && (endpoint.single_dialog === 'default' ? byDefault : endpoint.single_dialog === 'yes'),
    earlyInUse: endpoint.notify_early_inuse_ringing,
    asked,
  }
}

const HIDE = { no: 0, name: 1, yes: 2 } as const

/** A number of two digits at most, as a text. */
function viewKey({ asterisk, hide, single, earlyInUse }: View): string {
  return String(HIDE[hide] * 8 + (asterisk ? 4 : 0) + (single ? 2 : 0) + (earlyInUse ? 1 : 0))
}

function variantOf(view: View, { narrowed = '' }: Addressing): string {
  return view.asked ? keyOf(viewKey(view), narrowed) : viewKey(view)
}

export function dialogInfo(
  core: Pick<Core, 'general'>,
  forced: Forced = NOTHING_FORCED,
): BodyGenerator<PublishedState, XmlElement> {
  return {
    type: 'application/dialog-info+xml',
    kind: extensionStateKind,
    share: (to) => keyOf(variantOf(viewOf(core, forced, to), to), to.localUri, to.resource),
    variant: (to) => variantOf(viewOf(core, forced, to), to),
    generate(state, to) {
      const view = viewOf(core, forced, to)
      const entity = view.asterisk ? cutForEscaping(to.localUri) : to.localUri
      const root = element('dialog-info', { xmlns: DIALOG_INFO, version: '', state: 'full', entity })
      const own = ownDialogs(state, to.resource, entity, view)
      if (state.published) {
        for (const { declarations } of state.published.dialogs)
          for (const [name, namespace] of declarations) root.attributes.set(name, namespace)
        const published = askedOf(composeDialogs(state.published.dialogs, takenIds(own, view)), view.asked)
        root.children.push(...together(own, published, to.resource, view))
      } else {
        root.children.push(...own.map(({ made }) => made))
      }
      if (root.children.length === 0 && view.asked) root.children.push(endedDialog(to.resource, view.asked))
      else if (root.children.length === 0 && state.published && forced.settings.force_dummy_dialog)
        root.children.push(endedDialog(to.resource))
      return root
    },
    print: (document) => ({ text: printXml(document), versionAt: VERSION_AT }),
  }
}

/** What Asterisk says. */
interface OwnDialog {
  readonly made: XmlElement
  readonly id: string
  readonly interest: number
  readonly callId: string | undefined
}

function ownDialogs(state: PublishedState, exten: string, entity: string, view: View): OwnDialog[] {
  if (state.published?.alone) return []
  if (view.asterisk) {
    const [made, word] = asteriskDialog(state, exten, entity, view)
    return [{ made, id: exten, interest: interest(word), callId: undefined }]
  }
  return shownDialogs(state, exten, view).map((dialog) => ({
    made: dialogElement(dialog, state, entity, view),
    id: dialog.id,
    interest: interest(dialog.state, dialog.held),
    callId: dialog.callId,
  }))
}

function shownDialogs(state: PublishedState, exten: string, view: View): readonly ShownDialog[] {
  const { asked } = view
  const all = dialogsOf(state, exten, view)
  if (!asked) return all
  const shown = all.filter((dialog) => isAsked(asked, dialog))
  if (shown.length > 0 || all.every((dialog) => dialog.state === 'terminated')) return shown
  // Its device may be a step behind, as where it rings still when the call is answered. That does not end the call.
  return state.calls.map(dialogAlone).filter((dialog) => isAsked(asked, dialog))
}

/** Ids of what Asterisk says that stands beside what is published. */
function takenIds(own: readonly OwnDialog[], { single, asterisk }: View): string[] {
  return single || asterisk ? [] : own.filter(isLive).map(({ id }) => id)
}

function isLive(dialog: OwnDialog): boolean {
  return dialog.interest > interest('terminated')
}

/** Calls that go on, Asterisk's first; where there are none, what is said of the last ones. */
function together(
  own: readonly OwnDialog[],
  { live, over }: ComposedDialogs,
  exten: string,
  { hide, single, asterisk }: View,
): XmlElement[] {
  // A call of which Asterisk tells, too, is shown as Asterisk has it.
  const others = live.filter(({ callId }) => callId === '' || !own.some((known) => known.callId === callId))
  if (single || asterisk) {
    const [lit] = own.toSorted((a, b) => b.interest - a.interest)
    const best = mostInteresting(others)
    if (best && interest(best.state) > (lit?.interest ?? -1)) return [shownElement(best, hide, exten)]
    if (lit) return [lit.made]
  } else {
    const ownLive = own.filter(isLive)
    const shown = [...ownLive.map(({ made }) => made), ...others.map((dialog) => shownElement(dialog, hide))]
    if (shown.length > 0) return shown
    if (own.length > 0) return own.map(({ made }) => made)
  }
  const ended = over.map((dialog) => shownElement(dialog, hide, single || asterisk ? exten : undefined))
  return single || asterisk ? ended.slice(0, 1) : ended
}

/** Children in the order of RFC 4235's schema: state, local, remote. */
function dialogElement(dialog: ShownDialog, { name }: ExtensionState, entity: string, { hide }: View): XmlElement {
  const { id, callId, localTag, remoteTag, direction, local, remote } = dialog
  const root = element('dialog', {
    id,
    'call-id': callId,
    // The phone has none before its first answer (RFC 4235 4.1): an empty one is no tag that Replaces could name.
    'local-tag': localTag || undefined,
    'remote-tag': remoteTag || undefined,
    direction,
  })
  root.children.push(element('state', {}, dialog.state))
  if (dialog.state === 'terminated') return root
  const display = name || (local && !local.restricted ? local.name : '')
  root.children.push(
    element('local', {}, [
      element('identity', { display: display || undefined }, entity),
      element('target', { uri: entity }, dialog.held ? [notRendering('pval')] : []),
    ]),
  )
  const other = remote && hide !== 'yes' ? identityOf(remote, entity) : undefined
  if (other) root.children.push(party('remote', other.uri, hide === 'name' ? '' : other.display))
  return root
}

/** RFC 4235 4.1.6.2: a party on hold renders nothing. The schema (4.4) calls the value `pval`, Asterisk `pvalue`. */
function notRendering(value: 'pval' | 'pvalue'): XmlElement {
  return element('param', { pname: '+sip.rendering', [value]: 'no' })
}

/** undefined where nothing is known. */
function identityOf({ number, name, restricted }: Party, entity: string): { uri: string; display: string } | undefined {
  // RFC 3323 4.1.1.3
  if (restricted) return { uri: 'sip:anonymous@anonymous.invalid', display: 'Anonymous' }
  const watched = parseUri(entity)
  if (number !== '' && watched) {
    const { scheme, host } = watched
    return { uri: printUri({ scheme, user: number, host }), display: name }
  }
  if (name !== '') return { uri: 'sip:unknown@unknown.invalid', display: name }
  return undefined
}

function party(tag: 'local' | 'remote', uri: string, display: string, target = uri): XmlElement {
  return element(tag, {}, [
    element('identity', { display: display || undefined }, uri),
    element('target', { uri: target }),
  ])
}

type Word = ShownDialog['state']

function asteriskDialog(
  state: ExtensionState,
  exten: string,
  entity: string,
  { hide, earlyInUse }: View,
): [XmlElement, Word] {
  const early = state.state === EXTENSION.RINGINUSE && earlyInUse
  const word = early ? 'early' : STATE_WORDS[state.state].dialog
  const root = element('dialog', { id: exten, direction: word === 'early' ? 'recipient' : undefined })
  if (word === 'early') {
    const call = oldestRinging(state)
    if (call && hide !== 'yes') {
      const { uri, display } = asteriskIdentity(call.remote, entity, 'invalid')
      root.children.push(party('remote', uri, hide === 'name' ? '' : display))
    }
    const { uri, display } = call ? asteriskIdentity(call.local, entity, '') : { uri: '', display: '' }
    root.children.push(party('local', uri || entity, display, entity))
  }
  root.children.push(element('state', {}, word))
  if (state.state === EXTENSION.ONHOLD)
    root.children.push(element('local', {}, [element('target', { uri: entity }, [notRendering('pvalue')])]))
  return [root, word]
}

/** The number goes into the URI as it is, and `nobody` stands where there is none; empty for no identity then. */
function asteriskIdentity(
  { number, name, restricted }: Party,
  entity: string,
  nobody: string,
): { uri: string; display: string } {
  if (restricted) return { uri: 'sip:anonymous@anonymous.invalid', display: 'anonymous' }
  const user = number || nobody
  const host = printHostPort(parseUri(entity)?.host ?? 'invalid')
  return { uri: user === '' ? '' : cutForEscaping(`sip:${user}@${host}`), display: cutForEscaping(name) }
}

/**
 * Adds the person of a presence document (RFC 4479) with its activities (RFC 4480). Asterisk tells on-the-phone only;
 * the RFC's form tells do-not-disturb, away and the rest of the hint's presence state as well, to every phone.
 */
import type { Core } from '../core/core.ts'
import { DATA_MODEL, RPID } from '../core/documents/pidf.ts'
import { defineModule } from '../core/module.ts'
import { element, type XmlElement } from '../core/xml.ts'
import type { BodySupplement } from '../res_pjsip_pubsub/contract.ts'
import { availabilityOf, STATE_WORDS, xmlId } from './mapping.ts'
import { extensionStateKind, type PublishedState } from './published.ts'

export default defineModule({
  name: 'res_pjsip_pidf_eyebeam_body_supplement',
  description: 'PIDF person and activities (RPID), first read by Eyebeam',
  requires: ['res_pjsip_pubsub'],
  load({ core, own }, { res_pjsip_pubsub: pubsub }) {
    own(pubsub.bodySupplement(eyebeam(core)))
  },
})

export function eyebeam(core: Pick<Core, 'general'>): BodySupplement<PublishedState, XmlElement> {
  return {
    type: 'application/pidf+xml',
    kind: extensionStateKind,
    share: ({ resource }) => (core.general.compat === 'asterisk' ? 'asterisk' : JSON.stringify(['rfc', resource])),
    variant: () => '',
    supplement(document, state, { resource }) {
      document.attributes.set('xmlns:dm', DATA_MODEL)
      document.attributes.set('xmlns:rpid', RPID)
      if (state.published?.alone) return
      const told = core.general.compat === 'asterisk' ? asteriskPerson(state) : person(state, resource)
      // As with tuples, Asterisk's in their midst: phones with PJSIP show the first activity and no other.
      const { presence = [], ahead = 0 } = state.published ?? {}
      const before = presence.slice(0, ahead).flatMap(({ persons }) => persons).length
      const behind = document.children.filter(({ name }) => name === told.name)[before]
      document.children.splice(behind ? document.children.indexOf(behind) : document.children.length, 0, told)
    },
  }
}

function person(state: PublishedState, resource: string): XmlElement {
  const { activities, personNote } = availabilityOf(state)
  return element('dm:person', { id: xmlId('p', resource) }, [
    ...activitiesOf(activities),
    ...notesOf(state, personNote),
  ])
}

function asteriskPerson(state: PublishedState): XmlElement {
  const { activity } = STATE_WORDS[state.state]
  return element('dm:person', {}, [...activitiesOf(activity === '' ? [] : [activity]), ...notesOf(state, '')])
}

/** Phones with PJSIP show the first note of a person and no other: a line in use is not hidden by what else is said. */
function notesOf({ state, published }: PublishedState, personNote: string): XmlElement[] {
  const { activity, note } = STATE_WORDS[state]
  const others = personNote !== '' || (published !== undefined && published.presence.length > 0)
  const notes = new Set([activity !== '' && others ? note : '', personNote])
  notes.delete('')
  return [...notes].map((text) => element('dm:note', { 'xml:lang': 'en' }, text))
}

function activitiesOf(names: readonly string[]): XmlElement[] {
  if (names.length === 0) return []
  const told = names.map((name) => element(`rpid:${name}`))
  return [element('rpid:activities', {}, told)]
}

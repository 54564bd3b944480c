/** Bodies as publishers send them. */

export const PIDF_TYPE = 'application/pidf+xml'
export const DIALOG_TYPE = 'application/dialog-info+xml'

/** `inner` behind the tuple: persons, notes, whatever. */
export function pidfBody(id: string, basic: 'open' | 'closed', inner = ''): string {
  return (
    '<?xml version="1.0"?><p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" ' +
    'xmlns:d="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:200@pbx.example">' +
    `<p:tuple id="${id}"><p:status><p:basic>${basic}</p:basic></p:status></p:tuple>${inner}</p:presence>`
  )
}

/** A person who does this, with a note where there is one. */
export function personOf(activity: string, note = ''): string {
  const said = note === '' ? '' : `<d:note>${note}</d:note>`
  return `<d:person id="p1"><r:activities><r:${activity}/></r:activities>${said}</d:person>`
}

export interface DialogText {
  readonly id: string
  readonly callId?: string
  readonly state: string
  readonly inner?: string
}

export function dialogBody(dialogs: readonly DialogText[], state: 'full' | 'partial' = 'full', version = 0): string {
  const inner = dialogs.map(
    ({ id, callId, state: word, inner: more = '' }) =>
      `<dialog id="${id}"${callId === undefined ? '' : ` call-id="${callId}"`}><state>${word}</state>${more}</dialog>`,
  )
  return `<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="${version}" state="${state}" entity="sip:200@pbx.example">${inner.join('')}</dialog-info>`
}

/** `id=state` of each dialog in a document that was sent. */
export function dialogsIn(text: string): string[] {
  return [...text.matchAll(/<dialog id="([^"]*)"[^>]*>\s*<state>(\w+)<\/state>/g)].map(
    ([, id, state]) => `${id}=${state}`,
  )
}

/** Ids of the tuples in a document that was sent, in order. */
export function tuplesIn(text: string): string[] {
  return [...text.matchAll(/<tuple id="([^"]*)"/g)].map(([, id = '']) => id)
}

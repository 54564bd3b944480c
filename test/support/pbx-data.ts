/** A demo PBX's data in few words. */
import { mailboxOf, type PbxData, type PbxHint, type PbxObject, splitHintName } from '../../core/demo/data.ts'

export interface PlainPbxData {
  readonly endpoints?: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly auths?: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly aors?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Context → extension → hint, with `(Name)` at its end where it has one. */
  readonly hints?: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly includes?: Readonly<Record<string, readonly string[]>>
  /** `100@default` → `pin,full name,e-mail` as in voicemail.conf. */
  readonly mailboxes?: Readonly<Record<string, string>>
}

export function pbxData(plain: PlainPbxData): PbxData {
  return {
    endpoints: objects(plain.endpoints),
    auths: objects(plain.auths),
    aors: objects(plain.aors),
    hints: hintsOf(plain.hints ?? {}),
    includes: new Map(Object.entries(plain.includes ?? {})),
    mailboxes: Object.entries(plain.mailboxes ?? {}).map(([name, text]) => mailboxOf(name, text)),
  }
}

export function hintsOf(contexts: Readonly<Record<string, Readonly<Record<string, string>>>>): PbxHint[] {
  return Object.entries(contexts).flatMap(([context, hints]) =>
    Object.entries(hints).map(([exten, text]) => ({ context, exten, ...splitHintName(text) })),
  )
}

function objects(plain: PlainPbxData['endpoints']): PbxObject[] {
  return Object.entries(plain ?? {}).map(([id, values]) => ({ id, values: new Map(Object.entries(values)) }))
}

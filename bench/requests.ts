/** The requests of the phones and the publishers, as texts. */
import { credentialsOf } from './credentials.ts'
import type { LampLanguage } from './lamp-language.ts'
import { instanceOf, type Lamp, type Watcher } from './lamps.ts'
import type { Wire } from './lines.ts'
import { printRequest } from './wire.ts'

/** Where documents may be published and watched: everything is of this domain. */
const DOMAIN = '127.0.0.1'
/** Seconds that documents are published for. */
export const EXPIRES = 3600

/** Takes the next CSeq of the watcher; with a nonce it carries the digest, too. */
export function printSubscribe(watcher: Watcher, language: LampLanguage, expires: number): string {
  const { index, lamp, wire, callId, remoteTag } = watcher
  const to = `<sip:${lamp.name}@${DOMAIN}>`
  const uri = watcher.target || `sip:${lamp.name}@${DOMAIN}`
  const credentials = watcher.nonce === '' ? '' : credentialsOf(watcher, uri)
  watcher.cseq++
  return printRequest({
    method: 'SUBSCRIBE',
    uri,
    branch: `s${index}-${watcher.cseq}`,
    from: `<sip:w${index}@${DOMAIN}>;tag=${watcher.tag}`,
    to: remoteTag === '' ? to : `${to};tag=${remoteTag}`,
    callId,
    cseq: watcher.cseq,
    local: wire.local,
    more:
      `Contact: <sip:w${index}@${wire.local}>;+sip.instance="${instanceOf(index)}"\r\nEvent: ${language.event}\r\n` +
      `Accept: ${language.accept}\r\nExpires: ${expires}\r\n${credentials}`,
    body: '',
  })
}

/** Takes the next CSeq of the lamp. */
export function printPublish(lamp: Lamp, language: LampLanguage, body: string, wire: Wire, run: string): string {
  const match = lamp.entityTag === '' ? '' : `SIP-If-Match: ${lamp.entityTag}\r\n`
  lamp.cseq++
  return printRequest({
    method: 'PUBLISH',
    uri: `sip:${lamp.name}@${DOMAIN}`,
    branch: `p${lamp.index}-${lamp.cseq}`,
    from: `<sip:${lamp.name}@${DOMAIN}>;tag=p${lamp.index}`,
    to: `<sip:${lamp.name}@${DOMAIN}>`,
    callId: `${lamp.name}.${run}@b`,
    cseq: lamp.cseq,
    local: wire.local,
    more: `Event: ${language.event}\r\nExpires: ${EXPIRES}\r\n${match}Content-Type: ${language.accept}\r\n`,
    body,
  })
}

/** The digest of a phone: MD5 with qop=auth, and one nonce answered again and again (RFC 7616 3.4). */
import { hexDigest } from '../core/hex-digest.ts'
import type { Watcher } from './lamps.ts'

/** Of the endpoint that is challenged. */
export const SECURED = { username: 'secured', password: 'secret of the bench', realm: 'bench' } as const
const CNONCE = 'f00dfeedcafe'

const md5 = (text: string): string => hexDigest('md5', text)
const SECRET = md5(`${SECURED.username}:${SECURED.realm}:${SECURED.password}`)

/** The nonce of a challenge; undefined where it is not one that these phones answer. */
export function nonceOf(challenge: string): string | undefined {
  const fits = challenge.includes(`realm="${SECURED.realm}"`) && challenge.includes('algorithm=MD5')
  const at = challenge.indexOf('nonce="')
  return fits && at >= 0 ? challenge.slice(at + 7, challenge.indexOf('"', at + 7)) : undefined
}

/** The Authorization of the next SUBSCRIBE, with its line's end; takes the next nonce count. */
export function credentialsOf(watcher: Watcher, uri: string): string {
  const { nonce } = watcher
  const count = (++watcher.nonceCount).toString(16).padStart(8, '0')
  const response = md5(`${SECRET}:${nonce}:${count}:${CNONCE}:auth:${md5(`SUBSCRIBE:${uri}`)}`)
  return (
    `Authorization: Digest username="${SECURED.username}", realm="${SECURED.realm}", nonce="${nonce}", uri="${uri}", ` +
    `response="${response}", algorithm=MD5, cnonce="${CNONCE}", qop=auth, nc=${count}\r\n`
  )
}

/** The digest of a text, as hexadecimal digits. */
import * as crypto from 'node:crypto'

/** `algorithm`: a name of OpenSSL's. The text is taken as UTF-8. Throws where there is no such algorithm. */
export const hexDigest: (algorithm: string, text: string) => string =
  // Since Node 20.12: without an object that the collector has to let go of, at half the time.
  'hash' in crypto ? (algorithm, text) => crypto.hash(algorithm, text, 'hex') : digestByObject

export function digestByObject(algorithm: string, text: string): string {
  return crypto.createHash(algorithm).update(text).digest('hex')
}

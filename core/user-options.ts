/** Whom the user part of a URI names: `100;phone-context=pbx.example` is 100 with `ignore_uri_user_options`. */
import type { Globals } from './endpoints.ts'
import type { SipUri } from './sip/uri.ts'

export function nameIn(
  { user }: Pick<SipUri, 'user'>,
  { ignore_uri_user_options }: Pick<Globals, 'ignore_uri_user_options'>,
): string {
  const options = ignore_uri_user_options ? user.indexOf(';') : -1
  return options < 0 ? user : user.slice(0, options)
}

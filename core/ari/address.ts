/** The `url` and the `app` of a server section. */
import type { Place } from '../config.ts'
import { ConfigError } from '../options.ts'

/** `http://host:8088`, with the prefix of http.conf where it has one; without `/ari` and without a slash at the end. */
export function baseOf(url: string, place?: Place): string {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch {
    throw new ConfigError(`url = '${url}' is not valid, expected http://host:8088`, place)
  }
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') {
    throw new ConfigError(`url = '${url}' is not valid, expected http:// or https://`, place)
  }
  if (parsed.username !== '' || parsed.password !== '') {
    throw new ConfigError('url has a user name in it, expected username and password as options of their own', place)
  }
  const path = parsed.pathname.split('/').filter((segment) => segment !== '')
  if (path.at(-1) === 'ari') path.pop()
  return [`${parsed.protocol}//${parsed.host}`, ...path].join('/')
}

/** What is wrong with the name of an application, which is part of URLs and of the names of channels. */
export function faultOfApp(app: string): string | undefined {
  return /^[A-Za-z0-9_.-]+$/.test(app)
    ? undefined
    : 'is not valid, expected letters, digits, dots, dashes and underscores'
}

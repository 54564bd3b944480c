/** The `url` and the `app` of a server section. */

/** `http://host:8088`, with the prefix of http.conf where it has one; without `/ari` and without a slash at the end. Of a good one. */
export function baseOf(url: string): string {
  const { protocol, host, pathname } = new URL(url)
  const path = pathname.split('/').filter((segment) => segment !== '')
  if (path.at(-1) === 'ari') path.pop()
  return [`${protocol}//${host}`, ...path].join('/')
}

/** What is wrong with a url. The text itself is not shown: somebody may have put a password into it. */
export function faultOfUrl(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !['http:', 'https:'].includes(url.protocol)) return 'is no http or https address'
  if (url.username !== '' || url.password !== '') return 'has a user in it, which belongs into username and password'
  return undefined
}

/** What is wrong with the name of an application, which is part of URLs and of the names of channels. */
export function faultOfApp(app: string): string | undefined {
  return /^[A-Za-z0-9_.-]+$/.test(app)
    ? undefined
    : 'is not valid, expected letters, digits, dots, dashes and underscores'
}

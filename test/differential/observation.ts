/** What a phone saw, in words that two servers can be compared by. */
import type { WireMessage } from '../support/phone.ts'

/** Headers of an answer that say something to a phone; the others are how a server talks. */
const TOLD = ['expires', 'min-expires', 'allow-events', 'accept', 'accept-encoding', 'retry-after', 'unsupported']

export function answerSeen(answer: WireMessage): string {
  const told = TOLD.flatMap((name) => {
    // In a success Allow-Events is a courtesy.
    const values = name === 'allow-events' && answer.status < 300 ? [] : answer.headers(name)
    return values.length === 0 ? [] : [`${name}: ${sorted(values.join(', '))}`]
  })
  const tag = answer.header('sip-etag') === '' ? [] : ['with an entity-tag']
  return [`${answer.status}`, ...told, ...tag].join('; ')
}

export function notifySeen(notify: WireMessage, names: readonly (readonly [string, string])[]): string {
  const state = notify
    .header('subscription-state')
    .replace(/expires=(\d+)/, (_, seconds) => `expires=${about(seconds)}`)
  const head = `NOTIFY ${notify.header('event')}, ${state}`
  if (notify.body === '') return `${head}, no body`
  return `${head}, ${notify.header('content-type')}:\n${bodySeen(notify.body, names)}`
}

/** Whitespace between elements, the order of attributes, the quotes and what is random say nothing. */
export function bodySeen(body: string, names: readonly (readonly [string, string])[]): string {
  let text = body.replace(/<\?xml[^>]*\?>/, '').trim()
  for (const [value, name] of names) text = text.replaceAll(value, name)
  return withoutNamespaces(text)
    .replace(/>\s+</g, '>\n<')
    .replace(/<([\w:-]+)((?:\s+[\w:-]+\s*=\s*(?:"[^"]*"|'[^']*'))+)\s*(\/?)>/g, (_, name, attributes, end) => {
      const list = String(attributes).match(/[\w:-]+\s*=\s*(?:"[^"]*"|'[^']*')/g) ?? []
      return `<${name} ${list.map(tidy).toSorted().join(' ')}${end}>`
    })
    .replace(/\r\n/g, '\n')
}

/** Declarations that nothing uses, or that say again what holds already. */
function withoutNamespaces(text: string): string {
  const used = text.replace(/\sxmlns:([\w-]+)\s*=\s*(?:"[^"]*"|'[^']*')/g, (declared, prefix) =>
    text.includes(`<${prefix}:`) ? declared : '',
  )
  const root = /\sxmlns="[^"]*"/.exec(used)
  if (!root) return used
  const end = root.index + root[0].length
  return used.slice(0, end) + used.slice(end).replaceAll(root[0], '')
}

function tidy(attribute: string): string {
  const [name = '', value = ''] = attribute.split(/\s*=\s*(?=["'])/)
  if (name === 'version' && /\d/.test(value)) return 'version="n"'
  return `${name}="${/^.[0-9a-f]{24}.$/.test(value) ? 'ID' : value.slice(1, -1)}"`
}

function sorted(list: string): string {
  return list
    .split(/\s*,\s*/)
    .filter((item) => item !== '')
    .toSorted()
    .join(', ')
}

/** Seconds that ran while the answer was on its way do not make a difference. */
function about(seconds: string): string {
  const number = Number(seconds)
  return number < 10 ? String(number) : String(Math.ceil(number / 10) * 10)
}

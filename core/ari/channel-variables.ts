/** Reading dialplan functions on a channel: many at once where this Asterisk can, one by one where not. */
import { record, text } from './events.ts'
import type { Expression } from './functions.ts'
import type { AriAnswer } from './protocol.ts'
import type { AriLink } from './supervisor.ts'

export type Reading =
  | { readonly kind: 'value'; readonly value: string }
  /** Asterisk says there is no such thing: no hint, no mailbox, no function of that name. */
  | { readonly kind: 'none' }
  /** Asterisk could not be asked. */
  | { readonly kind: 'unasked'; readonly reason: string }

/** 127 is what Asterisk takes; its request line may have about 4096 bytes. */
const MOST_AT_ONCE = 100
const LONGEST_QUERY = 3400

const BULK = 'channels.getChannelVars'
const SINGLE = 'channels.getChannelVar'

export function canReadMany(link: AriLink): boolean {
  return link.has(BULK)
}

/** In the order of the expressions. 'no channel': the channel does not exist (any more). Never rejects. */
export async function readOnChannel(
  link: AriLink,
  channelId: string,
  expressions: readonly Expression[],
): Promise<readonly Reading[] | 'no channel'> {
  if (!canReadMany(link) || expressions.length === 1) return readSingly(link, channelId, expressions)
  const readings: Reading[] = []
  for (const group of groups(expressions)) {
    const answers = await readGroup(link, channelId, group)
    if (answers === 'no channel') return answers
    readings.push(...answers)
  }
  return readings
}

/** All or nothing: one that cannot be read fails the whole request, and is found by halving. */
async function readGroup(
  link: AriLink,
  channelId: string,
  group: readonly Expression[],
): Promise<readonly Reading[] | 'no channel'> {
  if (group.length === 1) return readSingly(link, channelId, group)
  const answer = await link.request(BULK, { channelId, variables: group.join(',') })
  if (answer.kind === 'ok') {
    const values = record(record(answer.body).variables)
    return group.map((name) => (typeof values[name] === 'string' ? { kind: 'value', value: values[name] } : NONE))
  }
  if (isChannelMissing(answer)) return 'no channel'
  const reason = whyUnasked(answer)
  if (reason !== undefined) return group.map(() => ({ kind: 'unasked', reason }))
  const middle = group.length >> 1
  const first = await readGroup(link, channelId, group.slice(0, middle))
  if (first === 'no channel') return first
  const second = await readGroup(link, channelId, group.slice(middle))
  return second === 'no channel' ? second : [...first, ...second]
}

async function readSingly(
  link: AriLink,
  channelId: string,
  expressions: readonly Expression[],
): Promise<readonly Reading[] | 'no channel'> {
  const answers = await Promise.all(expressions.map((variable) => link.request(SINGLE, { channelId, variable })))
  if (answers.some(isChannelMissing)) return 'no channel'
  return answers.map((answer): Reading => {
    if (answer.kind === 'ok') return { kind: 'value', value: text(record(answer.body).value) }
    const reason = whyUnasked(answer)
    return reason === undefined ? NONE : { kind: 'unasked', reason }
  })
}

const NONE: Reading = { kind: 'none' }

/** 404 is also said of a variable that does not exist. */
function isChannelMissing(answer: AriAnswer): boolean {
  return answer.kind === 'refused' && answer.status === 404 && /channel/i.test(answer.message)
}

/**
 * Why nothing is said of what was asked for: the user may not ask any more, Asterisk is ending, or ARI is switched off or
 * without its channels, and then it is the URL or the resource that is not found.
 */
function whyUnasked(answer: Exclude<AriAnswer, { kind: 'ok' }>): string | undefined {
  if (answer.kind === 'unreachable') return answer.reason
  const { status, message } = answer
  const isNone = status === 401 || status === 403 || status === 503 || (status === 404 && !/variable/i.test(message))
  return isNone ? message : undefined
}

function groups(expressions: readonly Expression[]): Expression[][] {
  const all: Expression[][] = []
  let length = LONGEST_QUERY
  for (const expression of expressions) {
    const own = encodeURIComponent(expression).length + 3
    const last = all.at(-1)
    if (!last || last.length >= MOST_AT_ONCE || length + own > LONGEST_QUERY) {
      all.push([expression])
      length = own
    } else {
      last.push(expression)
      length += own
    }
  }
  return all
}

/**
 * A message summary (RFC 3842 5.2) of a voicemail server or a provider: counts of voice messages. What else is in it is
 * passed over, as providers write much that the grammar has not.
 */
import { parseDigits, trimSpace } from '../../core/sip/grammar.ts'
import type { MailboxCounts } from '../../core/states/mailboxes.ts'
import type { Reading } from './events.ts'

/** RFC 3842 5.2. Who does not know how many there are may say the highest. */
const HIGHEST = 0xffffffff
/** What Asterisk can be told. */
const MOST = 0x7fffffff

export function readSummary(text: string): Reading<MailboxCounts> {
  let waiting: boolean | undefined
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':')
    if (colon === -1) continue
    const name = trimSpace(line.slice(0, colon)).toLowerCase()
    const value = trimSpace(line.slice(colon + 1))
    if (name === 'messages-waiting') {
      const word = value.toLowerCase()
      if (word !== 'yes' && word !== 'no') return { fault: 'Messages-Waiting Is Neither yes Nor no' }
      waiting = word === 'yes'
    }
    if (name === 'voice-message') {
      const counts = countsOf(value)
      return counts ? { state: counts } : { fault: 'Malformed Message Counts' }
    }
  }
  if (waiting === undefined) return { fault: 'Neither Messages-Waiting Nor Voice-Message' }
  // Nobody says how many: one lights the lamp.
  return { state: { newMessages: waiting ? 1 : 0, oldMessages: 0 } }
}

/** `2/8 (0/2)`: new and old; the urgent ones are counted among them. */
function countsOf(value: string): MailboxCounts | undefined {
  const [counts = ''] = value.split('(', 1)
  const [fresh, old, more] = counts.split('/').map((number) => parseDigits(trimSpace(number), HIGHEST))
  return fresh === undefined || old === undefined || more !== undefined
    ? undefined
    : { newMessages: Math.min(fresh, MOST), oldMessages: Math.min(old, MOST) }
}

/** The parser of npm's sip, for comparison. It reads some headers only when it is told to, and we tell it so. */
import sip from 'sip'
import { SUBSCRIBE } from './messages.ts'
import { type Timing, time } from './timing.ts'

export function npmSipTiming(): Timing {
  const bytes = Buffer.from(SUBSCRIBE, 'latin1')
  return time('the same with npm sip', () => {
    const message = sip.parse(bytes)
    if (!message) throw new Error('npm sip does not read the SUBSCRIBE')
    const { contact, from, event, expires, accept } = message.headers
    return (contact?.length ?? 0) + String(event).length + Number(expires) + String(accept).length + from.uri.length
  })
}

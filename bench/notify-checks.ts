/** What is checked of each NOTIFY, besides the dialog it is of and the state in it. */
import { detached } from '../core/text.ts'
import type { Faults } from './faults.ts'
import type { Watcher } from './lamps.ts'
import { type Head, numberAfter, tagOf } from './wire.ts'

/** What is strange about its head; empty where nothing is. Takes over what it says of the dialog. */
export function checkHead(watcher: Watcher, head: Head, event: string, length: number): string {
  const from = tagOf(head.from)
  // RFC 6665 4.4.1: the NOTIFY may be here before the 200, and makes the dialog.
  watcher.remoteTag ||= detached(from)
  if (watcher.remoteTag !== from) return 'a NOTIFY with another From tag'
  if (tagOf(head.to) !== watcher.tag) return 'a NOTIFY with another To tag'
  if (head.event !== event) return `a NOTIFY with Event ${head.event}`
  if (head.length !== length) return `a NOTIFY with Content-Length ${head.length} and ${length} bytes`
  // What was under way when the phone unsubscribed may still come.
  const fits = head.state.startsWith('active') || (watcher.ending && head.state.startsWith('terminated'))
  if (!fits) return `a NOTIFY with Subscription-State ${head.state}`
  const left = head.state.indexOf(';expires=')
  watcher.left = left < 0 ? 0 : numberAfter(head.state, left + 9)
  return ''
}

/** RFC 4235 4.1.1: one more each time. */
export function checkVersion(watcher: Watcher, version: number | undefined, faults: Faults): void {
  if (version === undefined) return
  const { version: before, jumps } = watcher
  // A server that was started anew may skip some, never go back.
  if (before >= 0 && (jumps ? version <= before : version !== before + 1)) faults.gaps++
  watcher.version = version
  watcher.jumps = false
}

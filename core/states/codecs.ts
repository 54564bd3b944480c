/** States as cells of the store. */
import { stringsIn } from '../strings-in.ts'
import { type DeviceState, isDeviceState } from './devices.ts'
import type { MailboxCounts } from './mailboxes.ts'
import { isPresenceName, type PresenceState } from './presence.ts'

export interface StateCodec<State> {
  encode(state: State): string
  /** undefined for what cannot be read: it is left out. */
  decode(text: string): State | undefined
}

export const deviceCodec: StateCodec<DeviceState> = {
  encode: (state) => state,
  decode: (text) => (isDeviceState(text) ? text : undefined),
}

export const presenceCodec: StateCodec<PresenceState> = {
  encode: ({ state, subtype, message }) => JSON.stringify([state, subtype, message]),
  decode: (text) => {
    const [state, subtype, message] = stringsIn(text)
    return state !== undefined && isPresenceName(state)
      ? { state, subtype: subtype ?? '', message: message ?? '' }
      : undefined
  },
}

export const mailboxCodec: StateCodec<MailboxCounts> = {
  encode: ({ newMessages, oldMessages }) => `${newMessages}/${oldMessages}`,
  decode: (text) => {
    const [newMessages = Number.NaN, oldMessages = Number.NaN] = text.split('/').map(Number)
    return Number.isSafeInteger(newMessages) && Number.isSafeInteger(oldMessages)
      ? { newMessages, oldMessages }
      : undefined
  },
}

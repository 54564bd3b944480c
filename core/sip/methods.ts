/** Methods of the RFCs, those that come most often first: without a handler they are 405, any other is 501 (RFC 3261 8.2.1, 21.5.2). */
export const KNOWN_METHODS: readonly string[] = [
  'NOTIFY',
  'SUBSCRIBE',
  'PUBLISH',
  'REGISTER',
  'OPTIONS',
  'ACK',
  'BYE',
  'CANCEL',
  'INFO',
  'INVITE',
  'MESSAGE',
  'PRACK',
  'REFER',
  'UPDATE',
]

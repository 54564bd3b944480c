/** No connection, and why. */
import type { ConnectFailure } from './protocol.ts'

/** From 20.19, 22.9 and 23.3 on ari.conf and http.conf may say which addresses may ask at all. */
export function isAddressDenied(status: number, said: string): boolean {
  return status === 403 && said.includes('denied by ACL')
}

export class Refused extends Error {
  readonly failure: ConnectFailure

  constructor(failure: ConnectFailure) {
    super(failure.reason)
    this.failure = failure
  }
}

/** No connection, and why. */
import type { ConnectFailure } from './protocol.ts'

export class Refused extends Error {
  readonly failure: ConnectFailure

  constructor(failure: ConnectFailure) {
    super(failure.reason)
    this.failure = failure
  }
}

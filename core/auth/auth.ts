/** Who is asking. Endpoint identification, digest and ACL; the implementation is in authenticator.ts. */
import type { Endpoint } from '../endpoints.ts'
import type { Eventual } from '../eventual.ts'
import type { CredentialsFor, ServerTransaction } from '../sip/contract.ts'

export interface Authenticator {
  /**
   * The endpoint a request is from, once it has proved that. undefined: it has been answered (401, 403 …) and is done with.
   * Takes no promise where all objects are in our files.
   */
  identify(tx: ServerTransaction): Eventual<Endpoint | undefined>
  /** What answers the challenges of an endpoint to requests of ours (`outbound_auth`); undefined where it has none. */
  credentialsFor(endpoint: Endpoint): CredentialsFor | undefined
}

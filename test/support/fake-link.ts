/** An ARI connection that answers by a function, for tests of what reads through one. */
import type { AriAnswer, Operation, Parameters } from '../../core/ari/protocol.ts'
import type { AriLink } from '../../core/ari/supervisor.ts'

export const found = (body: unknown): AriAnswer => ({ kind: 'ok', body })
export const refused = (status: number, message: string): AriAnswer => ({ kind: 'refused', status, message })
export const unreadable = refused(500, 'Unable to read provided function')

export class FakeLink implements AriLink {
  connected = true
  readonly requests: { readonly operation: Operation; readonly parameters: Parameters }[] = []
  readonly #operations: ReadonlySet<Operation>
  readonly #answer: (operation: Operation, parameters: Parameters) => AriAnswer | Promise<AriAnswer>

  constructor(
    operations: readonly Operation[],
    answer: (operation: Operation, parameters: Parameters) => AriAnswer | Promise<AriAnswer>,
  ) {
    this.#operations = new Set(operations)
    this.#answer = answer
  }

  has(operation: Operation): boolean {
    return this.#operations.has(operation)
  }

  async request(operation: Operation, parameters: Parameters): Promise<AriAnswer> {
    this.requests.push({ operation, parameters })
    return this.#answer(operation, parameters)
  }
}

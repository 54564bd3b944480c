/** A request to ARI after HTTP was taken off it, and the answer before HTTP is put on. */

export interface Answer {
  readonly status: number
  /** Sent as JSON; absent for 204. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export const ok = (body: unknown): Answer => ({ status: 200, body })
export const noContent: Answer = { status: 204 }
export const failure = (status: number, message: string): Answer => ({ status, body: { message } })

export class AriRequest {
  readonly method: string
  readonly #path: ReadonlyMap<string, string>
  readonly #query: ReadonlyMap<string, string>
  readonly #body: Readonly<Record<string, unknown>>

  constructor(
    method: string,
    path: ReadonlyMap<string, string>,
    query: ReadonlyMap<string, string>,
    body: Readonly<Record<string, unknown>>,
  ) {
    this.method = method
    this.#path = path
    this.#query = query
    this.#body = body
  }

  /** A parameter of the path. */
  path(name: string): string {
    return this.#path.get(name) ?? ''
  }

  /** A parameter of the query or the JSON body; empty where it is absent. */
  text(name: string): string {
    const value = this.#query.get(name) ?? this.#body[name]
    return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : ''
  }

  /** One that takes several values: with commas in the query, an array in the body. */
  list(name: string): string[] {
    const value = this.#query.get(name) ?? this.#body[name]
    if (Array.isArray(value)) return value.filter((item) => typeof item === 'string')
    return typeof value === 'string' ? value.split(',') : []
  }

  get body(): Readonly<Record<string, unknown>> {
    return this.#body
  }
}

/** The parts of `ari-client` 2.2.0, and of the `swagger-client` 2.0.26 under it, that tamed-client.ts touches. */
declare module 'ari-client' {
  import type { EventEmitter } from 'node:events'
  import type { WebSocket } from 'ws'

  export interface Client extends EventEmitter {
    start(apps: string, subscribeAll: boolean): PromiseLike<void>
    ping(): void
    readonly _connection: { host: string }
    readonly _ws: WebSocket | undefined
    readonly _swagger: { readonly apis: Readonly<Record<string, SwaggerResource>> }
  }

  export interface SwaggerResource {
    readonly operations: Readonly<Record<string, unknown>>
    readonly models?: Readonly<Record<string, unknown>>
    readonly [operation: string]: unknown
  }

  const ariClient: {
    connect(url: string, username: string, password: string): PromiseLike<Client>
  }
  export default ariClient
}

declare module 'swagger-client' {
  import type { EventEmitter } from 'node:events'
  import type { ClientRequest } from 'node:http'

  export interface Spec {
    basePath?: string
  }
  export interface Response {
    readonly status?: number
    readonly data?: unknown
  }
  export interface HttpJob {
    timeout?: number
    readonly on: { error: (response: Response) => void }
  }
  interface Api {
    url: string
    readonly failure: (reason: unknown) => void
    build: (this: Api) => unknown
    buildFrom1_1Spec: (this: Api, spec: Spec) => unknown
    fail: (this: Api, reason: unknown) => void
  }
  interface Resource {
    addApiDeclaration: (this: Resource, spec: Spec) => unknown
  }
  interface Http {
    execute: (this: Http, job: HttpJob) => { readonly emitter: EventEmitter; readonly _raw: ClientRequest }
  }
  export const SwaggerApi: { readonly prototype: Api }
  export const SwaggerResource: { readonly prototype: Resource }
  export const ShredHttpClient: { readonly prototype: Http }
}

/** The parts of `sip` 0.0.6 that the demo phones use. */
declare module 'sip' {
  export type Params = Record<string, string | null | undefined>
  export interface Via {
    version?: string
    protocol: string
    host: string
    port?: number
    params: Params
  }
  export interface Aor {
    name?: string
    uri: string
    params: Params
  }
  export type AuthHeader = Record<string, string | undefined> & { scheme: string }
  export interface Headers {
    via: Via[]
    from: Aor
    to: Aor
    'call-id': string
    cseq: { seq: number; method: string }
    contact?: Aor[]
    route?: (Omit<Aor, 'uri'> & { uri: unknown })[]
    'record-route'?: (Omit<Aor, 'uri'> & { uri: unknown })[]
    'www-authenticate'?: AuthHeader[]
    authorization?: AuthHeader[]
    [name: string]: unknown
  }
  export interface Message {
    method?: string
    uri?: string
    status?: number
    reason?: string
    version?: string
    headers: Headers
    /** Bytes as a latin1 string. */
    content?: string
  }
  /** What a transaction sends through. */
  export interface Connection {
    send(message: Message): void
    release(): void
    readonly protocol: string
  }
  export interface Transaction {
    send?(message: Message): void
    message(message: Message, remote?: unknown): void
    shutdown(): void
  }
  export interface TransactionLayer {
    createServerTransaction(request: Message, connection: Connection): Transaction
    createClientTransaction(
      connection: Connection,
      request: Message,
      onResponse: (response: Message) => void,
    ): Transaction
    getServer(message: Message): Transaction | undefined
    getClient(message: Message): Transaction | undefined
    destroy(): void
  }

  const sip: {
    /** undefined for what is no SIP message; throws for some that nearly are. */
    parse(bytes: Buffer): Message | undefined
    stringify(message: Message): string
    stringifyUri(uri: unknown): string
    makeResponse(request: Message, status: number, reason?: string, extension?: { headers?: object }): Message
    makeTransactionLayer(options: object, connect: unknown): TransactionLayer
    makeStreamParser(onMessage: (message: Message) => void, onFlood?: () => void): (latin1: string) => void
  }
  export default sip
}

declare module 'sip/digest.js' {
  import type { Message } from 'sip'

  /** What is kept between two requests: nonce, nonce count, hash. */
  export type DigestContext = Record<string, unknown>

  const digest: {
    signRequest(
      context: DigestContext,
      request: Message,
      response?: Message,
      credentials?: { user: string; password: string; realm?: string },
    ): DigestContext | null
  }
  export default digest
}

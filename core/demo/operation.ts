/** An ARI operation as data: what the api-docs say of it, and what it does. The documents are written from these. */
import type { Answer, AriRequest } from './request.ts'

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'body'
  readonly type: string
  readonly required: boolean
  readonly doc: string
}

export interface Operation {
  readonly resource: string
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** `/channels/{channelId}/variable` */
  readonly path: string
  readonly nickname: string
  readonly summary: string
  /** A model of api-docs, `List[Model]` or `void`. */
  readonly returns: string
  readonly parameters: readonly Parameter[]
  /** Versions that brought it, where it was not always there. */
  readonly since?: readonly string[]
  run(request: AriRequest): Answer
}

export const inPath = (name: string, doc: string): Parameter => ({
  name,
  in: 'path',
  type: 'string',
  required: true,
  doc,
})
export const inQuery = (name: string, doc: string, { required = false, type = 'string' } = {}): Parameter => ({
  name,
  in: 'query',
  type,
  required,
  doc,
})
export const inBody = (name: string, type: string, doc: string): Parameter => ({
  name,
  in: 'body',
  type,
  required: false,
  doc,
})

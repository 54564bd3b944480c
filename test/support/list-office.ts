/** Watchers of resource lists of lamps, each with a client that adds up what it is told. */
import type { PjsipConfig } from '../../core/endpoints.ts'
import type { TestCoreSettings } from './core.ts'
import type { FakeDialog, FakeTransaction } from './fake-sip.ts'
import { type LampOffice, lampOffice, settled } from './lamp-office.ts'
import { Lamps, TEXT } from './lamps.ts'
import { type Document, ListClient } from './list-reader.ts'

export const ASK = { Supported: 'eventlist', Accept: `multipart/related, application/rlmi+xml, ${TEXT}` }
const RESOURCE_LISTS = 'application/resource-lists+xml'

/** Lamps 200, 201 … that are off. */
export function lampsOf(count: number): Lamps {
  const lamps = new Lamps()
  for (let at = 200; at < 200 + count; at++) lamps.set(String(at), 'off')
  return lamps
}

export class ListOffice {
  readonly made: LampOffice
  readonly #clients = new Map<FakeDialog, ListClient>()
  readonly #read = new Map<FakeDialog, number>()

  static async open(settings: TestCoreSettings & { readonly lamps?: Lamps } = {}): Promise<ListOffice> {
    return new ListOffice(await lampOffice({ lamps: lampsOf(3), ...settings }))
  }

  constructor(made: LampOffice) {
    this.made = made
  }

  /** What the NOTIFYs since the last call say, each added to what its client knows. */
  async told(dialog: FakeDialog): Promise<readonly Document[]> {
    await settled(8)
    const client = this.#clients.get(dialog) ?? new ListClient()
    this.#clients.set(dialog, client)
    const documents: Document[] = []
    const from = this.#read.get(dialog) ?? 0
    this.#read.set(dialog, dialog.notifies.length)
    for (const { body } of dialog.notifies.slice(from))
      if (body) documents.push(client.take(body.contentType, String(body.content)))
    return documents
  }

  table(dialog: FakeDialog): Record<string, string> {
    return Object.fromEntries(this.#clients.get(dialog)?.table ?? [])
  }

  subscribe(name: string, headers: Record<string, string> = {}): Promise<FakeTransaction> {
    return this.made.sip.subscribe(name, { ...ASK, ...headers })
  }

  /** RFC 5367. */
  bring(body: string | Buffer, headers: Record<string, string> = {}): Promise<FakeTransaction> {
    const all = { ...ASK, Require: 'recipient-list-subscribe', 'Content-Type': RESOURCE_LISTS, ...headers }
    return this.made.sip.receive('SUBSCRIBE', 'sip:rls@pbx.example', all, undefined, body)
  }

  configure(change: (config: PjsipConfig) => Partial<PjsipConfig>): void {
    const { endpoints } = this.made.office.core
    endpoints.replace({ ...endpoints.files, ...change(endpoints.files) })
  }

  /** Another set of items in a list. */
  refill(name: string, items: readonly string[]): void {
    this.configure(({ resourceLists }) => {
      const list = resourceLists?.get(name)
      return {
        resourceLists: new Map([
          ...(resourceLists ?? []),
          ...(list ? [[name, { ...list, list_item: items }] as const] : []),
        ]),
      }
    })
  }

  close(): Promise<void> {
    return this.made.office.close()
  }
}

export function resourceLists(...entries: readonly (readonly [uri: string, name?: string])[]): string {
  const lines = entries.map(([uri, name]) =>
    name === undefined ? `<entry uri="${uri}"/>` : `<entry uri="${uri}"><display-name>${name}</display-name></entry>`,
  )
  return (
    '<?xml version="1.0" encoding="UTF-8"?>\n<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list>' +
    `${lines.join('')}</list></resource-lists>`
  )
}

/** What a reader of watcher information keeps (RFC 3858 4.2). */
import { defaultsOf } from '../../core/options.ts'
import { endpointOptions } from '../../core/pjsip-options.ts'
import { parseXml } from '../../core/xml.ts'
import type { Addressing } from '../../res_pjsip_pubsub/contract.ts'

export interface SeenWatcher {
  readonly version: number
  readonly state: string
  readonly package: string
  readonly resource: string
  readonly watchers: readonly {
    readonly id: string
    readonly uri: string
    readonly display: string
    readonly status: string
    readonly event: string
  }[]
}

export async function readWatcherInfo(text: string): Promise<SeenWatcher> {
  const root = parseXml(text)
  const [list] = root.children
  if (root.ns !== 'urn:ietf:params:xml:ns:watcherinfo' || root.name !== 'watcherinfo' || list?.name !== 'watcher-list')
    throw new Error(`no watcher information: ${text}`)
  const at = (attributes: ReadonlyMap<string, string>, name: string): string => attributes.get(name) ?? ''
  return {
    version: Number(at(root.attributes, 'version')),
    state: at(root.attributes, 'state'),
    package: at(list.attributes, 'package'),
    resource: at(list.attributes, 'resource'),
    watchers: list.children.map(({ attributes, text: uri }) => ({
      id: at(attributes, 'id'),
      uri,
      display: at(attributes, 'display-name'),
      status: at(attributes, 'status'),
      event: at(attributes, 'event'),
    })),
  }
}

/** The watchers that the documents say there are. */
export class WatcherTable {
  /** `id` → `uri status event` */
  readonly rows = new Map<string, string>()
  /** Partial documents that did not follow the one before: such a reader has to ask anew. */
  gaps = 0
  #version = -1

  async take(text: string): Promise<void> {
    const { version, state, watchers } = await readWatcherInfo(text)
    if (version <= this.#version) throw new Error(`version ${version} after ${this.#version}`)
    if (state === 'partial' && version !== this.#version + 1) this.gaps++
    if (state === 'full') this.rows.clear()
    this.#version = version
    for (const { id, uri, status, event } of watchers) {
      if (status === 'terminated') this.rows.delete(id)
      else this.rows.set(id, `${uri} ${status} ${event}`)
    }
  }
}

export function addressing(localUri: string): Addressing {
  const endpoint = { ...defaultsOf(endpointOptions), id: '100', hintContext: 'default' }
  return { resource: 'r', localUri, remoteUri: 'sip:100@a', userAgent: '', endpoint }
}

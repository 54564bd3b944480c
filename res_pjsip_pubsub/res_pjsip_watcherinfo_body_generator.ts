/**
 * Watcher lists as documents (RFC 3858): application/watcherinfo+xml.
 *
 * The first NOTIFY and those after a refresh carry the whole list, the others what is new since the one before. The
 * optional times (expiration, duration-subscribed) are left out: they would make a new document of every second.
 */
import { defineModule } from '../core/module.ts'
import { element, printXml, XML_DECLARATION, type XmlElement } from '../core/xml.ts'
import type { Addressing, BodyGenerator } from './contract.ts'
import type { WatcherEntry, WatcherInfo } from './watchers/watchers.ts'
import { watcherInfoKind } from './watchers/winfo.ts'

const WATCHERINFO = 'urn:ietf:params:xml:ns:watcherinfo'
const BEFORE_VERSION = `<watcherinfo xmlns="${WATCHERINFO}" version="`
const VERSION_AT = XML_DECLARATION.length + BEFORE_VERSION.length

export default defineModule({
  name: 'res_pjsip_watcherinfo_body_generator',
  description: 'Watcher information generator: application/watcherinfo+xml',
  requires: ['res_pjsip_pubsub'],
  load({ own }, { res_pjsip_pubsub: pubsub }) {
    own(pubsub.bodyGenerator(watcherInfo))
  },
})

export const watcherInfo: BodyGenerator<WatcherInfo, XmlElement> = {
  type: 'application/watcherinfo+xml',
  kind: watcherInfoKind,
  share: ({ localUri }) => localUri,
  variant: () => '',
  generate: (info, to) => document(info, to, 'full', info.watchers),
  partial(info, since, to) {
    const { change } = since
    if (change < info.endedAfter || change > info.change) return document(info, to, 'full', info.watchers)
    const news = [...info.ended, ...info.watchers].filter((watcher) => watcher.change > change)
    return news.length === 0 ? undefined : document(info, to, 'partial', news)
  },
  print: (root) => ({ text: printXml(root), versionAt: VERSION_AT }),
}

function document(
  info: WatcherInfo,
  { localUri }: Addressing,
  state: 'full' | 'partial',
  watchers: readonly WatcherEntry[],
): XmlElement {
  const list = element('watcher-list', { resource: localUri, package: info.package }, watchers.map(watcherElement))
  return element('watcherinfo', { xmlns: WATCHERINFO, version: '', state }, [list])
}

function watcherElement({ id, uri, displayName, status, event }: WatcherEntry): XmlElement {
  return element('watcher', { id, event, status, 'display-name': displayName || undefined }, uri)
}

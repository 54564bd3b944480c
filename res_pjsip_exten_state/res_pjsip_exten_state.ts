/**
 * The event packages presence (RFC 3856) and dialog (RFC 4235) over the hints of the dialplan and what is published, and
 * dialog;sla, by which the phones of a shared line tell each other of its calls.
 */
import type { Core } from '../core/core.ts'
import { whenThere } from '../core/eventual.ts'
import { Share } from '../core/in-slices.ts'
import type { Logger } from '../core/log.ts'
import { defineModule } from '../core/module.ts'
import type { Hint } from '../core/states/hint.ts'
import { NO_PRESENCE } from '../core/states/presence.ts'
import { brief } from '../core/text.ts'
import type { EventPackage, Found, Pubsub, Watcher } from '../res_pjsip_pubsub/contract.ts'
import { askedBy, readAsked } from './asked-dialog.ts'
import { isAskedOver } from './asked-over.ts'
import { dialogHandler } from './dialog-publication.ts'
import { Extensions, nobodyThere, OF_EXTENSION, OF_LINE } from './extensions.ts'
import { presenceHandler } from './pidf-publication.ts'
import { extensionStateKind, type PublishedState } from './published.ts'

const PRESENCE_TYPES = ['application/pidf+xml', 'application/xpidf+xml', 'application/cpim-pidf+xml'] as const
const DIALOG_TYPES = ['application/dialog-info+xml'] as const

export default defineModule({
  name: 'res_pjsip_exten_state',
  description: 'Extension state packages: presence, dialog and dialog;sla',
  requires: ['res_pjsip_pubsub'],
  load({ core, log, own }, { res_pjsip_pubsub: pubsub }) {
    const extensions = new Extensions(OF_EXTENSION, pubsub, core.hints)
    const lines = new Extensions(OF_LINE, pubsub, core.hints)
    for (const all of [extensions, lines]) own(core.hints.onReread(() => void all.reread()))
    own(pubsub.publicationHandler(presenceHandler))
    own(pubsub.publicationHandler(dialogHandler('dialog')))
    own(pubsub.publicationHandler(dialogHandler('dialog;sla')))
    const find = extensionFinder(core, log, pubsub, extensions)
    // Either package can be had in the types of the other: phones ask for that, and Asterisk grants it.
    const presence = packageOf('presence', [...PRESENCE_TYPES, ...DIALOG_TYPES], find, extensions)
    own(pubsub.eventPackage({ ...presence, reqAuth: true, politeState: nobodyThere }))
    const dialog = packageOf('dialog', [...DIALOG_TYPES, ...PRESENCE_TYPES], find, extensions)
    own(pubsub.eventPackage({ ...dialog, ...ofOneDialog(core), shownIn: callsAlone }))
    const sla = packageOf('dialog;sla', DIALOG_TYPES, lineFinder(core, pubsub, lines), lines)
    own(pubsub.eventPackage({ ...sla, ...ofOneDialog(core), winfo: false, shownIn: callsAlone }))
  },
})

type Find = EventPackage<PublishedState>['find']

const IN_PRESENCE: ReadonlySet<string> = new Set(PRESENCE_TYPES)

/** Calls may be watched without leave, what a person says of itself may not: it is not told in another event's name. */
function callsAlone(state: PublishedState, type: string): PublishedState {
  if (!IN_PRESENCE.has(type)) return state
  const { published, ...calls } = state
  const told = { ...calls, presence: NO_PRESENCE }
  return published ? { ...told, published: { ...published, presence: [], ahead: 0 } } : told
}

function packageOf(
  event: string,
  accept: EventPackage<PublishedState>['accept'],
  find: Find,
  extensions: Extensions,
): EventPackage<PublishedState> {
  return {
    event,
    kind: extensionStateKind,
    accept,
    find,
    meanwhile: (name, { endpoint }) => extensions.unsaid(endpoint.hintContext, name),
    displayName: ({ name }) => name,
    ownChange: ({ published }, watcher) => published !== undefined && published.sender === watcher,
  }
}

/** Who asks for one dialog. Asterisk does not look at that. */
function ofOneDialog(
  core: Pick<Core, 'general' | 'devices'>,
): Pick<EventPackage<PublishedState>, 'narrows' | 'isOver'> {
  return {
    narrows: askedBy,
    isOver: (narrowed, now, before) =>
      core.general.compat === 'rfc' && isAskedOver(readAsked(narrowed), now, before, core.devices),
  }
}

/** The extension, in the context of who subscribes. */
function extensionFinder(
  { hints }: Pick<Core, 'hints'>,
  log: Logger,
  pubsub: Pick<Pubsub, 'isPublished' | 'publicationsRead'>,
  extensions: Extensions,
): Find {
  const found = (
    resource: string,
    { endpoint, request, again }: Watcher,
    hint: Hint | 'unreachable' | undefined,
  ): Found<PublishedState> => {
    if (hint === 'unreachable') return 'unavailable'
    if (hint || pubsub.isPublished(resource)) return extensions.of(endpoint.hintContext, resource, hint)
    // For a restored subscription it is looked for again and again, and may come yet.
    if (!request || again) return undefined
    log.refusal(
      `Endpoint '${endpoint.id}' state subscription failed: Extension '${brief(resource)}' does not exist in context ` +
        `'${endpoint.hintContext}' or has no associated hint`,
    )
    return undefined
  }
  const find: Find = (resource, watcher) =>
    whenThere(hints.find(watcher.endpoint.hintContext, resource), (hint) => found(resource, watcher, hint))
  // Thousands may have waited for that.
  const waited = new Share()
  return (resource, watcher) => {
    if (resource === '') return undefined
    // After a start no lamp is to go out until what was published has been read.
    const reading = pubsub.publicationsRead()
    return reading ? reading.then(() => waited.take(() => find(resource, watcher))) : find(resource, watcher)
  }
}

/** A line is an endpoint or an AOR, if it is no extension; its phones subscribe before any of them has published. */
function lineFinder(
  { endpoints, hints }: Pick<Core, 'endpoints' | 'hints'>,
  pubsub: Pick<Pubsub, 'isPublished' | 'publicationsRead'>,
  lines: Extensions,
): Find {
  return async (resource: string, { endpoint }: Watcher): Promise<Found<PublishedState>> => {
    if (resource === '') return undefined
    await pubsub.publicationsRead()
    const hint = await hints.find(endpoint.hintContext, resource)
    if (hint === 'unreachable') return 'unavailable'
    const there =
      hint || pubsub.isPublished(resource) || (await endpoints.endpoint(resource)) || (await endpoints.aor(resource))
    return there ? lines.of(endpoint.hintContext, resource, hint) : undefined
  }
}

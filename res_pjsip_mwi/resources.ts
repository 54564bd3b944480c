/** Which mailboxes the user part of a Request-URI means. */
import type { Aor, Endpoint, Endpoints, PjsipConfig } from '../core/endpoints.ts'
import { mailboxName } from '../core/states/mailboxes.ts'
import type { Define, SumDefinition } from './mailbox-sums.ts'

export type AorLookup = Pick<Endpoints, 'aor' | 'endpoint' | 'global' | 'mayExist'>

interface MwiResource {
  /** Equal for what is one and the same, however it was asked for. */
  readonly key: string
  /** The AOR it is; undefined where it is all of an endpoint's. */
  readonly aor: string | undefined
  readonly define: Define
  /** Of one that an extension stands for: whether it still does, as endpoints and AORs are now. */
  readonly isStillMeant?: () => Promise<boolean>
}

/** An AOR by its name, else one of the endpoint by its voicemail_extension; without a user all of the endpoint's. */
export async function resourceOf(
  endpoints: AorLookup,
  user: string,
  endpoint: Endpoint,
): Promise<MwiResource | undefined> {
  if (user === '') {
    const define: Define = async () => {
      const now = (await endpoints.endpoint(endpoint.id)) ?? endpoint
      const definition = definitionOf(await aorsOf(endpoints, now), endpoints)
      return definition ?? (now.aors.some((id) => endpoints.mayExist('aor', id)) ? 'unasked' : undefined)
    }
    return { key: `endpoint ${endpoint.id}`, aor: undefined, define }
  }
  const named = await endpoints.aor(user)
  const aor = named ?? (await byVoicemailExtension(endpoints, user, endpoint))
  if (!aor) return undefined
  const define: Define = async () => {
    const now = await endpoints.aor(aor.id)
    if (!now && endpoints.mayExist('aor', aor.id)) return 'unasked'
    return definitionOf(now ? [now] : [], endpoints)
  }
  const resource = { key: `aor ${aor.id}`, aor: aor.id, define }
  if (named) return resource
  const isStillMeant = async (): Promise<boolean> => {
    const now = (await endpoints.endpoint(endpoint.id)) ?? endpoint
    const meant = await resourceOf(endpoints, user, now)
    // Another extension makes no other mailbox of it.
    return meant ? meant.aor === aor.id : now.aors.includes(aor.id)
  }
  return { ...resource, isStillMeant }
}

/** Equal for those who watch the same, now and after a reload. */
export function summaryKey(resource: MwiResource | undefined, user: string, endpoint: Endpoint): string {
  return resource?.isStillMeant ? `extension ${user.toLowerCase()} of ${endpoint.id}` : (resource?.key ?? `aor ${user}`)
}

/** Whether the files alone say what it is: no server is asked for it. */
export function isInFiles(user: string, { id, aors: ids }: Endpoint, files: PjsipConfig): boolean {
  const { aors, endpoints, resourceLists } = files
  if (user === '') return endpoints.has(id) && ids.every((aor) => aors.has(aor))
  if (aors.has(user) || resourceLists?.has(user)) return true
  const wanted = user.toLowerCase()
  return ids.some((aor) => aors.get(aor)?.voicemail_extension.toLowerCase() === wanted)
}

async function byVoicemailExtension(endpoints: AorLookup, user: string, endpoint: Endpoint): Promise<Aor | undefined> {
  const wanted = user.toLowerCase()
  const aors = await aorsOf(endpoints, endpoint)
  return aors.find((aor) => aor.voicemail_extension.toLowerCase() === wanted)
}

async function aorsOf(endpoints: AorLookup, endpoint: Endpoint): Promise<Aor[]> {
  const aors: Aor[] = []
  for (const id of endpoint.aors) {
    const aor = await endpoints.aor(id)
    if (aor) aors.push(aor)
  }
  return aors
}

/** Each mailbox counts once, however many AORs have it. */
function definitionOf(aors: readonly Aor[], { global }: AorLookup): SumDefinition | undefined {
  const mailboxes = fullNames(aors.flatMap((aor) => aor.mailboxes))
  if (mailboxes.length === 0) return undefined
  const account = aors.find((aor) => aor.voicemail_extension !== '')?.voicemail_extension
  return { mailboxes, account: account ?? global.default_voicemail_extension }
}

/** `100@default` for `100`, each once; names compare without case. */
export function fullNames(mailboxes: readonly string[]): string[] {
  return [...new Map(mailboxes.map(mailboxName).map((name) => [name.toLowerCase(), name])).values()]
}

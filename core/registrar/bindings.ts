/** The bindings of the registrar: in memory by AOR, in the store, with one timer for the next to expire. */
import type { Logger } from '../log.ts'
import type { Undo } from '../scope.ts'
import type { FlowRecord, Protocol, Sip } from '../sip/contract.ts'
import type { Store, Table } from '../store.ts'
import type { RowOf } from '../store-contract.ts'
import type { Contact, ContactListener, Loss, RefreshListener } from './registrar.ts'

/** One Contact of a REGISTER (RFC 3261 10). Never changes; a refresh puts another one in its place. */
export interface Binding extends Contact {
  /** Key in the store. */
  readonly id: string
  /** Who registered it. */
  readonly endpoint: string
  /** The Contact as the phone wrote it; `uri` is another one where the endpoint has rewrite_contact. */
  readonly registered: string
  /** The `q` parameter; empty where there is none. */
  readonly q: string
  /** `reg-id` where it was registered by RFC 5626; 0 otherwise. */
  readonly regId: number
  readonly callId: string
  readonly cseq: number
  readonly protocol: Protocol
  readonly transport: string
  /** `address:port` that the REGISTER came from. For people. */
  readonly source: string
  /** It can only be reached through the connection that it registered on, and is gone with it. */
  readonly followed: boolean
}

const COLUMNS = {
  id: 'text',
  aor: 'text',
  endpoint: 'text',
  uri: 'text',
  registered: 'text',
  /** JSON list. */
  path: 'text',
  q: 'text',
  /** Epoch milliseconds. */
  expires: 'integer',
  user_agent: 'text',
  instance: 'text',
  reg_id: 'integer',
  call_id: 'text',
  cseq: 'integer',
  protocol: 'text',
  /** null in rows of earlier versions. */
  transport: 'text',
  /** JSON of the UDP flow it registered by (FlowRecord), and whether it is reached by that. null in rows of earlier versions. */
  flow: 'text',
  source: 'text',
  followed: 'integer',
} as const
type ContactRow = RowOf<typeof COLUMNS, 'transport' | 'flow'>

/** Milliseconds between two looks for expired bindings, at least. */
const LOOK_PAUSE = 500

export interface BindingSettings {
  readonly store: Store
  readonly sip: Pick<Sip, 'flowRecord' | 'restoreFlow'>
  readonly log: Logger
  readonly now: () => number
  readonly changed: ContactListener
  readonly refreshed: RefreshListener
}

export class Bindings {
  readonly #sip: BindingSettings['sip']
  readonly #log: Logger
  readonly #now: () => number
  readonly #changed: ContactListener
  readonly #refreshed: RefreshListener
  readonly #byAor = new Map<string, Map<string, Binding>>()
  /** id → ends the watch on the connection of a binding */
  readonly #flowWatches = new Map<string, Undo>()
  #table: Table<ContactRow> | undefined
  #timer: NodeJS.Timeout | undefined
  #due = Number.POSITIVE_INFINITY

  private constructor({ sip, log, now, changed, refreshed }: BindingSettings) {
    this.#sip = sip
    this.#log = log
    this.#now = now
    this.#changed = changed
    this.#refreshed = refreshed
  }

  /** With what the store has, without what expired or hung on a connection that is no more. */
  static async open(settings: BindingSettings): Promise<Bindings> {
    const bindings = new Bindings(settings)
    const table = await settings.store.table<ContactRow>({
      name: 'contacts',
      key: 'id',
      columns: COLUMNS,
      rows: () => bindings.list().map((binding) => bindings.#rowOf(binding)),
    })
    bindings.#table = table
    await table.load((rows) => {
      for (const row of rows) {
        const binding = bindingOf(row, settings.sip)
        if (binding && !binding.followed && binding.expires > settings.now()) bindings.#enter(binding)
        else table.delete(row.id)
      }
    })
    return bindings
  }

  get size(): number {
    let size = 0
    for (const bindings of this.#byAor.values()) size += bindings.size
    return size
  }

  /** Oldest first; expired ones are not among them. */
  of(aor: string): readonly Binding[] {
    const now = this.#now()
    return [...(this.#byAor.get(aor)?.values() ?? [])].filter(({ expires }) => expires > now)
  }

  aors(): string[] {
    return [...this.#byAor.keys()]
  }

  list(): Binding[] {
    return this.aors()
      .sort()
      .flatMap((aor) => this.of(aor))
  }

  /** A new binding, or another one for an `id` that is there. */
  put(binding: Binding): void {
    const before = this.#byAor.get(binding.aor)?.get(binding.id)
    this.#enter(binding)
    this.#table?.put(this.#rowOf(binding))
    if (!before)
      this.#log.verbose(
        `Added contact '${binding.uri}' to AOR '${binding.aor}' for ${Math.round((binding.expires - this.#now()) / 1000)} s`,
      )
    if (before && sameWay(before, binding)) this.#refreshed(binding)
    else this.#changed(binding.aor, binding)
  }

  remove(binding: Binding, why: Loss): void {
    const bindings = this.#byAor.get(binding.aor)
    if (!bindings?.delete(binding.id)) return
    if (bindings.size === 0) this.#byAor.delete(binding.aor)
    this.#unwatch(binding.id)
    this.#table?.delete(binding.id)
    this.#log.verbose(`Removed contact '${binding.uri}' from AOR '${binding.aor}': ${why}`)
    this.#changed(binding.aor, undefined, { contact: binding, why })
  }

  close(): void {
    clearTimeout(this.#timer)
    for (const id of this.#flowWatches.keys()) this.#unwatch(id)
  }

  #rowOf(binding: Binding): ContactRow {
    return rowOf(binding, binding.beside && this.#sip.flowRecord(binding.beside))
  }

  #enter(binding: Binding): void {
    let bindings = this.#byAor.get(binding.aor)
    if (!bindings) this.#byAor.set(binding.aor, (bindings = new Map()))
    bindings.set(binding.id, binding)
    this.#unwatch(binding.id)
    if (binding.flow)
      this.#flowWatches.set(
        binding.id,
        binding.flow.onClose(() => this.#flowClosed(binding)),
      )
    this.#wakeAt(binding.expires)
  }

  #unwatch(id: string): void {
    void this.#flowWatches.get(id)?.()
    this.#flowWatches.delete(id)
  }

  /** RFC 5626 6: what was reached through a connection is unreachable without it. */
  #flowClosed(binding: Binding): void {
    if (binding.followed) this.remove(binding, 'connection closed')
    else this.#enter({ ...binding, flow: undefined })
  }

  #wakeAt(time: number): void {
    if (time >= this.#due) return
    this.#due = time
    clearTimeout(this.#timer)
    // Timers count in 31 bits; waking up too early does no harm.
    const pause = Math.min(Math.max(LOOK_PAUSE, time - this.#now()), 0x7fffffff)
    this.#timer = setTimeout(() => this.expire(), pause)
    this.#timer.unref()
  }

  /** Drops what has expired. The timer calls it; so may whoever has moved the clock. */
  expire(): void {
    const now = this.#now()
    this.#due = Number.POSITIVE_INFINITY
    let next = Number.POSITIVE_INFINITY
    for (const bindings of this.#byAor.values()) {
      for (const binding of bindings.values()) {
        if (binding.expires <= now) this.remove(binding, 'expired')
        else next = Math.min(next, binding.expires)
      }
    }
    if (next !== Number.POSITIVE_INFINITY) this.#wakeAt(next)
  }
}

/** Another Call-ID is that of a phone that has restarted (RFC 3261 10.2.4), and knows nothing of what it was told. */
function sameWay(a: Binding, b: Binding): boolean {
  return a.uri === b.uri && a.flow?.id === b.flow?.id && a.path.join() === b.path.join() && a.callId === b.callId
}

function rowOf(binding: Binding, flow: FlowRecord | undefined): ContactRow {
  return {
    id: binding.id,
    aor: binding.aor,
    endpoint: binding.endpoint,
    uri: binding.uri,
    registered: binding.registered,
    path: JSON.stringify(binding.path),
    q: binding.q,
    expires: binding.expires,
    user_agent: binding.userAgent,
    instance: binding.instance,
    reg_id: binding.regId,
    call_id: binding.callId,
    cseq: binding.cseq,
    protocol: binding.protocol,
    transport: binding.transport,
    flow: flow === undefined ? null : JSON.stringify({ ...flow, reaches: binding.flow !== undefined }),
    source: binding.source,
    followed: binding.followed ? 1 : 0,
  }
}

/** undefined for a row that nobody can have written. */
function bindingOf(row: ContactRow, sip: BindingSettings['sip']): Binding | undefined {
  const path = readPath(row.path)
  const kept = row.flow === null ? undefined : readFlow(row.flow)
  const beside = kept && sip.restoreFlow(kept)
  const protocol = (['UDP', 'TCP', 'TLS'] as const).find((name) => name === row.protocol)
  if (!path || !protocol || !Number.isFinite(row.expires)) return undefined
  return {
    id: row.id,
    aor: row.aor,
    endpoint: row.endpoint,
    uri: row.uri,
    registered: row.registered,
    path,
    q: row.q,
    flow: kept?.reaches === true ? beside : undefined,
    beside,
    expires: row.expires,
    userAgent: row.user_agent,
    instance: row.instance,
    regId: row.reg_id,
    callId: row.call_id,
    cseq: row.cseq,
    protocol,
    transport: row.transport ?? '',
    source: row.source,
    followed: row.followed === 1,
  }
}

function readFlow(text: string): (FlowRecord & { readonly reaches: boolean }) | undefined {
  const { transport, remote, own, reaches } = fieldsOf(readJson(text))
  const { address, port } = fieldsOf(remote)
  if (typeof transport !== 'string' || typeof address !== 'string' || typeof port !== 'number') return undefined
  const flow = { transport, remote: { address, port }, reaches: reaches === true }
  return typeof own === 'string' ? { ...flow, own } : flow
}

function readPath(text: string): string[] | undefined {
  const value = readJson(text)
  return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

/**
 * Watchers whose subscriptions are at other servers that share the database (`subs_db_mode` 3): rows that are not ours,
 * looked at again after another process has written, for the lists that somebody watches. The id of a watcher is made of
 * its dialog, so that it stays when another server takes the dialog over.
 */
import { type Logger, reasonOf } from '../../core/log.ts'
import type { Undo } from '../../core/scope.ts'
import { parseNameAddr } from '../../core/sip/parse-uri.ts'
import type { Store, Table } from '../../core/store-contract.ts'
import { type Row, SHARED_ROWS, STATUS } from '../storage/row.ts'
import { readDialog } from '../storage/row-dialog.ts'
import { type WatcherFacts, type WatcherList, type WatcherLists, watcherId } from './watchers.ts'

type Topic = Pick<WatcherList, 'event' | 'resource'>

interface ForeignServices {
  readonly store: Store
  readonly activeWatchers: string
  readonly lists: WatcherLists
  /** Milliseconds within which news of other servers are told. */
  readonly period: number
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly log: Logger
  /** Whether a subscription in this dialog is ours. */
  readonly isOurs: (dialogId: string) => boolean
  /** Until those that wait for these are the same at all servers. */
  readonly agreeOnWaiting: (of: readonly Topic[]) => Promise<void>
}

export class ForeignWatchers {
  readonly #services: ForeignServices
  readonly #subscribed: Table<Row>
  readonly #undos: Undo[] = []
  #turn: Promise<void> = Promise.resolve()

  private constructor(services: ForeignServices, subscribed: Table<Row>) {
    this.#services = services
    this.#subscribed = subscribed
    this.#undos.push(
      services.store.onForeignChange(services.period, () => this.#soon()),
      services.lists.onList((list) => this.#soon([list])),
    )
  }

  static async open(services: ForeignServices): Promise<ForeignWatchers> {
    const { store, activeWatchers } = services
    const subscribed = await store.table<Row>({ ...SHARED_ROWS, name: activeWatchers })
    return new ForeignWatchers(services, subscribed)
  }

  close(): void {
    for (const undo of this.#undos) void undo()
  }

  /** Those there are now; none where they cannot be read. */
  async of(event: string, resource: string): Promise<readonly WatcherFacts[]> {
    try {
      await this.#services.agreeOnWaiting([{ event, resource }])
      return await this.#others({ event, resource })
    } catch (error) {
      this.#unread(error)
      return []
    }
  }

  #soon(which?: readonly WatcherList[]): void {
    const { lists, agreeOnWaiting } = this.#services
    this.#turn = this.#turn
      .then(async () => {
        const watched = which ?? [...lists.watched]
        await agreeOnWaiting(watched)
        for (const list of watched) await this.#look(list)
      })
      .catch((error: unknown) => this.#unread(error))
  }

  #unread(error: unknown): void {
    this.#services.log.warning(`watchers at other servers cannot be read: ${reasonOf(error)}`)
  }

  async #look(list: WatcherList): Promise<void> {
    const others = await this.#others(list)
    const own = new Set([...this.#services.lists.own(list.event, list.resource)].map(({ id }) => id))
    for (const watcher of others) {
      const known = list.watchers.get(watcher.id)
      if (own.has(watcher.id) || known?.status === watcher.status) continue
      const approved = known?.status === 'pending' && watcher.status === 'active'
      list.change(approved ? { ...watcher, event: 'approved' } : watcher)
    }
    const there = new Set(others.map(({ id }) => id))
    for (const watcher of list.watchers.values())
      if (!own.has(watcher.id) && !there.has(watcher.id))
        list.change({ ...watcher, status: 'terminated', event: 'timeout' })
  }

  async #others({ event, resource }: Topic): Promise<WatcherFacts[]> {
    const { now, isOurs } = this.#services
    const rows = await this.#subscribed.select({ event, resource })
    return rows
      .filter(({ expires_ms, dialog_id }) => expires_ms > now() && !isOurs(dialog_id))
      .map((row) => ({
        id: watcherId(row.dialog_id),
        uri: row.watcher,
        displayName: parseNameAddr(readDialog(row)?.remoteUri ?? '')?.display ?? '',
        status: row.status === STATUS.pending ? 'pending' : 'active',
        event: 'subscribe',
      }))
  }
}

/** The database and the storage that the options ask for. */
import { reasonOf } from '../../core/log.ts'
import { ConfigError } from '../../core/options.ts'
import { type Store, type StoreHold, StoreInUse } from '../../core/store-contract.ts'
import { storageModes } from '../kamailio/options.ts'
import type { PubsubSettings } from '../options.ts'
import { memoryPublications } from '../publishing/publication-memory.ts'
import { SharedPublications } from '../publishing/publication-shared.ts'
import { type KeptPublication, openCachedPublications, type PublicationStore } from '../publishing/publication-store.ts'
import { CachedStorage } from './cached.ts'
import { memoryStorage } from './memory.ts'
import { SharedStorage } from './shared.ts'
import type { StorageServices, SubscriptionStorage } from './storage.ts'

/** What only a load of the module changes. */
const FIXED = [
  'db_url',
  'subs_db_mode',
  'publ_cache',
  'fallback2db',
  'active_watchers_table',
  'presentity_table',
  'watchers_table',
  'xcap_table',
  'notifier_poll_rate',
  // Publications, rules and watchers are filed by it.
  'sip_uri_match',
] as const

interface OpenDatabase {
  readonly store: Store
  readonly close: () => Promise<void>
}

type DatabaseSettings = Parameters<typeof storageModes>[0]

/** `db_url`. Throws ConfigError where the file cannot be opened. */
export async function openDatabase(settings: DatabaseSettings, core: Store): Promise<OpenDatabase> {
  const { db_url } = settings
  if (db_url.kind !== 'sqlite') return { store: core, close: async () => undefined }
  try {
    const store = await core.beside(db_url.path, holdOf(settings))
    return { store, close: () => store.close() }
  } catch (error) {
    if (error instanceof StoreInUse) {
      throw new ConfigError(
        `db_url = sqlite://${db_url.path} of pubsub.conf is in use by another Lamplighter; ` +
          'servers share a database where all of them have subs_db_mode = 3',
      )
    }
    throw new ConfigError(`db_url = sqlite://${db_url.path} of pubsub.conf cannot be opened: ${reasonOf(error)}`)
  }
}

/** A server that holds rows in memory knows nothing of what others write. */
function holdOf(settings: DatabaseSettings): StoreHold {
  const { subscriptions, publications } = storageModes(settings)
  return subscriptions === 1 || subscriptions === 2 || publications === 1 ? 'alone' : 'shared'
}

export async function openStorage(services: StorageServices): Promise<SubscriptionStorage> {
  switch (storageModes(services.settings()).subscriptions) {
    case 0:
      return memoryStorage
    case 3:
      return SharedStorage.open(services)
    case 1:
      return CachedStorage.open(true, services)
    default:
      return CachedStorage.open(false, services)
  }
}

type PlaceSettings = DatabaseSettings & Pick<PubsubSettings, 'active_watchers_table'>

/** Whether subscriptions go on after the module is unloaded and loaded with these; what servers share any of them goes on with. */
export function goesOn(running: PlaceSettings, asked: PlaceSettings): boolean {
  const { subscriptions } = storageModes(running)
  if (subscriptions === 3) return true
  if (subscriptions === 0 || storageModes(asked).subscriptions === 0) return false
  // A database of the module's own goes with it.
  if (running.db_url.kind === 'sqlite' && running.db_url.path === ':memory:') return false
  return !isOther(running.db_url, asked.db_url) && running.active_watchers_table === asked.active_watchers_table
}

/** `publ_cache`. */
export async function openPublications(asked: {
  readonly store: Store
  readonly settings: PubsubSettings
  readonly now: () => number
  readonly all: Iterable<KeptPublication>
}): Promise<PublicationStore> {
  const { store, settings, now, all } = asked
  const table = { store, table: settings.presentity_table, pageRows: settings.fetch_rows, all }
  switch (storageModes(settings).publications) {
    case 2:
      return memoryPublications
    case 0:
      return SharedPublications.open({ ...table, now, period: 1000 / settings.notifier_poll_rate })
    default:
      return openCachedPublications(table)
  }
}

/** What holds after a reload, and the names of what waits for a load: half of it in effect would be neither the one nor the other. */
export function reloaded(
  running: PubsubSettings,
  asked: PubsubSettings,
): { readonly settings: PubsubSettings; readonly waiting: readonly string[] } {
  const fixed = Object.fromEntries(FIXED.map((name) => [name, running[name]]))
  const waiting = FIXED.filter((name) => isOther(running[name], asked[name]))
  return { settings: { ...asked, ...fixed }, waiting }
}

function isOther<T>(one: T, other: T): boolean {
  return JSON.stringify(one) !== JSON.stringify(other)
}

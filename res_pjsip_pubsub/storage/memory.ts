/** `subs_db_mode = 0`: subscriptions live as long as the process. */
import type { SubscriptionStorage } from './storage.ts'

export const memoryStorage: SubscriptionStorage = {
  load: async () => 0,
  save: () => undefined,
  keep: () => undefined,
  restored: () => undefined,
  mayNotify: () => true,
  forget: () => undefined,
  clean: async () => 0,
  close: async () => undefined,
}

/** `publ_cache = 2`: publications live as long as the process. */
import type { PublicationStore } from './publication-store.ts'

export const memoryPublications: PublicationStore = {
  load: async () => 0,
  keep: () => undefined,
  forget: () => undefined,
  clean: async () => 0,
  close: async () => undefined,
}

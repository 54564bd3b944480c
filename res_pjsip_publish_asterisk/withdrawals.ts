/**
 * Publications that nobody of ours goes on with: each is taken back (RFC 3903 4.5), and again where its server does not
 * answer, until it has expired there. What is not answered by then is kept for the next start.
 */
import { pauseAfter, type Verdict } from './answer-rule.ts'
import type { EntityTags, Kept } from './entity-tags.ts'
import type { Draft } from './outbound-publication.ts'

interface WithdrawalServices {
  readonly tags: Pick<EntityTags, 'get' | 'set'>
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly send: (kept: Kept, draft: Draft, done: (verdict: Verdict) => void) => void
}

interface Withdrawal {
  readonly kept: Kept
  failures: number
  timer: NodeJS.Timeout | undefined
}

export class Withdrawals {
  readonly #services: WithdrawalServices
  /** By server and entity-tag. */
  readonly #all = new Map<string, Withdrawal>()
  #stopped = false

  constructor(services: WithdrawalServices) {
    this.#services = services
  }

  /** `failed`: what came of telling its server just now. */
  take(kept: Kept, failed?: Verdict): void {
    if (this.#all.has(keyOf(kept))) return
    const withdrawal = { kept, failures: 0, timer: undefined }
    this.#all.set(keyOf(kept), withdrawal)
    if (failed) this.#answered(withdrawal, failed)
    else this.#send(withdrawal)
  }

  /** Somebody goes on with it after all. */
  leave(kept: Kept): void {
    clearTimeout(this.#all.get(keyOf(kept))?.timer)
    this.#all.delete(keyOf(kept))
  }

  stop(): void {
    this.#stopped = true
    for (const { kept, timer } of this.#all.values()) {
      clearTimeout(timer)
      this.#keep(kept)
    }
  }

  /** Not in the place of what is published there by now. */
  #keep(kept: Kept): void {
    const { tags } = this.#services
    const { section, user, sender } = kept
    if (sender && !tags.get(section, user)) tags.set(section, user, { ...kept, sender })
  }

  #send(withdrawal: Withdrawal): void {
    const { kept } = withdrawal
    const draft = { serverUri: kept.serverUri, entityTag: kept.entityTag, expires: 0, body: undefined }
    this.#services.send(kept, draft, (verdict) => {
      if (this.#all.get(keyOf(kept)) === withdrawal) this.#answered(withdrawal, verdict)
    })
  }

  #answered(withdrawal: Withdrawal, verdict: Verdict): void {
    // What is kept is that of whoever comes after us by now, as where the module is loaded anew.
    if (this.#stopped) return
    const { tags, now } = this.#services
    const { kept } = withdrawal
    const pause = verdict.kind === 'failed' ? pauseAfter(verdict, withdrawal.failures++) * 1000 : undefined
    if (pause !== undefined && now() + pause < kept.expires) {
      this.#keep(kept)
      withdrawal.timer = setTimeout(() => this.#send(withdrawal), pause).unref()
      return
    }
    this.#all.delete(keyOf(kept))
    const row = tags.get(kept.section, kept.user)
    if (row && keyOf(row) === keyOf(kept)) tags.set(kept.section, kept.user, undefined)
  }
}

/** A server gives each entity-tag once (RFC 3903 6); neither has a tab in it. */
const keyOf = ({ serverUri, entityTag }: Kept): string => `${serverUri}\t${entityTag}`

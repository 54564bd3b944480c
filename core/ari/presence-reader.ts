/** Presence states. ARI tells nothing of them, so they are read: when somebody needs one, and at an interval. */
import { isPresenceName, type PresenceState, type Presences, samePresence } from '../states/presence.ts'
import type { AskedBy } from './asked-by.ts'
import { presenceOf } from './functions.ts'
import { GatheringReader } from './gathering-reader.ts'

/** Key of the complaint about a provider, which follows. */
const NO_PROVIDER = 'presence '

export class PresenceReader extends GatheringReader {
  readonly asksAgain = true
  readonly #presences: Presences

  constructor(origin: string, presences: Presences, by: AskedBy, limit: () => number) {
    super(origin, by, limit)
    this.#presences = presences
  }

  /** A provider that no hint names any more is nobody's fault: the hint was corrected, or nobody looks. */
  forgiveUnneeded(): void {
    this.by.complaints.keepOnly(NO_PROVIDER, (name) => this.#presences.isNeeded(name))
  }

  async refresh(names: readonly string[]): Promise<number> {
    const asked = names.flatMap((name) => {
      const functions = presenceOf(name)
      return functions ? [{ name, functions }] : []
    })
    const readings = await this.by.probe.read(asked.flatMap(({ functions: f }) => [f.value, f.subtype, f.message]))
    let differences = 0
    for (const [at, { name }] of asked.entries()) {
      const [value, subtype, message] = readings.slice(3 * at, 3 * at + 3)
      if (value?.kind === 'none') this.#cannotSay(name)
      if (value?.kind !== 'value' || !isPresenceName(value.value)) continue
      this.by.complaints.settle('func_presencestate')
      this.by.complaints.settle(NO_PROVIDER + name)
      const found: PresenceState = {
        state: value.value,
        subtype: subtype?.kind === 'value' ? subtype.value : '',
        message: message?.kind === 'value' ? message.value : '',
      }
      const believed = this.#presences.reportOf(this.origin, name)?.state
      if (believed && samePresence(believed, found)) continue
      differences++
      this.#presences.set(this.origin, name, found)
    }
    return differences
  }

  /** Asterisk has a state for every CustomPresence: there may be. */
  #cannotSay(name: string): void {
    if (/^custompresence:/i.test(name)) {
      this.by.complaints.say(
        'func_presencestate',
        'Asterisk cannot say its presence states: put load = func_presencestate.so in its modules.conf and run ' +
          '`module load func_presencestate.so` there',
      )
    } else this.by.complaints.say(NO_PROVIDER + name, `Asterisk knows no presence provider ${name}: correct the hint`)
  }
}

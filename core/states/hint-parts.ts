/**
 * What hints are made of. The way of a change: a device, a presence provider or a call → the hints that follow it → what
 * each makes of it (equal: stop) → its watchers.
 */
import { PartyIndex } from '../party-index.ts'
import type { Calls } from './calls.ts'
import type { Devices } from './devices.ts'
import type { Hint, HintDefinition } from './hint.ts'
import type { Presences } from './presence.ts'
import type { Need } from './reported.ts'

export interface HintStates {
  readonly devices: Devices
  readonly presences: Presences
  readonly calls: Calls
}

export class HintParts {
  readonly states: HintStates
  /** By device or presence provider. One that follows others than before does so twice for a moment. */
  readonly #followers = new PartyIndex<{ readonly hint: Hint }>()

  constructor(states: HintStates) {
    const { devices, presences, calls } = states
    this.states = states
    presences.onChange((provider) => this.#changed(provider, false))
    devices.onChange((device) => this.#changed(device, calls.has(device)))
    calls.onChange((device) => this.#changed(device, true))
  }

  /** `soon`: more is about to follow. */
  #changed(name: string, soon: boolean): void {
    for (const { hint } of this.#followers.of(name))
      if (soon) hint.refreshSoon()
      else hint.refresh()
  }

  /** The hint needs these from now on, and is told of their changes; of what is answered at once it is not told. */
  follow(definition: HintDefinition, hint: Hint): Need {
    const { devices, presences } = this.states
    const needs = [
      ...definition.devices.map((device) => devices.need(device)),
      ...definition.presence.map((provider) => presences.need(provider)),
    ]
    const unfollow = this.#followers.add([...definition.devices, ...definition.presence], { hint })
    return {
      ready: Promise.all(needs.map((need) => need.ready)).then(() => undefined),
      release: () => {
        void unfollow()
        for (const need of needs) void need.release()
      },
    }
  }
}

/** Device states of one Asterisk: told by events, read when somebody needs one, and read again after a reconnect. */
import { dropOldest } from '../oldest.ts'
import type { DeviceState, Devices } from '../states/devices.ts'
import { Asked } from './asked.ts'
import type { AskedBy } from './asked-by.ts'
import { canReadMany } from './channel-variables.ts'
import { readDevice } from './events.ts'
import { deviceStateOf, type Expression } from './functions.ts'
import { GatheringReader } from './gathering-reader.ts'
import type { Difference } from './reconcile.ts'

/** From so many on, one probe channel is cheaper than a request each. */
const MANY = 16
/** Devices that nobody needs and that are remembered: a conference may have another name each time, and so a device. */
const MOST_UNNEEDED = 20_000

export class DeviceReader extends GatheringReader {
  readonly #devices: Devices
  readonly #asked = new Asked()
  /** Those somebody needs, by the name in lower case, as Asterisk spells them: what it has only been told it finds by that alone. */
  readonly #spelled = new Map<string, string>()
  /** In lower case, those that nobody needed when an event told of them; the one that was told longest ago is the first. */
  readonly #unneeded = new Set<string>()
  readonly #mostUnneeded: number

  constructor(origin: string, devices: Devices, by: AskedBy, limit: () => number, mostUnneeded = MOST_UNNEEDED) {
    super(origin, by, limit)
    this.#devices = devices
    this.#mostUnneeded = mostUnneeded
  }

  event(name: string, state: DeviceState): void {
    // Halves of Local channels, our probe's among them, come and go with every call. Where no lamp shows them they are not
    // kept, nor is what was known while one did.
    const isNeeded = this.#devices.isNeeded(name)
    if (!isNeeded && name.startsWith('Local/')) return this.#devices.set(this.origin, name, undefined)
    if (isNeeded) this.#spelled.set(name.toLowerCase(), name)
    this.#asked.told(name)
    this.#devices.set(this.origin, name, state)
    if (!isNeeded) this.#makeRoom(name.toLowerCase())
  }

  /** Who needs one that was forgotten asks for it. */
  #makeRoom(newest: string): void {
    this.#unneeded.delete(newest)
    this.#unneeded.add(newest)
    for (const oldest of dropOldest(this.#unneeded, this.#mostUnneeded))
      if (!this.#devices.isNeeded(oldest)) this.#devices.set(this.origin, oldest, undefined)
  }

  async refresh(names: readonly string[]): Promise<number> {
    const differences = await this.compare(names)
    for (const { repair } of differences) repair()
    return differences.length
  }

  /**
   * What Asterisk says differently. Devices that an event told of meanwhile are left out; `unread` is told those that could
   * not be asked for.
   */
  async compare(names: readonly string[], unread: (name: string) => void = () => undefined): Promise<Difference[]> {
    const states = new Map<string, DeviceState>()
    const valid = await this.#asked.during(names, () => this.#ask(names, states))
    const differences: Difference[] = []
    for (const name of names) {
      const found = states.get(name.toLowerCase())
      const believed = this.#devices.reportOf(this.origin, name)?.state
      if (found === undefined && valid.has(name)) unread(name)
      if (found === undefined || found === believed || !valid.has(name)) continue
      differences.push({
        what: name,
        believed: believed ?? 'not known',
        found,
        repair: () => this.#devices.set(this.origin, name, found),
      })
    }
    return differences
  }

  /** `states`: by the name in lower case. */
  async #ask(names: readonly string[], states: Map<string, DeviceState>): Promise<void> {
    const together: { name: string; expression: Expression }[] = []
    const single: string[] = []
    const many = names.length >= MANY && canReadMany(this.by.link)
    for (const needed of names) {
      const name = this.#spelled.get(needed.toLowerCase()) ?? needed
      const expression = many ? deviceStateOf(name) : undefined
      if (expression) together.push({ name, expression })
      else single.push(name)
    }
    const set = (name: string, raw: unknown): void => {
      const device = readDevice(raw)
      if (device) states.set(name.toLowerCase(), device.state)
    }
    const readings = together.length > 0 ? await this.by.probe.read(together.map(({ expression }) => expression)) : []
    for (const [at, { name }] of together.entries()) {
      const reading = readings[at]
      if (reading?.kind === 'value') set(name, { name, state: reading.value })
      // func_devstate.so is not loaded, or the user may not create channels.
      else single.push(name)
    }
    await Promise.all(
      single.map(async (deviceName) => {
        const answer = await this.by.link.request('deviceStates.get', { deviceName })
        if (answer.kind === 'ok') set(deviceName, answer.body)
      }),
    )
  }
}

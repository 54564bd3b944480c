/** A PBX, a Lamplighter process beside it, and phones that watch it: what the scenario tests of survival play on. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Light } from '../../core/demo/lamp-reading.ts'
import { type DemoPbx, startDemoPbx } from '../../core/demo/pbx.ts'
import { DemoPhone } from '../../core/demo/phones.ts'
import type { DeviceState } from '../../core/states/devices.ts'
import { Instance } from './instance.ts'
import { bridgedOffice, PASSWORD } from './office.ts'
import { pbxData } from './pbx-data.ts'
import { until } from './tools.ts'

export const OFFICE = ['100', '101', '102', '103']
/** Custom: devices with a hint of their own, changed at random. */
const GADGETS: Readonly<Record<string, string>> = { '200': 'Custom:door', '201': 'Custom:gate' }

const LIGHT_OF: Readonly<Record<DeviceState, Light>> = {
  UNKNOWN: 'off',
  NOT_INUSE: 'off',
  INUSE: 'lit',
  BUSY: 'lit',
  INVALID: 'off',
  UNAVAILABLE: 'off',
  RINGING: 'flashing',
  RINGINUSE: 'lit',
  ONHOLD: 'winking',
}
const STATES: readonly DeviceState[] = ['NOT_INUSE', 'INUSE', 'BUSY', 'RINGING', 'ONHOLD', 'UNAVAILABLE']

export class Neighbourhood {
  readonly pbx: DemoPbx
  readonly instance: Instance
  phones: DemoPhone[] = []
  #random = 42

  private constructor(pbx: DemoPbx, instance: Instance) {
    this.pbx = pbx
    this.instance = instance
  }

  static async open(): Promise<Neighbourhood> {
    const hint = (exten: string): string => `PJSIP/${exten}&Custom:dnd${exten},CustomPresence:${exten}`
    const data = pbxData({
      endpoints: Object.fromEntries(OFFICE.map((exten) => [exten, { context: 'office' }])),
      hints: { office: { ...Object.fromEntries(OFFICE.map((exten) => [exten, hint(exten)])), ...GADGETS } },
      mailboxes: Object.fromEntries(OFFICE.map((exten) => [`${exten}@default`, `1234,User ${exten}`])),
    })
    const pbx = await startDemoPbx({ port: 0, data, username: 'lamp', password: 'lamp' })
    for (const exten of OFFICE) pbx.register(exten, true)
    const instance = new Instance(bridgedOffice(pbx.port))
    const made = new Neighbourhood(pbx, instance)
    await instance.start()
    // From now on at the same ports, as a real one: the phones must find it again after a restart.
    const [udp, tcp] = [instance.address('udp').port, instance.address('tcp').port]
    const conf = bridgedOffice(pbx.port)['pjsip.conf'] ?? ''
    const atUdp = conf.replace('127.0.0.1:0', `127.0.0.1:${udp}`)
    instance.write({ 'pjsip.conf': atUdp.replace('127.0.0.1:0', `127.0.0.1:${tcp}`) })
    return made
  }

  /** Half of the phones over UDP, half over TCP. Resolves when all lamps have been told something. */
  async openPhones(): Promise<void> {
    const targets = [...OFFICE, ...Object.keys(GADGETS)]
    this.phones = OFFICE.map((user, i) => {
      const protocol = i % 2 ? 'tcp' : 'udp'
      const target = { protocol, ...this.instance.address(protocol) } as const
      const lamps = [
        ...targets.map((exten) => ({ event: 'dialog', target: exten }) as const),
        { event: 'presence', target: '200' } as const,
        { event: 'message-summary', target: user } as const,
      ]
      return new DemoPhone({ user, password: PASSWORD, target, lamps }, () => undefined)
    })
    await Promise.all(this.phones.map((phone) => phone.open()))
    await until('first NOTIFY of every lamp', () => this.lamps.every((lamp) => lamp.reading))
  }

  get lamps() {
    return this.phones.flatMap((phone) => phone.lamps)
  }

  /** The next of a fixed row of numbers below `n`. */
  random(n: number): number {
    this.#random = (this.#random * 1103515245 + 12345) % 2147483648
    return Math.floor((this.#random / 2147483648) * n)
  }

  /** One thing happens on the PBX. */
  happen(): void {
    const exten = OFFICE[this.random(OFFICE.length)] ?? '100'
    const state = STATES[this.random(STATES.length)] ?? 'INUSE'
    const gadget = Object.values(GADGETS)[this.random(2)] ?? ''
    const kinds: (() => void)[] = [
      () => this.pbx.setCustom(gadget, state),
      () => this.pbx.setCustom(`dnd${exten}`, this.random(2) ? 'BUSY' : 'NOT_INUSE'),
      () => this.pbx.register(exten, this.random(3) > 0),
      () => this.pbx.setMessages(`${exten}@default`, { newMessages: this.random(4), oldMessages: this.random(3) }),
    ]
    kinds[this.random(kinds.length)]?.()
  }

  /** Things happen for so many milliseconds, a few hundred a second. */
  async live(milliseconds: number): Promise<void> {
    const end = Date.now() + milliseconds
    while (Date.now() < end) {
      this.happen()
      await pause(3)
    }
  }

  /** The lamps that do not show what the PBX says, in words. */
  wrong(): string[] {
    return this.phones.flatMap((phone) =>
      phone.lamps.flatMap(({ spec, reading }) => {
        const expected = this.#expected(spec.event, spec.target)
        const shown = spec.event === 'message-summary' ? reading?.words : reading?.light
        return expected === shown ? [] : [`${phone.user}: ${spec.event} ${spec.target} shows ${shown}, not ${expected}`]
      }),
    )
  }

  get faults(): string[] {
    return this.phones.flatMap((phone) => phone.faults)
  }

  #expected(event: string, target: string): string {
    if (event === 'message-summary') {
      const counts = this.pbx.messages(`${target}@default`)
      return `${counts?.newMessages ?? 0} new, ${counts?.oldMessages ?? 0} old`
    }
    const gadget = GADGETS[target]
    const states = gadget
      ? [this.pbx.deviceState(gadget)]
      : [this.pbx.deviceState(`PJSIP/${target}`), this.pbx.deviceState(`Custom:dnd${target}`)]
    const state = states.includes('BUSY') ? 'BUSY' : (states.find((s) => s !== 'UNKNOWN') ?? 'UNKNOWN')
    if (event === 'presence' && (state === 'UNAVAILABLE' || state === 'INVALID')) return 'dark'
    return LIGHT_OF[state]
  }

  async close(): Promise<void> {
    for (const phone of this.phones) phone.vanish()
    await this.instance.dispose()
    await this.pbx.stop()
  }
}

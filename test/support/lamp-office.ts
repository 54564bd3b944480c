/** A pubsub core on a wire of the test's own, with the lamp package loaded. */
import type { Pubsub } from '../../res_pjsip_pubsub/contract.ts'
import res_pjsip_pubsub from '../../res_pjsip_pubsub/res_pjsip_pubsub.ts'
import { TestCore, type TestCoreSettings } from './core.ts'
import { FakeSip } from './fake-sip.ts'
import { Lamps, lampModules } from './lamps.ts'

export interface LampOffice {
  readonly office: TestCore
  readonly sip: FakeSip
  readonly lamps: Lamps
  readonly pubsub: Pubsub
}

/** Endpoint 100 without auth, lamps 200 (off) and 201 (off). */
export async function lampOffice(
  settings: TestCoreSettings & { readonly options?: Readonly<Record<string, string>>; readonly lamps?: Lamps } = {},
): Promise<LampOffice> {
  const sip = new FakeSip()
  const lamps = settings.lamps ?? new Lamps()
  if (!lamps.lamps.has('200')) lamps.set('200', 'off')
  if (!lamps.lamps.has('201')) lamps.set('201', 'off')
  const office = await TestCore.start({
    sip,
    endpoints: { 100: {}, 101: {} },
    files: { 'pubsub.conf': settings.options ?? {} },
    ...settings,
  })
  const { packageModule, bodyModule } = lampModules(lamps)
  const pubsub = await office.load<Pubsub>(res_pjsip_pubsub)
  await office.load(packageModule)
  await office.load(bodyModule)
  return { office, sip, lamps, pubsub }
}

/** Lets the queue of NOTIFYs run empty. */
export async function settled(turns = 4): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
}

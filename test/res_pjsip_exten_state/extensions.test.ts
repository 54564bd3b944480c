/** Extensions that are found, watched and forgotten while the dialplan changes. */
import { expect } from 'chai'
import { Log } from '../../core/log.ts'
import { defaultsOf } from '../../core/options.ts'
import { Calls } from '../../core/states/calls.ts'
import { Devices } from '../../core/states/devices.ts'
import { EXTENSION } from '../../core/states/extension-state.ts'
import { Hints } from '../../core/states/hints.ts'
import { Presences } from '../../core/states/presence.ts'
import { Constant, type Watchable } from '../../core/watch.ts'
import { Extensions, OF_EXTENSION } from '../../res_pjsip_exten_state/extensions.ts'
import type { PublishedState } from '../../res_pjsip_exten_state/published.ts'
import type { Publication } from '../../res_pjsip_pubsub/contract.ts'
import { pubsubOptions } from '../../res_pjsip_pubsub/options.ts'
import { Dialplan } from '../support/dialplan.ts'
import { until } from '../support/tools.ts'

describe('extensions', () => {
  let devices: Devices
  let hints: Hints
  let dialplan: Dialplan
  let extensions: Extensions
  let published: boolean

  beforeEach(() => {
    published = true
    devices = new Devices()
    const settings = { removedHintGrace: () => 0, log: new Log('error').logger('hints') }
    hints = new Hints({ devices, presences: new Presences(), calls: new Calls() }, settings)
    dialplan = new Dialplan()
    hints.addSource(dialplan)
    const nothing = new Constant<readonly Publication<never>[]>([])
    extensions = new Extensions(
      OF_EXTENSION,
      { publications: () => nothing, isPublished: () => published, settings: defaultsOf(pubsubOptions) },
      hints,
    )
    hints.onReread(() => void extensions.reread())
  })

  const watch = (state: Watchable<PublishedState>) => {
    const seen: PublishedState[] = []
    const ends: string[] = []
    const stop = state.watch({ value: (value) => void seen.push(value), end: (reason) => ends.push(reason) })
    return { stop, ends, last: () => seen.at(-1)?.state }
  }
  const inUse = (exten: string): void => {
    dialplan.lines.set(`${exten}@office`, { devices: [`PJSIP/${exten}`] })
    devices.set('pbx1', `PJSIP/${exten}`, 'INUSE')
    dialplan.reload()
  }

  it('get the hint that comes while they are watched', async () => {
    const watched = watch(extensions.of('office', '100', undefined))
    expect(watched.last()).to.equal(EXTENSION.UNAVAILABLE)
    inUse('100')
    await until('the hint', () => watched.last() === EXTENSION.INUSE)
  })

  it('wait for no other that takes its time', async () => {
    const lookup = dialplan.lookup.bind(dialplan)
    dialplan.lookup = (context, exten) => (exten === '99' ? new Promise(() => undefined) : lookup(context, exten))
    const [slow, watched] = ['99', '100'].map((exten) => watch(extensions.of('office', exten, undefined)))
    inUse('100')
    await until('the hint', () => watched?.last() === EXTENSION.INUSE)
    expect(slow?.last()).to.equal(EXTENSION.UNAVAILABLE)
  })

  it('get it where they were found before the last watcher left, and are watched after', async () => {
    const found = extensions.of('office', '100', undefined)
    void watch(found).stop()
    const other = watch(extensions.of('office', '100', undefined))
    const late = watch(found)
    inUse('100')
    await until('the hint for both', () => late.last() === EXTENSION.INUSE && other.last() === EXTENSION.INUSE)
    void late.stop()
    void other.stop()
    expect(hints.list()).to.deep.equal([])
  })

  it('get it where it came after they were found, and before they are watched', async () => {
    const found = extensions.of('office', '100', undefined)
    inUse('100')
    await hints.reread()
    const late = watch(found)
    await until('the hint', () => late.last() === EXTENSION.INUSE)
    void late.stop()
    expect(hints.list()).to.deep.equal([])
  })

  it('are over for all who found one whose hint has gone since, and not for the first alone', async () => {
    inUse('100')
    const hint = await hints.find('office', '100')
    if (!hint || hint === 'unreachable') throw new Error('no hint')
    const found = [extensions.of('office', '100', hint), extensions.of('office', '100', hint)]
    published = false
    dialplan.lines.clear()
    const before = watch(extensions.of('office', '100', hint))
    await hints.reread()
    for (const { ends } of [before, ...found.map(watch)]) expect(ends).to.deep.equal(['noresource'])
    published = true
    const late = watch(extensions.of('office', '100', hint))
    expect([late.last(), late.ends]).to.deep.equal([EXTENSION.UNAVAILABLE, []])
    inUse('100')
    await until('the hint', () => late.last() === EXTENSION.INUSE)
  })

  it('are not kept for long where nobody watches them', () => {
    const first = extensions.of('office', '100', undefined)
    const second = extensions.of('office', '101', undefined)
    const watched = watch(second)
    for (let other = 0; other < 10_000; other++) extensions.of('office', `2${other}`, undefined)
    expect(extensions.of('office', '100', undefined)).not.to.equal(first)
    expect(extensions.of('office', '101', undefined)).to.equal(second)
    void watched.stop()
  })
})

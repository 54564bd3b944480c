import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { Log } from '../../../core/log.ts'
import { type Call, Calls } from '../../../core/states/calls.ts'
import { Devices } from '../../../core/states/devices.ts'
import { EXTENSION, type ExtensionState } from '../../../core/states/extension-state.ts'
import type { Hint } from '../../../core/states/hint.ts'
import { Hints } from '../../../core/states/hints.ts'
import { Presences } from '../../../core/states/presence.ts'
import { Dialplan } from '../../support/dialplan.ts'
import { until } from '../../support/tools.ts'

describe('hints', () => {
  let devices: Devices
  let presences: Presences
  let calls: Calls
  let hints: Hints
  let dialplan: Dialplan
  let grace = 0

  beforeEach(() => {
    devices = new Devices()
    presences = new Presences()
    calls = new Calls()
    grace = 0
    hints = new Hints(
      { devices, presences, calls },
      { removedHintGrace: () => grace, log: new Log('error').logger('hints'), lingers: 20 },
    )
    dialplan = new Dialplan()
    hints.addSource(dialplan)
    dialplan.lines.set('100@office', {
      devices: ['PJSIP/100', 'Custom:dnd100'],
      presence: ['CustomPresence:100'],
      name: 'Alice',
    })
  })

  const find = async (exten: string): Promise<Hint> => {
    const hint = await hints.find('office', exten)
    if (!hint || hint === 'unreachable') throw new Error(`no hint ${exten}`)
    return hint
  }
  const watch = (hint: Hint) => {
    const seen: ExtensionState[] = []
    const ends: string[] = []
    const stop = hint.watch({ value: (v) => seen.push(v), end: (reason) => ends.push(reason) })
    return { seen, ends, stop, states: () => seen.map((s) => s.state) }
  }
  /** `reread` is queued behind nothing but resolved promises. */
  const settled = () => hints.reread()

  it('maps device states to extension states, and no device at all to unavailable', async () => {
    devices.asked(true)
    const hint = await find('100')
    const expected = {
      UNKNOWN: 0,
      NOT_INUSE: 0,
      INUSE: 1,
      BUSY: 2,
      INVALID: 4,
      UNAVAILABLE: 4,
      RINGING: 8,
      RINGINUSE: 9,
      ONHOLD: 16,
    } as const
    for (const [state, code] of Object.entries(expected)) {
      devices.set('pbx1', 'pjsip/100', state as keyof typeof expected)
      expect(hint.value.state, state).to.equal(code)
    }
    dialplan.lines.set('205@office', { presence: ['CustomPresence:205'] })
    expect((await find('205')).value.state).to.equal(EXTENSION.UNAVAILABLE)
  })

  it('tells watchers the state now and each change once, by device, presence and call', async () => {
    devices.set('pbx1', 'PJSIP/100', 'NOT_INUSE')
    const { seen, states } = watch(await find('100'))
    devices.set('pbx1', 'Custom:dnd100', 'NOT_INUSE')
    devices.set('pbx1', 'Custom:dnd100', 'BUSY')
    presences.set('pbx1', 'custompresence:100', { state: 'dnd', subtype: '', message: 'hush' })
    expect(states()).to.deep.equal([0, 2, 2])
    expect(seen.at(-1)?.presence.message).to.equal('hush')
  })

  it('says which device of a group it is, also where the group looks the same', async () => {
    dialplan.lines.set('800@office', { devices: ['PJSIP/101', 'PJSIP/102'] })
    devices.set('pbx1', 'PJSIP/101', 'RINGING')
    devices.set('pbx1', 'PJSIP/102', 'NOT_INUSE')
    const hint = await find('800')
    const { seen } = watch(hint)
    devices.set('pbx1', 'PJSIP/102', 'RINGING')
    devices.set('pbx1', 'PJSIP/101', 'NOT_INUSE')
    expect(hint.value.state).to.equal(EXTENSION.RINGING)
    expect(hint.value.devices.map(({ state }) => state)).to.deep.equal(['NOT_INUSE', 'RINGING'])
    expect(seen.at(-1)).to.equal(hint.value)
  })

  it('tells the steps of a call once each, though they come in several events', async () => {
    devices.set('pbx1', 'PJSIP/100', 'NOT_INUSE')
    const { seen, states } = watch(await find('100'))
    const nobody = { number: '', name: '', restricted: false }
    const bob = { number: '200', name: 'Bob', restricted: false }
    const call: Call = {
      origin: 'pbx1',
      id: '1.1',
      device: 'PJSIP/100',
      direction: 'recipient',
      state: 'early',
      held: false,
      local: nobody,
      remote: nobody,
      since: 1,
    }
    calls.set(call)
    devices.set('pbx1', 'PJSIP/100', 'RINGING')
    calls.set({ ...call, remote: bob })
    await until('ringing', () => seen.length > 1)
    expect(states()).to.deep.equal([0, 8])
    expect(seen[1]?.calls[0]?.remote.name).to.equal('Bob')
    calls.set({ ...call, remote: bob })
    calls.end('pbx1', 'PJSIP/100', '1.1')
    devices.set('pbx1', 'PJSIP/100', 'NOT_INUSE')
    expect(states()).to.deep.equal([0, 8, 0])
  })

  it('shares one hint between its watchers and lets it go with the last', async () => {
    const first = await find('100')
    expect(await find('100')).to.equal(first)
    const a = watch(first)
    const b = watch(first)
    expect(hints.list().map((h) => h.watchers)).to.deep.equal([2])
    void a.stop()
    void b.stop()
    expect(hints.list()).to.deep.equal([])
    expect(devices.needed()).to.deep.equal([])
  })

  it('follows a hint that was found before the last watcher left, and is watched after', async () => {
    const found = await find('100')
    void watch(found).stop()
    expect(devices.needed()).to.deep.equal([])
    devices.set('pbx1', 'PJSIP/100', 'INUSE')
    const late = watch(found)
    expect(devices.needed()).to.deep.equal(['PJSIP/100', 'Custom:dnd100'])
    devices.set('pbx1', 'PJSIP/100', 'RINGING')
    expect(late.states()).to.deep.equal([EXTENSION.INUSE, EXTENSION.RINGING])
    expect(await find('100')).to.equal(found)
    void late.stop()
    expect(hints.list()).to.deep.equal([])
    expect(devices.needed()).to.deep.equal([])
  })

  it('is one with the hint that others have found meanwhile', async () => {
    const before = await find('100')
    void watch(before).stop()
    const other = watch(await find('100'))
    const late = watch(before)
    expect(hints.list().map((hint) => hint.watchers)).to.deep.equal([2])
    dialplan.lines.set('100@office', { devices: ['PJSIP/500'] })
    await settled()
    devices.set('pbx1', 'PJSIP/500', 'INUSE')
    expect([before.value.state, late.states().at(-1), other.states().at(-1)]).to.deep.equal(
      Array.from({ length: 3 }, () => EXTENSION.INUSE),
    )
    void other.stop()
    devices.set('pbx1', 'PJSIP/500', 'RINGING')
    expect(late.states().at(-1)).to.equal(EXTENSION.RINGING)
    void late.stop()
    expect([hints.list(), devices.needed()]).to.deep.equal([[], []])
  })

  it('sees what the dialplan has now where it was found before the dialplan changed', async () => {
    const before = await find('100')
    void watch(before).stop()
    dialplan.lines.set('100@office', { devices: ['PJSIP/500'] })
    devices.set('pbx1', 'PJSIP/500', 'INUSE')
    await settled()
    const late = watch(before)
    await until('the new device', () => late.states().at(-1) === EXTENSION.INUSE)
    void late.stop()
    grace = 3600
    const left = watch(before)
    dialplan.lines.delete('100@office')
    await settled()
    void left.stop()
    expect(watch(before).ends).to.deep.equal(['noresource'])
    expect(hints.list()).to.deep.equal([])
  })

  it('changes a hint in place when the dialplan does', async () => {
    devices.set('pbx1', 'PJSIP/100', 'NOT_INUSE')
    devices.set('pbx1', 'PJSIP/500', 'INUSE')
    const { states, ends } = watch(await find('100'))
    dialplan.lines.set('100@office', { devices: ['PJSIP/500'] })
    dialplan.reload()
    await settled()
    expect(states().at(-1)).to.equal(EXTENSION.INUSE)
    devices.set('pbx1', 'PJSIP/100', 'RINGING')
    expect(states().at(-1)).to.equal(EXTENSION.INUSE)
    expect(ends).to.deep.equal([])
  })

  it('ends a hint that is gone, at once or after the grace, and takes it up again within', async () => {
    const line = dialplan.lines.get('100@office') ?? {}
    const gone = watch(await find('100'))
    dialplan.lines.delete('100@office')
    await settled()
    expect(gone.ends).to.deep.equal(['noresource'])

    grace = 3600
    dialplan.lines.set('100@office', line)
    devices.set('pbx1', 'PJSIP/100', 'INUSE')
    const kept = watch(await find('100'))
    dialplan.lines.delete('100@office')
    await settled()
    expect(kept.states()).to.deep.equal([EXTENSION.INUSE, EXTENSION.UNAVAILABLE])
    dialplan.lines.set('100@office', line)
    await settled()
    expect(kept.states().at(-1)).to.equal(EXTENSION.INUSE)
    expect(kept.ends).to.deep.equal([])
    void kept.stop()
  })

  it('keeps what it knows of a source that cannot be asked', async () => {
    const { ends, states } = watch(await find('100'))
    dialplan.reachable = false
    await settled()
    expect(ends).to.deep.equal([])
    expect(states()).to.have.length(1)
    expect(await hints.find('office', '101')).to.equal('unreachable')
  })

  it('adds up the devices of an extension that several servers know', async () => {
    const second = new Dialplan()
    second.lines.set('100@office', { devices: ['pjsip/100', 'PJSIP/100-mobile'] })
    hints.addSource(second)
    expect((await find('100')).definition?.devices).to.deep.equal(['PJSIP/100', 'Custom:dnd100', 'PJSIP/100-mobile'])
  })

  it('says where a hint is written now, also where nothing else of it has changed', async () => {
    const second = new Dialplan('pbx2')
    const written = { devices: ['PJSIP/200'], source: 'extensions.conf:12' }
    dialplan.lines.set('200@office', written)
    second.lines.set('200@office', { ...written, source: 'pbx2' })
    const removeSecond = hints.addSource(second)
    const hint = await find('200')
    const { seen } = watch(hint)
    expect(hint.definition?.source).to.equal('extensions.conf:12, pbx2')
    dialplan.lines.set('200@office', { ...written, source: 'extensions.conf:14' })
    await settled()
    expect(hint.definition?.source).to.equal('extensions.conf:14, pbx2')
    await removeSecond()
    await settled()
    expect(hint.definition?.source).to.equal('extensions.conf:14')
    expect(seen).to.have.length(1)
  })

  it('waits a moment only for a server that hangs where another has answered, and adds its devices later', async () => {
    const second = new Dialplan('slow')
    let wake = (): void => undefined
    second.thinks = new Promise((resolve) => {
      wake = resolve
    })
    second.lines.set('100@office', { devices: ['PJSIP/100-mobile'], name: 'Other' })
    hints.addSource(second)
    const hint = await find('100')
    expect(hint.definition?.devices).to.deep.equal(['PJSIP/100', 'Custom:dnd100'])
    devices.set('pbx2', 'PJSIP/100-mobile', 'INUSE')
    const { states } = watch(hint)
    wake()
    await until('the devices of both', () => states().at(-1) === EXTENSION.INUSE)
    expect(hint.definition?.devices).to.deep.equal(['PJSIP/100', 'Custom:dnd100', 'PJSIP/100-mobile'])
    expect(hint.definition?.name).to.equal('Alice')
  })

  it('waits for the one that hangs where the others know nothing', async () => {
    const second = new Dialplan('slow')
    second.thinks = pause(700)
    second.lines.set('300@office', { devices: ['Custom:late'] })
    hints.addSource(second)
    expect((await find('300')).definition?.devices).to.deep.equal(['Custom:late'])
  })

  it('takes servers in the order they are given, after files', async () => {
    const [pbx1, pbx2] = [new Dialplan('pbx1'), new Dialplan('pbx2')]
    for (const pbx of [pbx2, pbx1]) {
      pbx.lines.set('300@office', { devices: [`PJSIP/${pbx.name}`], name: pbx.name })
      pbx.lines.set('100@office', { devices: [`PJSIP/${pbx.name}`], name: pbx.name })
      hints.addSource(pbx)
    }
    hints.orderSources(['pbx1', 'pbx2'])
    expect((await find('300')).definition?.devices).to.deep.equal(['PJSIP/pbx1', 'PJSIP/pbx2'])
    expect((await find('300')).definition?.name).to.equal('pbx1')
    expect((await find('100')).definition?.name).to.equal('Alice')
  })

  it('is right at once where the device is in a call and its state had to be read', async () => {
    const nobody = { number: '', name: '', restricted: false }
    devices.addReader({
      origin: 'pbx1',
      read: async (name) => {
        const call = { origin: 'pbx1', id: '1.1', device: name, held: false, local: nobody, remote: nobody, since: 1 }
        calls.set({ ...call, direction: 'initiator', state: 'confirmed' })
        devices.set('pbx1', name, 'INUSE')
      },
    })
    const { state, calls: shown } = (await find('100')).value
    expect([state, shown[0]?.id]).to.deep.equal([EXTENSION.INUSE, '1.1'])
  })

  it('is found by nobody before its first states are read', async () => {
    let answer = (): void => undefined
    const answered = new Promise<void>((resolve) => {
      answer = resolve
    })
    devices.addReader({
      origin: 'pbx1',
      read: async (name) => {
        await answered
        devices.set('pbx1', name, 'INUSE')
      },
    })
    const asked = [find('100')]
    await until('the hint', () => hints.list().length === 1)
    const found: Hint[] = []
    asked.push(find('100'))
    for (const one of asked) void one.then((hint) => found.push(hint))
    await settled()
    expect(found).to.deep.equal([])
    answer()
    for (const hint of await Promise.all(asked)) expect(hint.value.state).to.equal(EXTENSION.INUSE)
  })

  it('is not found either before the states of other devices are read that the dialplan gave it', async () => {
    const { states, stop } = watch(await find('100'))
    let answer = (): void => undefined
    const answered = new Promise<void>((resolve) => {
      answer = resolve
    })
    devices.addReader({ origin: 'pbx1', read: (name) => answered.then(() => devices.set('pbx1', name, 'INUSE')) })
    dialplan.lines.set('100@office', { devices: ['PJSIP/500'] })
    await settled()
    const found: ExtensionState[] = []
    const finding = find('100').then((hint) => found.push(hint.value))
    await settled()
    answer()
    await finding
    expect([found[0]?.state, states().at(-1)]).to.deep.equal([EXTENSION.INUSE, EXTENSION.INUSE])
    void stop()
  })

  it('lets go of what is found and not watched', async () => {
    dialplan.lines.set('101@office', { devices: ['PJSIP/101'] })
    const watched = watch(await find('101'))
    await find('100')
    expect(hints.list().map(({ exten }) => exten)).to.deep.equal(['100', '101'])
    await until('100 to go', () => hints.list().length === 1)
    expect(devices.needed()).to.deep.equal(['PJSIP/101'])
    devices.set('pbx1', 'PJSIP/101', 'INUSE')
    expect(watched.states().at(-1)).to.equal(EXTENSION.INUSE)
    void watched.stop()
  })

  it('keeps one that is watched in the end, however late', async () => {
    const late = await find('100')
    await until('it to go', () => hints.list().length === 0)
    devices.set('pbx1', 'PJSIP/100', 'INUSE')
    const watched = watch(late)
    await until('its state', () => watched.states().at(-1) === EXTENSION.INUSE)
    expect(hints.list()).to.deep.equal([late])
    devices.set('pbx1', 'PJSIP/100', 'RINGING')
    expect(watched.states().at(-1)).to.equal(EXTENSION.RINGING)
    void watched.stop()
  })
})

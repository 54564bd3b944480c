import { expect } from 'chai'
import { array, assert, boolean, constantFrom, property, record } from 'fast-check'
import type { Call } from '../../core/states/calls.ts'
import { aggregateDeviceStates, DEVICE_STATES, type DeviceState } from '../../core/states/devices.ts'
import { EXTENSION, type ExtensionState, type ExtensionStateCode } from '../../core/states/extension-state.ts'
import { type DialogView, dialogsOf, oldestRinging } from '../../res_pjsip_exten_state/dialogs.ts'
import { call, extensionState } from '../support/extension-state.ts'

const MANY: DialogView = { earlyInUse: true, single: false }

/** `id state [held]` of each dialog. */
function shown(state: ExtensionState, view: Partial<DialogView> = {}): string[] {
  return dialogsOf(state, '200', { ...MANY, ...view }).map(
    (dialog) => `${dialog.id} ${dialog.state}${dialog.held ? ' held' : ''}`,
  )
}

const ringing = call({ id: 'ring' })
const answered = call({ id: 'talk', state: 'confirmed' })
const dialling = call({ id: 'dial', direction: 'initiator', state: 'trying' })

describe('the dialogs of an extension', () => {
  it('are one terminated dialog where it is idle or unavailable, whatever the calls say', () => {
    for (const code of [EXTENSION.NOT_INUSE, EXTENSION.UNAVAILABLE])
      expect(shown(extensionState(code, { calls: [ringing, answered] }))).to.deep.equal(['200 terminated'])
  })

  it('are made from the state alone where no calls are known', () => {
    const made: [ExtensionStateCode, string][] = [
      [EXTENSION.INUSE, '200 confirmed'],
      [EXTENSION.BUSY, '200 confirmed'],
      [EXTENSION.RINGING, '200 early'],
      [EXTENSION.RINGINUSE, '200 early'],
      [EXTENSION.ONHOLD, '200 confirmed held'],
    ]
    for (const [code, dialog] of made) expect(shown(extensionState(code))).to.deep.equal([dialog])
    expect(shown(extensionState(EXTENSION.RINGINUSE), { earlyInUse: false })).to.deep.equal(['200 confirmed'])
  })

  it('are the calls that the state of their device allows', () => {
    const calls = [answered, ringing, dialling]
    expect(shown(extensionState(EXTENSION.RINGING, { calls }))).to.deep.equal(['ring@pbx1 early'])
    expect(shown(extensionState(EXTENSION.INUSE, { calls }))).to.deep.equal([
      'talk@pbx1 confirmed',
      'dial@pbx1 confirmed',
    ])
    expect(shown(extensionState(EXTENSION.RINGINUSE, { calls }))).to.deep.equal([
      'talk@pbx1 confirmed',
      'ring@pbx1 early',
      'dial@pbx1 confirmed',
    ])
  })

  it('show a second call that rings as confirmed without notify_early_inuse_ringing', () => {
    const calls = [answered, ringing]
    expect(shown(extensionState(EXTENSION.RINGINUSE, { calls }), { earlyInUse: false })).to.deep.equal([
      'talk@pbx1 confirmed',
      'ring@pbx1 confirmed',
    ])
  })

  it('keep the other party while the state is a step ahead of the calls', () => {
    const [dialog] = dialogsOf(extensionState(EXTENSION.INUSE, { calls: [ringing] }), '200', MANY)
    expect(dialog).to.include({ id: 'ring@pbx1', state: 'confirmed', remote: ringing.remote })
  })

  it('are made from the state while the calls are a step ahead or behind', () => {
    expect(shown(extensionState(EXTENSION.RINGING, { calls: [answered] }))).to.deep.equal(['200 early'])
    expect(shown(extensionState(EXTENSION.RINGINUSE, { calls: [answered] }))).to.deep.equal([
      'talk@pbx1 confirmed',
      '200 early',
    ])
  })

  it('follow the state where it says who is on hold', () => {
    const held = call({ id: 'held', state: 'confirmed', held: true })
    expect(shown(extensionState(EXTENSION.ONHOLD, { calls: [answered] }))).to.deep.equal(['talk@pbx1 confirmed held'])
    expect(shown(extensionState(EXTENSION.INUSE, { calls: [held] }))).to.deep.equal(['held@pbx1 confirmed'])
    expect(shown(extensionState(EXTENSION.INUSE, { calls: [held, answered] }))).to.deep.equal([
      'held@pbx1 confirmed held',
      'talk@pbx1 confirmed',
    ])
    expect(shown(extensionState(EXTENSION.RINGINUSE, { calls: [held, ringing] }))).to.deep.equal([
      'held@pbx1 confirmed held',
      'ring@pbx1 early',
    ])
  })

  it('add one for a device that has no calls, and is what makes the extension busy', () => {
    const state = extensionState(EXTENSION.INUSE, {
      devices: [
        { device: 'PJSIP/200', state: 'ONHOLD' },
        { device: 'Custom:dnd', state: 'INUSE' },
      ],
      calls: [answered],
    })
    expect(shown(state)).to.deep.equal(['talk@pbx1 confirmed held', '200 confirmed'])
  })

  it('are told apart by the server they are on, and a device that is named twice shows its calls once', () => {
    const device = { device: 'PJSIP/200', state: 'INUSE' } as const
    const calls = [answered, { ...answered, origin: 'pbx2' }]
    expect(shown(extensionState(EXTENSION.INUSE, { devices: [device, device], calls }))).to.deep.equal([
      'talk@pbx1 confirmed',
      'talk@pbx2 confirmed',
    ])
  })

  it('are the most interesting one alone where a phone can read only one, always under the same id', () => {
    const held = call({ id: 'held', state: 'confirmed', held: true, since: 1 })
    const state = extensionState(EXTENSION.RINGINUSE, {
      calls: [held, answered, ringing, call({ id: 'later', since: 9 })],
    })
    const single = { single: true }
    expect(shown(state, single)).to.deep.equal(['200 early'])
    expect(dialogsOf(state, '200', { ...MANY, single: true })[0]?.callId).to.equal(
      dialogsOf(state, '200', MANY).find(({ id }) => id === 'ring@pbx1')?.callId,
    )
    expect(shown(extensionState(EXTENSION.INUSE, { calls: [held, answered] }), single)).to.deep.equal(['200 confirmed'])
    expect(shown(extensionState(EXTENSION.NOT_INUSE), single)).to.deep.equal(['200 terminated'])
  })

  it('carry the real Call-ID and tags, or stable ones of their own', () => {
    const sip = { callId: 'abc@phone', localTag: 'l', remoteTag: 'r' }
    const [real] = dialogsOf(extensionState(EXTENSION.RINGING, { calls: [{ ...ringing, sip }] }), '200', MANY)
    expect(real).to.include({ callId: 'abc@phone', localTag: 'l', remoteTag: 'r' })
    const made = (code: ExtensionStateCode, one: Call): unknown[] =>
      dialogsOf(extensionState(code, { calls: [one] }), '200', MANY).map((d) => [d.callId, d.localTag, d.remoteTag])
    const [first] = made(EXTENSION.RINGING, ringing)
    expect(made(EXTENSION.INUSE, { ...ringing, state: 'confirmed' })).to.deep.equal([first])
    expect(made(EXTENSION.RINGING, { ...ringing, origin: 'pbx2' })).to.not.deep.equal([first])
    expect(new Set(first as string[]).size).to.equal(3)
  })

  it('never contradict the state, whatever calls are believed', () => {
    const anyCall = record({
      id: constantFrom('1', '2', '3', '4'),
      device: constantFrom('PJSIP/a', 'PJSIP/b'),
      direction: constantFrom('initiator' as const, 'recipient' as const),
      state: constantFrom('trying' as const, 'early' as const, 'confirmed' as const),
      held: boolean(),
    }).map((changed) => call(changed))
    const ofState: Record<DeviceState, ExtensionStateCode> = {
      UNKNOWN: 0,
      NOT_INUSE: 0,
      INUSE: 1,
      BUSY: 2,
      INVALID: 4,
      UNAVAILABLE: 4,
      RINGING: 8,
      RINGINUSE: 9,
      ONHOLD: 16,
    }
    const states = constantFrom(...DEVICE_STATES)
    assert(
      property(
        states,
        states,
        array(anyCall, { maxLength: 6 }),
        boolean(),
        boolean(),
        (a, b, calls, earlyInUse, single) => {
          const code = ofState[aggregateDeviceStates([a, b])]
          const devices = [
            { device: 'PJSIP/a', state: a },
            { device: 'pjsip/B', state: b },
          ]
          const dialogs = dialogsOf(extensionState(code, { devices, calls }), '200', { earlyInUse, single })
          const words = new Set(dialogs.map(({ state }) => state))
          const early = code === EXTENSION.RINGING || (code === EXTENSION.RINGINUSE && earlyInUse)
          expect(new Set(dialogs.map(({ id }) => id)).size).to.equal(dialogs.length)
          expect(words.has('early')).to.equal(early)
          expect(words.has('terminated')).to.equal(code === EXTENSION.NOT_INUSE || code === EXTENSION.UNAVAILABLE)
          expect(words.has('terminated') && dialogs.length > 1).to.equal(false)
          if (code === EXTENSION.RINGING) expect([...words]).to.deep.equal(['early'])
          if (code === EXTENSION.ONHOLD) expect(dialogs.every(({ held }) => held)).to.equal(true)
          if (code === EXTENSION.INUSE || code === EXTENSION.BUSY)
            expect(dialogs.some(({ held, state }) => !held && state === 'confirmed')).to.equal(true)
          if (single) expect(dialogs.map(({ id }) => id)).to.deep.equal(['200'])
        },
      ),
      { numRuns: 2000 },
    )
  })
})

describe('the caller that Asterisk names', () => {
  it('is that of the oldest call that rings on a device that rings', () => {
    const state = extensionState(EXTENSION.RINGINUSE, {
      devices: [
        { device: 'PJSIP/a', state: 'INUSE' },
        { device: 'PJSIP/b', state: 'RINGING' },
        { device: 'PJSIP/c', state: 'RINGINUSE' },
      ],
      calls: [
        call({ device: 'PJSIP/a', id: 'not ringing', since: 1 }),
        call({ device: 'PJSIP/c', id: 'talk', state: 'confirmed', since: 2 }),
        call({ device: 'PJSIP/c', id: 'newer', since: 4 }),
        call({ device: 'pjsip/B', id: 'older', since: 3 }),
      ],
    })
    expect(oldestRinging(state)?.id).to.equal('older')
    expect(oldestRinging(extensionState(EXTENSION.RINGING))).to.equal(undefined)
  })
})

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause, setImmediate } from 'node:timers/promises'
import { expect } from 'chai'
import { Console } from '../../../core/console/console.ts'
import { Log } from '../../../core/log.ts'
import { aggregateDeviceStates, DEVICE_STATES, type DeviceState, Devices } from '../../../core/states/devices.ts'
import { registerLocalStates } from '../../../core/states/local-states.ts'
import { Mailboxes } from '../../../core/states/mailboxes.ts'
import {
  aggregatePresence,
  NO_PRESENCE,
  type PresenceName,
  type PresenceState,
  Presences,
} from '../../../core/states/presence.ts'
import { keepStates } from '../../../core/states/state-store.ts'
import { openStore } from '../../../core/store.ts'
import { until } from '../../support/tools.ts'

/** Asterisk's combined states of two devices, as its documentation of the aggregate has them. */
const PAIRS = `
      UNK NOT INU BSY INV UNA RNG R+I HLD
  UNK UNK NOT INU BSY UNK UNA RNG R+I HLD
  NOT NOT NOT INU BSY NOT NOT RNG R+I HLD
  INU INU INU INU BSY INU INU R+I R+I INU
  BSY BSY BSY BSY BSY BSY BSY R+I R+I BSY
  INV UNK NOT INU BSY INV UNA RNG R+I HLD
  UNA UNA NOT INU BSY UNA UNA RNG R+I HLD
  RNG RNG RNG R+I R+I RNG RNG RNG R+I R+I
  R+I R+I R+I R+I R+I R+I R+I R+I R+I R+I
  HLD HLD HLD INU BSY HLD HLD R+I R+I HLD`
const SHORT: Record<string, DeviceState> = {
  UNK: 'UNKNOWN',
  NOT: 'NOT_INUSE',
  INU: 'INUSE',
  BSY: 'BUSY',
  INV: 'INVALID',
  UNA: 'UNAVAILABLE',
  RNG: 'RINGING',
  'R+I': 'RINGINUSE',
  HLD: 'ONHOLD',
}

describe('states', () => {
  it('aggregates any two device states as Asterisk does', () => {
    const [head = [], ...rows] = PAIRS.trim()
      .split('\n')
      .map((line) => line.trim().split(/ +/))
    let cells = 0
    for (const [first = '', ...expected] of rows) {
      expected.forEach((want, i) => {
        const pair = [SHORT[first], SHORT[head[i] ?? '']].filter((s) => s !== undefined)
        expect(aggregateDeviceStates(pair), pair.join(' with ')).to.equal(SHORT[want])
        cells++
      })
    }
    expect(cells).to.equal(81)
  })

  it('does not care for the order of the origins', () => {
    for (const a of DEVICE_STATES)
      for (const b of DEVICE_STATES)
        for (const c of DEVICE_STATES)
          expect(aggregateDeviceStates([a, b, c])).to.equal(aggregateDeviceStates([c, a, b]))
  })

  it('takes the highest presence with its subtype and message', () => {
    const away = { state: 'away', subtype: 'lunch', message: 'back at 2' } as const
    expect(aggregatePresence([{ state: 'chat', subtype: '', message: '' }, away])).to.equal(away)
    expect(aggregatePresence([])).to.deep.equal({ state: 'not_set', subtype: '', message: '' })
  })

  it('aggregates over origins, compares names without case and tells each change once', () => {
    const devices = new Devices()
    const told: string[] = []
    devices.onChange((device, state) => told.push(`${device} ${state}`))
    devices.set('pbx1', 'PJSIP/100', 'NOT_INUSE')
    devices.set('pbx2', 'pjsip/100', 'RINGING')
    devices.set('pbx2', 'PJSIP/100', 'RINGING')
    devices.set('pbx1', 'PJSIP/100', 'INUSE')
    devices.dropOrigin('pbx2')
    expect(told).to.deep.equal(['PJSIP/100 NOT_INUSE', 'PJSIP/100 RINGING', 'PJSIP/100 RINGINUSE', 'PJSIP/100 INUSE'])
  })

  it('lets the last writer of a Custom: device win, whoever it is', () => {
    let now = 1
    const devices = new Devices(() => now++)
    devices.set('pbx1', 'Custom:door', 'INUSE')
    devices.set('pbx2', 'Custom:door', 'NOT_INUSE')
    devices.set('pbx3', 'Custom:door', 'UNKNOWN')
    expect(devices.get('custom:DOOR')).to.equal('NOT_INUSE')
  })

  it('lets the last writer win, though the clock was put back meanwhile, or did not move on', () => {
    let time = 9_000_000
    const devices = new Devices(() => time)
    const mailboxes = new Mailboxes(() => time)
    const write = (origin: string, state: DeviceState, newMessages: number): void => {
      devices.set(origin, 'Custom:x', state)
      mailboxes.set(origin, '100@default', { newMessages, oldMessages: 0 })
    }
    write('pbx1', 'INUSE', 1)
    time = 1_000_000
    write('local', 'NOT_INUSE', 2)
    expect(devices.get('Custom:x')).to.equal('NOT_INUSE')
    expect(mailboxes.get('100@default').newMessages).to.equal(2)
    write('pbx1', 'RINGING', 3)
    expect(devices.get('Custom:x')).to.equal('RINGING')
    expect(mailboxes.get('100@default').newMessages).to.equal(3)
  })

  it('has a Custom: device that nobody ever set as idle, unless there is an Asterisk that may know better', () => {
    const devices = new Devices()
    const told: string[] = []
    devices.onChange((device, state) => told.push(`${device} ${state}`))
    const seen = (): DeviceState[] => [devices.get('Custom:night'), devices.get('PJSIP/100')]
    const { release } = devices.need('Custom:night')
    expect(seen()).to.deep.equal(['UNKNOWN', 'INVALID'])
    devices.set('local', 'Custom:night', 'INUSE')
    devices.asked(true)
    expect(devices.get('Custom:other')).to.equal('INVALID')
    devices.set('local', 'Custom:night', undefined)
    expect(seen()).to.deep.equal(['INVALID', 'INVALID'])
    devices.asked(false)
    expect(seen()).to.deep.equal(['UNKNOWN', 'INVALID'])
    expect(told).to.deep.equal(['Custom:night INUSE', 'Custom:night INVALID', 'Custom:night UNKNOWN'])
    void release()
  })

  it('makes the devices of a dead origin unavailable, but not Custom: ones', () => {
    const devices = new Devices()
    devices.set('pbx1', 'PJSIP/100', 'INUSE')
    devices.set('pbx1', 'Custom:door', 'INUSE')
    devices.expireOrigin('pbx1')
    expect([devices.get('PJSIP/100'), devices.get('Custom:door')]).to.deep.equal(['UNAVAILABLE', 'INUSE'])
  })

  it('leaves to the others what an origin that fell silent said of the same, and keeps what it alone said', () => {
    const presences = new Presences()
    const dnd = { state: 'dnd', subtype: '', message: '' } as const
    const chat = { state: 'chat', subtype: '', message: '' } as const
    presences.set('pbx1', 'CustomPresence:both', dnd)
    presences.set('pbx2', 'CustomPresence:both', chat)
    presences.set('pbx1', 'CustomPresence:one', dnd)
    expect(presences.get('CustomPresence:both')).to.equal(dnd)
    presences.silence('pbx1')
    expect(presences.get('CustomPresence:both')).to.equal(chat)
    expect(presences.get('CustomPresence:one')).to.equal(dnd)
  })

  describe('of several that are silent', () => {
    const [dnd, chat, away] = (['dnd', 'chat', 'away'] as const).map((state) => ({ state, subtype: '', message: '' }))
    let time: number
    let presences: Presences
    const seen = (): string => presences.get('CustomPresence:x').state
    beforeEach(() => {
      time = 1000
      presences = new Presences(() => time++)
      presences.set('pbx1', 'CustomPresence:x', chat)
      presences.set('pbx2', 'CustomPresence:x', dnd)
    })

    for (const order of [
      ['pbx1', 'pbx2'],
      ['pbx2', 'pbx1'],
    ])
      it(`shows what was said last, where ${order[0]} fell silent first`, () => {
        for (const origin of order) presences.silence(origin)
        expect(seen()).to.equal('dnd')
      })

    it('leaves it to the first that is heard again', () => {
      presences.silence('pbx2')
      presences.silence('pbx1')
      presences.hear('pbx1')
      expect(seen()).to.equal('chat')
    })

    it('shows again what was left to one who does not know it any more', () => {
      presences.silence('pbx1')
      expect(seen()).to.equal('dnd')
      presences.set('pbx2', 'CustomPresence:x', undefined)
      expect(seen()).to.equal('chat')
    })

    it('leaves it also to one who is heard of it only later', () => {
      presences.set('pbx1', 'CustomPresence:x', undefined)
      presences.silence('pbx2')
      presences.set('pbx1', 'CustomPresence:x', chat)
      expect(seen()).to.equal('chat')
      presences.silence('pbx1')
      expect(seen()).to.equal('dnd')
    })

    it('counts what one repeats that is about to be heard, whoever speaks meanwhile', () => {
      presences.set('pbx1', 'CustomPresence:x', undefined)
      presences.silence('pbx2')
      presences.speak('pbx2')
      presences.set('pbx1', 'CustomPresence:x', chat)
      presences.hear('pbx2')
      expect(seen()).to.equal('dnd')
    })

    it('shows again what was left to one whose not_set nobody needed, and who fell silent then', () => {
      presences.addReader({ origin: 'pbx2', read: async () => undefined })
      const need = presences.need('CustomPresence:x')
      presences.silence('pbx1')
      presences.set('pbx2', 'CustomPresence:x', NO_PRESENCE)
      expect(seen()).to.equal('not_set')
      void need.release()
      presences.silence('pbx2')
      expect(seen()).to.equal('chat')
    })

    it('counts what is repeated after the silence from when it was said first', () => {
      presences.silence('pbx1')
      presences.set('pbx2', 'CustomPresence:x', away)
      presences.set('pbx1', 'CustomPresence:x', chat)
      presences.hear('pbx1')
      expect(seen()).to.equal('away')
    })
  })

  it('asks the readers that have no opinion of what is needed, and lets go of what is not', async () => {
    const devices = new Devices()
    devices.addReader({ origin: 'pbx1', read: async (name) => devices.set('pbx1', name, 'BUSY') })
    const need = devices.need('PJSIP/7')
    await need.ready
    expect(devices.get('PJSIP/7')).to.equal('BUSY')
    expect(devices.needed()).to.deep.equal(['PJSIP/7'])
    void need.release()
    devices.set('pbx1', 'PJSIP/7', undefined)
    expect(devices.list()).to.deep.equal([])
  })

  it('asks those that only look once more when a state is needed again, and leaves their opinion meanwhile', async () => {
    const presences = new Presences()
    const said = (state: PresenceName): PresenceState => ({ state, subtype: '', message: '' })
    let now: PresenceName = 'away'
    let asked = 0
    presences.addReader({
      origin: 'pbx1',
      asksAgain: true,
      read: async (name) => {
        asked++
        if (asked > 1) await setImmediate()
        presences.set('pbx1', name, said(now))
      },
    })
    const [one, other] = [presences.need('CustomPresence:alice'), presences.need('CustomPresence:alice')]
    await Promise.all([one.ready, other.ready])
    expect(asked).to.equal(1)
    void one.release()
    void other.release()
    now = 'dnd'
    expect(presences.get('CustomPresence:alice')).to.deep.equal(said('away'))
    void presences.need('CustomPresence:alice')
    // Whoever comes while they are asked waits as well, and they are not asked for him.
    await presences.need('CustomPresence:alice').ready
    expect(presences.get('CustomPresence:alice')).to.deep.equal(said('dnd'))
    expect(asked).to.equal(2)
  })

  it('remember nothing of what there is not and nobody needs, but ask for it again', async () => {
    const devices = new Devices()
    let asked = 0
    devices.addReader({
      origin: 'pbx1',
      read: async (name) => {
        asked++
        devices.set('pbx1', name, 'INVALID')
      },
    })
    for (const state of ['INUSE', 'INVALID'] as const) devices.set('pbx1', 'Snoop/1795252424.1', state)
    // So Asterisk says that a line of these is idle: it is seen, and published, as such.
    for (const state of ['INUSE', 'UNKNOWN'] as const) devices.set('pbx1', 'DAHDI/1', state)
    devices.set('02:00:00:00:00:01', 'PJSIP/9', 'INVALID')
    void devices.need('DAHDI/1').release()
    expect(devices.list().map(({ name, state }) => `${name} ${state}`)).to.deep.equal([
      'DAHDI/1 UNKNOWN',
      'PJSIP/9 INVALID',
    ])
    for (let time = 1; time <= 2; time++) {
      const need = devices.need('PJSIP/7')
      await need.ready
      expect(asked).to.equal(time)
      expect(devices.reportOf('pbx1', 'PJSIP/7')?.state).to.equal('INVALID')
      void need.release()
      expect(devices.list()).to.have.length(2)
    }
  })

  describe('kept in the store', () => {
    let directory: string
    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), 'lamplighter-states-'))
    })
    afterEach(() => rmSync(directory, { recursive: true }))

    const start = async () => {
      const states = { devices: new Devices(), presences: new Presences(), mailboxes: new Mailboxes() }
      const store = await openStore({
        path: join(directory, 'states.db'),
        synchronous: 'off',
        log: new Log().logger('store'),
      })
      const undo = await keepStates(store, states, {
        isKnown: (origin) => origin !== 'gone',
        isServer: (origin) => origin === 'pbx1',
      })
      const console = new Console()
      registerLocalStates(console, states)
      const run = async (line: string): Promise<string[]> => {
        const printed: string[] = []
        await console.run(line, { print: (text) => printed.push(text) })
        return printed
      }
      return { ...states, store, run, stop: async () => (await undo(), await store.close()) }
    }

    it('gives back what was said over a restart, with its age, and forgets origins that are gone', async () => {
      const first = await start()
      await first.run('devstate change Custom:door inuse')
      await first.run('presencestate change CustomPresence:bob away,lunch,back at two')
      await first.run('mwi update 100 2 1')
      first.devices.set('pbx1', 'PJSIP/100', 'RINGING')
      first.devices.set('gone', 'PJSIP/200', 'RINGING')
      const { since } = first.devices.reports('Custom:door')[0] ?? { since: 0 }
      await first.stop()

      const second = await start()
      expect(second.devices.get('Custom:door')).to.equal('INUSE')
      expect(second.devices.reports('Custom:door')[0]?.since).to.be.closeTo(since, 50)
      expect(second.devices.get('PJSIP/100')).to.equal('RINGING')
      expect(second.devices.get('PJSIP/200')).to.equal('INVALID')
      expect(second.presences.get('CustomPresence:bob')).to.deep.equal({
        state: 'away',
        subtype: 'lunch',
        message: 'back at two',
      })
      expect(second.mailboxes.get('100@default')).to.deep.equal({ newMessages: 2, oldMessages: 1 })
      expect((await second.run('mwi list'))[0]).to.match(/^100@default +2 new, 1 old +local: 2 new, 1 old, for \d+ s$/)
      await second.stop()
    })

    it('writes at once what was said here, and within a second what a server can be asked for again', async () => {
      const { devices, store, run, stop } = await start()
      const columns = { id: 'text', origin: 'text', name: 'text', state: 'text', since: 'integer' } as const
      const table = await store.table<{ id: string; origin: string; name: string; state: string; since: number }>({
        name: 'device_states',
        key: 'id',
        columns,
      })
      const written = async (): Promise<string[]> => {
        const found: string[] = []
        await table.load((rows) => rows.forEach(({ name, state }) => found.push(`${name} ${state}`)))
        return found.sort()
      }
      const said = performance.now()
      devices.set('pbx1', 'PJSIP/100', 'RINGING')
      await pause(200)
      const soon = await written()
      if (performance.now() - said < 1000) expect(soon).to.deep.equal([])
      devices.set('pbx1', 'PJSIP/100', 'INUSE')
      await until('it is written', async () => (await written()).join() === 'PJSIP/100 INUSE')
      // A busy machine may take its time once, but not always.
      await until('a time at which it is written at once', async () => {
        devices.set('pbx1', 'PJSIP/100', devices.get('PJSIP/100') === 'BUSY' ? 'INUSE' : 'BUSY')
        const door = devices.get('Custom:door') === 'INUSE' ? 'NOT_INUSE' : 'INUSE'
        const before = performance.now()
        await run(`devstate change Custom:door ${door}`)
        await until('it is written', async () => (await written()).includes(`Custom:door ${door}`))
        return performance.now() - before < 700
      })
      await stop()
    })

    it('refuses states and names that do not exist, and says what would do', async () => {
      const { run, stop } = await start()
      const refusal = async (line: string): Promise<string> =>
        run(line).then(
          () => 'accepted',
          (error: Error) => error.message,
        )
      expect(await refusal('devstate change Custom:x SLEEPY')).to.match(
        /'SLEEPY' is no device state, expected one of UNKNOWN/,
      )
      expect(await refusal('devstate change PJSIP/100 INUSE')).to.match(
        /cannot be changed here, only names that begin with Custom:/,
      )
      expect(await refusal('presencestate change CustomPresence:x asleep')).to.match(/no presence state/)
      const comma = 'presencestate change CustomPresence:x away,lunch,back at two, or three'
      expect(await refusal(comma)).to.match(/no option, expected e; a message with commas/)
      expect(await refusal('mwi update @default 1')).to.equal('expected a mailbox: 100@default')
      expect(await refusal('mwi update 100 many')).to.match(/'many' is no number of messages/)
      await stop()
    })
  })
})

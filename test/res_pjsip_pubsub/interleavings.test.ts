/**
 * Whatever happens in whatever order: never two NOTIFYs in flight, CSeq and version rise, the newest state arrives in
 * the end, and nothing is left over afterwards. Time and answers are the test's.
 */
import { expect } from 'chai'
import * as fc from 'fast-check'
import { Counter } from '../../core/metrics.ts'
import { defaultsOf } from '../../core/options.ts'
import { PreparedHeaders } from '../../core/sip/prepared-headers.ts'
import type { Timed } from '../../core/sip/timer-wheel.ts'
import { Watched } from '../../core/watch.ts'
import { Bodies } from '../../res_pjsip_pubsub/bodies.ts'
import { WANT } from '../../res_pjsip_pubsub/delivery.ts'
import type { Turn } from '../../res_pjsip_pubsub/notify-queue.ts'
import { pubsubOptions } from '../../res_pjsip_pubsub/options.ts'
import { Registry } from '../../res_pjsip_pubsub/registry.ts'
import type { Services } from '../../res_pjsip_pubsub/services.ts'
import { NotifierSubscription } from '../../res_pjsip_pubsub/subscription.ts'
import { pjsipConfig } from '../support/core.ts'
import { type FakeDialog, FakeSip } from '../support/fake-sip.ts'
import { type Lamp, lampKind, lampXml, XML } from '../support/lamps.ts'

class World {
  time = 1_000_000
  compat: 'rfc' | 'asterisk' = 'rfc'
  readonly timers = new Map<Timed, number>()
  turns: Turn[] = []
  ended: string[] = []
  lostOnes = 0
  readonly lamp = new Watched<Lamp>({ light: '0' }, (a, b) => a.light === b.light)
  readonly sip = new FakeSip()
  readonly dialog: FakeDialog
  readonly subscription: NotifierSubscription
  /** Highest CSeq and version that the store would know to be used. */
  readonly services: Services
  lit = 0

  constructor(retries: number, interval: number) {
    this.sip.autoAnswer = undefined
    const registry = new Registry({
      packageAdded: () => undefined,
      packageRemoved: () => undefined,
      bodiesChanged: () => undefined,
    })
    registry.addGenerator(lampXml)
    const bodies = new Bodies(registry)
    const settings = { ...defaultsOf(pubsubOptions), notify_retries: retries, notify_interval: interval }
    this.services = {
      settings: () => settings,
      compat: () => this.compat,
      now: () => this.time,
      random: () => 0.5,
      timers: {
        arm: (timed, milliseconds) => void this.timers.set(timed, this.time + milliseconds),
        cancel: (timed) => void this.timers.delete(timed),
      },
      queue: { push: (turn) => void this.turns.push(turn) },
      counters: {
        sent: new Counter(),
        answered: new Counter(),
        failed: new Counter(),
        retried: new Counter(),
        coalesced: new Counter(),
        suppressed: new Counter(),
      },
      log: {
        category: 'test',
        error: (message) => {
          throw new Error(message)
        },
        warning: () => undefined,
        notice: () => undefined,
        verbose: () => undefined,
        debug: () => undefined,
        refusal: () => undefined,
        enabled: () => false,
      },
      bodies: {
        bodyOf: (state, subscription) => bodies.body(state, { kind: lampKind }, XML, subscription),
        partOf: () => 'whole',
      },
      isNoNews: () => false,
      isOver: () => false,
      statusChanged: () => undefined,
      credentialsFor: () => undefined,
      notifyHeaders: () => new PreparedHeaders([]),
      keep: () => undefined,
      save: () => undefined,
      mayNotify: () => true,
      lookAgain: () => void this.lostOnes++,
      sending: () => undefined,
      notifyAnswered: () => undefined,
      timedOut: () => undefined,
      ended: (subscription, why) => {
        this.ended.push(why)
        subscription.dialog.dispose()
      },
    }
    this.dialog = this.sip.restoreDialog({
      callId: 'c',
      localTag: 'l',
      remoteTag: 'r',
      localUri: '<sip:200@a>',
      remoteUri: '<sip:100@b>',
      remoteTarget: 'sip:100@c',
      routeSet: [],
      localCseq: 0,
      remoteCseq: 1,
      secure: false,
      transport: 'fake',
      protocol: 'UDP',
      remote: { address: '192.0.2.7', port: 5060 },
      followFlow: false,
    })
    const endpoint = pjsipConfig({ endpoints: { 100: {} } }).endpoints.get('100')
    if (!endpoint) throw new Error('no endpoint')
    this.subscription = new NotifierSubscription(
      {
        event: 'lamp',
        eventId: '',
        resource: '200',
        endpoint,
        watcher: 'sip:100@b',
        userAgent: '',
        contentType: XML,
        localUri: 'sip:200@a',
        contactKey: '',
        dialog: this.dialog,
        expires: this.time + 600_000,
        version: 0,
        narrowed: '',
      },
      1,
      this.services,
    )
    this.subscription.found(this.lamp, WANT.forced)
  }

  /** The queue takes its turns. */
  turn(): void {
    const turns = this.turns
    this.turns = []
    for (const one of turns) one.turn()
    this.check()
  }

  pass(milliseconds: number): void {
    this.time += milliseconds
    for (const [timed, at] of Array.from(this.timers)) {
      if (at > this.time) continue
      this.timers.delete(timed)
      timed.fire()
    }
    this.check()
  }

  /** Until nothing moves any more, with a phone that answers. */
  settle(): void {
    this.dialog.reachable = true
    for (let round = 0; round < 50; round++) {
      this.turn()
      for (const notify of this.dialog.flying) notify.answer(200)
      this.subscription.wake()
      if (this.subscription.deliveryState === 'pausing') this.pass(120_000)
      this.check()
    }
  }

  check(): void {
    expect(this.dialog.flying.length, 'in flight').to.be.at.most(1)
    // A timer is set exactly while there is something to wait for.
    if (this.ended.length > 0) expect(this.timers.size, 'timers left').to.equal(0)
    expect(this.ended.length).to.be.at.most(1)
  }
}

const versionOf = (text: string): number => Number(/version="(\d+)"/.exec(text)?.[1])
const lightOf = (text: string): string => />(.*)</.exec(text)?.[1] ?? ''

type Step = (world: World) => void
const step: fc.Arbitrary<readonly [string, Step]> = fc.oneof(
  fc.constant(['change', (w: World) => void w.lamp.set({ light: String(++w.lit) })] as const),
  fc.constant(['change back', (w: World) => void w.lamp.set({ light: '0' })] as const),
  fc.constant(['turn', (w: World) => w.turn()] as const),
  fc.constant(['200', (w: World) => w.dialog.flying[0]?.answer(200)] as const),
  fc.constant(['500', (w: World) => w.dialog.flying[0]?.answer(500)] as const),
  fc.constant(['503 and wait', (w: World) => w.dialog.flying[0]?.answer(503, [['Retry-After', '30']])] as const),
  fc.constant(['481', (w: World) => w.dialog.flying[0]?.answer(481)] as const),
  fc.constant(['no answer', (w: World) => w.dialog.flying[0]?.timeout()] as const),
  fc.constant(['no route', (w: World) => w.dialog.flying[0]?.unreachable()] as const),
  fc.constant([
    'refresh',
    (w: World) => {
      if (w.ended.length > 0) return
      w.dialog.reachable = true
      w.subscription.extend(w.time + 600_000)
      w.subscription.refreshed(false)
    },
  ] as const),
  fc.constant(['notify', (w: World) => w.subscription.notify()] as const),
  fc.constant(['flow lost', (w: World) => w.dialog.loseFlow()] as const),
  fc.constant([
    'package away and back',
    (w: World) => {
      w.subscription.lost()
      w.subscription.found(w.lamp, WANT.changed)
    },
  ] as const),
  fc.integer({ min: 1, max: 90_000 }).map((ms) => [`${ms} ms`, (w: World) => w.pass(ms)] as const),
)
const end: fc.Arbitrary<readonly [string, Step]> = fc.constantFrom(
  ['unsubscribe', (w: World) => w.subscription.terminate('timeout')] as const,
  ['expiry', (w: World) => w.pass(700_000)] as const,
  ['gone', (w: World) => w.lamp.end('noresource')] as const,
  ['replaced', (w: World) => w.subscription.drop('replaced')] as const,
)

describe('subscription: any interleaving', () => {
  const runs = { numRuns: 400 }
  const steps = fc.array(step, { maxLength: 40 })
  const retries = fc.constantFrom(0, 1, 3)
  const interval = fc.constantFrom(0, 500)

  function run(todo: readonly (readonly [string, Step])[], world: World): void {
    for (const [, take] of todo) {
      take(world)
      world.check()
    }
  }

  function expectRising(world: World): void {
    const { notifies } = world.dialog
    for (let at = 1; at < notifies.length; at++) {
      const [before, after] = [notifies[at - 1], notifies[at]]
      if (!before || !after) throw new Error('a hole')
      expect(after.cseq).to.be.above(before.cseq)
      if (after.body && before.body) expect(versionOf(after.text)).to.be.above(versionOf(before.text))
    }
  }

  it('delivers the newest state last', () => {
    fc.assert(
      fc.property(steps, retries, interval, (todo, attempts, gap) => {
        const world = new World(attempts, gap)
        run(todo, world)
        if (world.ended.length === 0) world.settle()
        expectRising(world)
        if (world.ended.length > 0 || world.subscription.phase !== 'active') return
        expect(world.subscription.deliveryState).to.equal('idle')
        expect(lightOf(world.dialog.last.text)).to.equal(world.lamp.value.light)
      }),
      runs,
    )
  })

  it('leaves nothing when it ends', () => {
    fc.assert(
      fc.property(steps, end, steps, retries, (before, [, finish], after, attempts) => {
        const world = new World(attempts, 0)
        run(before, world)
        finish(world)
        run(after, world)
        world.settle()
        expectRising(world)
        expect(world.subscription.phase).to.equal('ended')
        expect(world.ended).to.have.length(1)
        expect(world.timers.size).to.equal(0)
        expect(world.lamp.watchers).to.equal(0)
        const finals = world.dialog.notifies.filter((notify) => notify.state.startsWith('terminated'))
        expect(finals.length).to.be.at.most(1)
        if (finals.length === 1) expect(world.dialog.last).to.equal(finals[0])
      }),
      runs,
    )
  })

  it('keeps all of that under compat=asterisk', () => {
    fc.assert(
      fc.property(steps, (todo) => {
        const world = new World(0, 0)
        world.compat = 'asterisk'
        run(todo, world)
        world.settle()
        expectRising(world)
      }),
      runs,
    )
  })
})

import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { Watched } from '../../core/watch.ts'
import type { AuthStatus, SubscriptionEvent } from '../../res_pjsip_pubsub/contract.ts'
import {
  type Asked,
  type Authorization,
  Authorizations,
  type Authorizer,
  POLITE,
  type SubHandling,
  type View,
} from '../../res_pjsip_pubsub/watchers/authorization.ts'
import { later } from '../support/core.ts'
import type { FakeNotify, FakeTransaction } from '../support/fake-sip.ts'
import { type LampOffice, lampOffice, settled } from '../support/lamp-office.ts'
import { type Lamp, Lamps, TEXT } from '../support/lamps.ts'
import { until } from '../support/tools.ts'

class GuardedLamps extends Lamps {
  readonly reqAuth = true
  getAuthStatus?: (resource: string, watcher: string, rules: string | undefined) => AuthStatus | Promise<AuthStatus>

  politeState(): Lamp {
    return DARK
  }
}
const DARK: Lamp = { light: 'dark' }

/** One decision for everybody. */
class Gate implements Authorizer {
  readonly asked: Asked[] = []
  readonly decision: Watched<Authorization>

  constructor(handling: SubHandling, view?: View) {
    this.decision = new Watched<Authorization>({ handling, view, why: 'the gate' })
  }

  authorize(asked: Asked): Watched<Authorization> {
    this.asked.push(asked)
    return this.decision
  }

  decide(handling: SubHandling, view?: View): void {
    this.decision.set({ handling, view, why: 'the gate' })
  }
}

/** Shows every second letter. */
const HALF: View = {
  key: 'half',
  shows: (type) => (type === TEXT ? 'part' : 'nothing'),
  filter: (doc) => (Array.isArray(doc) ? doc.map((word) => String(word).replace(/(.)./g, '$1')) : doc),
}

describe('authorization of watchers', () => {
  let made: LampOffice
  let lamps: GuardedLamps

  beforeEach(async () => {
    lamps = new GuardedLamps()
    made = await lampOffice({ lamps, options: { unload_grace: '1' } })
  })

  afterEach(() => made.office.close())

  async function watch(expires = '600'): Promise<FakeTransaction> {
    const tx = await made.sip.subscribe('200', { Expires: expires })
    await settled()
    return tx
  }

  const last = (tx: FakeTransaction): FakeNotify => tx.dialog.last
  const shown = (tx: FakeTransaction): string => `${last(tx).state.replace(/=\d+/, '')} ${last(tx).text}`

  it('allows everything where nobody decides', async () => {
    expect(shown(await watch())).to.equal('active;expires off')
  })

  it('is asked with who wants to watch what, and only for packages that require it', async () => {
    const gate = new Gate('allow')
    made.pubsub.authorizer(gate)
    await watch()
    expect(gate.asked).to.have.length(1)
    expect(gate.asked[0]).to.deep.include({ event: 'lamp', resource: '200', watcher: 'sip:100@pbx.example' })
    expect(gate.asked[0]?.endpoint.id).to.equal('100')
    const open = new Lamps('open')
    open.set('200', 'on')
    made.pubsub.eventPackage(open)
    await made.sip.subscribe('200', { Event: 'open' })
    expect(gate.asked).to.have.length(1)
  })

  it('answers 403 to whoever is blocked, and makes nothing', async () => {
    made.pubsub.authorizer(new Gate('block'))
    const tx = await watch()
    expect(tx.status).to.equal(403)
    expect([...made.pubsub.subscriptions]).to.deep.equal([])
  })

  it('sends a pending watcher a NOTIFY without a body, and none for changes', async () => {
    made.pubsub.authorizer(new Gate('confirm'))
    const tx = await watch()
    expect(tx.status).to.equal(200)
    expect(last(tx).state).to.match(/^pending;expires=\d+$/)
    expect(last(tx).body).to.equal(undefined)
    expect(last(tx).header('SIP-ETag')).to.equal(undefined)
    lamps.set('200', 'on')
    await settled()
    expect(tx.dialog.notifies).to.have.length(1)
    await made.sip.again(tx)
    await settled()
    expect(tx.dialog.notifies).to.have.length(2)
    expect(shown(tx)).to.equal('pending;expires ')
    expect([...made.pubsub.subscriptions][0]?.state).to.equal('pending')
  })

  it('tells a pending watcher who ends or fetches nothing', async () => {
    made.pubsub.authorizer(new Gate('confirm'))
    const fetched = await watch('0')
    expect(shown(fetched)).to.equal('terminated;reason=timeout ')
    const tx = await watch()
    await made.sip.again(tx, { Expires: '0' })
    await settled()
    expect(shown(tx)).to.equal('terminated;reason=timeout ')
  })

  it('lets a decision take effect at once, in both directions', async () => {
    const gate = new Gate('confirm')
    made.pubsub.authorizer(gate)
    const tx = await watch()
    const said: string[] = []
    for (const handling of ['allow', 'polite-block', 'allow', 'confirm', 'allow', 'block'] as const) {
      gate.decide(handling, handling === 'polite-block' ? POLITE : undefined)
      await settled()
      said.push(shown(tx))
    }
    expect(said).to.deep.equal([
      'active;expires off',
      'active;expires dark',
      'active;expires off',
      'pending;expires ',
      'active;expires off',
      'terminated;reason=rejected ',
    ])
    expect(tx.dialog.notifies).to.have.length(7)
    expect(gate.decision.watchers).to.equal(0)
  })

  it('shows each view its own part, and makes bodies that cannot be cut of the polite state', async () => {
    const gate = new Gate('allow', HALF)
    made.pubsub.authorizer(gate)
    lamps.set('200', 'bright')
    const part = await watch()
    const whole = await made.sip.subscribe('200', { Accept: 'application/lamp+xml', Contact: '<sip:100@192.0.2.8>' })
    await settled()
    expect(last(part).text).to.equal('bih')
    expect(last(whole).text).to.include('>dark</lamp>')
    lamps.set('200', 'brooght')
    await settled()
    expect(last(part).text).to.equal('bogt')
    lamps.set('200', 'bxoxgxt')
    await settled()
    expect(part.dialog.notifies, 'what it is not shown did not change').to.have.length(2)
    expect(whole.dialog.notifies).to.have.length(1)
  })

  it('keeps decisions while the authorizer is away, and lets nobody new in', async () => {
    const gate = new Gate('confirm')
    const undo = made.pubsub.authorizer(gate)
    const tx = await watch()
    await undo()
    lamps.set('200', 'on')
    const other = await watch()
    expect(other.status).to.equal(503)
    expect(other.header('Retry-After')).to.equal('10')
    expect(tx.dialog.notifies).to.have.length(1)
    const back = made.pubsub.authorizer(gate)
    await settled()
    expect(shown(tx)).to.equal('pending;expires ')
    await back()
    await until('the grace to end', () => tx.dialog.notifies.length > 1)
    expect(shown(tx)).to.equal('active;expires on')
    expect((await watch()).status).to.equal(200)
  })

  it('has no end to that while one is expected, and goes on with it where that does not come', async () => {
    const undo = made.pubsub.authorizer(new Gate('confirm'))
    const tx = await watch()
    await undo()
    const comesNot = made.pubsub.expectAuthorizer()
    await pause(1200)
    expect(tx.dialog.notifies, 'longer than unload_grace').to.have.length(1)
    expect((await watch()).status).to.equal(503)
    await comesNot()
    await until('the grace to end', () => tx.dialog.notifies.length > 1)
    expect(shown(tx)).to.equal('active;expires off')
  })

  it('has an end to that after a start, too, where the clock was put back since', async () => {
    const [endpoint] = made.office.core.endpoints.files.endpoints.values()
    if (!endpoint) throw new Error('there is no endpoint')
    const asked = { event: 'lamp', resource: '200', endpoint, watcher: 'sip:100@example.com' }
    const authorizations = new Authorizations({
      package: () => lamps,
      grace: () => 50,
      isForced: () => false,
      changed: async () => undefined,
    })
    authorizations.loaded()
    await later(-7_200_000, () => until('a decision', () => authorizations.of(asked, true) !== undefined))
  })

  it('takes one authorizer only', () => {
    made.pubsub.authorizer(new Gate('allow'))
    expect(() => made.pubsub.authorizer(new Gate('allow'))).to.throw('an authorizer already')
  })

  it('decides on those who subscribed before it came', async () => {
    const tx = await watch()
    made.pubsub.authorizer(new Gate('confirm'))
    await settled()
    expect(shown(tx)).to.equal('pending;expires ')
  })

  it('asks a package that decides for itself, which may take its time', async () => {
    made.pubsub.authorizer(new Gate('block'))
    for (const [status, code, state] of [
      ['active', 200, 'active;expires off'],
      ['pending', 200, 'pending;expires '],
      ['terminated', 403, ''],
      [undefined, 200, 'pending;expires '],
      ['activ', 200, 'pending;expires '],
    ] as const) {
      lamps.getAuthStatus = async () => status as AuthStatus
      const tx = await watch()
      await until('an answer', () => tx.answered)
      await settled()
      expect(tx.status).to.equal(code)
      if (state !== '') expect(shown(tx)).to.equal(state)
    }
  })

  it('tells the status and what brought it about', async () => {
    const gate = new Gate('confirm')
    made.pubsub.authorizer(gate)
    const told: string[] = []
    made.pubsub.onSubscription((what: SubscriptionEvent, { state, lastEvent }) => {
      if (what === 'status') told.push(`${state} ${lastEvent}`)
    })
    await watch()
    gate.decide('allow')
    gate.decide('confirm')
    gate.decide('block')
    await settled()
    expect(told.slice(-3)).to.deep.equal(['active approved', 'pending subscribe', 'terminated rejected'])
  })
})

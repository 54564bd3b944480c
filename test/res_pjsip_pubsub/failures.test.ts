import { expect } from 'chai'
import type { FakeNotify, FakeTransaction } from '../support/fake-sip.ts'
import { type LampOffice, lampOffice, settled } from '../support/lamp-office.ts'
import { until } from '../support/tools.ts'

describe('subscription: NOTIFYs that fail', () => {
  let made: LampOffice
  let tx: FakeTransaction

  beforeEach(async () => {
    made = await lampOffice({
      options: { notify_retries: '2', notify_retry_interval: '20', notify_retry_max: '40' },
    })
    made.sip.autoAnswer = undefined
    tx = await made.sip.subscribe('200')
    await settled()
  })

  afterEach(() => made.office.close())

  const sent = (count: number): Promise<FakeNotify> =>
    until(`NOTIFY ${count}`, () => tx.dialog.notifies[count - 1], 2000)
  const active = (): number => made.office.metric('pubsub.subscriptions.active')

  for (const status of [481, 401, 407, 404, 405, 410, 489, 501, 604]) {
    it(`ends with ${status}, without a word`, () => {
      tx.dialog.last.answer(status)
      expect(active()).to.equal(0)
      expect(tx.dialog.disposed).to.equal(true)
      expect(tx.dialog.notifies).to.have.length(1)
      expect(made.lamps.watchers('200')).to.equal(0)
    })
  }

  const failing: readonly (readonly [string, (notify: FakeNotify) => void])[] = [
    ['no answer', (notify) => notify.timeout()],
    ['500', (notify) => notify.answer(500)],
    ['503', (notify) => notify.answer(503)],
    ['480', (notify) => notify.answer(480)],
    ['302', (notify) => notify.answer(302)],
    ['no route', (notify) => notify.unreachable()],
  ]
  for (const [what, fail] of failing) {
    it(`sends the newest state again after ${what}`, async () => {
      fail(tx.dialog.last)
      made.lamps.set('200', 'on')
      const again = await sent(2)
      expect(again.text).to.equal('on')
      again.answer(200)
      await settled()
      expect(active()).to.equal(1)
      expect(tx.dialog.notifies).to.have.length(2)
      expect(made.office.metric('pubsub.notify.failed')).to.equal(1)
      expect(made.office.metric('pubsub.notify.retried')).to.equal(1)
    })
  }

  it('sends it again even where it did not change, as nobody knows what the phone has', async () => {
    tx.dialog.last.timeout()
    expect((await sent(2)).text).to.equal('off')
  })

  it('says why it is sent again', () => {
    tx.dialog.last.answer(488)
    expect(made.office.logged.join('\n')).to.match(/VERBOSE NOTIFY of .*: answered 488; again in \d+ ms$/)
  })

  it('does not say that a final one is sent again', async () => {
    tx.dialog.last.answer(200)
    await made.sip.again(tx, { Expires: '0' })
    ;(await sent(2)).answer(408)
    expect(active()).to.equal(0)
    expect(made.office.logged.join('\n')).to.match(
      /VERBOSE NOTIFY of .*: answered 408; the subscription ends all the same$/m,
    )
  })

  it('gives up after notify_retries in a row', async () => {
    for (let attempt = 1; attempt <= 3; attempt++) (await sent(attempt)).timeout()
    expect(active()).to.equal(0)
    expect(tx.dialog.notifies).to.have.length(3)
    expect(made.office.logged.join('\n')).to.include('the subscription is over')
  })

  it('does not count those that could not be sent, as there was no network', async () => {
    for (let attempt = 1; attempt <= 5; attempt++) (await sent(attempt)).unreachable()
    for (let attempt = 6; attempt <= 7; attempt++) (await sent(attempt)).timeout()
    made.lamps.set('200', 'on')
    const again = await sent(8)
    expect(again.text).to.equal('on')
    again.timeout()
    expect(active()).to.equal(0)
  })

  it('counts anew after a good answer', async () => {
    for (let attempt = 1; attempt <= 2; attempt++) (await sent(attempt)).timeout()
    ;(await sent(3)).answer(200)
    made.lamps.set('200', 'on')
    for (let attempt = 4; attempt <= 5; attempt++) (await sent(attempt)).timeout()
    ;(await sent(6)).answer(200)
    expect(active()).to.equal(1)
  })

  it('waits as long as Retry-After says', async () => {
    const before = Date.now()
    tx.dialog.last.answer(503, [['Retry-After', '1 (busy)']])
    await sent(2)
    expect(Date.now() - before).to.be.at.least(1000)
  })

  it('does not wait for a phone that asks', async () => {
    tx.dialog.last.answer(503, [['Retry-After', '3600']])
    await made.sip.again(tx)
    expect((await sent(2)).text).to.equal('off')
  })

  it('ends a final NOTIFY whatever becomes of it', async () => {
    tx.dialog.last.answer(200)
    await made.sip.again(tx, { Expires: '0' })
    ;(await sent(2)).answer(500)
    expect(tx.dialog.disposed).to.equal(true)
  })

  it('sends no final NOTIFY to a phone that does not answer', async () => {
    await made.sip.again(tx, { Expires: '0' })
    tx.dialog.last.timeout()
    await settled()
    expect(tx.dialog.notifies).to.have.length(1)
    expect(tx.dialog.disposed).to.equal(true)
  })

  it('sends the final NOTIFY to one that only refused the last', async () => {
    await made.sip.again(tx, { Expires: '0' })
    tx.dialog.last.answer(500)
    expect((await sent(2)).state).to.equal('terminated;reason=timeout')
  })

  describe('under compat=asterisk', () => {
    beforeEach(() => made.office.general({ compat: 'asterisk' }))

    for (const [what, fail] of [
      ['no answer', (notify: FakeNotify) => notify.timeout()],
      ['500', (notify: FakeNotify) => notify.answer(500)],
      ['481', (notify: FakeNotify) => notify.answer(481, [['Retry-After', '5']])],
    ] as const) {
      it(`ends after ${what}`, () => {
        fail(tx.dialog.last)
        expect(active()).to.equal(0)
      })
    }

    for (const [what, fail] of [
      ['500 with Retry-After', (notify: FakeNotify) => notify.answer(500, [['Retry-After', '5']])],
      ['no route', (notify: FakeNotify) => notify.unreachable()],
    ] as const) {
      it(`is kept after ${what}, and the lost state is not sent again`, async () => {
        fail(tx.dialog.last)
        await settled()
        expect(active()).to.equal(1)
        expect(tx.dialog.notifies).to.have.length(1)
        made.lamps.set('200', 'on')
        expect((await sent(2)).text).to.equal('on')
      })
    }
  })
})

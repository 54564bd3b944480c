import { expect } from 'chai'
import type { FakeTransaction } from '../support/fake-sip.ts'
import { type LampOffice, lampOffice, settled } from '../support/lamp-office.ts'
import { until } from '../support/tools.ts'

/** As when a machine without a clock of its own learns the time, or an administrator sets it. */
describe('subscription: the clock of the system is set', () => {
  const trueNow = Date.now
  let shift = 0
  let made: LampOffice
  let tx: FakeTransaction

  beforeEach(async () => {
    shift = 0
    Date.now = () => trueNow() + shift
    made = await lampOffice({ options: { notify_retries: '5', notify_retry_interval: '20', unload_grace: '60' } })
    tx = await made.sip.subscribe('200')
    await settled()
  })
  afterEach(async () => {
    Date.now = trueNow
    await made.office.close()
  })

  const shown = (): string => tx.dialog.last.text

  it('back, and the next change is told at once', async () => {
    shift = -7_200_000
    made.lamps.set('200', 'on')
    await until('the change', () => shown().includes('on'))
    expect(tx.dialog.notifies).to.have.length(2)
  })

  it('back while many wait to be looked up again, which goes on', async () => {
    const all = [tx]
    for (let n = 0; n < 40; n++) all.push(await made.sip.subscribe('200'))
    await settled()
    await made.office.loader.unload('res_test_lamp')
    await made.office.loader.load('res_test_lamp')
    made.lamps.set('200', 'on')
    await until('the first of them', () => all.some(({ dialog }) => dialog.last.text.includes('on')))
    shift = -7_200_000
    await until('the rest', () => all.every(({ dialog }) => dialog.last.text.includes('on')))
  })

  it('back during the pause after a failure, which becomes no longer', async () => {
    made.sip.autoAnswer = undefined
    made.lamps.set('200', 'on')
    await settled()
    tx.dialog.last.answer(503)
    shift = -7_200_000
    await until('the next attempt', () => tx.dialog.notifies.length === 3)
    expect(shown()).to.include('on')
  })
  for (const hours of [2, -2]) {
    it(`by ${hours} hours, and it lasts for as long as it was granted`, async () => {
      made.sip.autoAnswer = undefined
      made.lamps.set('200', 'on')
      await settled()
      shift = hours * 3_600_000
      // Its timer runs out with the pause.
      tx.dialog.last.answer(503)
      await until('the next attempt', () => tx.dialog.notifies.length === 3)
      expect(tx.dialog.last.state).to.match(/^active;expires=(600|59\d)$/)
    })
  }

  it('forward, and what waits to be looked up again has as long as before', async () => {
    await made.office.loader.unload('res_test_lamp')
    shift = 7_200_000
    made.lamps.instead = { found: 'unavailable' }
    const { length: before } = made.lamps.asked
    await made.office.loader.load('res_test_lamp')
    await until('that it is looked for in vain', () => made.lamps.asked.length > before)
    made.lamps.instead = undefined
    made.lamps.set('200', 'on')
    await until('the change', () => shown().includes('on'))
    expect(tx.dialog.last.state).to.match(/^active/)
  })
})

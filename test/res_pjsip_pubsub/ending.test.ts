/** A subscription that ends while the store is at work. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { type LampOffice, lampOffice, settled } from '../support/lamp-office.ts'
import { until } from '../support/tools.ts'

describe('a subscription that ends', () => {
  let directory: string
  let made: LampOffice

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'lamplighter-ending-'))
  })

  afterEach(async () => {
    await made.office.close()
    rmSync(directory, { recursive: true, force: true })
  })

  it('is told so, and is over, where that is while the transaction is made that was to have its row', async () => {
    made = await lampOffice({ storePath: join(directory, 'e.db'), options: { db_update_period: '0' } })
    const { sip, pubsub, office } = made
    const first = await sip.subscribe('200')
    const second = await sip.subscribe('201')
    await settled()
    await office.store.flush()
    sip.autoAnswer = undefined
    const record = first.dialog.record.bind(first.dialog)
    let isMade = false
    first.dialog.record = () => {
      if (!isMade) [...pubsub.subscriptions].find(({ resource }) => resource === '201')?.terminate('noresource')
      isMade = true
      return record()
    }
    // Refreshed, both are written with the next that comes.
    for (const tx of [first, second]) await sip.again(tx)
    await settled()
    await sip.subscribe('200', { Contact: '<sip:100@192.0.2.9>' })
    await until('the row of the first', () => isMade)
    await office.store.flush()
    second.dialog.last.answer(200)
    await until('its end', () => second.dialog.last.state.startsWith('terminated'))
    second.dialog.last.answer(200)
    await settled()
    expect([...pubsub.subscriptions].map(({ resource }) => resource)).to.deep.equal(['200', '200'])
  })
})

import { expect } from 'chai'
import { Log } from '../../core/log.ts'
import { defaultsOf } from '../../core/options.ts'
import { pubsubOptions } from '../../res_pjsip_pubsub/options.ts'
import { Restorer, type RestoreServices } from '../../res_pjsip_pubsub/restore.ts'
import type { StoredRow } from '../../res_pjsip_pubsub/storage/stored-row.ts'
import { until } from '../support/tools.ts'

describe('rows that wait for their endpoint', () => {
  it('are gone through once for all that another server has taken over at a time', async () => {
    let reads = 0
    const ids = Array.from({ length: 100 }, (_, at) => `dialog${at}`)
    const rows = ids.map((id, at) => ({
      endpoint: `phone${at}`,
      expires_ms: Date.now() + 60_000,
      get dialog_id() {
        reads++
        return id
      },
    }))
    const services = {
      endpoints: { endpoint: () => undefined },
      storage: () => ({
        load: async (take: (row: StoredRow) => void) => {
          for (const row of rows) take(row as StoredRow)
          return 0
        },
      }),
      notifier: {
        subscriptions: { size: 0 },
        settings: () => defaultsOf(pubsubOptions),
        now: Date.now,
        log: new Log('error').logger('test'),
      },
    }
    const restorer = new Restorer(services as unknown as RestoreServices)
    await restorer.run()
    reads = 0
    restorer.disown(ids.slice(1))
    expect(reads).to.equal(ids.length)
    restorer.stop()
  })

  it('wait no longer than restore_patience where they are over, though an Asterisk server may know it later', async () => {
    const rows = [-60_000, 60_000].map((left) => ({ endpoint: 'phone', expires_ms: Date.now() + left }))
    const forgotten: unknown[] = []
    const services = {
      endpoints: { endpoint: async () => undefined },
      storage: () => ({
        load: async (take: (row: StoredRow) => void) => {
          for (const row of rows) take(row as StoredRow)
          return 0
        },
        forget: (row: unknown) => void forgotten.push(row),
      }),
      notifier: {
        subscriptions: { size: 0 },
        settings: () => ({ ...defaultsOf(pubsubOptions), restore_patience: 0 }),
        now: Date.now,
        log: new Log('error').logger('test'),
      },
    }
    const restorer = new Restorer(services as unknown as RestoreServices)
    await restorer.run()
    await until('one to be forgotten', () => forgotten.length > 0)
    expect(forgotten).to.deep.equal(rows.slice(0, 1))
    restorer.stop()
  })
})

/** Who waits where servers share the table `watchers`. */
import { expect } from 'chai'
import { Log } from '../../core/log.ts'
import { defaultsOf } from '../../core/options.ts'
import type { Store } from '../../core/store-contract.ts'
import { Watched } from '../../core/watch.ts'
import { pubsubOptions } from '../../res_pjsip_pubsub/options.ts'
import type { Authorization } from '../../res_pjsip_pubsub/watchers/authorization.ts'
import { WaitingRoom } from '../../res_pjsip_pubsub/watchers/waiting.ts'
import { toWatcherRow, type WatcherRow } from '../../res_pjsip_pubsub/watchers/watcher-row.ts'

const CONFIRM: Authorization = { handling: 'confirm', view: undefined, why: 'the test' }

function rowOf(resource: string): WatcherRow {
  const place = { event: 'lamp', resource, endpoint: '100', presentity: `sip:${resource}@pbx.example` }
  const watcher = {
    id: `id-${resource}`,
    uri: 'sip:100@pbx.example',
    displayName: '',
    status: 'waiting',
    event: 'timeout',
  } as const
  return toWatcherRow(place, watcher, Date.now())
}

describe('those that wait at servers that share a table', () => {
  let rows: WatcherRow[]
  let readings: number
  let told: string[]
  let decision: Watched<Authorization>
  let room: WaitingRoom

  beforeEach(async () => {
    rows = [rowOf('200')]
    readings = 0
    told = []
    decision = new Watched(CONFIRM)
    const table = {
      load: async (page: (rows: readonly WatcherRow[]) => void) => page(rows),
      select: async () => {
        readings++
        return rows
      },
      put: () => undefined,
      delete: () => undefined,
    }
    room = new WaitingRoom({
      settings: () => defaultsOf(pubsubOptions),
      nameKey: (resource) => resource,
      now: Date.now,
      log: new Log('error').logger('test'),
      endpoints: { endpoint: () => ({ id: '100' }) } as never,
      authorize: () => decision,
      needsLeave: () => true,
      tell: (_event, resource, { status }) => void told.push(`${resource} ${status}`),
    })
    await room.open({ table: async () => table } as unknown as Store, [], true)
  })

  afterEach(() => room.close())

  const topics = (...resources: string[]) => resources.map((resource) => ({ event: 'lamp', resource }))

  it('are read once for all lists that somebody watches', async () => {
    rows = [rowOf('201'), rowOf('202'), rowOf('203')]
    await room.agree(topics('200', '201', '202'))
    expect(readings).to.equal(1)
    expect(told).to.deep.equal(['200 waiting', '201 waiting', '202 waiting'])
    expect(['200', '201', '202', '203'].map((resource) => [...room.of('lamp', resource)].length)).to.deep.equal([
      0, 1, 1, 0,
    ])
    await room.agree([])
    expect(readings).to.equal(1)
  })

  it('do not wait again where they are decided on while the table is read', async () => {
    const agreed = room.agree(topics('200'))
    decision.set({ ...CONFIRM, handling: 'allow' })
    await agreed
    expect(told).to.deep.equal(['200 waiting', '200 terminated'])
    expect([...room.of('lamp', '200')]).to.deep.equal([])
  })
})

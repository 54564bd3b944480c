/** Resource lists (RFC 4662) on a wire of the test's own: who gets one, what is told of it, and what is not told again. */
import { expect } from 'chai'
import type { PjsipConfig } from '../../core/endpoints.ts'
import { pjsipConfig, type TestCoreSettings } from '../support/core.ts'
import type { FakeDialog, FakeTransaction } from '../support/fake-sip.ts'
import { type LampOffice, lampOffice, settled } from '../support/lamp-office.ts'
import { Lamps, TEXT, XML } from '../support/lamps.ts'
import { type Document, ListClient } from '../support/list-reader.ts'
import { until } from '../support/tools.ts'

const LISTS = {
  floor: { event: 'lamp', list_item: ['200', '201'] },
  house: { event: 'lamp', list_item: ['floor', '202', '200', 'house'] },
}
const ASK = { Supported: 'eventlist', Accept: `multipart/related, application/rlmi+xml, ${TEXT}` }

function lampsOf(count: number): Lamps {
  const lamps = new Lamps()
  for (let at = 200; at < 200 + count; at++) lamps.set(String(at), 'off')
  return lamps
}

describe('resource lists', () => {
  let made: LampOffice
  const clients = new Map<FakeDialog, ListClient>()
  const read = new Map<FakeDialog, number>()

  afterEach(async () => {
    await made.office.close()
  })

  async function begin(settings: TestCoreSettings & { lamps?: Lamps } = {}): Promise<void> {
    made = await lampOffice({ lists: LISTS, lamps: lampsOf(3), ...settings })
    made.sip.autoAnswer = 200
  }

  /** What the NOTIFYs since the last call say, each added to what its client knows. */
  async function told(dialog: FakeDialog): Promise<readonly Document[]> {
    await settled(8)
    const client = clients.get(dialog) ?? new ListClient()
    clients.set(dialog, client)
    const documents: Document[] = []
    const from = read.get(dialog) ?? 0
    read.set(dialog, dialog.notifies.length)
    for (const { body } of dialog.notifies.slice(from))
      if (body) documents.push(await client.take(body.contentType, String(body.content)))
    return documents
  }

  const tableOf = (dialog: FakeDialog): Record<string, string> => Object.fromEntries(clients.get(dialog)?.table ?? [])

  const subscribe = (name: string, headers: Record<string, string> = {}): Promise<FakeTransaction> =>
    made.sip.subscribe(name, { ...ASK, ...headers })

  function configure(change: (config: PjsipConfig) => Partial<PjsipConfig>): void {
    const { endpoints } = made.office.core
    endpoints.replace({ ...endpoints.files, ...change(endpoints.files) })
  }

  it('are told whole first, in one NOTIFY', async () => {
    await begin()
    const tx = await subscribe('floor')
    expect([tx.status, tx.header('Require')]).to.deep.equal([200, 'eventlist'])
    const [first, ...more] = await told(tx.dialog)
    expect(more).to.deep.equal([])
    expect(tx.dialog.last.header('Require')).to.equal('eventlist')
    expect(first).to.include({ full: true, version: 0, name: 'floor' })
    expect(first?.entries.map(({ uri, name, instance }) => [uri, name, instance?.state, instance?.body])).to.deep.equal(
      [
        ['sip:200@pbx.example', '200', 'active', 'off'],
        ['sip:201@pbx.example', '201', 'active', 'off'],
      ],
    )
  })
})

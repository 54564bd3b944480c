/** Phones that refresh just then: what they are told while modules go and come, and while the server stops. */
import { expect } from 'chai'
import { localOffice } from '../support/office.ts'
import type { PhoneDialog, TestPhone } from '../support/phone.ts'
import { Scene } from '../support/scene.ts'

const LAMPS = ['101', '102', '103', '200', '201']
const HEADERS = [
  ['Event', 'dialog'],
  ['Expires', '600'],
] as const

describe('refreshes', function () {
  this.timeout(60000)
  let scene: Scene
  let phone: TestPhone
  let dialogs: PhoneDialog[]
  let statuses: Set<string>

  beforeEach(async () => {
    scene = await Scene.open({ ...localOffice(), 'pubsub.conf': '[general]\nsubs_db_mode = 1\n' })
    phone = await scene.phone('100')
    const { host, port } = scene.instance.address()
    dialogs = LAMPS.map((exten) => phone.dialog(`sip:${exten}@${host}:${port}`))
    statuses = new Set()
    for (const dialog of dialogs) await ask('SUBSCRIBE', dialog)
  })
  afterEach(() => scene?.close())

  async function ask(what: string, dialog: PhoneDialog): Promise<void> {
    const answer = await phone.request('SUBSCRIBE', { dialog, headers: HEADERS })
    statuses.add(`${what} ${answer.status}`)
  }

  /** All phones refresh, and one subscribes to more, until it is over. A request that nobody answers is left. */
  async function refreshDuring(work: Promise<unknown>): Promise<void> {
    const time = { over: false }
    const { host, port } = scene.instance.address()
    const often = async (what: string, dialogOf: () => PhoneDialog): Promise<void> => {
      while (!time.over) await ask(what, dialogOf()).catch(() => undefined)
    }
    const all = dialogs.map((dialog) => often('refresh', () => dialog))
    all.push(often('new', () => phone.dialog(`sip:200@${host}:${port}`)))
    await work.finally(() => {
      time.over = true
    })
    await Promise.all(all)
  }

  /** The first of those that are new may have come too late to be answered at all. */
  function expectGood(): void {
    statuses.delete('new 200')
    expect([...statuses].sort()).to.deep.equal(['SUBSCRIBE 200', 'refresh 200'])
  }

  for (const name of ['res_pjsip_pubsub', 'res_pjsip_exten_state'])
    it(`wait while ${name} is unloaded and loaded again`, async () => {
      await refreshDuring(scene.command(`module refresh ${name}`))
      for (const dialog of dialogs) await ask('refresh', dialog)
      expectGood()
    })

  it('that come while the server stops are left to the next start, which goes on with the subscriptions', async () => {
    const { port } = scene.instance.address()
    await refreshDuring(scene.instance.end('SIGTERM'))
    scene.instance.write({ 'pjsip.conf': localOffice(['udp'], port)['pjsip.conf'] ?? '' })
    await scene.instance.start()
    for (const dialog of dialogs) await ask('refresh', dialog)
    expectGood()
  })
})

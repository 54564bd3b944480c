import { expect } from 'chai'
import { changeAll, subscribeAll, unsubscribeAll } from '../../bench/loads.ts'
import { FIRST_EXPIRES } from '../../bench/mixed.ts'
import { Office } from '../../bench/office.ts'
import { type Recovery, recover } from '../../bench/outage.ts'
import { BenchNotifier, type KnownDialog } from '../support/bench-notifier.ts'

/** Milliseconds: the notifier is at hand. */
const QUIET = 500

describe('what the load generator asks of a server that comes back', function () {
  this.timeout(60_000)
  let notifier: BenchNotifier
  let office: Office

  beforeEach(async () => {
    notifier = new BenchNotifier()
    const server = { address: '127.0.0.1', port: await notifier.open() }
    office = await Office.open({ server, language: 'dialogs', prefix: 'p', layout: [{ lamps: 1, watchers: 3 }] })
    await changeAll(office, 1)
    await subscribeAll(office, office.watchers, 3, FIRST_EXPIRES)
    expect(office.takeFaults()).to.equal('')
  })
  afterEach(() => {
    office.close()
    notifier.socket.close()
  })

  const comeBack = async (change?: (dialog: KnownDialog) => void, grace = 0): Promise<Recovery> => {
    const killed = performance.now()
    office.serverGone()
    const recovering = recover(office, 3, grace, killed, QUIET)
    notifier.restart(change)
    return recovering
  }
  const forgetOne = (): void => {
    const [first] = notifier.dialogs.keys()
    if (first !== undefined) notifier.dialogs.delete(first)
  }

  it('finds nothing wrong with one that remembers', async () => {
    const found = await comeBack()
    expect(found).to.deep.equal({ known: 3, lost: 0, young: 0, refreshesLost: 0, reused: 0 })
    expect(office.takeFaults()).to.equal('')
  })

  it('finds a lost subscription', async () => {
    forgetOne()
    expect(await comeBack()).to.include({ known: 3, lost: 1, young: 0 })
    expect(office.takeFaults()).to.equal('')
  })

  it('forgives one that is younger than what is promised', async () => {
    forgetOne()
    expect(await comeBack(undefined, 60_000)).to.include({ known: 3, lost: 0, young: 1 })
  })

  it('finds a lost refresh', async () => {
    await subscribeAll(office, office.watchers, 3)
    const found = await comeBack((dialog) => (dialog.expires = '1700'))
    expect(found).to.include({ lost: 0, refreshesLost: 3 })
  })

  it('finds a CSeq that was used before', async () => {
    const found = await comeBack((dialog) => (dialog.cseq = 0))
    expect(found.reused).to.be.above(0)
    expect(office.takeFaults()).to.contain('with a CSeq twice')
  })

  it('finds a version that goes back', async () => {
    await comeBack((dialog) => (dialog.version = 0))
    expect(office.takeFaults()).to.contain('with a gap in their versions')
  })

  it('ends subscriptions and begins new ones', async () => {
    await unsubscribeAll(office, 3)
    expect(notifier.dialogs.size).to.equal(0)
    await subscribeAll(office, office.watchers, 3)
    await changeAll(office, 1)
    expect(notifier.dialogs.size).to.equal(3)
    expect(office.takeFaults()).to.equal('')
  })
})

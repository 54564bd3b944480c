import { expect } from 'chai'
import { devices, dialogs, messages } from '../../bench/lamp-language.ts'
import { changeAll, subscribeAll } from '../../bench/loads.ts'
import { Office } from '../../bench/office.ts'
import { slope } from '../../bench/slope.ts'
import { BenchNotifier } from '../support/bench-notifier.ts'
import { until } from '../support/tools.ts'

describe('what the load generator checks', () => {
  let notifier: BenchNotifier
  let office: Office

  beforeEach(async () => {
    notifier = new BenchNotifier()
    const server = { address: '127.0.0.1', port: await notifier.open() }
    office = await Office.open({ server, language: 'dialogs', prefix: 'p', layout: [{ lamps: 1, watchers: 1 }] })
    await changeAll(office, 1)
  })
  afterEach(() => {
    office.close()
    notifier.socket.close()
  })

  const subscribed = async (): Promise<void> => {
    await subscribeAll(office, office.watchers, 1)
    expect(office.takeFaults()).to.equal('')
  }

  it('finds nothing wrong with a notifier that is right', async () => {
    await subscribed()
    await changeAll(office, 1)
    await subscribeAll(office, office.watchers, 1)
    expect(office.takeFaults()).to.equal('')
    expect([office.notifies, office.latencies.length]).to.deep.equal([3, 1])
  })

  const lies: [what: string, lie: BenchNotifier['lie'], found: RegExp][] = [
    [
      'an older state, and a lamp that stays stale',
      (text) => text.replace('n-1-', 'n-0-').replace('confirmed</state>', 'early</state>    '),
      /^1 stale lamps/,
    ],
    ['a state that nobody published', (text) => text.replace('n-1-', 'n-7-'), /1 with a wrong state/],
    ['a word that does not go with it', (text) => text.replace('confirmed', 'early'), /1 with a wrong state/],
    ['another tag', (text) => text.replace(';tag=n', ';tag=m'), /1 strange \(a NOTIFY with another From tag\)/],
    [
      'another length',
      (text) => text.replace(/(Content-Length: )\d+/, '$17'),
      /1 strange \(a NOTIFY with Content-Length/,
    ],
    [
      'an end',
      (text) => text.replace('active;expires=3600', 'terminated'),
      /1 strange \(a NOTIFY with Subscription-State/,
    ],
    ['a version too many', (text) => text.replace(/version="\d+"/, 'version="9"'), /1 with a gap/],
    ['a used CSeq', (text) => text.replace(/CSeq: \d+/, 'CSeq: 1'), /1 with a CSeq twice, 1 stale/],
  ]
  for (const [what, lie, found] of lies) {
    it(`finds ${what}`, async () => {
      await subscribed()
      notifier.lie = lie
      const [lamp] = office.lamps
      if (!lamp) throw new Error('no lamp')
      const before = notifier.sent
      office.change(lamp, performance.now())
      await until('the answer and the NOTIFY', () => !lamp.waiting && notifier.confirmed > before)
      expect(office.takeFaults()).to.match(found)
    })
  }

  it('finds a refusal', async () => {
    notifier.status = '500 Server Error'
    await subscribeAll(office, office.watchers, 1)
    expect(office.takeFaults()).to.equal('1 refused (500 Server Error)')
  })

  it('draws the line through values that scatter', () => {
    expect([slope([1, 3, 5]), slope([4, 2, 4, 2, 4]), slope([7])]).to.deep.equal([2, 0, 0])
    expect(slope([10, 9, 12, 11, 14, 13])).to.be.closeTo(0.829, 0.001)
  })

  it('reads the number of a state, or that there is none', () => {
    const body = dialogs.publish('p0', 4)
    expect([dialogs.shown(body, 0, 4), dialogs.shown(body, 0, 5), dialogs.shown(body, 0, 3)]).to.deep.equal([4, 4, -1])
    const summary = messages.publish('p0', 4)
    expect([messages.shown(summary, 0, 4), messages.shown(summary, 0, 3), messages.shown('', 0, 5)]).to.deep.equal([
      4, -1, -1,
    ])
    const ringing = '<dialog-info><dialog id="1"><state>early</state></dialog></dialog-info>'
    expect([
      devices.shown(ringing, 0, 2),
      devices.shown('<dialog-info/>', 0, 3),
      devices.shown('', 0, 2),
    ]).to.deep.equal([2, 0, -1])
    expect([devices.key(5), dialogs.key(5)]).to.deep.equal([2, 5])
  })
})

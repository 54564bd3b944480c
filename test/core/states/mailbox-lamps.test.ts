import { expect } from 'chai'
import { Devices } from '../../../core/states/devices.ts'
import { MAILBOX, MailboxLamps } from '../../../core/states/mailbox-lamps.ts'
import { type MailboxCounts, Mailboxes } from '../../../core/states/mailboxes.ts'

const counts = (newMessages: number, oldMessages: number): MailboxCounts => ({ newMessages, oldMessages })

describe('mailboxes as devices', () => {
  let devices: Devices
  let mailboxes: Mailboxes
  let lamps: MailboxLamps
  let changes: string[]

  beforeEach(() => {
    devices = new Devices()
    mailboxes = new Mailboxes()
    lamps = new MailboxLamps(devices, mailboxes)
    changes = []
    devices.onChange((name, state) => changes.push(`${name} ${state}`))
  })

  it('are in use while there are new messages, from before and from then on, whatever the case', async () => {
    mailboxes.set('local', '100@Default', counts(2, 1))
    await devices.need('MWI:100@default').ready
    await devices.need('mwi:100').ready
    expect([devices.get('MWI:100@default'), devices.get('MWI:100')]).to.deep.equal(['INUSE', 'INUSE'])
    mailboxes.set('local', '100@default', counts(1, 2))
    mailboxes.set('local', '100@default', counts(0, 3))
    expect(changes).to.deep.equal([
      'MWI:100@default INUSE',
      'mwi:100 INUSE',
      'MWI:100@default NOT_INUSE',
      'mwi:100 NOT_INUSE',
    ])
    mailboxes.set('local', '100@default', undefined)
    expect(devices.get('MWI:100@default')).to.equal('INVALID')
  })

  it('are what an Asterisk says that tells of the device, also while it is away', async () => {
    await devices.need('MWI:100@default').ready
    mailboxes.set('pbx1', '100@default', counts(1, 0))
    expect(devices.get('MWI:100@default')).to.equal('INUSE')
    devices.set('pbx1', 'MWI:100@default', 'INVALID')
    expect(devices.get('MWI:100@default')).to.equal('INUSE')
    devices.set('pbx1', 'MWI:100@default', 'NOT_INUSE')
    expect(devices.reports('MWI:100@default').map(({ origin }) => origin)).to.deep.equal(['pbx1'])
    devices.expireOrigin('pbx1')
    expect(devices.get('MWI:100@default')).to.equal('UNAVAILABLE')
    // What somebody else says of the mailbox lights it as another Asterisk would.
    mailboxes.set('subscription/provider', '100@default', counts(3, 0))
    expect(devices.get('MWI:100@default')).to.equal('INUSE')
    devices.dropOrigin('pbx1')
    expect(devices.get('MWI:100@default')).to.equal('INUSE')
  })

  it('say nothing of what nobody needs, and of no other device', async () => {
    mailboxes.set('local', '100@default', counts(1, 0))
    expect(devices.list()).to.deep.equal([])
    const { ready, release } = devices.need('MWI:100@default')
    await ready
    await release()
    mailboxes.set('local', '100@default', counts(2, 0))
    expect(devices.list()).to.deep.equal([])
    await devices.need('PJSIP/100').ready
    expect(devices.get('PJSIP/100')).to.equal('INVALID')
    await devices.need('MWI:100@default').ready
    expect(devices.get('MWI:100@default')).to.equal('INUSE')
    lamps.close()
    expect(devices.namesOf(MAILBOX)).to.deep.equal([])
  })
})

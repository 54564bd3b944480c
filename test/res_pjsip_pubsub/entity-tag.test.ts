import { expect } from 'chai'
import type { FakeTransaction } from '../support/fake-sip.ts'
import { type LampOffice, lampOffice, settled } from '../support/lamp-office.ts'
import { XML } from '../support/lamps.ts'

describe('conditional notification (RFC 5839)', () => {
  let made: LampOffice
  let tx: FakeTransaction

  beforeEach(async () => {
    made = await lampOffice()
    tx = await made.sip.subscribe('200', { Accept: XML })
    await settled()
  })

  afterEach(() => made.office.close())

  const tagOf = (): string => tx.dialog.last.header('SIP-ETag') ?? ''

  it('gives equal states equal entity-tags, and other states others', async () => {
    const off = tagOf()
    made.lamps.set('200', 'on')
    await settled()
    const on = tagOf()
    made.lamps.set('200', 'off')
    await settled()
    expect(off).to.match(/^[0-9a-f]{20}$/)
    expect(on).not.to.equal(off)
    expect(tagOf()).to.equal(off)
  })

  for (const [what, condition] of [
    ['the entity-tag it has', tagOf],
    ['any', () => '*'],
  ] as const) {
    it(`answers a refresh with 204 and sends no NOTIFY where the state is ${what}`, async () => {
      const tag = tagOf()
      const refresh = await made.sip.again(tx, { Expires: '300', 'Suppress-If-Match': condition() })
      expect([refresh.status, refresh.given?.reason]).to.deep.equal([204, 'No Notification'])
      expect([refresh.header('Expires'), refresh.header('SIP-ETag')]).to.deep.equal(['300', tag])
      await settled()
      expect(tx.dialog.notifies).to.have.length(1)
      made.lamps.set('200', 'on')
      await settled()
      expect(tx.dialog.last.state).to.equal('active;expires=300')
      expect(tx.dialog.last.text).to.include('>on<')
    })
  }

  it('answers 200 and sends the NOTIFY where it is another', async () => {
    const refresh = await made.sip.again(tx, { 'Suppress-If-Match': 'stale' })
    expect(refresh.status).to.equal(200)
    await settled()
    expect(tx.dialog.notifies).to.have.length(2)
  })

  it('ends without a final NOTIFY for a watcher that has the last state', async () => {
    const end = await made.sip.again(tx, { Expires: '0', 'Suppress-If-Match': tagOf() })
    expect(end.status).to.equal(204)
    await settled()
    expect(tx.dialog.notifies).to.have.length(1)
    expect(tx.dialog.disposed).to.equal(true)
  })

  it('leaves the body out of the first NOTIFY for a watcher that has the state', async () => {
    const resumed = await made.sip.subscribe('200', { Accept: XML, 'Suppress-If-Match': tagOf() })
    expect(resumed.status).to.equal(200)
    await settled()
    expect(resumed.dialog.last.body).to.equal(undefined)
    expect(resumed.dialog.last.header('SIP-ETag')).to.equal(tagOf())
    made.lamps.set('200', 'on')
    await settled()
    expect(resumed.dialog.last.text).to.include('>on<')
  })

  it('puts the body in where the state changed before the first NOTIFY', async () => {
    const resumed = await made.sip.subscribe('200', { Accept: XML, 'Suppress-If-Match': tagOf() })
    made.lamps.set('200', 'on')
    await settled()
    expect(resumed.dialog.notifies.map((notify) => notify.text)).to.deep.equal([
      '<lamp version="0" entity="sip:200@pbx.example">on</lamp>',
    ])
  })

  it('leaves the body out of a fetch of what the watcher has', async () => {
    const fetch = await made.sip.subscribe('200', { Accept: XML, Expires: '0', 'Suppress-If-Match': tagOf() })
    await settled()
    expect(fetch.dialog.last.state).to.equal('terminated;reason=timeout')
    expect(fetch.dialog.last.body).to.equal(undefined)
  })

  it('is unknown under compat=asterisk', async () => {
    const tag = tagOf()
    made.office.general({ compat: 'asterisk' })
    const refresh = await made.sip.again(tx, { 'Suppress-If-Match': tag })
    expect(refresh.status).to.equal(200)
    await settled()
    expect(tagOf()).to.equal('')
  })
})

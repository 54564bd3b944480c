/** The names of Asterisk's design page for publications, row by row of the table in the README. */
import { expect } from 'chai'
import type { Publication } from '../../res_pjsip_pubsub/contract.ts'
import type { FakeTransaction } from '../support/fake-sip.ts'
import { type LampOffice, lampOffice } from '../support/lamp-office.ts'
import { LampHandler } from '../support/lamp-publications.ts'
import { testReadmeNames } from '../support/readme-names.ts'
import { until } from '../support/tools.ts'

describe('names of the design page for publications', () => {
  let made: LampOffice
  let handler: LampHandler

  beforeEach(async () => {
    made = await lampOffice()
    handler = new LampHandler()
    made.pubsub.publicationHandler(handler)
  })

  afterEach(() => made.office.close())

  async function publish(): Promise<[FakeTransaction, Publication]> {
    const tx = await made.sip.publish('100', 'on')
    const [publication] = made.pubsub.allPublications
    if (!publication) throw new Error(`there is no publication: ${tx.status}`)
    return [tx, publication]
  }

  const again = (tx: FakeTransaction, body: string, expires = '600'): Promise<FakeTransaction> =>
    made.sip.publish('100', body, { 'SIP-If-Match': tx.header('SIP-ETag'), Expires: expires })

  it('ast_sip_publication', async () => {
    const [tx, publication] = await publish()
    expect(publication).to.include({ event: 'lamp', resource: '100', domain: 'pbx.example', body: 'on', priority: 0 })
    expect(publication).to.include({ publisher: 'sip:100@pbx.example', contentType: 'application/lamp' })
    expect(publication.entityTag).to.equal(tx.header('SIP-ETag'))
    await again(tx, 'off')
    expect([...made.pubsub.allPublications]).to.deep.equal([publication])
    expect(publication.state).to.deep.equal({ light: 'off' })
  })

  it('ast_sip_publication_handler', async () => {
    expect((await made.sip.publish('100', 'on', { Event: 'lantern' })).status).to.equal(489)
    const undo = made.pubsub.publicationHandler(new LampHandler('lantern'))
    expect((await made.sip.publish('100', 'on', { Event: 'lantern' })).status).to.equal(200)
    await undo()
    expect((await made.sip.publish('100', 'on', { Event: 'lantern' })).status).to.equal(489)
  })

  it('new_publication', async () => {
    handler.answer = { status: 403, reason: 'Not Now' }
    const tx = await made.sip.publish('100', 'on')
    expect([tx.status, tx.given?.reason]).to.deep.equal([403, 'Not Now'])
    expect(handler.called).to.deep.equal(['new 100 PUBLISH 100'])
    expect([...made.pubsub.allPublications]).to.deep.equal([])
  })

  it('publish_refresh', async () => {
    const [tx, publication] = await publish()
    handler.answer = { status: 500 }
    expect((await again(tx, 'off')).status).to.equal(500)
    expect(publication.state).to.deep.equal({ light: 'on' })
    handler.answer = undefined
    expect((await again(tx, '')).status).to.equal(200)
    expect(handler.called.slice(1)).to.deep.equal(['refresh on 3', 'refresh on 0'])
  })

  it('publish_expire', async () => {
    await made.sip.publish('100', 'on', { Expires: '1' })
    await until('expiry', () => handler.called.includes('expire on'))
    expect([...made.pubsub.allPublications]).to.deep.equal([])
    expect(handler.called).not.to.include('termination on')
  })

  it('publish_termination', async () => {
    const [tx] = await publish()
    await again(tx, '', '0')
    expect(handler.called.at(-1)).to.equal('termination on')
    expect([...made.pubsub.allPublications]).to.deep.equal([])
  })

  it('ast_sip_create_publication', async () => {
    expect([...made.pubsub.allPublications]).to.deep.equal([])
    await publish()
    expect([...made.pubsub.allPublications]).to.have.length(1)
  })

  it('ast_sip_publication_get_endpoint', async () => {
    const [, publication] = await publish()
    expect(publication.endpoint).to.equal(made.office.core.endpoints.files.endpoints.get('100'))
  })

  it('ast_sip_publication_create_response', async () => {
    const [tx] = await publish()
    handler.answer = { status: 202, reason: 'Will Do', headers: [['X-Lamp', 'on']], body: 'thanks' }
    const answer = await again(tx, 'off')
    expect(answer.given).to.include({ status: 202, reason: 'Will Do', body: 'thanks' })
    expect(answer.header('X-Lamp')).to.equal('on')
    expect(answer.header('SIP-ETag')).to.match(/^[0-9a-f]{32}$/)
    expect(answer.header('Expires')).to.equal('600')
  })

  it('ast_sip_subscription_alloc_datastore', async () => {
    const [, { datastores }] = await publish()
    expect(datastores.add('counter', 1)).to.match(/^ds-\d+$/)
    expect(datastores.add('other', 1, 'mine')).to.equal('mine')
  })

  it('ast_sip_subscription_add_datastore', async () => {
    const [, { datastores }] = await publish()
    datastores.add('counter', 1)
    expect(() => datastores.add('counter', 2)).to.throw('has a datastore counter already')
  })

  it('ast_sip_subscription_get_datastore', async () => {
    const [tx, publication] = await publish()
    publication.datastores.add('counter', 7)
    await again(tx, 'off')
    expect(publication.datastores.get('counter')).to.equal(7)
    expect(publication.datastores.get('other')).to.equal(undefined)
  })

  it('ast_sip_subscription_remove_datastore', async () => {
    const [, { datastores }] = await publish()
    datastores.add('counter', 7)
    expect(datastores.remove('counter')).to.equal(true)
    expect(datastores.remove('counter')).to.equal(false)
    expect(datastores.get('counter')).to.equal(undefined)
  })

  testReadmeNames('What the page calls publications')
})

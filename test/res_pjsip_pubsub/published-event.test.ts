/** Events that are nothing but what is published: `addEvent` with the members of Kamailio's pres_ev_t. */
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { type Watchable, Watched } from '../../core/watch.ts'
import { type PublishedEvent, Resources } from '../../res_pjsip_pubsub/publishing/published-event.ts'
import type { FakeTransaction, Headers } from '../support/fake-sip.ts'
import { type LampOffice, lampOffice, settled } from '../support/lamp-office.ts'
import { until } from '../support/tools.ts'

describe('an event that is nothing but what is published', () => {
  let made: LampOffice

  beforeEach(async () => {
    made = await lampOffice()
  })
  afterEach(() => made.office.close())

  const PROFILE: PublishedEvent = { event: 'ua-profile', accept: ['text/xml', 'text/plain'] }

  async function publish(body: string | Buffer, headers: Headers = {}): Promise<FakeTransaction> {
    const tx = await made.sip.publish('100', body, { Event: 'ua-profile', 'Content-Type': 'text/xml', ...headers })
    await settled()
    return tx
  }

  async function watch(headers: Headers = {}): Promise<FakeTransaction> {
    const tx = await made.sip.subscribe('100', { Event: 'ua-profile', ...headers })
    await until('first NOTIFY', () => tx.answered && (tx.status !== 200 || tx.dialog.notifies.length > 0))
    return tx
  }

  it('begins with a NOTIFY without a body, and shows the last document', async () => {
    made.pubsub.addEvent(PROFILE)
    const tx = await watch()
    expect(tx.dialog.last.body).to.equal(undefined)
    const first = await publish('<a/>')
    await until('the document', () => tx.dialog.last.text === '<a/>')
    await pause(2)
    await publish('<b/>')
    await until('the newer one', () => tx.dialog.last.text === '<b/>')
    await publish('plain', { 'Content-Type': 'text/plain' })
    await publish('<c/>', { 'SIP-If-Match': first.header('SIP-ETag') })
    await until('the changed one', () => tx.dialog.last.text === '<c/>')
    expect((await watch({ Accept: 'text/plain' })).dialog.last.text).to.equal('plain')
  })

  it('makes one of several by aggNbody', async () => {
    made.pubsub.addEvent({ ...PROFILE, aggNbody: (resource, bodies) => `${resource}:${bodies.toSorted().join()}` })
    const tx = await watch()
    await publish('<a/>')
    await publish('<b/>')
    await until('both', () => tx.dialog.last.text === '100:<a/>,<b/>')
  })

  it('keeps its entity-tag with etagNotNew', async () => {
    made.pubsub.addEvent({ ...PROFILE, etagNotNew: true })
    const tag = (await publish('<a/>')).header('SIP-ETag')
    expect((await publish('<b/>', { 'SIP-If-Match': tag })).header('SIP-ETag')).to.equal(tag)
    expect((await publish('<c/>', { 'SIP-If-Match': tag })).status).to.equal(200)
  })

  it('asks evsPublHandl and evsSubsHandl first', async () => {
    made.pubsub.addEvent({
      ...PROFILE,
      evsPublHandl: (request, resource) =>
        request.body.includes('bad') ? { status: 400, reason: `Not About ${resource}` } : undefined,
      evsSubsHandl: (request) => (request.header('X-No') === undefined ? undefined : { status: 403 }),
    })
    const refused = await publish('<bad/>')
    expect([refused.status, refused.given?.reason]).to.deep.equal([400, 'Not About 100'])
    expect((await publish('<good/>')).status).to.equal(200)
    expect((await watch({ 'X-No': 'yes' })).status).to.equal(403)
    expect((await watch()).status).to.equal(200)
  })

  it('refuses what is called XML and is not', async () => {
    made.pubsub.addEvent(PROFILE)
    const tx = await publish('<a>')
    expect([tx.status, tx.given?.reason]).to.deep.equal([400, 'Body Is Not XML'])
  })

  it('reads XML by its own encoding, and sends it on in UTF-8', async () => {
    made.pubsub.addEvent(PROFILE)
    const tx = await watch()
    const written = (encoding: string): string => `<?xml version="1.0" encoding="${encoding}"?><a>Büro</a>`
    expect((await publish(Buffer.from(written('ISO-8859-1'), 'latin1'))).status).to.equal(200)
    await until('the document', () => tx.dialog.last.text === written('UTF-8'))
    expect([...made.pubsub.allPublications].map(({ body }) => body)).to.deep.equal([written('UTF-8')])
    const unknown = await publish(written('EBCDIC-DE'))
    expect([unknown.status, unknown.header('Accept')]).to.deep.equal([415, 'text/xml, text/plain'])
    const broken = await publish(Buffer.from('\ufeff<a/', 'utf16le').subarray(0, -1))
    expect([broken.status, broken.given?.reason]).to.deep.equal([400, 'Body Is Not In Its Character Encoding'])
    const text = await publish('plain', { 'Content-Type': 'text/plain;charset=EBCDIC-DE' })
    expect(text.status).to.equal(200)
  })

  it('does not tell the sender of its own change', async () => {
    made.pubsub.addEvent(PROFILE)
    const tx = await watch()
    await publish('<a/>', { Sender: '<sip:100@pbx.example>' })
    const other = await watch({ From: '<sip:101@pbx.example>;tag=1' })
    expect(other.dialog.last.text).to.equal('<a/>')
    expect(tx.dialog.notifies).to.have.length(1)
  })

  it('tells a sender what others took back since, though it began to watch after that', async () => {
    made.pubsub.addEvent({ ...PROFILE, aggNbody: (_resource, bodies) => bodies.join('') })
    const first = await publish('<b/>', { Contact: '<sip:b@192.0.2.7>;+sip.instance="b"' })
    const own = { Sender: '<sip:100@pbx.example>', Contact: '<sip:a@192.0.2.7>;+sip.instance="a"' }
    await publish('<a/>', own)
    const tx = await watch()
    expect(tx.dialog.last.text).to.equal('<a/><b/>')
    await publish('', { 'SIP-If-Match': first.header('SIP-ETag') ?? '', Expires: '0' })
    await until('the rest', () => tx.dialog.last.text === '<a/>')
  })

  it('is gone with its undoing, and a second one throws and leaves nothing behind', async () => {
    const undo = made.pubsub.addEvent(PROFILE)
    expect(() => made.pubsub.addEvent(PROFILE)).to.throw('handler already')
    await undo()
    expect((await publish('<a/>')).status).to.equal(489)
    expect((await watch()).status).to.equal(489)
    await made.pubsub.addEvent(PROFILE)()
  })
})

describe('what is published and found', () => {
  it('is not kept where nobody watches it', () => {
    const resources = new Resources('ua-profile', { publications: (): Watchable<never[]> => new Watched([]) })
    const [first, watched] = [resources.of('first'), resources.of('watched')]
    watched.watch({ value: () => undefined })
    for (let number = 0; number < 10_000; number++) resources.of(String(number))
    expect([resources.of('first') === first, resources.of('watched') === watched]).to.deep.equal([false, true])
  })
})

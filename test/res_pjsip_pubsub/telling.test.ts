/** Modules that fail at what they are told: lamps follow all the same, and subscriptions and publications end. */
import { expect } from 'chai'
import type { EventPackage, PublicationHandler, ResponseData } from '../../res_pjsip_pubsub/contract.ts'
import { type LampOffice, lampOffice, settled } from '../support/lamp-office.ts'
import { LampHandler } from '../support/lamp-publications.ts'
import { type Lamp, Lamps, lampText } from '../support/lamps.ts'
import { TestPhone } from '../support/phone.ts'
import { until } from '../support/tools.ts'

type Callback = 'subscriptionEstablished' | 'subscriptionTimeout' | 'subscriptionTerminated' | 'notifyResponse' | 'subscriptionShutdown' | 'ownChange' // biome-ignore format: one

describe('modules that fail at what they are told', () => {
  let made: LampOffice
  let lamps: Lamps & EventPackage<Lamp>

  beforeEach(async () => {
    lamps = new Lamps()
    made = await lampOffice({ lamps })
  })

  afterEach(() => made.office.close())

  function breaks(...names: readonly Callback[]): void {
    for (const name of names) {
      lamps[name] = () => {
        throw new Error('broken')
      }
    }
  }

  const complaints = (what: string): string[] =>
    made.office.logged.filter((line) => line === `ERROR the module of event lamp failed at ${what}: broken`)

  it('subscriptionEstablished and notifyResponse: the lamp follows', async () => {
    breaks('subscriptionEstablished', 'notifyResponse')
    const tx = await made.sip.subscribe('200')
    for (const light of ['on', 'off']) {
      await settled()
      lamps.set('200', light)
    }
    await settled()
    expect(tx.status).to.equal(200)
    expect(tx.dialog.notifies.map(({ text }) => text)).to.deep.equal(['off', 'on', 'off'])
    expect([complaints('subscriptionEstablished').length, complaints('notifyResponse').length]).to.deep.equal([1, 3])
  })

  it('a body that is no text: the lamp goes on without one, and its subscription ends when it is ended', async () => {
    await made.office.close()
    made = await lampOffice({ lamps, sip: undefined })
    const phone = await TestPhone.open({ server: { address: '127.0.0.1', port: made.office.port }, user: '100' })
    try {
      // As JavaScript has it, or a function that is async by mistake.
      lamps.auxBodyProcessing = () => 42 as unknown as string
      const dialog = phone.dialog('sip:200@127.0.0.1')
      const subscribe = (seconds: number) =>
        phone.request('SUBSCRIBE', {
          dialog,
          headers: [
            ['Event', 'lamp'],
            ['Expires', String(seconds)],
          ],
        })
      expect((await subscribe(600)).status).to.equal(200)
      expect((await phone.next('NOTIFY')).body).to.equal('')
      expect(made.office.logged.join('\n')).to.include(
        'no application/lamp body for lamp of 200: a body has to be text',
      )
      await subscribe(0)
      expect((await phone.next('NOTIFY')).header('subscription-state')).to.include('terminated')
    } finally {
      await phone.close()
    }
  })

  it('a part of what is new: all of it goes out, and so does the end', async () => {
    const PARTS = 'application/lamp-parts'
    made.pubsub.bodyGenerator({
      ...lampText,
      type: PARTS,
      partial: () => {
        throw new Error('broken')
      },
    })
    const whole = Object.assign(new Lamps('parts'), { accept: [PARTS] as const })
    whole.set('200', 'off')
    made.pubsub.eventPackage(whole)
    const tx = await made.sip.subscribe('200', { Event: 'parts', Accept: PARTS })
    await settled()
    whole.set('200', 'on')
    await settled()
    expect(tx.dialog.last.text).to.equal('on')
    expect(made.office.logged.join('\n')).to.include(`no ${PARTS} body of what is new for parts of 200`)
    await made.sip.again(tx, { Event: 'parts', Expires: '0' })
    await settled()
    expect(tx.dialog.last.state).to.equal('terminated;reason=timeout')
  })

  it('later, where a function is async: the log names whose it is', async () => {
    lamps.subscriptionEstablished = () => Promise.reject(new Error('broken')) as unknown as undefined
    const tx = await made.sip.subscribe('200')
    await settled()
    expect(tx.dialog.last.text).to.equal('off')
    expect(complaints('subscriptionEstablished')).to.have.length(1)
  })

  it('ownChange: all lamps follow', async () => {
    const [one, other] = [await made.sip.subscribe('200'), await made.sip.subscribe('200')]
    await settled()
    breaks('ownChange')
    lamps.set('200', 'on')
    await settled()
    for (const { dialog } of [one, other]) expect(dialog.last.text).to.equal('on')
    expect(complaints('ownChange')).to.have.length(2)
  })

  it('subscriptionTerminated and subscriptionShutdown: it ends with the last NOTIFY', async () => {
    breaks('subscriptionTerminated', 'subscriptionShutdown')
    const told: string[] = []
    made.pubsub.onSubscription((what) => told.push(what))
    const tx = await made.sip.subscribe('200')
    await settled()
    expect((await made.sip.again(tx, { Expires: '0' })).status).to.equal(200)
    await settled()
    expect(tx.dialog.last.state).to.equal('terminated;reason=timeout')
    expect([...made.pubsub.subscriptions]).to.deep.equal([])
    expect(told.at(-1)).to.equal('terminated')
    expect([complaints('subscriptionTerminated').length, complaints('subscriptionShutdown').length]).to.deep.equal([
      1, 1,
    ])
  })

  it('subscriptionTimeout: it expires', async () => {
    breaks('subscriptionTimeout')
    const tx = await made.sip.subscribe('200', { Expires: '1' })
    await until('the end', () => tx.dialog.disposed)
    expect(tx.dialog.last.state).to.equal('terminated;reason=timeout')
    expect([...made.pubsub.subscriptions]).to.deep.equal([])
  })

  it('publishTermination and publishExpire: what was published is gone, and its watchers know', async () => {
    const handler: PublicationHandler<Lamp> = new LampHandler('note')
    made.pubsub.publicationHandler(handler)
    handler.publishTermination = handler.publishExpire = () => {
      throw new Error('broken')
    }
    const { pubsub } = made
    const seen: number[] = []
    pubsub.publications('note', '100', handler.kind).watch({ value: ({ length }) => void seen.push(length) })
    const told: string[] = []
    pubsub.onPublication((what) => told.push(what))
    const publish = (body: string, headers: Record<string, string>): ReturnType<typeof made.sip.publish> =>
      made.sip.publish('100', body, { Event: 'note', ...headers })
    const tag = (await publish('on', {})).header('SIP-ETag') ?? ''
    const answer = await publish('', { 'SIP-If-Match': tag, Expires: '0' })
    expect([answer.status, answer.header('Expires')]).to.deep.equal([200, '0'])
    await publish('on', { Expires: '1' })
    await until('the expiry', () => told.includes('expired'))
    expect(seen).to.deep.equal([0, 1, 0, 1, 0])
    expect(told).to.deep.equal(['published', 'removed', 'published', 'expired'])
  })

  it('publishTermination, with an answer that is none: what was published is gone all the same', async () => {
    const handler: PublicationHandler<Lamp> = new LampHandler('note')
    made.pubsub.publicationHandler(handler)
    handler.publishTermination = () => ({ status: 200, headers: 42 as unknown as [] })
    const seen: number[] = []
    made.pubsub.publications('note', '100', handler.kind).watch({ value: ({ length }) => void seen.push(length) })
    const tag = (await made.sip.publish('100', 'on', { Event: 'note' })).header('SIP-ETag') ?? ''
    const answer = await made.sip.publish('100', '', { Event: 'note', 'SIP-If-Match': tag, Expires: '0' })
    expect([answer.status, answer.header('Expires'), seen]).to.deep.equal([200, '0', [0, 1, 0]])
    expect(made.office.logged.join('\n')).to.include('the module of event note failed at publishTermination')
  })

  it('publishRefresh and resubscribe, with answers that are none: nothing changes', async () => {
    const nothing = {} as unknown as ResponseData
    const handler: PublicationHandler<Lamp> = new LampHandler('note')
    made.pubsub.publicationHandler(handler)
    handler.publishRefresh = () => nothing
    const seen: string[] = []
    made.pubsub.publications('note', '100', handler.kind).watch({
      value: (all) => void seen.push(all.map(({ state }) => state.light).join()),
    })
    const tag = (await made.sip.publish('100', 'on', { Event: 'note' })).header('SIP-ETag') ?? ''
    await made.sip.publish('100', 'off', { Event: 'note', 'SIP-If-Match': tag })
    expect(seen).to.deep.equal(['', 'on'])
    lamps.resubscribe = () => nothing
    const tx = await made.sip.subscribe('200')
    const expiries = (): number[] => [...made.pubsub.subscriptions].map(({ expires }) => expires)
    const before = expiries()
    expect(before).to.have.length(1)
    await made.sip.again(tx, { Expires: '60' })
    expect(expiries()).to.deep.equal(before)
  })

  it('onSubscription and onPublication: whoever else listens is told, and the request is answered once', async () => {
    made.pubsub.publicationHandler(new LampHandler())
    const told: string[] = []
    made.pubsub.onSubscription(() => {
      throw new Error('broken')
    })
    made.pubsub.onPublication(() => {
      throw new Error('broken')
    })
    made.pubsub.onSubscription((what) => told.push(what))
    made.pubsub.onPublication((what) => told.push(what))
    const tx = await made.sip.subscribe('200')
    expect((await made.sip.again(tx)).status).to.equal(200)
    expect((await made.sip.publish('100', 'on')).status).to.equal(200)
    expect(told).to.include.members(['established', 'refreshed', 'published'])
  })
})

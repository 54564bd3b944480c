/** The same publications give the same document, in whatever order they came and however often. */
import { expect } from 'chai'
import { array, assert, asyncProperty, constantFrom, integer, property, record, shuffledSubarray } from 'fast-check'
import { composeDialogs } from '../../res_pjsip_exten_state/dialog-composition.ts'
import { readDialogs } from '../../res_pjsip_exten_state/dialog-publication.ts'
import { EndedDialogs } from '../../res_pjsip_exten_state/ended-dialogs.ts'
import { DialogSource } from '../../res_pjsip_exten_state/published.ts'
import dialogBodies from '../../res_pjsip_exten_state/res_pjsip_dialog_info_body_generator.ts'
import extenState from '../../res_pjsip_exten_state/res_pjsip_exten_state.ts'
import pidfBodies from '../../res_pjsip_exten_state/res_pjsip_pidf_body_generator.ts'
import pubsubModule from '../../res_pjsip_pubsub/res_pjsip_pubsub.ts'
import { TestCore } from '../support/core.ts'
import { FakeSip } from '../support/fake-sip.ts'
import { DIALOG_TYPE, type DialogText, dialogBody, PIDF_TYPE, personOf, pidfBody } from '../support/published-bodies.ts'
import { until } from '../support/tools.ts'

const dialog = record({
  id: constantFrom('a', 'b'),
  callId: constantFrom('x', 'y', 'z'),
  state: constantFrom('trying', 'proceeding', 'early', 'confirmed', 'terminated'),
})

/** A publisher's document; every publisher speaks for one source. */
const publication = record({
  publisher: constantFrom('100', '101', '102'),
  instance: constantFrom('one', 'two'),
  dialogs: array(dialog, { maxLength: 2 }).map((all) => [...new Map(all.map((one) => [one.id, one])).values()]),
})

interface OnePublication {
  readonly publisher: string
  readonly instance: string
  readonly dialogs: readonly DialogText[]
}

function sourceOf({ publisher, instance, dialogs }: OnePublication): DialogSource {
  const text = dialogBody(dialogs)
  const read = readDialogs({ text, previous: undefined, resource: '200' }, new EndedDialogs())
  if ('fault' in read) throw new Error(read.fault)
  return new DialogSource(read.state, publisher, instance)
}

describe('composition', () => {
  it('of dialogs is the same for any order and repetition', () => {
    assert(
      property(array(publication, { maxLength: 5 }), array(integer({ min: 0, max: 99 })), (all, order) => {
        const sources = all.map(sourceOf)
        const mixed = [...order.map((n) => sources[n % Math.max(1, sources.length)]), ...sources.toReversed()]
        const composed = composeDialogs(mixed.filter((source) => source !== undefined))
        expect(composed).to.deep.equal(composeDialogs(sources))
        const ids = [...composed.live, ...composed.over].map(({ id }) => id)
        expect(new Set(ids).size).to.equal(ids.length)
      }),
      { numRuns: 200 },
    )
  })

  it('of what several say of one dialog shows what is furthest along', () => {
    const says = (publisher: string, state: string): DialogSource =>
      sourceOf({ publisher, instance: 'one', dialogs: [{ id: 'a', callId: 'x', state }] })
    const sources = [says('100', 'trying'), says('101', 'confirmed'), says('102', 'early')]
    expect(composeDialogs(sources).live.map(({ state }) => state)).to.deep.equal(['confirmed'])
  })

  it('of dialogs lights none that any source ended', () => {
    assert(
      property(array(publication, { maxLength: 5 }), (all) => {
        const sources = all.map(sourceOf)
        const ended = new Set(
          all.flatMap(({ dialogs }) =>
            dialogs.filter(({ state }) => state === 'terminated').map(({ id, callId }) => `${id} ${callId}`),
          ),
        )
        const { live } = composeDialogs(sources)
        for (const { element, callId } of live) {
          const id = element.attributes.get('id')?.split('.')[0]
          expect(ended.has(`${id} ${callId}`)).to.equal(false)
        }
      }),
      { numRuns: 200 },
    )
  })

  it('by priority is the same document on the wire for any order in which the PUBLISH requests come', async () => {
    const requests = [
      { event: 'dialog', from: '100', instance: '1', body: dialogBody([{ id: 'a', callId: 'x', state: 'early' }]) },
      {
        event: 'dialog',
        from: '101',
        instance: '2',
        body: dialogBody([{ id: 'a', callId: 'x', state: 'terminated' }]),
      },
      { event: 'dialog', from: '100', instance: '3', body: dialogBody([{ id: 'b', callId: 'y', state: 'confirmed' }]) },
      { event: 'dialog', from: '101', instance: '4', body: dialogBody([{ id: 'b', callId: 'z', state: 'early' }]) },
      { event: 'presence', from: '100', instance: '5', body: pidfBody('soft', 'open', personOf('away')), priority: 5 },
      {
        event: 'presence',
        from: '101',
        instance: '6',
        body: pidfBody('soft', 'closed', personOf('busy')),
        priority: 4,
      },
      { event: 'presence', from: '101', instance: '7', body: pidfBody('desk', 'open', personOf('meal')), priority: 9 },
    ]
    let expected: string[] | undefined
    const twice = [...requests, ...requests]
    await assert(
      asyncProperty(shuffledSubarray(twice, { minLength: twice.length }), async (order) => {
        const documents = await documentsAfter(order)
        expected ??= documents
        expect(documents).to.deep.equal(expected)
      }),
      { numRuns: 12 },
    )
    expect(expected?.[0]).to.contain('meal')
    expect(expected?.[1]).to.match(/<dialog id="b\.[0-9a-f]{8}" call-id="y"/)
    expect(expected?.[1]).not.to.contain('call-id="x"')
  })
})

interface OneRequest {
  readonly event: string
  readonly from: string
  readonly instance: string
  readonly body: string
  readonly priority?: number
}

/** The presence and dialog documents of extension 200 when all of them have come. */
async function documentsAfter(requests: readonly OneRequest[]): Promise<string[]> {
  const sip = new FakeSip()
  const endpoint = { allow_publish: 'any', trust_id_inbound: true }
  const office = await TestCore.start({
    sip,
    endpoints: { 100: endpoint, 101: endpoint },
    hints: { '200@default': ['PJSIP/200'] },
    files: { 'pubsub.conf': { retrieve_order: '1', xavp_cfg: 'X-Pres' } },
  })
  try {
    await office.load(pubsubModule, dialogBodies, pidfBodies, extenState)
    for (const { event, from, instance, body, priority = 0 } of requests) {
      const tx = await sip.publish('200', body, {
        Event: event,
        'Content-Type': event === 'dialog' ? DIALOG_TYPE : PIDF_TYPE,
        From: `<sip:${from}@pbx.example>;tag=1`,
        Contact: `<sip:${from}@192.0.2.7>;+sip.instance="<urn:uuid:${instance}>"`,
        'X-Pres': `priority=${priority}`,
      })
      expect(tx.status).to.equal(200)
    }
    return await Promise.all(['presence', 'dialog'].map((event) => shown(sip, event)))
  } finally {
    await office.close()
  }
}

async function shown(sip: FakeSip, event: string): Promise<string> {
  const tx = await sip.subscribe('200', { Event: event })
  await until('first NOTIFY', () => tx.answered && tx.dialog.notifies.length > 0)
  return tx.dialog.last.text
}

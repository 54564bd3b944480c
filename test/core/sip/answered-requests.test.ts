import { expect } from 'chai'
import { AnsweredRequests } from '../../../core/sip/answered-requests.ts'
import type { Address } from '../../../core/sip/contract.ts'
import { TimerWheel } from '../../../core/sip/timer-wheel.ts'
import type { Transport } from '../../../core/sip/transport.ts'
import { ownParts, type ResponseParts } from '../../../core/sip/write-response.ts'
import { LoneTransport, Peer } from '../../support/datagrams.ts'
import { collectGarbage } from '../../support/garbage.ts'
import { requestOf, sipBytes, subscribeLines, writeResponse } from '../../support/sip-text.ts'
import { until } from '../../support/tools.ts'

const request = requestOf(sipBytes(subscribeLines({ Via: 'SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bK1;rport' })))

/** An answer that says this, to a request that came from there. */
function saying(reason: string, source: Address): ResponseParts {
  return { request, status: 200, toTag: 'ours', reason, contact: '<sip:here>', source }
}

describe('answered requests', () => {
  let answered: AnsweredRequests
  let wheel: TimerWheel
  let peer: Peer

  beforeEach(async () => {
    wheel = new TimerWheel()
    answered = new AnsweredRequests(wheel, () => 60_000)
    peer = await Peer.open()
  })
  afterEach(() => {
    wheel.stop()
    peer.socket.close()
  })

  /** One request is answered over a transport of its own. */
  const answerOnce = async (key: string, answer: string): Promise<LoneTransport> => {
    const lone = await LoneTransport.open('plain')
    answered.add(key, ownParts(saying(answer, peer.address)), lone.udp.wireTo(peer.address), undefined)
    return lone
  }
  const answerAndClose = async (key: string): Promise<WeakRef<Transport>> => {
    const { udp } = await answerOnce(key, 'over')
    await udp.close()
    return new WeakRef(udp)
  }

  it('are answered again to the letter, and to the port that the first answer went to', async () => {
    const one = await answerOnce('one', 'the answer to one')
    const two = await answerOnce('two', 'the answer to two')
    const wire = two.udp.wireTo({ ...peer.address, port: 9 })
    for (const key of ['two', 'one']) expect(answered.repeat(key, request, wire)).to.equal(true)
    expect(answered.repeat('three', request, wire)).to.equal(false)
    await until('both answers', () => peer.texts.length === 2)
    expect([...peer.texts].sort()).to.deep.equal(
      ['the answer to one', 'the answer to two'].map((answer) => writeResponse(saying(answer, peer.address))),
    )
    await one.udp.close()
    await two.udp.close()
  })

  it('take no more memory where strangers make what tells them apart long', async () => {
    const { udp } = await LoneTransport.open('plain')
    const long = 'x'.repeat(8000)
    const wire = udp.wireTo(peer.address)
    for (let n = 0; n < 200; n++)
      answered.add(`${n}${long}`, ownParts(saying(`${n}`, peer.address)), wire, `${long}${n}`)
    answered.addFork(`fork ${long}`, `branch ${long}`)
    expect(answered.bytes).to.be.below(600_000)
    expect(answered.has(`7${long}`)).to.equal(true)
    expect(answered.has(`200${long}`)).to.equal(false)
    expect(answered.hasMerge(`${long}7`)).to.equal(true)
    expect(answered.hasMerge(long)).to.equal(false)
    expect(answered.hasFork(`fork ${long}`, `branch ${long}`)).to.equal(false)
    expect(answered.hasFork(`fork ${long}`, `other ${long}`)).to.equal(true)
    expect(answered.repeat(`7${long}`, request, wire)).to.equal(true)
    await until('the answer', () => peer.texts.length === 1)
    expect(peer.texts[0]).to.equal(writeResponse(saying('7', peer.address)))
    await udp.close()
  })

  it('hold no transport that was closed, however many come and go', async () => {
    const closed: WeakRef<Transport>[] = []
    for (let at = 0; at < 5; at++) closed.push(await answerAndClose(`${at}`))
    const last = await answerOnce('last', 'the last answer')
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    collectGarbage()
    expect(closed.filter((transport) => transport.deref() !== undefined)).to.have.length(0)
    await last.udp.close()
  })
})

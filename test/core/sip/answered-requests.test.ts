import { expect } from 'chai'
import { AnsweredRequests } from '../../../core/sip/answered-requests.ts'
import { TimerWheel } from '../../../core/sip/timer-wheel.ts'
import type { Transport } from '../../../core/sip/transport.ts'
import { LoneTransport, Peer } from '../../support/datagrams.ts'
import { collectGarbage } from '../../support/garbage.ts'
import { until } from '../../support/tools.ts'

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
    answered.add(key, answer, lone.udp.wireTo(peer.address), undefined)
    return lone
  }
  const answerAndClose = async (key: string): Promise<WeakRef<Transport>> => {
    const { udp } = await answerOnce(key, 'over')
    await udp.close()
    return new WeakRef(udp)
  }

  it('are answered again over what they were answered by', async () => {
    const one = await answerOnce('one', 'the answer to one')
    const two = await answerOnce('two', 'the answer to two')
    for (const key of ['two', 'one']) expect(answered.repeat(key, peer.address.address)).to.equal(true)
    expect(answered.repeat('three', peer.address.address)).to.equal(false)
    await until('both answers', () => peer.texts.length === 2)
    expect([...peer.texts].sort()).to.deep.equal(['the answer to one', 'the answer to two'])
    await one.udp.close()
    await two.udp.close()
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

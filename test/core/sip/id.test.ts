import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { isRfc3261Branch, newCallId, newTag, randomId } from '../../../core/sip/id.ts'
import { reasonPhrase } from '../../../core/sip/reason.ts'

describe('Identifiers', () => {
  it('are 128 random bits each', () => {
    const ids = new Set(Array.from({ length: 5000 }, randomId))
    expect(ids.size).to.equal(5000)
    const ones = Array.from({ length: 128 }, () => 0)
    for (const id of ids) {
      expect(id).to.match(/^[0-9a-f]{32}$/)
      const bits = BigInt(`0x${id}`)
      for (let bit = 0; bit < 128; bit++) if ((bits >> BigInt(bit)) & 1n) ones[bit] = (ones[bit] ?? 0) + 1
    }
    // Each bit is set in half of them, give or take ten standard deviations.
    for (const count of ones) expect(count).to.be.within(2150, 2850)
    expect(newCallId()).to.have.length(32)
  })

  it('are tags in the order of time, with 80 random bits each', async () => {
    const before = Date.now()
    const tags = Array.from({ length: 1000 }, newTag)
    for (const tag of tags) {
      expect(tag).to.match(/^[0-9a-f]{32}$/)
      expect(Number.parseInt(tag.slice(0, 12), 16)).to.be.within(before, Date.now())
    }
    expect(new Set(tags.map((tag) => tag.slice(12))).size).to.equal(1000)
    await pause(2)
    expect(newTag() > (tags.toSorted().at(-1) ?? '')).to.equal(true)
  })

  it('make branches that identify a transaction', () => {
    expect(isRfc3261Branch('Z9HG4BKx')).to.equal(true)
    for (const branch of [undefined, '', 'z9hG4bK', '1', 'xz9hG4bK1']) expect(isRfc3261Branch(branch)).to.equal(false)
  })
})

describe('Reason phrases', () => {
  it('are those of the RFCs, or of the class', () => {
    expect([202, 204, 412, 423, 439, 481, 489, 503, 603].map(reasonPhrase)).to.deep.equal([
      'Accepted',
      'No Notification',
      'Conditional Request Failed',
      'Interval Too Brief',
      'First Hop Lacks Outbound Support',
      'Call/Transaction Does Not Exist',
      'Bad Event',
      'Service Unavailable',
      'Decline',
    ])
    expect([299, 499, 699, 700].map(reasonPhrase)).to.deep.equal(['OK', 'Bad Request', 'Busy Everywhere', 'Unknown'])
  })
})

import { expect } from 'chai'
import * as fc from 'fast-check'
import { type SubjectFacts, subjectOf } from '../../res_pjsip_pubsub/subject.ts'
import { heapInUse } from '../support/garbage.ts'

describe('what all who watch one thing have in common', () => {
  it('property: is one object for equal facts, and says what they say, whoever came between', () => {
    const few = fc.constantFrom('', '1', '2')
    const facts: fc.Arbitrary<SubjectFacts> = fc.record({
      event: few,
      eventId: few,
      resource: few,
      userAgent: few,
      contentType: few,
      localUri: few,
      narrowed: few,
    })
    fc.assert(
      fc.property(fc.array(facts, { minLength: 1, maxLength: 20 }), (all) => {
        for (const one of all) {
          const subject = subjectOf(one)
          expect(subject).to.include(one)
          expect(subject.eventHeader.lines).to.deep.equal([
            ['Event', one.eventId ? `${one.event};id=${one.eventId}` : one.event],
          ])
          expect(subjectOf({ ...one })).to.equal(subject)
        }
      }),
    )
  })

  it('has the name of the resource without case', () => {
    const facts = {
      event: 'e',
      eventId: '',
      resource: 'Alice',
      userAgent: '',
      contentType: 't',
      localUri: 'sip:Alice@a',
      narrowed: '',
    }
    expect(subjectOf(facts)).to.include({ resource: 'Alice', resourceKey: 'alice' })
  })

  it('keeps none of the messages it was cut from', () => {
    const before = heapInUse()
    const kept: unknown[] = []
    for (let at = 0; at < 300; at++) {
      const message = Buffer.alloc(20_000, String.fromCharCode(65 + (at % 26))).toString('latin1')
      const cut = (from: number): string => message.slice(from, from + 20 + at)
      kept.push(
        subjectOf({
          event: cut(0),
          eventId: '',
          resource: cut(1000),
          userAgent: cut(2000),
          contentType: cut(3000),
          localUri: cut(4000),
          narrowed: '',
        }),
      )
    }
    expect(heapInUse() - before).to.be.lessThan(2_000_000)
    expect(kept).to.have.length(300)
  })
})

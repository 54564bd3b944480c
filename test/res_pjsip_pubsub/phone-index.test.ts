import { expect } from 'chai'
import * as fc from 'fast-check'
import { type PhoneFacts, PhoneIndex } from '../../res_pjsip_pubsub/phone-index.ts'
import { pjsipConfig } from '../support/core.ts'

interface Member extends PhoneFacts {
  nextOfPhone: Member | undefined
}

const { endpoints } = pjsipConfig({ endpoints: { 100: {}, 101: {} } })

function member(endpoint: string, name: string, resource: string): Member {
  const found = endpoints.get(endpoint)
  if (!found) throw new Error('no endpoint')
  return {
    endpoint: found,
    watcher: `sip:${name}@a`,
    resource,
    event: 'dialog',
    eventId: '',
    contactKey: `${name}:5060`,
    nextOfPhone: undefined,
  }
}

describe('the index of phones', () => {
  it('property: finds what a list of all finds, in the order they came', () => {
    const few = fc.tuple(fc.constantFrom('100', '101'), fc.constantFrom('a', 'b'), fc.constantFrom('1', '2'))
    fc.assert(
      fc.property(fc.array(fc.tuple(few, fc.nat(5)), { maxLength: 40 }), (steps) => {
        const index = new PhoneIndex<Member>()
        const all: Member[] = []
        for (const [facts, which] of steps) {
          const gone = which === 0 ? all.shift() : undefined
          if (gone) index.delete(gone)
          const one = member(...facts)
          index.add(one)
          all.push(one)
          const same = all.filter(
            ({ endpoint, watcher, resource }) =>
              endpoint === one.endpoint && watcher === one.watcher && resource === one.resource,
          )
          expect(index.of(member(...facts))).to.deep.equal(same)
          expect(index.of(one, one)).to.deep.equal(same.slice(0, -1))
        }
        for (const one of all) index.delete(one)
        for (const one of all) expect(index.of(one)).to.deep.equal([])
      }),
    )
  })
})

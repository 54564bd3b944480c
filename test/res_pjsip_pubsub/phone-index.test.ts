import { expect } from 'chai'
import * as fc from 'fast-check'
import { numberOfName, PhoneIndex, type PhoneMember, phoneNumber } from '../../res_pjsip_pubsub/phone-index.ts'
import { pjsipConfig } from '../support/core.ts'

const { endpoints } = pjsipConfig({ endpoints: { 100: {}, 101: {} } })

function member(place: number, endpoint: string, name: string, resource: string): PhoneMember {
  const found = endpoints.get(endpoint)
  if (!found) throw new Error('no endpoint')
  const numbers = [`sip:${name}@a`, resource, `${name}:5060`].map(numberOfName)
  return {
    endpoint: found,
    watcher: `sip:${name}@a`,
    resource,
    event: 'dialog',
    eventId: '',
    narrowed: '',
    contactKey: `${name}:5060`,
    place,
    serial: place,
    phoneNumber: phoneNumber(numbers[0] ?? 0, numbers[1] ?? 0, numbers[2] ?? 0),
  }
}

describe('the index of phones', () => {
  it('property: finds what a list of all finds, in the order they came', () => {
    const few = fc.tuple(fc.constantFrom('100', '101'), fc.constantFrom('a', 'b'), fc.constantFrom('1', '2'))
    fc.assert(
      fc.property(fc.array(fc.tuple(few, fc.nat(5)), { maxLength: 40 }), (steps) => {
        const places: (PhoneMember | undefined)[] = []
        const index = new PhoneIndex((place) => places[place])
        const all: PhoneMember[] = []
        for (const [facts, which] of steps) {
          const gone = which === 0 ? all.shift() : undefined
          if (gone) {
            index.delete(gone)
            places[gone.place] = undefined
          }
          const one = member(places.length, ...facts)
          places.push(one)
          index.add(one)
          all.push(one)
          const same = all.filter(
            ({ endpoint, watcher, resource }) =>
              endpoint === one.endpoint && watcher === one.watcher && resource === one.resource,
          )
          expect(index.of(member(-1, ...facts))).to.deep.equal(same)
          expect(index.besides(one)).to.deep.equal(same.slice(0, -1))
        }
        for (const one of all) index.delete(one)
        for (const one of all) expect(index.of(one)).to.deep.equal([])
      }),
    )
  })
})

import { expect } from 'chai'
import * as fc from 'fast-check'
import { headOf, newHead } from '../../../core/sip/dialog-heads.ts'
import { Origin } from '../../../core/sip/origin.ts'

const origins = [5060, 5062].map((port) => new Origin({ host: '192.0.2.1', port }, 'UDP', true))

describe('what requests of dialogs begin with', () => {
  it('property: is what it would be if it were put together anew, whoever came between', () => {
    const facts = fc.record({
      localUri: fc.constantFrom('<sip:1@a>', '<sip:2@a>'),
      origin: fc.constantFrom(...origins),
      contact: fc.constantFrom(undefined, 'sip:other@a'),
      secure: fc.boolean(),
      maxForwards: fc.constantFrom(70, 10),
      compact: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(facts, { maxLength: 30 }), (all) => {
        for (const one of all) {
          const contact = `<${one.contact ?? `${one.secure ? 'sips' : 'sip'}:us@192.0.2.1:${one.origin.own.port}`}>`
          expect(headOf(one, () => contact)).to.deep.equal(newHead(one, [], contact))
        }
      }),
    )
  })

  it('is put together once for all of whom it is the same', () => {
    const [origin] = origins
    if (!origin) throw new Error('no origin')
    const facts = {
      localUri: '<sip:once@a>',
      origin,
      contact: undefined,
      secure: false,
      maxForwards: 70,
      compact: false,
    }
    const first = headOf(facts, () => '<sip:us@a>')
    const never = (): string => {
      throw new Error('asked again')
    }
    expect(headOf({ ...facts }, never)).to.equal(first)
  })

  it('names the routes of the dialog', () => {
    const [origin] = origins
    if (!origin) throw new Error('no origin')
    const facts = { localUri: '<sip:1@a>', origin, contact: undefined, secure: false, maxForwards: 70, compact: false }
    expect(newHead(facts, ['<sip:proxy;lr>'], '<sip:us@a>').upToFrom).to.contain('\r\nRoute: <sip:proxy;lr>\r\n')
  })
})

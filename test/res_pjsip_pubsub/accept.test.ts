import { expect } from 'chai'
import * as fc from 'fast-check'
import { chooseType } from '../../res_pjsip_pubsub/accept.ts'

describe('accept: the body type a watcher gets', () => {
  const made = ['application/pidf+xml', 'application/xpidf+xml', 'text/lamp']
  const offer = {
    preferred: ['application/none', 'application/pidf+xml'],
    has: (type: string) => made.includes(type),
    all: () => made,
  }
  const choose = (accept: readonly string[] | undefined): string | undefined => chooseType(accept, offer, false)
  const asAsterisk = (accept: readonly string[] | undefined): string | undefined => chooseType(accept, offer, true)

  const cases: readonly (readonly [
    accept: readonly string[] | undefined,
    rfc: string | undefined,
    asterisk: string | undefined,
  ])[] = [
    [undefined, 'application/pidf+xml', 'application/pidf+xml'],
    [[''], undefined, 'application/pidf+xml'],
    [['application/xpidf+xml', 'application/pidf+xml'], 'application/xpidf+xml', 'application/xpidf+xml'],
    [['application/xpidf+xml;q=0.5', 'application/pidf+xml'], 'application/pidf+xml', 'application/pidf+xml'],
    [['application/xpidf+xml;q=0.5', 'application/pidf+xml;q=0.2'], 'application/xpidf+xml', 'application/xpidf+xml'],
    [
      ['application/pidf+xml;q=0.5', 'application/xpidf+xml', 'text/lamp'],
      'application/xpidf+xml',
      'application/xpidf+xml',
    ],
    [['application/xpidf+xml', 'application/pidf+xml;q=0.5'], 'application/xpidf+xml', 'application/xpidf+xml'],
    [['APPLICATION/PIDF+XML', 'text/lamp'], 'application/pidf+xml', 'text/lamp'],
    [['nonsense'], undefined, undefined],
    [['application/xpidf+xml;q=0.5', 'text/lamp;q=0.6'], 'text/lamp', 'text/lamp'],
    [['text/plain', 'TEXT/Lamp'], 'text/lamp', 'text/lamp'],
    [['text/plain'], undefined, undefined],
    [['*/*'], 'application/pidf+xml', 'application/pidf+xml'],
    [['*/*', 'text/lamp'], 'text/lamp', 'text/lamp'],
    [['text/*'], 'text/lamp', 'text/lamp'],
    [['*/*', 'application/pidf+xml;q=0'], 'application/xpidf+xml', 'application/xpidf+xml'],
    [['application/*;q=0', '*/*'], 'text/lamp', 'text/lamp'],
    [['*/*', 'application/*;q=0', 'text/*;q=0'], undefined, undefined],
    [['application/pidf+xml;q=0.1', '*/*'], 'application/xpidf+xml', 'application/xpidf+xml'],
    [['application/pidf+xml;q=0.1', '*/*;q=0.1'], 'application/pidf+xml', 'application/pidf+xml'],
    [
      ['*/*;q=0.2', 'application/*;q=0.1', 'application/xpidf+xml;q=0.3'],
      'application/xpidf+xml',
      'application/xpidf+xml',
    ],
    [['*/*;q=0.1', 'text/*;q=0.1', 'application/pidf+xml;q=0'], 'application/xpidf+xml', 'application/xpidf+xml'],
    [['application/*;q=0', 'application/pidf+xml'], 'application/pidf+xml', 'application/pidf+xml'],
    [['application/pidf+xml;q=0'], undefined, undefined],
    [['multipart/related', 'application/rlmi+xml'], 'application/pidf+xml', 'application/pidf+xml'],
    [['multipart/related', 'text/lamp'], 'text/lamp', 'text/lamp'],
    [[...Array.from({ length: 32 }, (_, n) => `text/x${n}`), 'text/lamp'], undefined, undefined],
  ]
  for (const [accept, rfc, asterisk] of cases) {
    const shown = accept === undefined ? 'no Accept' : accept.slice(0, 3).join(', ') || 'an empty Accept'
    it(`${shown} → ${rfc ?? 'none'}; Asterisk: ${asterisk ?? 'none'}`, () => {
      expect(choose(accept)).to.equal(rfc)
      expect(asAsterisk(accept)).to.equal(asterisk)
    })
  }

  it('answers whatever stands there, with a type that can be made or none', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.boolean(), (accept, listed) => {
        const chosen = chooseType(accept, offer, listed)
        expect(chosen === undefined || made.includes(chosen)).to.equal(true)
      }),
    )
  })
})

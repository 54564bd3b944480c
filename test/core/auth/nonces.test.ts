import { expect } from 'chai'
import { Nonces } from '../../../core/auth/nonces.ts'
import { heapInUse } from '../../support/garbage.ts'

describe('Nonces', () => {
  let time: number
  let nonces: Nonces
  const now = (): number => time

  beforeEach(() => {
    time = 1_700_000_000_000
    nonces = new Nonces({ now, capacity: 10 })
  })

  it('are good for their realm, address and lifetime only', () => {
    const nonce = nonces.make('pbx', '192.0.2.7')
    expect(nonces.fresh(nonce, 'pbx', '192.0.2.7', 32)).to.equal(true)
    expect(nonces.fresh(nonce, 'other', '192.0.2.7', 32)).to.equal(false)
    expect(nonces.fresh(nonce, 'pbx', '192.0.2.8', 32)).to.equal(false)
    time += 32_999
    expect(nonces.fresh(nonce, 'pbx', '192.0.2.7', 32)).to.equal(true)
    time += 1
    expect(nonces.fresh(nonce, 'pbx', '192.0.2.7', 32)).to.equal(false)
  })

  it('are for them alone however often they were used, and no longer than they last', () => {
    const nonce = nonces.make('pbx', '192.0.2.7')
    for (let count = 1; count < 5; count++) {
      expect(nonces.fresh(nonce, 'pbx', '192.0.2.8', 32)).to.equal(false)
      expect(nonces.fresh(nonce, 'other', '192.0.2.7', 32)).to.equal(false)
      expect(nonces.fresh(nonce, 'pbx', '192.0.2.7', 32)).to.equal(true)
      expect(nonces.use(nonce, count, 32)).to.equal(true)
    }
    time += 33_000
    expect(nonces.fresh(nonce, 'pbx', '192.0.2.7', 32)).to.equal(false)
  })

  it('are good for less than a second where they last for none, as with Asterisk', () => {
    const nonce = nonces.make('pbx', '192.0.2.7')
    time += 900
    expect(nonces.fresh(nonce, 'pbx', '192.0.2.7', 0)).to.equal(true)
    expect(nonces.use(nonce, 1, 0)).to.equal(true)
    time += 99
    expect(nonces.use(nonces.make('pbx', '192.0.2.7'), 1, 0)).to.equal(true)
    expect(nonces.use(nonce, 1, 0), 'again').to.equal(false)
    time += 1
    expect(nonces.fresh(nonce, 'pbx', '192.0.2.7', 0)).to.equal(false)
  })

  it('cannot be made by anybody else, nor changed', () => {
    const nonce = nonces.make('pbx', '192.0.2.7')
    const stranger = new Nonces({ now }).make('pbx', '192.0.2.7')
    expect(nonces.fresh(stranger, 'pbx', '192.0.2.7', 32)).to.equal(false)
    const later = (time + 1_000_000).toString(36) + nonce.slice(nonce.indexOf('.'))
    expect(nonces.fresh(later, 'pbx', '192.0.2.7', 32)).to.equal(false)
    for (const junk of ['', '.', 'x', '.'.repeat(40), 'a.b.c', `${nonce}x`, nonce.slice(1)])
      expect(nonces.fresh(junk, 'pbx', '192.0.2.7', 32), junk).to.equal(false)
  })

  it('differ even when made in the same millisecond', () => {
    expect(nonces.make('pbx', '192.0.2.7')).to.not.equal(nonces.make('pbx', '192.0.2.7'))
  })

  it('take each count once, in any order within the window', () => {
    const nonce = nonces.make('pbx', '192.0.2.7')
    const use = (count: number): boolean => nonces.use(nonce, count, 32)
    expect([1, 1, 3, 2, 2, 3, 40, 9, 8, 41, 40].map(use)).to.deep.equal([
      true,
      false,
      true,
      true,
      false,
      false,
      true,
      true,
      false,
      true,
      false,
    ])
    expect(use(0xffffffff)).to.equal(true)
    expect(use(41)).to.equal(false)
  })

  it('are good once without a count, and not with one afterwards', () => {
    const nonce = nonces.make('pbx', '192.0.2.7')
    expect(nonces.use(nonce, undefined, 32)).to.equal(true)
    expect(nonces.use(nonce, undefined, 32)).to.equal(false)
    expect(nonces.use(nonce, 5, 32)).to.equal(false)
    const counted = nonces.make('pbx', '192.0.2.7')
    expect(nonces.use(counted, 1, 32)).to.equal(true)
    expect(nonces.use(counted, undefined, 32)).to.equal(false)
  })

  it('cost no memory before they are used, and a bounded amount afterwards', () => {
    const first = nonces.make('pbx', '192.0.2.7')
    const made = Array.from({ length: 100 }, () => {
      time++
      return nonces.make('pbx', '192.0.2.7')
    })
    for (const nonce of made) expect(nonces.use(nonce, 1, 32)).to.equal(true)
    expect(nonces.use(first, 1, 32)).to.equal(false)
    // What was forgotten is not taken for unused.
    for (const nonce of made) expect(nonces.use(nonce, 1, 32)).to.equal(false)
  })

  it('keep no message that they came in', () => {
    const many = new Nonces({ now })
    const before = heapInUse()
    let nonce = ''
    for (let at = 0; at < 500; at++) {
      nonce = many.make('pbx', '192.0.2.7')
      const message = Buffer.from(`${'x'.repeat(20_000)}nonce="${nonce}"`).toString('latin1')
      const cut = message.slice(20_007, -1)
      expect(many.fresh(cut, 'pbx', '192.0.2.7', 32)).to.equal(true)
      expect(many.use(cut, 1, 32, 'pbx', '192.0.2.7')).to.equal(true)
    }
    expect(heapInUse() - before).to.be.lessThan(2_000_000)
    expect(many.use(nonce, 1, 32)).to.equal(false)
  })

  it('forget what is too old to be used anyhow before all others', () => {
    const first = nonces.make('pbx', '192.0.2.7')
    for (let n = 0; n < 9; n++) nonces.use(nonces.make('pbx', '192.0.2.7'), 1, 32)
    time += 60_000
    for (let n = 0; n < 9; n++) expect(nonces.use(nonces.make('pbx', '192.0.2.7'), 1, 32)).to.equal(true)
    // None had to go that may have been used.
    expect(nonces.use(first, 1, 120)).to.equal(true)
  })

  it('forget several at once where there are many, so that not each that comes looks for the oldest', () => {
    const many = new Nonces({ now, capacity: 640 })
    const made = Array.from({ length: 641 }, () => {
      time++
      const nonce = many.make('pbx', '192.0.2.7')
      expect(many.use(nonce, 1, 32)).to.equal(true)
      return nonce
    })
    expect(made.map((nonce) => many.use(nonce, 2, 32)).indexOf(true)).to.equal(10)
  })
})

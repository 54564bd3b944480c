import { expect } from 'chai'
import * as fc from 'fast-check'
import { ExpiringTexts } from '../../../core/sip/expiring-texts.ts'

const LIFETIME = 1000

/** The same, as one would write it without a thought for memory. */
class Plain {
  #records: { key: string; text: string; note: number; since: number }[] = []

  add(key: string, text: string, note: number, since: number): void {
    this.#records.push({ key, text, note, since })
  }

  find(key: string, now: number): { text: string; note: number } | undefined {
    return this.#records.findLast((record) => record.key === key && now - record.since < LIFETIME)
  }

  expire(now: number): void {
    this.#records = this.#records.filter(({ since }) => now - since < LIFETIME)
  }

  get size(): number {
    return this.#records.length
  }
}

describe('Expiring texts', () => {
  let now = 0
  let lifetime = LIFETIME
  const texts = (): ExpiringTexts =>
    new ExpiringTexts(
      () => now,
      () => lifetime,
    )
  const read = (kept: ExpiringTexts, key: string): string | undefined => {
    const position = kept.find(key)
    return position < 0 ? undefined : kept.textAt(position)
  }

  beforeEach(() => {
    now = 0
    lifetime = LIFETIME
  })

  it('hold what a list would hold, whatever is added and whenever', () => {
    const step = fc.record({
      key: fc.integer({ min: 0, max: 30 }),
      size: fc.oneof(fc.integer({ min: 0, max: 600 }), fc.constantFrom(60_000, 300_000)),
      later: fc.integer({ min: 1, max: 300 }),
      ending: fc.integer({ min: 0, max: 20 }),
      sweep: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        now = 0
        const kept = texts()
        const plain = new Plain()
        steps.forEach(({ key, size, later, sweep, ending }, at) => {
          const text = `\xe9${at}`.padEnd(size, 'x')
          if (!plain.find(`key\xff${key}`, now)) {
            const common = 'and so on'.repeat(ending)
            kept.add(`key\xff${key}`, text, at, common)
            plain.add(`key\xff${key}`, text + common, at, now)
          }
          now += later
          if (sweep) {
            kept.expire(1000)
            plain.expire(now)
            expect(kept.size).to.equal(plain.size)
          }
          for (let other = 0; other <= 30; other++) {
            const position = kept.find(`key\xff${other}`)
            const told = position < 0 ? undefined : { text: kept.textAt(position), note: kept.noteAt(position) }
            const expected = plain.find(`key\xff${other}`, now)
            expect(told).to.deep.equal(expected && { text: expected.text, note: expected.note })
          }
        })
      }),
      { numRuns: 60 },
    )
  })

  it('are found among many, and let go in their order', () => {
    const kept = texts()
    for (let at = 0; at < 20_000; at++) {
      now = at / 100
      kept.add(`key ${at}`, `text ${at}`, at)
    }
    for (let at = 0; at < 20_000; at += 7) expect(read(kept, `key ${at}`)).to.equal(`text ${at}`)
    now = LIFETIME + 100
    kept.expire(100_000)
    expect(kept.size).to.equal(9900)
    for (let at = 0; at < 10_100; at += 9) expect(kept.find(`key ${at}`)).to.equal(-1)
    for (let at = 10_100; at < 20_000; at += 7) expect(read(kept, `key ${at}`)).to.equal(`text ${at}`)
  })

  it('give back their memory', () => {
    const kept = texts()
    const empty = kept.bytes
    const text = 'x'.repeat(450)
    for (let round = 0; round < 3; round++) {
      for (let at = 0; at < 20_000; at++) kept.add(`key ${round} ${at}`, text, 0)
      expect(kept.bytes / kept.size).to.be.below(600)
      now += LIFETIME
      kept.expire(100_000)
      expect(kept.size).to.equal(0)
      expect(kept.bytes - empty).to.be.below(1_000_000)
    }
    kept.add('again', 'here', 0)
    expect(read(kept, 'again')).to.equal('here')
  })

  it('keep what many end with once', () => {
    const kept = texts()
    const ending = 'x'.repeat(400)
    for (let at = 0; at < 20_000; at++) kept.add(`key ${at}`, `${at}`, 0, ending)
    expect(kept.bytes / kept.size).to.be.below(70)
    for (let at = 0; at < 20_000; at += 7) expect(read(kept, `key ${at}`)).to.equal(`${at}${ending}`)
    now += LIFETIME
    kept.expire(100_000)
    kept.add('again', 'here ', 0, 'and there')
    expect(read(kept, 'again')).to.equal('here and there')
  })

  it('end with what each is given where there are many endings', () => {
    const kept = texts()
    for (let at = 0; at < 100; at++) kept.add(`key ${at}`, 'one', 0, ` of ${at % 40}`)
    for (let at = 0; at < 100; at++) expect(read(kept, `key ${at}`)).to.equal(`one of ${at % 40}`)
  })

  it('are not found once their time is over, swept or not; a new lifetime holds for all', () => {
    const kept = texts()
    kept.add('one', '1', 0)
    now = 400
    expect(kept.left).to.equal(600)
    expect(read(kept, 'one')).to.equal('1')
    lifetime = 300
    expect(kept.left).to.equal(0)
    expect(kept.find('one')).to.equal(-1)
    lifetime = 5000
    expect(read(kept, 'one')).to.equal('1')
    now = 5001
    kept.add('one', 'anew', 0)
    expect(read(kept, 'one')).to.equal('anew')
    kept.expire(1)
    expect(kept.size).to.equal(1)
    expect(kept.left).to.equal(5000)
    kept.expire(1)
    expect(kept.size).to.equal(1)
  })

  it('are let go a few at once where one says so', () => {
    const kept = texts()
    for (let at = 0; at < 10; at++) kept.add(`${at}`, '', 0)
    now = LIFETIME
    kept.expire(4)
    expect(kept.size).to.equal(6)
    expect(kept.left).to.equal(0)
    kept.expire(100)
    expect(kept.left).to.equal(Number.POSITIVE_INFINITY)
  })

  it('outlive the clock of 32 bits', () => {
    now = 2 ** 31 - 100
    const kept = texts()
    kept.add('over', 'the edge', 0)
    now += 500
    expect(read(kept, 'over')).to.equal('the edge')
    now += 500
    expect(kept.find('over')).to.equal(-1)
    now = 2 ** 32 + 17
    kept.expire(10)
    kept.add('over', 'the other', 0)
    now += LIFETIME - 1
    expect(read(kept, 'over')).to.equal('the other')
  })
})

/** What is done after lookups that end at the same moment. */
import { expect } from 'chai'
import { afterLookup } from '../../res_pjsip_pubsub/lookups.ts'
import { busy } from '../support/tools.ts'

describe('After a lookup', () => {
  it('what was found is used at once, or asked for again where others come first', async () => {
    const used: string[] = []
    let turns = 0
    let ended = false
    const others = (): void => {
      turns++
      if (!ended) setImmediate(others)
    }
    setImmediate(others)
    const looking = Promise.resolve('found')
    const all = Array.from({ length: 30 }, (_, index) =>
      afterLookup(
        looking,
        () => (index % 2 === 0 ? 'found again' : Promise.resolve('found later')),
        (found) => {
          busy(1)
          used.push(found)
          return index
        },
      ),
    )
    expect(await Promise.all(all)).to.deep.equal(all.map((_, index) => index))
    ended = true
    expect(used[0]).to.equal('found')
    expect(new Set(used)).to.deep.equal(new Set(['found', 'found again', 'found later']))
    expect(used.filter((found) => found === 'found')).to.have.length.below(6)
    expect(turns).to.be.above(3)
  })

  it('what was not there is not looked for again, nor complained of twice', async () => {
    const again = (): undefined => expect.fail()
    const all = Array.from({ length: 10 }, () =>
      afterLookup<undefined, boolean>(Promise.resolve(undefined), again, (found) => {
        busy(1)
        return found === undefined
      }),
    )
    expect(new Set(await Promise.all(all))).to.deep.equal(new Set([true]))
  })

  it('whatever fails is told to whoever asked', async () => {
    const failed = (): never => {
      throw new Error('it fails')
    }
    const same = (found: string): string => found
    const why = (error: unknown): string => String(error)
    expect(await afterLookup(Promise.reject(new Error('no answer')), failed, same).catch(why)).to.equal(
      'Error: no answer',
    )
    expect(await afterLookup(Promise.resolve('found'), failed, failed).catch(why)).to.equal('Error: it fails')
    void afterLookup(Promise.resolve(''), failed, () => busy(5))
    expect(await afterLookup(Promise.resolve('found'), failed, same).catch(why)).to.equal('Error: it fails')
  })
})

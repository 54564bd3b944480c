import { expect } from 'chai'
import { Samples } from '../../bench/samples.ts'

describe('figures of a load', () => {
  it('has the median, the 99th percentile and the longest, of however many, and of the last load alone', () => {
    const samples = new Samples()
    expect(samples.quantiles([0.5, 0.99, 1])).to.deep.equal([0, 0, 0])
    for (let number = 200_000; number > 0; number--) samples.add(number)
    expect(samples.length).to.equal(200_000)
    expect(samples.quantiles([0.5, 0.99, 1])).to.deep.equal([100_001, 198_001, 200_000])
    samples.clear()
    for (const value of [3, 1, 2]) samples.add(value)
    expect(samples.quantiles([0, 0.5, 1])).to.deep.equal([1, 2, 3])
  })
})

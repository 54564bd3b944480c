import { expect } from 'chai'
import { needTool } from '../support/tools.ts'
import { compare, differences, idleReasons, type Result } from './comparison.ts'

describe('the same said to Kamailio', function () {
  this.timeout(120000)
  let result: Result

  before(async function () {
    needTool(this, 'kamailio')
    result = await compare()
  })

  it('is answered the same, or otherwise for a reason', () => {
    expect(differences(result).filter(({ reason }) => !reason)).to.deep.equal([])
  })

  it('has no reason for what does not differ', () => {
    expect(idleReasons(result).map(({ what }) => what)).to.deep.equal([])
  })
})

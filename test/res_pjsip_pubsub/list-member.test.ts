/** One resource of a list: who may see it is asked several times at once. */
import { expect } from 'chai'
import { Log } from '../../core/log.ts'
import { Constant, Watched } from '../../core/watch.ts'
import type { Body } from '../../res_pjsip_pubsub/body.ts'
import { ListMember, type Rendering } from '../../res_pjsip_pubsub/lists/member.ts'
import { ALLOWED, type Authorization } from '../../res_pjsip_pubsub/watchers/authorization.ts'

const BLOCKED: Authorization = { handling: 'block', view: undefined, why: 'the newer rules' }
const RENDERING: Rendering = {
  stamp: {},
  isOver: false,
  isPolite: false,
  body: (): Body | undefined => undefined,
  displayName: () => '',
}

describe('leave to see a resource of a list', () => {
  for (const first of ['older', 'newer'] as const)
    it(`is what was asked for last, where the ${first} answer comes first`, async () => {
      const answers: ((authorization: Authorization) => void)[] = []
      let isBegun = false
      const member = new ListMember(
        'k',
        'floor',
        { resource: '200', mayBeMissing: false },
        {
          find: () => new Watched<unknown>('off'),
          authorize: () => {
            if (!isBegun) return new Constant(ALLOWED)
            return new Promise((resolve) => answers.push((authorization) => resolve(new Constant(authorization))))
          },
          isNoNews: () => false,
          watching: () => undefined,
          changed: () => undefined,
          deactivated: () => undefined,
          hidesMissing: false,
          log: new Log('error').logger('lists'),
        },
      )
      await member.look()
      member.follow()
      isBegun = true
      const asked = [member.authorize(), member.authorize()]
      const [older, newer] = answers
      if (first === 'older') older?.(ALLOWED)
      newer?.(BLOCKED)
      if (first === 'newer') older?.(ALLOWED)
      await Promise.all(asked)
      expect(member.shown(() => 'sip:200@h', false, RENDERING).reason).to.equal('rejected')
    })
})

import { expect } from 'chai'
import type { Outcome } from '../../core/sip/contract.ts'
import { judge } from '../../res_pjsip_pubsub/failure-rule.ts'

describe('failure rule: the pause before the next attempt', () => {
  const silent: Outcome = { kind: 'timeout' }
  const settings = { notify_retries: 6, notify_retry_interval: 1000, notify_retry_max: 10_000, timeout_rm_subs: true }
  const pauses = (random: number): (number | string)[] =>
    [0, 1, 2, 3, 4, 5, 6].map((failures) => {
      const verdict = judge(silent, failures, settings, 'rfc', random, 0)
      return verdict.kind === 'retry' ? verdict.pause : verdict.kind
    })

  it('doubles up to the most, and then it is given up', () => {
    expect(pauses(0)).to.deep.equal([1000, 2000, 4000, 8000, 10_000, 10_000, 'ended'])
  })

  it('is shortened by up to a fifth, so that many do not come back together', () => {
    expect(pauses(1)).to.deep.equal([800, 1600, 3200, 6400, 8000, 8000, 'ended'])
  })

  it('does not end for silence where timeout_rm_subs is off', () => {
    const patient = { ...settings, timeout_rm_subs: false }
    expect(judge(silent, 100_000, patient, 'rfc', 0, 0).kind).to.equal('retry')
    expect(judge(silent, 0, patient, 'asterisk', 0, 0).kind).to.equal('kept')
    expect(judge(silent, 0, settings, 'asterisk', 0, 0).kind).to.equal('ended')
  })

  it('has no end where notify_retries is 0', () => {
    const verdict = judge(silent, 100_000, { ...settings, notify_retries: 0 }, 'rfc', 0, 0)
    expect(verdict).to.deep.equal({ kind: 'retry', pause: 10_000 })
  })
})

import { expect } from 'chai'
import { Body } from '../../res_pjsip_pubsub/body.ts'
import { collectGarbage } from '../support/garbage.ts'

/** Tells a watcher of one body after the other; what it was told first can be collected unless the last holds it. */
function chain(): { readonly first: WeakRef<Body>; readonly last: Body } {
  let told = new Body('text/plain', 'state 0', undefined)
  const first = new WeakRef(told)
  for (let change = 1; change <= 5; change++) {
    const next = new Body('text/plain', `state ${change}`, undefined)
    expect(next.newsSince(told.told)).to.equal(next)
    told = next
  }
  return { first, last: told }
}

describe('a body', () => {
  it('is news for who was told another text, and not for who was told the same', () => {
    const [one, same, other] = ['a', 'a', 'b'].map((text) => new Body('text/plain', text, undefined))
    if (!one || !same || !other) throw new Error('there are three')
    expect(same.newsSince(one.told)).to.equal(undefined)
    expect(same.newsSince(other.told)).to.equal(same)
    expect(same.newsSince(one.told)).to.equal(undefined)
  })

  it('holds none of those before it', async () => {
    const { first, last } = chain()
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    collectGarbage()
    expect(first.deref()).to.equal(undefined)
    expect(last.text).to.equal('state 5')
  })
})

/** Turns: what needs no time is done at once, what is about the same thing in the order in which it came. */
import { expect } from 'chai'
import { Turns } from '../../res_pjsip_pubsub/publishing/turns.ts'

describe('turns', () => {
  it('does what needs no time before it returns', () => {
    expect(new Turns().take('a', () => 1)).to.equal(1)
  })

  it('lets what is about the same wait for what takes time, and nothing else', async () => {
    const turns = new Turns()
    const said: string[] = []
    let finish = (): void => undefined
    const first = turns.take('a', () =>
      new Promise<void>((resolve) => (finish = resolve)).then(() => said.push('first')),
    )
    const second = turns.take('a', () => said.push('second'))
    const third = turns.take('a', () => said.push('third'))
    void turns.take('b', () => said.push('other'))
    finish()
    await Promise.all([first, second, third])
    expect(said).to.deep.equal(['other', 'first', 'second', 'third'])
    expect(turns.take('a', () => 'at once')).to.equal('at once')
  })

  it('goes on behind what failed, at once or later', async () => {
    const turns = new Turns()
    expect(
      () =>
        void turns.take('a', () => {
          throw new Error('now')
        }),
    ).to.throw('now')
    const failing = turns.take('a', () => Promise.reject(new Error('later')))
    const behind = turns.take('a', () => 'behind')
    expect(await Promise.resolve(failing).catch((error: unknown) => String(error))).to.equal('Error: later')
    expect(await behind).to.equal('behind')
  })

  it('is not taken within itself', async () => {
    const turns = new Turns()
    const said: string[] = []
    let inner: unknown
    void turns.take('a', () => {
      void turns.take('b', () => {
        inner = turns.take('a', () => said.push('inner'))
      })
      said.push('outer')
    })
    await inner
    expect(said).to.deep.equal(['outer', 'inner'])
  })

  it('is idle when the last of it is done', async () => {
    const turns = new Turns()
    let done = false
    void turns.take('a', () => new Promise<void>((resolve) => setImmediate(resolve)).then(() => (done = true)))
    await turns.idle()
    expect(done).to.equal(true)
  })
})

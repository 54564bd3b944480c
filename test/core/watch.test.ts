import { expect } from 'chai'
import { Constant, type EndReason, Watched, WhileWatched } from '../../core/watch.ts'

interface Seen {
  readonly seen: string[]
  value(value: string): void
  end(reason: EndReason): void
}

function observer(): Seen {
  const seen: string[] = []
  return { seen, value: (value) => seen.push(value), end: (reason) => seen.push(`end ${reason}`) }
}

describe('what is watched', () => {
  it('is told to who is attached, once, until it is detached', () => {
    const state = new Watched('a')
    const one = observer()
    state.attach(one)
    state.set('b')
    expect(state.detach(one)).to.equal(true)
    expect(state.detach(one)).to.equal(false)
    state.set('c')
    expect(one.seen).to.deep.equal(['a', 'b'])
    expect(state.watchers).to.equal(0)
  })

  it('may be watched twice by one observer, and each undoing ends its own watch', () => {
    const state = new Watched('a')
    const one = observer()
    const undo = state.watch(one)
    state.watch(one)
    void undo()
    void undo()
    state.set('b')
    expect(one.seen).to.deep.equal(['a', 'a', 'b'])
    expect(state.watchers).to.equal(1)
  })

  it('tells the end once, and only that to who comes later', () => {
    const state = new Watched('a')
    const [before, after] = [observer(), observer()]
    state.attach(before)
    state.end('noresource')
    state.end('deactivated')
    state.attach(after)
    expect([before.seen, after.seen]).to.deep.equal([['a', 'end noresource'], ['end noresource']])
    expect(state.detach(before)).to.equal(false)
  })

  it('is told to all, though one of them throws, which is a fault of ours and no matter of whoever changes it', async () => {
    const state = new Watched('a')
    const [before, after] = [observer(), observer()]
    const fail = (): never => {
      throw new Error('broken')
    }
    let isBroken = false
    state.attach(before)
    state.attach({ value: () => isBroken && fail(), end: fail })
    state.attach(after)
    isBroken = true
    const faults: unknown[] = []
    const usual = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => faults.push(error.message))
    try {
      expect(state.set('b')).to.equal(true)
      state.end('noresource')
      await new Promise(setImmediate)
    } finally {
      process.removeAllListeners('uncaughtException')
      for (const each of usual) process.on('uncaughtException', each)
    }
    expect(faults).to.deep.equal(['broken', 'broken'])
    expect([before.seen, after.seen]).to.deep.equal([
      ['a', 'b', 'end noresource'],
      ['a', 'b', 'end noresource'],
    ])
  })

  it('may never change, and keeps nobody then', () => {
    const state = new Constant('a')
    const one = observer()
    state.attach(one)
    void state.watch(one)()
    expect(one.seen).to.deep.equal(['a', 'a'])
    expect(state.detach()).to.equal(false)
  })

  it('is let go by whoever keeps it while it is watched', () => {
    let kept: Watched<string> | undefined
    const state = new WhileWatched({
      value: () => kept?.value ?? 'nothing',
      open: () => (kept ??= new Watched('a')),
      left: (watched) => {
        if (watched.watchers === 0) kept = undefined
      },
    })
    expect(state.value).to.equal('nothing')
    const [one, two] = [observer(), observer()]
    state.attach(one)
    const undo = state.watch(two)
    kept?.set('b')
    expect([state.value, one.seen, two.seen]).to.deep.equal(['b', ['a', 'b'], ['a', 'b']])
    void undo()
    expect(state.value).to.equal('b')
    expect([state.detach(one), state.detach(one)]).to.deep.equal([true, false])
    expect(kept).to.equal(undefined)
    expect(state.value).to.equal('nothing')
    // Somebody else has it kept anew, and this one knows nothing of it.
    kept = new Watched('c')
    kept.attach(one)
    expect(state.value).to.equal('c')
  })
})

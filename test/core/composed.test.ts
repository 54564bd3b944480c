import { expect } from 'chai'
import { Composed } from '../../core/composed.ts'
import { type EndReason, type Watchable, Watched } from '../../core/watch.ts'

describe('a state made of others', () => {
  let one: Watched<string>
  let two: Watched<string>
  let parts: Watchable<string>[]
  let idle: number
  let changed: string[]
  let endsWith: Watchable<unknown> | undefined
  let whole: Composed<string>

  beforeEach(() => {
    one = new Watched('a')
    two = new Watched('b')
    parts = [one, two]
    idle = 0
    changed = []
    endsWith = undefined
    whole = new Composed({
      parts: () => parts,
      compose: () => parts.map(({ value }) => value).join('+'),
      changed: (part) => changed.push(part === one ? 'one' : 'two'),
      partEnded: (part) => part === endsWith,
      idle: () => idle++,
    })
  })

  function watch(): { seen: string[]; stop: () => void | Promise<void> } {
    const seen: string[] = []
    const stop = whole.watch({
      value: (value) => seen.push(value),
      end: (reason: EndReason) => seen.push(`end ${reason}`),
    })
    return { seen, stop }
  }

  it('tells its parts how many watch them through it', () => {
    const first = watch()
    const second = watch()
    one.watch({ value: () => undefined })
    expect([one.watchers, one.audience, two.audience]).to.deep.equal([2, 3, 2])
    void first.stop()
    expect([one.watchers, one.audience, two.audience]).to.deep.equal([2, 2, 1])
    void second.stop()
    expect([one.watchers, one.audience, two.audience]).to.deep.equal([1, 1, 0])
  })

  it('is over for who watches it after a part was, and follows nothing', () => {
    endsWith = two
    two.end('noresource')
    const { seen } = watch()
    expect(seen).to.deep.equal(['end noresource'])
    expect([one.watchers, whole.isWatched, idle]).to.deep.equal([0, false, 1])
  })

  it('is over where it gets a part that is, and follows nothing', () => {
    const { seen } = watch()
    const three = new Watched('c')
    three.end('deactivated')
    endsWith = three
    parts = [three, one]
    whole.repart()
    expect(seen).to.deep.equal(['a+b', 'end deactivated'])
    expect([one.watchers, two.watchers, idle]).to.deep.equal([0, 0, 1])
  })

  it('is there without being watched, and follows nothing then', () => {
    expect(whole.value).to.equal('a+b')
    one.set('c')
    expect(whole.value).to.equal('c+b')
    expect([one.watchers, whole.isWatched]).to.deep.equal([0, false])
  })

  it('is told once at first, and then with each change of a part', () => {
    const { seen } = watch()
    const second = watch()
    expect(changed).to.deep.equal([])
    two.set('d')
    one.set('c')
    expect(seen).to.deep.equal(['a+b', 'a+d', 'c+d'])
    expect(second.seen).to.deep.equal(seen)
    expect(changed).to.deep.equal(['two', 'one'])
    expect(one.watchers).to.equal(1)
  })

  it('lets its parts go with the last who watches, and can be watched again', () => {
    const first = watch()
    const second = watch()
    void first.stop()
    void first.stop()
    expect([one.watchers, idle]).to.deep.equal([1, 0])
    void second.stop()
    expect([one.watchers, two.watchers, idle]).to.deep.equal([0, 0, 1])
    one.set('z')
    expect(watch().seen).to.deep.equal(['z+b'])
  })

  it('goes on with other parts', () => {
    const { seen } = watch()
    const three = new Watched('x')
    parts = [one, three]
    whole.repart()
    three.set('y')
    two.set('never')
    expect(seen).to.deep.equal(['a+b', 'a+x', 'a+y'])
    expect(two.watchers).to.equal(0)
  })

  it('ends with a part, or goes on without it', () => {
    const { seen } = watch()
    parts = [two]
    one.end('noresource')
    expect(seen).to.deep.equal(['a+b', 'b'])
    endsWith = two
    two.end('noresource')
    expect(seen.at(-1)).to.equal('end noresource')
    expect(idle).to.equal(1)
  })
})

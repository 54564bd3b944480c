import { expect } from 'chai'
import type { BodyGenerator, EventPackage, Kind } from '../../res_pjsip_pubsub/contract.ts'
import { Registry } from '../../res_pjsip_pubsub/registry.ts'

const kind: Kind<unknown> = { name: 'lamp' }
const lamp: EventPackage<unknown> = { event: 'lamp', kind, accept: ['text/a', 'text/b'], find: () => undefined }

function generator(type: string): BodyGenerator<unknown> {
  return { type, kind, share: () => '', generate: () => '', print: () => ({ text: '' }) }
}

describe('what is registered', () => {
  let registry: Registry

  beforeEach(() => {
    registry = new Registry({ packageAdded: () => {}, packageRemoved: () => {}, bodiesChanged: () => {} })
    void registry.addPackage(lamp)
  })

  it('is chosen from again when a generator comes or goes', () => {
    const accept = ['TEXT/A', 'text/b']
    const both = (): unknown[] => [registry.choose(lamp, accept, false), registry.choose(lamp, accept, true)]
    expect(both()).to.deep.equal([undefined, undefined])
    const undo = registry.addGenerator(generator('text/b'))
    expect(both()).to.deep.equal(['text/b', 'text/b'])
    void registry.addGenerator(generator('text/a'))
    for (const _ of [1, 2]) expect(both()).to.deep.equal(['text/a', 'text/b'])
    void undo()
    expect(both()).to.deep.equal(['text/a', 'text/a'])
  })

  it('is gone when all who have it know that, which may take several turns', async () => {
    let known = false
    registry = new Registry({
      packageAdded: () => {},
      packageRemoved: async () => {
        await new Promise((resolve) => {
          setImmediate(resolve)
        })
        known = true
      },
      bodiesChanged: () => {},
    })
    await registry.addPackage(lamp)()
    expect(known).to.equal(true)
  })

  it('is chosen for a package by what it prefers, where nothing is said, and by what is said where there is an Accept', () => {
    void registry.addGenerator(generator('text/a'))
    void registry.addGenerator(generator('text/b'))
    const others: EventPackage<unknown> = { ...lamp, event: 'other', accept: ['text/b'] }
    for (const _ of [1, 2]) {
      expect(registry.choose(lamp, undefined, false)).to.equal('text/a')
      expect(registry.choose(others, undefined, false)).to.equal('text/b')
      expect(registry.choose(lamp, [], false)).to.equal(undefined)
      expect(registry.choose(lamp, ['text/c'], false)).to.equal(undefined)
    }
  })

  it('is chosen for any number of different Accepts', () => {
    void registry.addGenerator(generator('text/a'))
    for (let at = 0; at < 1200; at++)
      expect(registry.choose(lamp, [`text/x${at}`, 'text/a', 'y'.repeat(at)], false)).to.equal('text/a')
  })
})

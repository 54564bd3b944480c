import { expect } from 'chai'
import { Bodies } from '../../res_pjsip_pubsub/bodies.ts'
import type { Body } from '../../res_pjsip_pubsub/body.ts'
import type { Addressing, BodyGenerator, BodySupplement } from '../../res_pjsip_pubsub/contract.ts'
import { Registry } from '../../res_pjsip_pubsub/registry.ts'
import { pjsipConfig } from '../support/core.ts'
import { collectGarbage } from '../support/garbage.ts'
import { type Lamp, lampKind, lampText, lampXml, maker, TEXT, XML } from '../support/lamps.ts'

const lamps = { kind: lampKind }

describe('bodies: generated once, shared by all that may', () => {
  let made: string[]
  let registry: Registry
  let bodies: Bodies

  const counted = <Doc>(generator: BodyGenerator<Lamp, Doc>): BodyGenerator<Lamp, Doc> => ({
    ...generator,
    generate: (state, to) => {
      made.push(`${state.light} for ${to.localUri}`)
      return generator.generate(state, to)
    },
  })

  beforeEach(() => {
    made = []
    const quiet = (): void => undefined
    registry = new Registry({ packageAdded: quiet, packageRemoved: quiet, bodiesChanged: () => bodies.forget() })
    bodies = new Bodies(registry)
    registry.addGenerator(counted(lampText))
    registry.addGenerator(counted(lampXml))
  })

  const endpoint = pjsipConfig({ endpoints: { 100: {} } }).endpoints.get('100')
  const to = (user: string): Addressing => {
    if (!endpoint) throw new Error('no endpoint')
    return { resource: user, localUri: `sip:${user}@a`, remoteUri: 'sip:100@b', userAgent: '', endpoint }
  }

  it('makes one text for all who watch the same with the same share key', () => {
    const state = { light: 'on' }
    const other = { ...to('1'), localUri: 'sip:1@other', remoteUri: 'sip:200@b' }
    expect(bodies.body(state, lamps, TEXT, to('1'))).to.equal(bodies.body(state, lamps, TEXT, other))
    expect(made).to.deep.equal(['on for sip:1@a'])
  })

  it('keeps that of each resource and context, while others are asked for', () => {
    const [here, there] = [{ light: 'on' }, { light: 'off' }]
    const elsewhere = { ...to('1'), endpoint: { ...to('1').endpoint, hintContext: 'elsewhere' } }
    for (let round = 0; round < 2; round++) {
      expect(bodies.body(here, lamps, TEXT, to('1'))?.text).to.equal('on')
      expect(bodies.body(there, lamps, TEXT, to('2'))?.text).to.equal('off')
      expect(bodies.body(there, lamps, TEXT, elsewhere)?.text).to.equal('off')
    }
    expect(made).to.have.length(3)
  })

  it('finds those that there are also when it has as many as it keeps', () => {
    const all = Array.from({ length: 8192 }, (_, at) => bodies.sharing(lamps, TEXT, to(String(at))))
    expect(bodies.sharing(lamps, TEXT, to('0'))).to.equal(all[0])
    const more = bodies.sharing(lamps, TEXT, to('more'))
    expect(bodies.sharing(lamps, TEXT, to('more'))).to.equal(more)
  })

  it('is held by nobody any more after a reload, whoever still has that of another resource', async () => {
    const kept = bodies.sharing(lamps, TEXT, to('1'))
    const another = (): WeakRef<Body> => {
      const body = bodies.body({ light: 'on' }, lamps, TEXT, to('2'))
      if (!body) throw new Error('no body')
      return new WeakRef(body)
    }
    const other = another()
    bodies.forget()
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    collectGarbage()
    expect(kept?.generation).to.not.equal(bodies.generation)
    expect(other.deref()).to.equal(undefined)
  })

  it('keeps none of a state that nobody asks for any more', () => {
    const state = { light: 'on' }
    const body = bodies.body(state, lamps, TEXT, to('1'))
    bodies.body({ light: 'off' }, lamps, TEXT, to('1'))
    expect(bodies.body(state, lamps, TEXT, to('1'))).not.to.equal(body)
    bodies.sharing(lamps, TEXT, to('1'))?.letGo()
    bodies.body(state, lamps, TEXT, to('1'))
    expect(made).to.have.length(4)
  })

  it('keeps one that tells of a change while its watchers are told, and once more for who asks later', () => {
    const state = { light: 'on' }
    const tell = (user: string, of: Lamp, isNews: boolean): Body | undefined => {
      const sharing = bodies.sharing(lamps, TEXT, to(user))
      return sharing && bodies.shared(sharing, of, to(user), undefined, isNews)
    }
    const told = tell('1', state, true)
    expect(tell('1', state, true)).to.equal(told)
    for (let other = 0; other < 64; other++) tell(`other ${other}`, { light: 'off' }, true)
    made = []
    const later = tell('1', state, false)
    expect(later).not.to.equal(told)
    expect(later?.newsSince(told?.told ?? later.told), 'it says the same').to.equal(undefined)
    for (let other = 0; other < 64; other++) tell(`other ${other}`, { light: 'on' }, true)
    expect(tell('1', state, false)).to.equal(later)
    expect(made.filter((what) => what.endsWith('sip:1@a'))).to.have.length(1)
  })

  it('does not let go of a newer one in place of it', () => {
    const sharing = bodies.sharing(lamps, TEXT, to('1'))
    if (!sharing) throw new Error('no generator')
    bodies.shared(sharing, { light: 'off' }, to('1'), undefined, true)
    const state = { light: 'on' }
    const newer = bodies.shared(sharing, state, to('1'))
    for (let other = 0; other < 64; other++) {
      const of = bodies.sharing(lamps, TEXT, to(`other ${other}`))
      if (of) bodies.shared(of, state, to(`other ${other}`), undefined, true)
    }
    expect(bodies.shared(sharing, state, to('1'))).to.equal(newer)
  })

  it('makes another for another key, type or state object', () => {
    const state = { light: 'on' }
    bodies.body(state, lamps, XML, to('1'))
    bodies.body(state, lamps, XML, to('2'))
    bodies.body(state, lamps, TEXT, to('1'))
    bodies.body({ light: 'on' }, lamps, TEXT, to('1'))
    expect(made).to.have.length(4)
  })

  it('puts the version in its place, and leaves a text without one alone', () => {
    const body = bodies.body({ light: 'on' }, lamps, XML, to('1'))
    expect(body?.withVersion(12)).to.equal('<lamp version="12" entity="sip:1@a">on</lamp>')
    expect(bodies.body({ light: 'on' }, lamps, TEXT, to('1'))?.withVersion(12)).to.equal('on')
  })

  it('has none where nobody makes the type for this kind', () => {
    expect(bodies.body({ light: 'on' }, lamps, 'text/none', to('1'))).to.equal(undefined)
    expect(bodies.body({ light: 'on' }, { kind: { name: 'other' } }, TEXT, to('1'))).to.equal(undefined)
  })

  it('takes supplements in and out', async () => {
    const state = { light: 'on' }
    expect(bodies.body(state, lamps, TEXT, to('1'))?.text).to.equal('on')
    const undo = registry.addSupplement(maker)
    expect(bodies.body(state, lamps, TEXT, to('1'))?.text).to.equal('on by Edison')
    expect(bodies.body(state, lamps, XML, to('1'))?.text).not.to.include('Edison')
    await undo()
    expect(bodies.body(state, lamps, TEXT, to('1'))?.text).to.equal('on')
  })

  it('keeps supplements that look at more apart', () => {
    const forWhom: BodySupplement<Lamp, string[]> = {
      ...maker,
      share: (whom) => whom.resource,
      supplement: (words, _, whom) => void words.push(whom.resource),
    }
    registry.addSupplement(forWhom)
    const state = { light: 'on' }
    expect(bodies.body(state, lamps, TEXT, to('1'))?.text).to.equal('on 1')
    expect(bodies.body(state, lamps, TEXT, to('2'))?.text).to.equal('on 2')
  })

  it('refuses a second generator for a type and kind, and a second package for an event', async () => {
    expect(() => registry.addGenerator(lampText)).to.throw('has a generator already')
    const package_ = { event: 'x', kind: lampKind, accept: [TEXT] as const, find: () => undefined }
    const undo = registry.addPackage(package_)
    expect(() => registry.addPackage({ ...package_ })).to.throw('has a package already')
    await undo()
    expect(registry.events).to.deep.equal([])
  })
})

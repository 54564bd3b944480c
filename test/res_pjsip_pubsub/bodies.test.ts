import { expect } from 'chai'
import { Bodies } from '../../res_pjsip_pubsub/bodies.ts'
import type { Addressing, BodyGenerator, BodySupplement } from '../../res_pjsip_pubsub/contract.ts'
import { Registry } from '../../res_pjsip_pubsub/registry.ts'
import { pjsipConfig } from '../support/core.ts'
import { type Lamp, lampKind, lampText, lampXml, maker, TEXT, XML } from '../support/lamps.ts'

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

  it('makes one text for all with the same share key', () => {
    const state = { light: 'on' }
    expect(bodies.body(state, { kind: lampKind }, TEXT, to('1'))).to.equal(
      bodies.body(state, { kind: lampKind }, TEXT, to('2')),
    )
    expect(made).to.deep.equal(['on for sip:1@a'])
  })

  it('makes another for another key, type or state object', () => {
    const state = { light: 'on' }
    bodies.body(state, { kind: lampKind }, XML, to('1'))
    bodies.body(state, { kind: lampKind }, XML, to('2'))
    bodies.body(state, { kind: lampKind }, TEXT, to('1'))
    bodies.body({ light: 'on' }, { kind: lampKind }, TEXT, to('1'))
    expect(made).to.have.length(4)
  })

  it('puts the version in its place, and leaves a text without one alone', () => {
    const body = bodies.body({ light: 'on' }, { kind: lampKind }, XML, to('1'))
    expect(body?.withVersion(12)).to.equal('<lamp version="12" entity="sip:1@a">on</lamp>')
    expect(bodies.body({ light: 'on' }, { kind: lampKind }, TEXT, to('1'))?.withVersion(12)).to.equal('on')
  })

  it('has none where nobody makes the type for this kind', () => {
    expect(bodies.body({ light: 'on' }, { kind: lampKind }, 'text/none', to('1'))).to.equal(undefined)
    expect(bodies.body({ light: 'on' }, { kind: { name: 'other' } }, TEXT, to('1'))).to.equal(undefined)
  })

  it('takes supplements in and out', async () => {
    const state = { light: 'on' }
    expect(bodies.body(state, { kind: lampKind }, TEXT, to('1'))?.text).to.equal('on')
    const undo = registry.addSupplement(maker)
    expect(bodies.body(state, { kind: lampKind }, TEXT, to('1'))?.text).to.equal('on by Edison')
    expect(bodies.body(state, { kind: lampKind }, XML, to('1'))?.text).not.to.include('Edison')
    await undo()
    expect(bodies.body(state, { kind: lampKind }, TEXT, to('1'))?.text).to.equal('on')
  })

  it('keeps supplements that look at more apart', () => {
    const forWhom: BodySupplement<Lamp, string[]> = {
      ...maker,
      share: (whom) => whom.resource,
      supplement: (words, _, whom) => void words.push(whom.resource),
    }
    registry.addSupplement(forWhom)
    const state = { light: 'on' }
    expect(bodies.body(state, { kind: lampKind }, TEXT, to('1'))?.text).to.equal('on 1')
    expect(bodies.body(state, { kind: lampKind }, TEXT, to('2'))?.text).to.equal('on 2')
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

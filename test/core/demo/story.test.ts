import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import type { DemoPbx } from '../../../core/demo/pbx.ts'
import { startDemoPbx } from '../../../core/demo/pbx.ts'
import { readPbxData } from '../../../core/demo/read-data.ts'
import { SCENES, type Stage, startStory } from '../../../core/demo/story.ts'
import { ask, Listener } from '../../support/demo-pbx.ts'
import { until } from '../../support/tools.ts'

const directory = join(import.meta.dirname, '../../../configs/demo/asterisk')

describe('the story of the demo', () => {
  let pbx: DemoPbx
  let listener: Listener
  beforeEach(async () => {
    pbx = await startDemoPbx({ port: 0, data: readPbxData(directory) })
    for (const { id } of pbx.data.auths) pbx.register(id, true)
    listener = await Listener.open(pbx, 'app=lamp&subscribeAll=true')
  })
  afterEach(() => pbx.stop())

  /** Plays one scene with dice that fall so, the last for ever, and no pauses. */
  async function play(name: string, ...dice: number[]): Promise<string[]> {
    const told: string[] = []
    const stage: Stage = {
      pbx,
      pause: () => Promise.resolve(),
      roll: (limit) => Math.min((dice.length > 1 ? dice.shift() : dice[0]) ?? 0, limit - 1),
      take: (count, from = ['100', '103', '104', '101']) => (from.length < count ? undefined : from.slice(0, count)),
      tell: (sentence) => told.push(sentence),
    }
    await SCENES[name]?.play(stage)
    return told
  }

  it('leaves every call ended and every phone idle after each scene', async () => {
    for (const name of Object.keys(SCENES)) {
      for (const dice of [0, 1]) await play(name, dice)
      expect((await ask(pbx, 'GET', 'channels')).json, name).to.deep.equal([])
      for (const { id } of pbx.data.auths)
        expect(pbx.deviceState(`PJSIP/${id}`), `${id} after ${name}`).to.equal('NOT_INUSE')
    }
    expect(pbx.deviceState('Custom:dnd104')).to.equal('NOT_INUSE')
  })

  it('rings, connects, holds and ends a call', async () => {
    await play('conversation', 1, 0)
    await until('the end', () => listener.devices.at(-1) === 'PJSIP/103 NOT_INUSE')
    expect(listener.devices).to.deep.equal([
      'PJSIP/100 INUSE',
      'PJSIP/103 RINGING',
      'PJSIP/103 INUSE',
      'PJSIP/103 ONHOLD',
      'PJSIP/103 INUSE',
      'PJSIP/100 NOT_INUSE',
      'PJSIP/103 NOT_INUSE',
    ])
    listener.events.length = 0
    expect(await play('conversation', 0)).to.deep.equal(['Alice Reception calls Dave Workshop'])
  })

  it('leaves messages and hears them', async () => {
    await play('missed', 0)
    expect(pbx.messages('100')).to.deep.equal({ newMessages: 1, oldMessages: 0 })
    await play('listen', 0)
    expect(pbx.messages('100')).to.deep.equal({ newMessages: 0, oldMessages: 1 })
    expect(await play('listen', 0), 'nobody has messages').to.deep.equal([])
  })

  it('parks one call at a time', async () => {
    const told: string[] = []
    const waiting: (() => void)[] = []
    const busy = new Set<string>()
    const stage: Stage = {
      pbx,
      pause: () =>
        new Promise((resolve) => {
          waiting.push(resolve)
        }),
      roll: () => 0,
      take: (count, from = ['100', '101', '102', '103']) => {
        const free = from.filter((each) => !busy.has(each)).slice(0, count)
        if (free.length < count) return undefined
        for (const each of free) busy.add(each)
        return free
      },
      tell: (sentence) => told.push(sentence),
    }
    let playing = 2
    const scenes = [SCENES['park']?.play(stage), SCENES['park']?.play(stage)]
    for (const scene of scenes) void scene?.finally(() => playing--)
    await until('the end of both', () => {
      for (const go of waiting.splice(0)) go()
      return playing === 0
    })
    expect(told.filter((sentence) => sentence.includes('parks'))).to.have.length(1)
  })

  it('goes on until it is stopped', async () => {
    const told: string[] = []
    const story = startStory(pbx, { seed: 7, speed: 400, tell: (sentence) => told.push(sentence) })
    await until('twenty scenes', () => story.scenes >= 20)
    story.stop()
    const scenes = story.scenes
    await pause(60)
    expect(story.scenes).to.equal(scenes)
    expect(told.filter((sentence) => sentence.includes('broke off'))).to.deep.equal([])
  })

  it('is another with another seed, and the same with the same', async () => {
    const opening = async (seed: number): Promise<string> => {
      let first = ''
      pbx.setCustom('night', 'NOT_INUSE')
      const story = startStory(pbx, { seed, speed: 400, tell: (sentence) => (first ||= sentence) })
      await until('the first scene', () => first !== '')
      story.stop()
      await until('an end of its calls', async () => {
        for (const { id } of (await ask(pbx, 'GET', 'channels')).json as { id: string }[])
          await ask(pbx, 'DELETE', `channels/${id}`)
        return true
      })
      return first
    }
    expect(await opening(11)).to.equal(await opening(11))
    const openings = new Set<string>()
    for (const seed of [1, 2, 3, 4, 5, 6]) openings.add(await opening(seed))
    expect(openings.size).to.be.above(1)
  })
})

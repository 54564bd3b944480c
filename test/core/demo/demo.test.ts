import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Demo, playDemo } from '../../../core/demo/demo.ts'
import type { LampChange } from '../../../core/demo/phones.ts'
import { demoDirectory } from '../../../core/demo/place.ts'
import { type Server, startServer } from '../../../core/server.ts'
import { freeTcpPort } from '../../support/free-port.ts'
import { until } from '../../support/tools.ts'

/** A copy of the demo's configuration that collides with nobody. */
async function movedConfiguration(): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'lamplighter-demo-test-'))
  cpSync(join(import.meta.dirname, '../../../configs/demo'), directory, { recursive: true })
  const replace = (name: string, from: string, to: number): void => {
    const path = join(directory, name)
    const text = readFileSync(path, 'utf8')
    if (!text.includes(`:${from}`)) throw new Error(`${name} has no port ${from}`)
    writeFileSync(path, text.replaceAll(`:${from}`, `:${to}`))
  }
  replace('lamplighter.conf', '8088', await freeTcpPort())
  replace('pjsip.conf', '5060', await freeTcpPort())
  return directory
}

describe('the demo', () => {
  let directory: string
  let demo: Demo | undefined
  let server: Server | undefined
  beforeEach(async () => {
    directory = await movedConfiguration()
  })
  afterEach(async () => {
    await demo?.stop()
    await server?.stop()
    demo = server = undefined
    rmSync(directory, { recursive: true, force: true })
  })

  it('plays: calls, voicemail and presence of the PBX are on the lamps of the phones, with no fault', async function () {
    this.timeout(60_000)
    const changes: LampChange[] = []
    demo = await playDemo({ directory, quiet: true, speed: 0.001, onLamp: (change) => changes.push(change) })
    server = await startServer({ directory, version: 'test', onStop: () => undefined })
    await demo.openPhones()
    const { pbx, phones } = demo
    const shows = (
      phone: string,
      target: string,
      light: string,
      event: 'dialog' | 'presence' | 'message-summary' = 'dialog',
    ) =>
      until(
        `${light} lamp ${target} at ${phone}`,
        () => phones.find(({ user }) => user === phone)?.lamp(target, event)?.reading?.light === light,
      )
    await until('all lamps', () => phones.every(({ lamps }) => lamps.every(({ reading }) => reading)))

    pbx.leaveMessage('103')
    pbx.setDevice('park:701@parkedcalls', 'INUSE')
    await shows('103', '103', 'message', 'message-summary')
    await shows('101', '701', 'lit')
    pbx.setPresence('CustomPresence:104', { state: 'dnd', message: 'do not knock' })
    // The phone that speaks TCP.
    await shows('105', '104', 'away', 'presence')
    const call = pbx.call('trunk', '104', { caller: { name: 'Grace', number: '555' } })
    await shows('105', '104', 'flashing')
    call.answer()
    await shows('103', '104', 'lit')
    call.hold('trunk')
    await shows('100', '104', 'winking')
    call.hangUp()
    await shows('100', '104', 'off')
    expect(changes.length).to.be.above(30)
    expect(phones.flatMap(({ faults }) => faults)).to.deep.equal([])
  })

  it('has a story in which every lamp changes', async function () {
    this.timeout(60000)
    const seen = new Map<string, Set<string>>()
    const onLamp = ({ spec, reading }: LampChange): void => {
      const words = seen.get(`${spec.event} ${spec.target}`) ?? new Set()
      seen.set(`${spec.event} ${spec.target}`, words.add(reading.words))
    }
    demo = await playDemo({ directory, quiet: true, speed: 8, seed: 701, onLamp })
    server = await startServer({ directory, version: 'test', onStop: () => undefined })
    await demo.openPhones()
    const lamps = new Set(demo.phones.flatMap((phone) => phone.lamps.map(({ spec }) => `${spec.event} ${spec.target}`)))
    const still = (): string[] =>
      [...lamps].filter((lamp) => (seen.get(lamp)?.size ?? 0) < 2 && !lamp.startsWith('message-summary'))
    await until('change of every lamp', () => still().length === 0, 45000).catch(() => {
      throw new Error(`nothing happened at ${still().join(', ')}`)
    })
    await until('voicemail', () => [...seen].some(([lamp, { size }]) => lamp.startsWith('message') && size > 1))
    expect(demo.phones.flatMap(({ faults }) => faults)).to.deep.equal([])
  })

  it('says which port of the PBX is in use, and where it is written', async () => {
    demo = await playDemo({ directory, quiet: true })
    const failure = await playDemo({ directory, quiet: true }).then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(failure).to.be.an('error')
    expect(String(failure)).to.include('in use').and.include(join(directory, 'lamplighter.conf'))
    expect(String(failure).split('\n')).to.have.lengthOf(1)
  })

  it('gives Lamplighter a directory that is the user’s own', () => {
    const own = demoDirectory()
    expect(statSync(own).mode & 0o777).to.equal(0o700)
    expect(readFileSync(join(own, 'lamplighter.conf'), 'utf8')).to.include('type = server')
    expect(demoDirectory()).to.equal(own)
  })
})

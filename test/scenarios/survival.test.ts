import { expect } from 'chai'
import { Neighbourhood } from '../support/neighbourhood.ts'
import { until } from '../support/tools.ts'

/** How long lamps may take to be right after things have calmed down, in milliseconds. */
const PATIENCE = 20000

describe('lamps survive', function () {
  this.timeout(60000)
  let scene: Neighbourhood

  beforeEach(async () => {
    scene = await Neighbourhood.open()
    await scene.openPhones()
  })
  afterEach(() => scene?.close())

  const allRight = () =>
    until('moment with all lamps right', () => scene.wrong().length === 0, PATIENCE).catch(() => {
      throw new Error(`lamps stay wrong:\n${scene.wrong().join('\n')}\n${scene.instance.stderr}`)
    })

  it('changes by the hundred', async () => {
    await scene.live(1500)
    await allRight()
    expect(scene.faults).to.deep.equal([])
  })

  it('a kill -9 in the middle of changes: the old dialogs go on, CSeq and version never go back', async () => {
    const udp = scene.phones.filter((_, i) => i % 2 === 0).flatMap((phone) => phone.lamps)
    await scene.live(700)
    const killed = scene.instance.end('SIGKILL')
    await scene.live(500)
    await killed
    const before = udp.map((lamp) => lamp.notified)
    await scene.instance.start()
    await scene.live(300)
    await allRight()
    expect(scene.faults).to.deep.equal([])
    await until(
      'NOTIFY in every old dialog over UDP',
      () => udp.every((lamp, i) => lamp.notified > (before[i] ?? 0)),
      PATIENCE,
    )
  })

  it('a SIGTERM, which takes less than two seconds, and a start', async function () {
    // On a machine that is busy.
    this.retries(3)
    await scene.live(300)
    const asked = Date.now()
    const { code } = await scene.instance.end('SIGTERM')
    expect(code).to.equal(0)
    expect(Date.now() - asked).to.be.below(2000)
    await scene.live(300)
    await scene.instance.start()
    await allRight()
    expect(scene.faults).to.deep.equal([])
  })

  it('the loss of the link to Asterisk in the middle of changes', async () => {
    await scene.live(300)
    for (let i = 0; i < 3; i++) {
      const away = scene.pbx.dropLink(300)
      await scene.live(400)
      await away
    }
    await allRight()
    expect(scene.faults).to.deep.equal([])
  })

  it('a restart of Asterisk', async () => {
    await scene.live(300)
    const away = scene.pbx.restart(400)
    await scene.live(600)
    await away
    await allRight()
    expect(scene.faults).to.deep.equal([])
  })

  it('reloads of everything in the middle of changes', async () => {
    const living = scene.live(3000)
    const answers: string[] = []
    for (const line of ['core reload', 'dialplan reload', 'module refresh res_pjsip_pubsub']) {
      const { code, stderr } = await scene.instance.command(line)
      answers.push(`${line}: ${code} ${stderr}`)
    }
    scene.instance.signal('SIGHUP')
    await living
    expect(answers).to.deep.equal(['core reload: 0 ', 'dialplan reload: 0 ', 'module refresh res_pjsip_pubsub: 0 '])
    await allRight()
    expect(scene.faults).to.deep.equal([])
  })
})

import { expect } from 'chai'
import { ariCommands } from '../../../core/ari/commands.ts'
import { Console } from '../../../core/console/console.ts'
import { type DemoPbx, startDemoPbx } from '../../../core/demo/pbx.ts'
import { type BridgeRig, bridgeTo } from '../../support/bridge-rig.ts'
import { hintsOf, pbxData } from '../../support/pbx-data.ts'
import { until } from '../../support/tools.ts'

describe('The console commands of the bridges', () => {
  const console = new Console()
  let pbx: DemoPbx
  let rig: BridgeRig
  let away: BridgeRig

  const run = async (line: string): Promise<string> => {
    const lines: string[] = []
    await console.run(line, { print: (text) => lines.push(text) })
    return lines.join('\n')
  }

  before(async () => {
    const mailboxes = { '100@default': '1,Alice' }
    pbx = await startDemoPbx({ port: 0, data: pbxData({ hints: { default: { 200: 'Custom:x' } }, mailboxes }) })
    pbx.leaveMessage('100@default')
    rig = bridgeTo(pbx.url, { hint_interval: 1 })
    away = bridgeTo('http://127.0.0.1:1', {}, { model: rig, name: 'pbx2' })
    await Promise.all([rig.bridge.settled, away.bridge.settled])
    for (const command of ariCommands(() => [rig.bridge, away.bridge])) console.register(command)
  })

  after(async () => {
    await Promise.all([rig.bridge.close(), away.bridge.close()])
    await pbx.stop()
  })

  it('ari show servers', async () => {
    await until('the first ping', () => rig.bridge.status().roundTrip !== undefined)
    const [head, one, two] = (await run('ari show servers')).split('\n')
    const time = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ`
    expect(head).to.match(
      /^Name +URL +State +Version +Connected since +Round trip +Events +Repaired +Devices +Last error$/,
    )
    expect(one).to.match(
      new RegExp(
        String.raw`^pbx1 +http://127\.0\.0\.1:\d+ +serving +22\.10\.0 +${time} +[\d.]+ ms +\d+ +0 +\d+ +none$`,
      ),
    )
    expect(two).to.match(
      new RegExp(
        String.raw`^pbx2 +http://127\.0\.0\.1:1 +away \(next attempt in \d+ s\) +- +- +- +0 +0 +\d+ +${time} connect ECONNREFUSED`,
      ),
    )
  })

  it('ari show server', async () => {
    const serving = await run('ari show server pbx1')
    expect(serving).to.match(/State: +serving, since/)
    expect(serving).to.match(/Connected: +since \d{4}-/)
    expect(serving).to.match(/Round trip: +[\d.]+ ms/)
    expect(serving).to.match(/Last error: +none/)
    const lost = await run('ari show server PBX2')
    expect(lost).to.match(/To do: cannot reach Asterisk at/)
    expect(lost).to.match(/Connected: +no\n/)
    expect(lost).to.match(/Last error: +\d{4}-\S+ connect ECONNREFUSED/)
    const failure = await run('ari show server nosuch').catch((error: unknown) => String(error))
    expect(failure).to.include("no Asterisk server is called 'nosuch'; there is: pbx1, pbx2")
  })

  it('ari reconcile', async () => {
    expect(await run('ari reconcile pbx1')).to.equal('pbx1: nothing differs')
    const failure = await run('ari reconcile').catch((error: unknown) => String(error))
    expect(failure).to.include('pbx2 is away')
  })

  it('ari reconcile, where the first of several servers is away', async () => {
    const [awayFirst, lines] = [new Console(), new Array<string>()]
    for (const command of ariCommands(() => [away.bridge, rig.bridge])) awayFirst.register(command)
    const ran = awayFirst.run('ari reconcile', { print: (text) => lines.push(text) })
    expect(await ran.catch((error: unknown) => String(error))).to.include('pbx2 is away')
    expect(lines).to.deep.equal(['pbx1: nothing differs'])
  })

  it('beside another server that is away, hints are found and change at hint_interval', async () => {
    const hint = await rig.hints.find('default', '200')
    if (!hint || hint === 'unreachable') throw new Error('no hint')
    hint.watch({ value: () => undefined })
    expect(hint.definition?.devices).to.deep.equal(['Custom:x'])
    pbx.reloadDialplan(hintsOf({ default: { 200: 'Custom:y' } }))
    await until('the new hint', () => hint.definition?.devices[0] === 'Custom:y')
  })

  it('a mailbox that only one server has keeps the count of that one', async () => {
    const other = await startDemoPbx({ port: 0, data: pbxData({}) })
    const third = bridgeTo(other.url, {}, { model: rig, name: 'pbx3' })
    await third.bridge.settled
    await rig.mailboxes.need('100@default').ready
    expect(rig.mailboxes.get('100@default')).to.deep.equal({ newMessages: 1, oldMessages: 0 })
    expect(rig.mailboxes.reportOf('pbx3', '100@default')).to.equal(undefined)
    await third.bridge.close()
    await other.stop()
  })
})

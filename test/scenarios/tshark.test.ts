import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { Neighbourhood } from '../support/neighbourhood.ts'
import { needTool, until } from '../support/tools.ts'

/** tshark reads what went over the wire: a dissector that knows nothing of ours must find nothing malformed. */
describe('tshark on the wire', function () {
  this.timeout(60000)
  let scene: Neighbourhood
  let directory: string
  let capture: ChildProcess | undefined

  before(async function () {
    needTool(this, 'tshark')
    directory = mkdtempSync(join(tmpdir(), 'lamplighter-capture-'))
    scene = await Neighbourhood.open()
  })
  after(async () => {
    capture?.kill('SIGKILL')
    await scene?.close()
    if (directory) rmSync(directory, { recursive: true })
  })

  it('finds every NOTIFY of a run well-formed, with a body that it can read', async () => {
    const { instance } = scene
    const ports = { udp: instance.address('udp').port, tcp: instance.address('tcp').port }
    const file = join(directory, 'run.pcap')
    const filter = `udp port ${ports.udp} or tcp port ${ports.tcp}`
    capture = spawn('tshark', ['-i', 'lo', '-f', filter, '-w', file, '-q'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let said = ''
    capture.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text))
    const over = new Promise((resolve) => {
      capture?.on('close', resolve)
    })
    await until(
      'capture',
      () => said.includes('Capturing') && (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0,
    )

    await scene.openPhones()
    await scene.live(1500)
    for (const exten of ['100', '101']) scene.pbx.register(exten, true)
    const call = scene.pbx.call('100', '101')
    call.answer()
    await scene.live(300)
    call.hangUp()
    await until('moment with all lamps right', () => scene.wrong().length === 0)
    await Promise.all(scene.phones.map((phone) => phone.close()))
    capture.kill('SIGINT')
    await over

    const read = async (display: string, ...fields: string[]): Promise<string[]> => {
      const decode = ['-d', `udp.port==${ports.udp},sip`, '-d', `tcp.port==${ports.tcp},sip`]
      const shown = fields.flatMap((field) => ['-e', field])
      const { stdout } = await promisify(execFile)(
        'tshark',
        ['-r', file, '--enable-heuristic', 'xml_sip', ...decode, '-Y', display, '-T', 'fields', ...shown],
        { maxBuffer: 1 << 28 },
      )
      return stdout.split('\n').filter((line) => line.trim() !== '')
    }
    const notifies = await read('sip.Method == "NOTIFY"', 'frame.number', 'sip.Event')
    expect(notifies.length).to.be.greaterThan(100)
    for (const event of ['dialog', 'presence', 'message-summary'])
      expect(notifies.join('\n')).to.match(new RegExp(`\\t.*${event}`))
    expect(
      await read(
        'sip.Method == "NOTIFY" && (_ws.malformed || _ws.expert.severity >= 8388608)',
        'frame.number',
        '_ws.expert.message',
        '_ws.malformed',
      ),
    ).to.deep.equal([])
    const withXml = await read(
      'sip.Method == "NOTIFY" && (sip.Event contains "dialog" || sip.Event contains "presence")',
      'frame.number',
    )
    const xmlRead = await read('sip.Method == "NOTIFY" && xml', 'frame.number')
    expect(xmlRead.length).to.equal(withXml.length)
  })
})

/**
 * Against an Asterisk that is there: ASTERISK_ARI_URL=http://user:password@127.0.0.1:8088. Sets one Stasis: device there
 * and takes it back. ASTERISK_HINT=200@office names a hint of its dialplan that is to be found through the probe.
 */
import { expect } from 'chai'
import { record } from '../../../core/ari/events.ts'
import type { Hint } from '../../../core/states/hint.ts'
import type { HintSource } from '../../../core/states/hint-sources.ts'
import { type BridgeRig, bridgeTo } from '../../support/bridge-rig.ts'
import { Instance } from '../../support/instance.ts'
import { TestPhone } from '../../support/phone.ts'
import { until } from '../../support/tools.ts'

const given = process.env.ASTERISK_ARI_URL
if (given === undefined)
  console.log('  (a real Asterisk is tried where ASTERISK_ARI_URL=http://user:password@host:port is set)')
else against(new URL(given), process.env.ASTERISK_HINT)

/** ARI lets devices of this kind be set, and no others. */
const DEVICE = `Stasis:lamplighter-${process.pid}`
const APP = `lamplighter-test-${process.pid}`

function against(url: URL, dialplanHint: string | undefined): void {
  const base = url.origin
  const login = { username: decodeURIComponent(url.username), password: decodeURIComponent(url.password) }

  async function ari(method: string, path: string): Promise<unknown> {
    const response = await fetch(`${base}/ari${path}`, {
      method,
      headers: { authorization: `Basic ${Buffer.from(`${login.username}:${login.password}`).toString('base64')}` },
      signal: AbortSignal.timeout(5000),
    })
    const body = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${body}`)
    return body === '' ? undefined : JSON.parse(body)
  }

  const setDevice = async (state: string): Promise<void> => {
    await ari('PUT', `/deviceStates/${encodeURIComponent(DEVICE)}?deviceState=${state}`)
  }

  describe('A real Asterisk', function () {
    this.timeout(60_000)

    before(() => setDevice('NOT_INUSE'))
    after(() => ari('DELETE', `/deviceStates/${encodeURIComponent(DEVICE)}`))

    describe('and the bridge to it', () => {
      let rig: BridgeRig

      before(async () => {
        rig = bridgeTo(base, { ...login, app: APP })
        await rig.bridge.settled
      })
      after(() => rig.bridge.close())

      it('connects, says its version, and has nothing to complain of', () => {
        const { state, asterisk, complaints } = rig.bridge.status()
        expect(state).to.equal('serving')
        expect(asterisk?.version).to.match(/^(?:certified-)?[0-9]+\.[0-9]+|^GIT-/)
        expect(complaints).to.deep.equal([])
        expect(JSON.stringify(rig.lines)).to.not.include(JSON.stringify(login.password).slice(1, -1))
      })

      it('reads a device and follows it', async () => {
        const { ready, release } = rig.devices.need(DEVICE)
        await ready
        expect(rig.devices.get(DEVICE)).to.equal('NOT_INUSE')
        for (const state of ['RINGING', 'INUSE', 'ONHOLD', 'BUSY', 'NOT_INUSE']) {
          await setDevice(state)
          await until(state, () => rig.devices.get(DEVICE) === state)
        }
        await release()
      })

      it('finds nothing that differs when it compares', async () => {
        expect((await rig.bridge.reconcile()).repaired).to.deep.equal([])
      })

      it('says through the probe that there is no such hint, and leaves no channel behind', async () => {
        expect(await rig.hints.find('lamplighter-nowhere', '1')).to.equal(undefined)
        const ours = async (): Promise<boolean> =>
          JSON.stringify(await ari('GET', '/channels')).includes(`${APP}-probe`)
        let left = true
        await until('no probe channel', () => {
          void ours().then((found) => (left = found))
          return !left
        })
      })

      if (dialplanHint !== undefined) {
        it(`finds the hint ${dialplanHint} through the probe, with the states of its devices`, async () => {
          const [exten = '', context = ''] = dialplanHint.split('@')
          const hint = await rig.hints.find(context, exten)
          if (!hint || hint === 'unreachable') throw new Error('no hint')
          const devices = hint.definition?.devices ?? []
          expect(devices).to.not.have.length(0)
          for (const device of devices) {
            const { state } = record(await ari('GET', `/deviceStates/${encodeURIComponent(device)}`))
            expect(rig.devices.get(device), device).to.equal(state)
          }
        })
      }

      it('has a hint of ours follow it', async () => {
        const source: HintSource = {
          name: 'test',
          lookup: async (context, exten) => ({
            context,
            exten,
            devices: [DEVICE],
            presence: [],
            name: '',
            source: 'test',
          }),
          onChange: () => () => undefined,
        }
        const stop = rig.hints.addSource(source)
        const found = await rig.hints.find('test', '200')
        await stop()
        const hint: Hint | undefined = found === 'unreachable' ? undefined : found
        await setDevice('RINGING')
        await until('ringing', () => hint?.value.state === 8)
        await setDevice('NOT_INUSE')
        await until('idle', () => hint?.value.state === 0)
      })
    })

    it('moves a lamp', async () => {
      const office = new Instance({
        'lamplighter.conf': `[pbx1]\ntype = server\nurl = ${base}\nusername = ${login.username}\npassword = ${login.password}\napp = ${APP}-lamp\n`,
        'pjsip.conf':
          '[udp]\ntype = transport\nprotocol = udp\nbind = 127.0.0.1:0\n[phone]\ntype = endpoint\ncontext = lamps\n',
        'extensions.conf': `[lamps]\nexten => 200,hint,${DEVICE}\n`,
      })
      try {
        await office.start()
        const { host, port } = office.address()
        const phone = await TestPhone.open({ server: { address: host, port }, user: 'phone' })
        const headers: [string, string][] = [
          ['Event', 'dialog'],
          ['Accept', 'application/dialog-info+xml'],
          ['Expires', '600'],
        ]
        const answer = await phone.request('SUBSCRIBE', { dialog: phone.dialog(`sip:200@${host}:${port}`), headers })
        expect(answer.status).to.equal(200)
        expect((await phone.next('NOTIFY')).body).to.include('<state>terminated</state>')
        await setDevice('INUSE')
        expect((await phone.next('NOTIFY')).body).to.include('<state>confirmed</state>')
        await setDevice('NOT_INUSE')
        expect((await phone.next('NOTIFY')).body).to.include('<state>terminated</state>')
        await phone.close()
      } finally {
        await office.dispose()
      }
    })
  })
}

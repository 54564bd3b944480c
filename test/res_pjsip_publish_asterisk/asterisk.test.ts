/**
 * With an Asterisk that is there: ASTERISK_ARI_URL=http://user:password@127.0.0.1:8088 as for the bridge,
 * ASTERISK_PUBLISHES_TO=127.0.0.1:5070, where its outbound-publish sections lead, and ASTERISK_SIP=127.0.0.1:5060, where
 * it has an inbound-publication [lamplighter] for them (docs/asterisk.md has all of these sections).
 */
import { expect } from 'chai'
import type { TestCore } from '../support/core.ts'
import { configure, publishing, startServer, TELLS_ALL } from '../support/publishing.ts'
import { until } from '../support/tools.ts'

const { ASTERISK_ARI_URL, ASTERISK_PUBLISHES_TO, ASTERISK_SIP } = process.env
if (ASTERISK_ARI_URL === undefined || ASTERISK_PUBLISHES_TO === undefined || ASTERISK_SIP === undefined)
  console.log(
    '  (a real Asterisk is published to where ASTERISK_ARI_URL, ASTERISK_PUBLISHES_TO and ASTERISK_SIP are set)',
  )
else against(new URL(ASTERISK_ARI_URL), ASTERISK_PUBLISHES_TO, ASTERISK_SIP)

const THEIRS = `Stasis:lamplighter-${process.pid}`
const OURS = `Custom:lamplighter-${process.pid}`

function against(url: URL, bind: string, sip: string): void {
  const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`

  async function ari(method: string, path: string): Promise<unknown> {
    const response = await fetch(`${url.origin}/ari${path}`, {
      method,
      headers: { authorization: `Basic ${Buffer.from(login).toString('base64')}` },
      signal: AbortSignal.timeout(5000),
    })
    const body = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${body}`)
    return body === '' ? undefined : JSON.parse(body)
  }
  const setTheirs = async (state: string): Promise<void> => {
    await ari('PUT', `/deviceStates/${encodeURIComponent(THEIRS)}?deviceState=${state}`)
  }
  const seenThere = async (device: string): Promise<string> => {
    const found = await ari('GET', `/deviceStates/${encodeURIComponent(device)}`)
    return typeof found === 'object' && found !== null && 'state' in found ? String(found.state) : ''
  }

  describe('A real Asterisk that publishes and is published to', function () {
    this.timeout(60_000)
    let office: TestCore

    before(async () => {
      await setTheirs('INUSE')
      office = await startServer('02:00:00:00:00:77', {
        endpoints: { asterisk: {} },
        identifies: { asterisk: { endpoint: 'asterisk', match: ['0.0.0.0/0'] } },
        transports: { udp: { bind } },
      })
      const everywhere = { endpoint: 'asterisk', 'event_asterisk-devicestate': 'all', 'event_asterisk-mwi': 'all' }
      configure(office, {
        // Whatever user stands in its server_uri.
        inbound: Object.fromEntries(['pbx1', 'lamplighter', 'blf', 'lamps'].map((user) => [user, everywhere])),
        asterisk: TELLS_ALL,
        outbound: {
          devices: { server_uri: [`sip:lamplighter@${sip}`], event: 'asterisk-devicestate' },
          mailboxes: { server_uri: [`sip:lamplighter@${sip}`], event: 'asterisk-mwi' },
        },
      })
      await publishing(office)
    })
    after(async () => {
      await office?.loader.unload('res_pjsip_publish_asterisk')
      await until('the end of all that was sent', async () =>
        (await office.run('pjsip show publications outbound')).includes('0 outbound publications'),
      )
      await office?.close()
      await ari('DELETE', `/deviceStates/${encodeURIComponent(THEIRS)}`)
    })

    it('says all that it knows when it is asked, and each change', async () => {
      await until('its device', () => office.core.devices.get(THEIRS) === 'INUSE', 40_000)
      for (const state of ['RINGING', 'ONHOLD', 'BUSY', 'NOT_INUSE']) {
        await setTheirs(state)
        await until(state, () => office.core.devices.get(THEIRS) === state)
      }
    })

    it('shows what we publish, and lets go of it', async () => {
      for (const state of ['RINGING', 'INUSE', 'BUSY', 'NOT_INUSE'] as const) {
        office.core.devices.set('local', OURS, state)
        await until(state, async () => (await seenThere(OURS)) === state)
      }
      expect(office.core.devices.reports(OURS).map(({ origin }) => origin)).to.deep.equal(['local'])
    })

    it('counts our messages', async () => {
      office.core.mailboxes.set('local', `${process.pid}@lamplighter`, { newMessages: 2, oldMessages: 1 })
      await until('a message there', async () => (await seenThere(`MWI:${process.pid}@lamplighter`)) === 'INUSE')
      office.core.mailboxes.set('local', `${process.pid}@lamplighter`, { newMessages: 0, oldMessages: 3 })
      await until('none there', async () => (await seenThere(`MWI:${process.pid}@lamplighter`)) === 'NOT_INUSE')
    })
  })
}

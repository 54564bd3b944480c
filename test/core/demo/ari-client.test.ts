import ariClient from 'ari-client'
import { expect } from 'chai'
import type { DemoPbx } from '../../../core/demo/pbx.ts'
import { officePbx } from '../../support/demo-pbx.ts'
import { until } from '../../support/tools.ts'

type Operations = Readonly<Record<string, (parameters?: object) => Promise<Record<string, unknown>>>>
/** What the public client makes of the documents it was served. */
interface Client {
  readonly applications: Operations
  readonly asterisk: Operations
  readonly bridges: Operations
  readonly channels: Operations
  readonly deviceStates: Operations
  readonly endpoints: Operations
  readonly mailboxes: Operations
  start(app: string): Promise<void>
  stop(): void
  ping(): void
  on(event: string, listener: (event: Record<string, unknown>, instance: Record<string, unknown>) => void): void
}

/** Its swagger library announces itself on the console. */
async function connect(pbx: DemoPbx, password = pbx.password): Promise<Client> {
  const { log } = console
  console.log = () => undefined
  try {
    return (await ariClient.connect(pbx.url, pbx.username, password)) as unknown as Client
  } finally {
    console.log = log
  }
}

describe('the public ari-client at the demo PBX', () => {
  let pbx: DemoPbx
  let client: Client
  let connected: number
  beforeEach(async () => {
    pbx = await officePbx()
    connected = 0
    client = await connect(pbx)
    client.on('WebSocketConnected', () => connected++)
    await client.start('lamp')
  })
  afterEach(async () => {
    client.stop()
    await pbx.stop()
  })

  it('finds every operation that is served', async () => {
    expect(Object.keys(client.channels)).to.include.members(['create', 'hangup', 'getChannelVar', 'getChannelVars'])
    expect(Object.keys(client.applications)).to.include.members(['subscribe', 'unsubscribe', 'filter'])
    expect(await client.asterisk['ping']?.()).to.include({ ping: 'pong' })
    expect(await client.endpoints['list']?.()).to.have.lengthOf(4)
    expect(await client.bridges['list']?.()).to.have.lengthOf(0)
    const state = await client.deviceStates['get']?.({ deviceName: 'PJSIP/100' })
    expect(state).to.include({ name: 'PJSIP/100', state: 'UNAVAILABLE' })
    expect(client.channels['originate']).to.equal(undefined)
  })

  it('has a model for every event that is sent', async () => {
    const sources = ['deviceState', 'channel', 'endpoint', 'bridge'].map((kind) => `${kind}:`).join(',')
    await client.applications['subscribe']?.({ applicationName: 'lamp', eventSource: sources })
    const seen: string[] = []
    const promoted: unknown[] = []
    client.on('*', (event, instance) => {
      seen.push(String(event['type']))
      if (event['type'] === 'DeviceStateChanged') promoted.push([instance['name'], instance['state']])
    })
    await client.channels['create']?.({ endpoint: 'Local/zz@nosuchctx', app: 'lamp', channelId: 'probe1' })
    const value = await client.channels['getChannelVar']?.({ channelId: 'probe1', variable: 'HINT(101@from-internal)' })
    expect(value).to.deep.equal({ value: 'PJSIP/101&Custom:dnd101' })
    await client.channels['hangup']?.({ channelId: 'probe1' })
    pbx.register('100', true)
    pbx.register('103', true)
    const call = pbx.call('103', '100')
    call.answer()
    call.hold('103')
    call.unhold()
    call.hangUp()
    pbx.register('100', false)
    await until('the last event', () => promoted.some((state) => String(state) === 'PJSIP/100,UNAVAILABLE'))
    expect(new Set(seen)).to.have.all.keys(
      'BridgeCreated',
      'BridgeDestroyed',
      'ChannelConnectedLine',
      'ChannelCreated',
      'ChannelDestroyed',
      'ChannelDialplan',
      'ChannelEnteredBridge',
      'ChannelHangupRequest',
      'ChannelHold',
      'ChannelLeftBridge',
      'ChannelStateChange',
      'ChannelUnhold',
      'ChannelVarset',
      'ContactStatusChange',
      'DeviceStateChanged',
      'Dial',
      'PeerStatusChange',
      'StasisEnd',
      'StasisStart',
    )
  })

  it('is told what went wrong in the words of a real one', async () => {
    const failure = async (asked: Promise<unknown> | undefined): Promise<string> =>
      (await asked?.then(
        () => '',
        (error: unknown) => (error as Error).message,
      )) ?? ''
    expect(await failure(client.channels['get']?.({ channelId: 'nosuch' }))).to.equal('{"message":"Channel not found"}')
    expect(
      await failure(client.asterisk['getObject']?.({ configClass: 'res_pjsip', objectType: 'endpoint', id: 'nosuch' })),
    ).to.equal('{"message":"Object with id \'nosuch\' not found"}')
  })

  it('reads mailboxes where res_mwi_external keeps them', async () => {
    const external = await officePbx({ voicemail: 'res_mwi_external' })
    try {
      const there = await connect(external)
      await there.mailboxes['update']?.({ mailboxName: '100@default', oldMessages: 1, newMessages: 2 })
      expect(await there.mailboxes['get']?.({ mailboxName: '100@default' })).to.include({ new_messages: 2 })
    } finally {
      await external.stop()
    }
  })

  it('comes back by itself when the link dropped', async () => {
    await pbx.dropLink()
    await until('the second connection', () => connected === 2)
    expect(pbx.applications.map(({ name }) => name)).to.deep.equal(['lamp'])
  })
})

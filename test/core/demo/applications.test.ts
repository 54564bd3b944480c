import { expect } from 'chai'
import { WebSocket } from 'ws'
import type { DemoPbx } from '../../../core/demo/pbx.ts'
import { ask, Listener, officePbx } from '../../support/demo-pbx.ts'
import { until } from '../../support/tools.ts'

describe('applications of the demo PBX', () => {
  let pbx: DemoPbx
  beforeEach(async () => {
    pbx = await officePbx()
  })
  afterEach(() => pbx.stop())

  const subscribe = (source: string) => ask(pbx, 'POST', `applications/lamp/subscription?eventSource=${source}`)

  it('hear of all devices by the empty name, and of no other event', async () => {
    const listener = await Listener.open(pbx, 'app=lamp')
    pbx.setCustom('before', 'INUSE')
    expect((await subscribe('deviceState:')).json).to.deep.equal({
      name: 'lamp',
      channel_ids: [],
      bridge_ids: [],
      endpoint_ids: [],
      device_names: ['__AST_DEVICE_STATE_ALL_TOPIC'],
      events_allowed: [],
      events_disallowed: [],
    })
    pbx.setCustom('x', 'INUSE')
    pbx.setCustom('x', 'INUSE')
    pbx.setPresence('CustomPresence:102', { state: 'dnd' })
    pbx.reloadDialplan([])
    pbx.leaveMessage('100')
    pbx.leaveMessage('100')
    await listener.close()
    expect(listener.devices).to.deep.equal(['Custom:x INUSE', 'MWI:100@default INUSE'])
    expect(listener.events[0]).to.deep.include({
      type: 'DeviceStateChanged',
      application: 'lamp',
      device_state: { name: 'Custom:x', state: 'INUSE' },
      asterisk_id: '02:fc:00:00:00:01',
    })
  })

  it('hear twice of what they subscribed to twice', async () => {
    const listener = await Listener.open(pbx, 'app=lamp')
    await subscribe('deviceState:,deviceState:Custom:x')
    pbx.setCustom('x', 'INUSE')
    await listener.close()
    expect(listener.devices).to.deep.equal(['Custom:x INUSE', 'Custom:x INUSE'])
  })

  it('check their event sources', async () => {
    const listener = await Listener.open(pbx, 'app=lamp')
    const scheme = await subscribe('weather:today')
    expect([scheme.status, scheme.json]).to.deep.equal([400, { message: 'Invalid event source URI scheme' }])
    const missing = await subscribe('deviceState:Custom:a,endpoint:PJSIP%2Fnosuch')
    expect([missing.status, missing.json]).to.deep.equal([422, { message: 'Event source does not exist' }])
    expect((await ask(pbx, 'GET', 'applications/lamp')).json).to.have.deep.property('device_names', [])
    const body = { eventSource: ['deviceState:Custom:b', 'endpoint:PJSIP/100'] }
    const both = await ask(pbx, 'POST', 'applications/lamp/subscription', body)
    expect(both.json).to.deep.include({ device_names: ['Custom:b'], endpoint_ids: ['PJSIP/100'] })
    const gone = await ask(pbx, 'DELETE', 'applications/lamp/subscription?eventSource=deviceState:Custom:b')
    expect([gone.status, gone.json]).to.deep.include(200)
    expect(gone.json).to.have.deep.property('device_names', [])
    await listener.close()
  })

  it('are taken over by a second socket, and end with it', async () => {
    const first = await Listener.open(pbx, 'app=lamp')
    const second = await Listener.open(pbx, 'app=lamp&subscribeAll=true')
    await until('word to the first', () => first.of('ApplicationReplaced').length === 1)
    const { json } = await ask(pbx, 'GET', 'applications/lamp')
    expect(json, 'subscribeAll counts for a new application only').to.have.deep.property('device_names', [])
    await subscribe('deviceState:')
    pbx.setCustom('x', 'INUSE')
    await second.close()
    pbx.setCustom('x', 'BUSY')
    await first.close()
    expect(second.devices).to.deep.equal(['Custom:x INUSE'])
    expect(first.devices).to.deep.equal([])
  })

  it('keep single subscriptions when their socket closes, and lose the one to all', async () => {
    const first = await Listener.open(pbx, 'app=lamp')
    await subscribe('deviceState:,deviceState:Custom:x')
    await first.close()
    await until('the end of it', async () => {
      const { json } = await ask(pbx, 'GET', 'applications/lamp')
      return (json as { device_names: string[] }).device_names.length === 1
    })
    const second = await Listener.open(pbx, 'app=lamp&subscribeAll=true')
    pbx.setCustom('x', 'INUSE')
    pbx.setCustom('y', 'INUSE')
    await second.close()
    expect(second.devices).to.deep.equal(['Custom:x INUSE'])
  })

  it('get only the events they let through', async () => {
    const listener = await Listener.open(pbx, 'app=lamp&subscribeAll=true')
    const filter = { allowed: [{ type: 'DeviceStateChanged' }] }
    expect((await ask(pbx, 'PUT', 'applications/lamp/eventFilter', filter)).json).to.deep.include({
      events_allowed: filter.allowed,
    })
    expect((await ask(pbx, 'PUT', 'applications/lamp/eventFilter', { allowed: 'x' })).status).to.equal(400)
    pbx.register('100', true)
    await listener.close()
    expect(listener.events.map(({ type }) => type)).to.deep.equal(['DeviceStateChanged'])
  })

  it('are lost by a restart, with sockets and calls, and what the database holds stays', async () => {
    const listener = await Listener.open(pbx, 'app=lamp&subscribeAll=true')
    pbx.register('100', true)
    pbx.register('103', true)
    pbx.call('103', '100').answer()
    pbx.setCustom('x', 'BUSY')
    pbx.leaveMessage('100')
    const { port } = pbx
    const started = (await ask(pbx, 'GET', 'asterisk/info')).text
    await pbx.restart(20)
    await until('the end of the socket', () => listener.closed === 1006)
    expect(pbx.port).to.equal(port)
    expect((await ask(pbx, 'GET', 'asterisk/info')).text).not.to.equal(started)
    expect((await ask(pbx, 'GET', 'applications')).json).to.deep.equal([])
    expect(pbx.deviceState('PJSIP/100')).to.equal('NOT_INUSE')
    expect(pbx.deviceState('Custom:x')).to.equal('BUSY')
    expect(pbx.messages('100')).to.deep.equal({ newMessages: 1, oldMessages: 0 })
  })

  it('lose nothing but the socket when the link drops', async () => {
    const listener = await Listener.open(pbx, 'app=lamp')
    await subscribe('deviceState:Custom:x')
    pbx.register('100', true)
    pbx.register('103', true)
    const call = pbx.call('103', '100')
    await pbx.dropLink()
    await until('the end of the socket', () => listener.closed === 1006)
    call.answer()
    expect(pbx.deviceState('PJSIP/100')).to.equal('INUSE')
    expect((await ask(pbx, 'GET', 'applications/lamp')).json).to.have.deep.property('device_names', ['Custom:x'])
  })

  it('hear nothing, not even a pong, while it is frozen', async () => {
    const listener = await Listener.open(pbx, 'app=lamp&subscribeAll=true')
    let pongs = 0
    listener.socket.on('pong', () => pongs++)
    listener.socket.ping()
    await until('a pong', () => pongs === 1)
    pbx.freeze()
    pbx.setCustom('x', 'INUSE')
    listener.socket.ping()
    const silent = await fetch(`${pbx.url}/ari/asterisk/ping`, { signal: AbortSignal.timeout(150) }).then(
      () => 'answered',
      (error: unknown) => (error as Error).name,
    )
    expect(silent).to.equal('TimeoutError')
    expect(pongs).to.equal(1)
    pbx.thaw()
    listener.socket.ping()
    await until('a pong', () => pongs === 2)
    expect(listener.devices).to.deep.equal([])
    await listener.close()
  })

  it('answer REST requests that come over the socket', async () => {
    const listener = await Listener.open(pbx, 'app=lamp')
    const send = (message: object | string): void =>
      listener.socket.send(typeof message === 'string' ? message : JSON.stringify(message))
    send({ type: 'RESTRequest', transaction_id: 't1', request_id: 'r1', method: 'GET', uri: 'asterisk/ping' })
    send({
      type: 'RESTRequest',
      method: 'POST',
      uri: 'applications/lamp/subscription',
      query_strings: [{ name: 'eventSource', value: 'deviceState:' }],
    })
    send('no JSON')
    send({ type: 'Bogus' })
    await until('the answers', () => listener.of('RESTResponse').length === 4)
    const [ping, subscribed, bad, bogus] = listener.of('RESTResponse')
    expect(ping).to.include({ transaction_id: 't1', request_id: 'r1', status_code: 200, reason_phrase: 'OK' })
    expect(JSON.parse(String(ping?.['message_body']))).to.include({ ping: 'pong' })
    expect(subscribed).to.include({ status_code: 200, transaction_id: '' })
    expect(bad).to.include({ status_code: 400 })
    expect(bogus).to.include({ status_code: 400, message_body: '{"message":"Unknown request type."}' })
    await listener.close()
  })

  describe('and their handshake', () => {
    const handshake = (query: string, protocols: string[] = []): Promise<number> =>
      new Promise((resolve) => {
        const socket = new WebSocket(`${pbx.url.replace('http', 'ws')}/ari/events?${query}`, protocols)
        socket.on('error', () => undefined)
        socket.on('unexpected-response', (_, response) => {
          resolve(response.statusCode ?? 0)
          socket.terminate()
        })
        socket.on('open', () => {
          resolve(101)
          socket.close()
        })
      })
    const key = 'api_key=lamplighter:lamplighter'

    it('needs credentials, an application and a protocol that is known', async () => {
      expect(await handshake('app=lamp')).to.equal(401)
      expect(await handshake('app=lamp&api_key=lamplighter:wrong')).to.equal(401)
      expect(await handshake(key)).to.equal(400)
      expect(await handshake(`app=&${key}`)).to.equal(400)
      expect(await handshake(`app=lamp&${key}`, ['graphql'])).to.equal(400)
      expect(await handshake(`app=lamp&${key}`, ['ari'])).to.equal(101)
      expect(await handshake(`app=a1,a2&${key}`)).to.equal(101)
    })

    it('is what a plain GET is told to do', async () => {
      expect((await ask(pbx, 'GET', 'events?app=lamp')).status).to.equal(426)
    })
  })
})

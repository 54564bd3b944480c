import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { ariCommands } from '../../../core/ari/commands.ts'
import { Console } from '../../../core/console/console.ts'
import { type DemoPbx, type DemoPbxOptions, startDemoPbx } from '../../../core/demo/pbx.ts'
import { defaultsOf } from '../../../core/options.ts'
import { serverOptions } from '../../../core/settings.ts'
import { AriProxy } from '../../support/ari-proxy.ts'
import { type BridgeRig, bridgeTo, stateModel } from '../../support/bridge-rig.ts'
import { Certificates } from '../../support/certificates.ts'
import { pbxData } from '../../support/pbx-data.ts'
import { until } from '../../support/tools.ts'

const DATA = pbxData({ hints: { default: { 200: 'Custom:x' } }, mailboxes: { '100@default': '1,Alice' } })

describe('The bridge, where something is wrong in Asterisk', function () {
  this.timeout(60_000)
  let pbx: DemoPbx
  let proxy: AriProxy
  let rig: BridgeRig | undefined

  const start = async (options: Partial<DemoPbxOptions> = {}): Promise<void> => {
    pbx = await startDemoPbx({ port: 0, data: DATA, ...options })
    proxy = await AriProxy.before(pbx.url)
    pbx.setCustom('x', 'NOT_INUSE')
  }

  afterEach(async () => {
    await rig?.bridge.close()
    rig = undefined
    await proxy.close()
    await pbx.stop()
  })

  /** Whatever went before: a change still reaches the lamp. */
  const stillServes = async ({ devices }: BridgeRig): Promise<void> => {
    const before = pbx.deviceState('Custom:x')
    pbx.setCustom('x', before === 'INUSE' ? 'BUSY' : 'INUSE')
    await until('the change', () => devices.get('Custom:x') === pbx.deviceState('Custom:x'))
  }

  it('says once what is wrong with the credentials, and never says the password', async () => {
    await start()
    rig = bridgeTo(proxy.url, { password: 'wr0ng&secret' })
    await rig.bridge.settled
    await until('a second attempt', () => proxy.requests.length >= 2)
    const said = rig.logged("refuses the ARI user 'lamplighter' (401)")
    expect(said).to.have.length(1)
    expect(said[0]?.level).to.equal('error')
    expect(said[0]?.message).to.include('ari.conf')
    expect(JSON.stringify(rig.lines)).to.not.include('wr0ng')
    expect(JSON.stringify(rig.bridge.status())).to.not.include('wr0ng')

    await rig.bridge.reload({
      ...defaultsOf(serverOptions),
      url: proxy.url,
      username: 'lamplighter',
      password: 'lamplighter',
    })
    await until('service', () => rig?.bridge.status().state === 'serving')
    expect(rig.bridge.status().complaints).to.deep.equal([])
  })

  it('says that Asterisk tells no events where it answers and opens no event socket, until it does', async () => {
    await start()
    proxy.opensSockets = false
    rig = bridgeTo(proxy.url, { request_timeout: 500 })
    await until('the complaint', () => rig?.logged('tells no events (no event socket within 500 ms)').length === 1)
    expect(rig.bridge.status().lastError?.text).to.equal('no event socket within 500 ms')
    proxy.opensSockets = true
    await until('service', () => rig?.bridge.status().state === 'serving')
    expect(rig.bridge.status().complaints).to.deep.equal([])
  })

  it('says that the api-docs are missing where Asterisk was installed without them, until they are there', async () => {
    await start()
    let [status, message] = [404, 'Resource not found']
    const missing = (_: unknown, response: ServerResponse): void =>
      void response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify({ message }))
    proxy.rules.push({ path: /api-docs/, answer: missing })
    rig = bridgeTo(proxy.url)
    await until('the complaint', () => rig?.logged('api-docs: 404 Resource not found').length === 1)
    ;[status, message] = [500, 'Cannot find rest-api directory']
    await until('the other', () => rig?.logged('api-docs: 500 Cannot find rest-api directory').length === 1)
    proxy.rules.length = 0
    await until('service', () => rig?.bridge.status().state === 'serving')
    expect(rig.bridge.status().complaints).to.deep.equal([])
  })

  it('keeps what was stored where ARI is switched off at the start, until it is back', async () => {
    await start()
    let isOff = true
    // After the event socket is open, that is.
    const path = /^\/ari\/(?!api-docs)/
    proxy.rules.push({
      path,
      answer: (_, response) => (isOff && proxy.sockets > 0 ? void response.writeHead(404).end() : false),
    })
    const model = stateModel()
    for (const device of ['Custom:x', 'Custom:gone'])
      model.devices.restore(device, { origin: 'pbx1', state: 'INUSE', since: Date.now() })
    rig = bridgeTo(proxy.url, {}, { model, fromFiles: true })
    await until('service', () => rig?.bridge.status().state === 'serving')
    await model.devices.need('Custom:x').ready
    expect(model.devices.get('Custom:x')).to.equal('INUSE')
    isOff = false
    await rig.bridge.reconcile()
    expect(model.devices.get('Custom:x')).to.equal('NOT_INUSE')
    expect(model.devices.reportOf('pbx1', 'Custom:gone')).to.equal(undefined)
    expect(rig.bridge.status().complaints).to.deep.equal([])
    await stillServes(rig)
  })

  it('ends its subscription to device states before it closes the event socket, which may lock Asterisk up', async () => {
    await start()
    rig = bridgeTo(proxy.url, { app: 'one' })
    await rig.bridge.settled
    const ended = (app: string): boolean =>
      proxy.requests.some((line) => line.startsWith(`DELETE /ari/applications/${app}/subscription`))
    const options = { ...defaultsOf(serverOptions), url: proxy.url, username: 'lamplighter', password: 'lamplighter' }
    await rig.bridge.reload({ ...options, app: 'two' })
    expect([ended('one'), ended('two')]).to.deep.equal([true, false])
    await until('service', () => rig?.bridge.status().state === 'serving')
    await stillServes(rig)
    await rig.bridge.close()
    expect(ended('two')).to.equal(true)
  })

  it('says the same of a user that is changed while it is connected, and goes on following devices', async () => {
    await start()
    rig = bridgeTo(proxy.url)
    await rig.bridge.settled
    const hint = await rig.hints.find('default', '200')
    if (!hint || hint === 'unreachable') throw new Error('no hint')
    const refuse = (_: unknown, response: ServerResponse): void => {
      response.writeHead(401, { 'Content-Type': 'application/json' }).end('{"message":"Authentication required"}')
    }
    proxy.rules.push({ path: /./, answer: refuse })
    await rig.bridge.rereadHints()
    expect(await rig.hints.find('default', '201')).to.equal('unreachable')
    expect(hint.definition?.devices).to.deep.equal(['Custom:x'])
    expect(rig.logged("refuses the ARI user 'lamplighter' (401)")).to.have.length(1)
    expect(rig.bridge.status().complaints).to.have.length(1)
    await stillServes(rig)

    proxy.rules.length = 0
    await rig.bridge.reconcile()
    expect(rig.logged("accepts the ARI user 'lamplighter' again")).to.have.length(1)
    expect(rig.bridge.status().complaints).to.deep.equal([])
  })

  it('says that an ACL of Asterisk keeps it out, at the start and while it is connected', async () => {
    await start()
    const deny = (_: unknown, response: ServerResponse): void => {
      response.writeHead(403, { 'Content-Type': 'application/json' }).end('{"message":"Access denied by ACL"}')
    }
    proxy.rules.push({ path: /./, answer: deny })
    rig = bridgeTo(proxy.url)
    await rig.bridge.settled
    expect(rig.bridge.status().complaints.join('\n')).to.include('refuses the address we come from')
    proxy.rules.length = 0
    await until('service', () => rig?.bridge.status().state === 'serving')

    proxy.rules.push({ path: /./, answer: deny })
    expect(await rig.hints.find('default', '200')).to.equal('unreachable')
    await rig.bridge.rereadHints()
    expect(rig.bridge.status().complaints).to.have.length(1)
    expect(rig.bridge.status().complaints.join('\n')).to.include('refuses the address we come from')
    await stillServes(rig)
    proxy.rules.length = 0
    await rig.bridge.reconcile()
    expect(rig.bridge.status().complaints).to.deep.equal([])
  })

  it('says what a read-only user cannot do', async () => {
    await start({ readOnly: true })
    rig = bridgeTo(proxy.url)
    await rig.bridge.settled
    expect(await rig.hints.find('default', '200')).to.equal('unreachable')
    await rig.hints.find('default', '200')
    expect(rig.logged('the ARI user is read-only')).to.have.length(1)
    expect(rig.bridge.status().complaints.join()).to.include('read_only = no')
  })

  it('subscribes as soon as it may, and finds a module that was loaded meanwhile, without a new connection', async () => {
    const missingModules = ['res_mwi_devstate.so']
    await start({ missingModules })
    const readOnly = ({ method }: IncomingMessage, response: ServerResponse): boolean => {
      if (method === 'GET') return false
      response.writeHead(403, { 'Content-Type': 'application/json' }).end('{"message":"Write access denied"}')
      return true
    }
    proxy.rules.push({ path: /applications/, answer: readOnly })
    rig = bridgeTo(proxy.url)
    await rig.bridge.settled
    await rig.bridge.reconcile()
    expect(rig.logged('Asterisk refuses to tell its device states (403')).to.have.length(1)
    expect(rig.bridge.status().complaints.join('\n')).to.include('read_only = no').and.include('res_mwi_devstate.so')

    proxy.rules.length = 0
    missingModules.pop()
    await rig.bridge.reconcile()
    expect(rig.logged('device states are told now')).to.have.length(1)
    expect(rig.bridge.status()).to.deep.include({ complaints: [], connects: 1 })
    await stillServes(rig)
  })

  it('names a missing module and the line that loads it', async () => {
    await start({ missingModules: ['res_mwi_devstate.so', 'res_ari_device_states.so'] })
    rig = bridgeTo(proxy.url)
    await rig.bridge.settled
    expect(rig.logged('load = res_mwi_devstate.so in its modules.conf')).to.have.length(1)
    expect(rig.logged('load = res_ari_device_states.so in its modules.conf')).to.have.length(1)
    await pbx.dropLink()
    await until(
      'a second connect',
      () => rig?.bridge.status().connects === 2 && rig.bridge.status().state === 'serving',
    )
    expect(rig.logged('load = res_mwi_devstate.so'), 'said once').to.have.length(1)
  })

  it('says what a comparison could not ask for, and names a module that was unloaded since the connect', async () => {
    const missingModules: string[] = []
    await start({ missingModules })
    const { bridge, devices } = (rig = bridgeTo(proxy.url))
    await bridge.settled
    await devices.need('Custom:x').ready
    const console = new Console()
    for (const command of ariCommands(() => [bridge])) console.register(command)
    const run = async (line: string): Promise<string> => {
      const lines: string[] = []
      await console.run(line, { print: (text) => lines.push(text) })
      return lines.join('\n')
    }
    const missing = (_: unknown, response: ServerResponse): void => {
      response.writeHead(404, { 'Content-Type': 'application/json' }).end('{"message":"Resource not found"}')
    }
    missingModules.push('res_ari_device_states.so')
    proxy.rules.push({ path: /deviceStates/, answer: missing }, { path: /channels$/, answer: missing })
    expect(await run('ari reconcile')).to.equal(
      'pbx1: could not be asked for Custom:x, calls; see ari show server pbx1',
    )
    expect(await run('ari show server pbx1'))
      .to.match(/Reconciled: .*, 0 repaired, 2 could not be read\n/)
      .and.include('To do: Asterisk has not loaded res_ari_device_states.so')

    missingModules.pop()
    proxy.rules.length = 0
    expect(await run('ari reconcile')).to.equal('pbx1: nothing differs')
    expect(bridge.status().complaints).to.deep.equal([])
  })

  const strangeAnswers: Readonly<Record<string, (response: ServerResponse) => void>> = {
    'comes in drops': (response) => {
      response.writeHead(200).write('[')
    },
    'has no end': (response) => {
      const more = Buffer.alloc(1 << 20, ' ')
      const pour = (): void => {
        while (!response.destroyed && response.write(more));
      }
      response.on('drain', pour).writeHead(200)
      pour()
    },
    'leads round in circles': (response) =>
      void response.writeHead(302, { Location: `${proxy.url}/ari/channels?again` }).end(),
    'is packed, which nobody asked for': (response) =>
      void response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(gzipSync('[]')),
  }
  for (const [does, answer] of Object.entries(strangeAnswers)) {
    it(`lets go of an answer that ${does}`, async () => {
      await start()
      // Too long for the case that is to end for its size.
      rig = bridgeTo(proxy.url, { request_timeout: does.includes('drops') ? 3000 : 10_000 })
      await rig.bridge.settled
      let asked = 0
      let ended = 0
      proxy.rules.push({
        path: /^\/ari\/channels$/,
        answer: (_, response) => {
          asked++
          response.on('close', () => ended++)
          answer(response)
        },
      })
      const { unread } = await rig.bridge.reconcile()
      expect(unread).to.include('calls')
      await until('the end of each', () => ended === asked)
      // Once more where it is refused at once, as a kept connection may just have ended.
      expect(asked).to.be.at.most(2)
      await stillServes(rig)
    })
  }

  it('finds by itself that pjsip objects are shown again, and who waits for one looks again', async () => {
    await start()
    const message = 'The requested URL was not found on this server.'
    proxy.rules.push({
      path: /config\/dynamic/,
      answer: (_, response) => void response.writeHead(404).end(JSON.stringify({ message })),
    })
    rig = bridgeTo(proxy.url)
    await rig.bridge.settled
    let looks = 0
    rig.endpoints.onSource(() => looks++)
    expect(await rig.endpoints.endpoint('100')).to.equal(undefined)
    expect(rig.bridge.status().complaints[0]).to.include('does not show its pjsip objects (404')
    await rig.bridge.reconcile()
    expect([rig.bridge.status().complaints.length, looks]).to.deep.equal([1, 0])
    proxy.rules.pop()
    await rig.bridge.reconcile()
    expect([rig.bridge.status().complaints.length, looks]).to.deep.equal([0, 1])
  })

  it('has who waits for a pjsip object look again, too, where somebody else was shown one meanwhile', async () => {
    await start()
    proxy.rules.push({
      path: /config\/dynamic/,
      answer: (_, response) => void response.writeHead(404).end(JSON.stringify({ message: 'not on this server' })),
    })
    rig = bridgeTo(proxy.url)
    await rig.bridge.settled
    expect(await rig.endpoints.endpoint('100')).to.equal(undefined)
    let looks = 0
    rig.endpoints.onSource(() => looks++)
    proxy.rules.pop()
    await rig.endpoints.endpoint('101')
    expect(rig.bridge.status().complaints).to.deep.equal([])
    await rig.bridge.reconcile()
    await rig.bridge.reconcile()
    expect(looks).to.equal(1)
  })

  it('keeps its hints where the function that tells them is unloaded, and says so once', async () => {
    const missingModules: string[] = []
    await start({ missingModules })
    rig = bridgeTo(proxy.url)
    await rig.bridge.settled
    const hint = await rig.hints.find('default', '200')
    if (!hint || hint === 'unreachable') throw new Error('no hint')
    expect(await rig.hints.find('default', '201')).to.equal(undefined)
    missingModules.push('func_devstate.so')
    expect(await rig.bridge.rereadHints()).to.deep.equal([])
    expect(await rig.hints.find('default', '202')).to.equal('unreachable')
    await rig.hints.reread()
    expect(hint.definition?.devices).to.deep.equal(['Custom:x'])
    expect(rig.logged('run `module load func_devstate.so` there')).to.have.length(1)
    expect(rig.logged('is gone from the dialplan')).to.deep.equal([])

    missingModules.pop()
    expect(await rig.hints.find('default', '202')).to.equal(undefined)
    expect(rig.bridge.status().complaints).to.deep.equal([])
  })

  it('says once, not for each, that presence states cannot be read, and once of a provider that is not there', async () => {
    const missingModules = ['func_presencestate.so']
    await start({ missingModules })
    rig = bridgeTo(proxy.url)
    await rig.bridge.settled
    const names = ['CustomPresence:1', 'CustomPresence:2', 'Nobody:3']
    const { presences } = rig
    const needs = names.map((name) => presences.need(name))
    await Promise.all(needs.map(({ ready }) => ready))
    for (let n = 0; n < 2; n++) await rig.bridge.reconcile()
    expect(rig.logged('load = func_presencestate.so')).to.have.length(1)
    missingModules.pop()
    for (let n = 0; n < 2; n++) await rig.bridge.reconcile()
    expect(rig.logged('load = func_presencestate.so')).to.have.length(1)
    expect(rig.logged('Asterisk knows no presence provider Nobody:3')).to.have.length(1)
    expect(rig.bridge.status().complaints).to.have.length(1)
    // The hint was corrected.
    void needs[2]?.release()
    await rig.bridge.reconcile()
    expect(rig.bridge.status().complaints).to.deep.equal([])
  })

  it('says that something answers which is no ARI', async () => {
    await start()
    proxy.rules.push({ path: /info$/, answer: (_, response) => void response.end('<html>It works!</html>') })
    rig = bridgeTo(proxy.url)
    await rig.bridge.settled
    expect(rig.logged('answers, but not as ARI does')).to.have.length(1)
  })

  it('survives events it does not know, frames that are no JSON, and events without what they should hold', async () => {
    await start()
    rig = bridgeTo(proxy.url)
    await rig.bridge.settled
    for (const frame of [
      '{"type":"ChannelToneDetectedTomorrow","channel":{}}',
      'no JSON',
      '[]',
      'null',
      '7',
      '{"type":"DeviceStateChanged"}',
      '{"type":"DeviceStateChanged","device_state":{"name":"Custom:x","state":"PURPLE"}}',
      '{"type":"ChannelCreated","channel":{"id":5,"name":null}}',
      '{"type":"Dial","peer":{}}',
      '{"type":"__proto__"}',
    ])
      proxy.send(frame)
    await stillServes(rig)
    expect(rig.bridge.status()).to.include({ connects: 1, state: 'serving' })
    expect(rig.logged("event of unknown type 'ChannelToneDetectedTomorrow'")).to.have.length(1)
  })

  it('survives answers that are no JSON, and says that it could not be asked', async () => {
    await start()
    rig = bridgeTo(proxy.url)
    await rig.bridge.settled
    proxy.rules.push({
      path: /channels/,
      answer: (_, response) => void response.writeHead(200, { 'content-type': 'application/json' }).end('{"value":'),
    })
    expect(await rig.hints.find('default', '200')).to.equal('unreachable')
    proxy.rules.length = 0
    expect(await rig.hints.find('default', '200')).to.have.property('exten', '200')
    await stillServes(rig)
  })

  it('says what stands on a page that Asterisk answers with while it ends, and blames no module', async () => {
    await start()
    rig = bridgeTo(proxy.url)
    await rig.bridge.settled
    proxy.rules.push({
      path: /./,
      answer: (_, response) =>
        void response
          .writeHead(503, { 'content-type': 'text/html' })
          .end(
            '<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\r\n<html><head>\r\n<title>503 Service Unavailable' +
              '</title>\r\n</head><body>\r\n<h1>Service Unavailable</h1>\r\n<p>Shutdown in progress</p>\r\n<hr />\r\n' +
              '<address>Asterisk/22.10.1</address>\r\n</body></html>\r\n',
          ),
    })
    expect(await rig.hints.find('default', '200')).to.equal('unreachable')
    expect(rig.bridge.status().complaints).to.deep.equal([
      'no channel can be created to read hints, message counts and presence states (503 Shutdown in progress): see the ' +
        'log of that Asterisk',
    ])
  })

  it('says what an Asterisk that ends answered where its api-docs are read', async () => {
    await start()
    proxy.rules.push({
      path: /api-docs\/resources/,
      answer: (_, response) => void response.writeHead(503).end('<p>Shutdown in progress</p>'),
    })
    rig = bridgeTo(proxy.url)
    await rig.bridge.settled
    expect(rig.bridge.status().lastError?.text).to.equal('503 Shutdown in progress')
  })

  it('survives connections that are reset under a request', async () => {
    await start()
    // A time-out would be later than this test's own.
    rig = bridgeTo(proxy.url, { request_timeout: 120_000 })
    await rig.bridge.settled
    proxy.rules.push({ path: /deviceStates/, answer: (request) => request.socket.resetAndDestroy() && undefined })
    await rig.devices.need('Custom:x').ready
    proxy.rules.length = 0
    await stillServes(rig)
  })

  it('gives a slow answer up, and drops it where an event was faster', async () => {
    await start()
    rig = bridgeTo(proxy.url)
    await rig.bridge.settled
    proxy.rules.push({
      path: /deviceStates/,
      answer: (_, response) => {
        // Old news: an event tells of BUSY before this answer says NOT_INUSE.
        pbx.setCustom('x', 'BUSY')
        setTimeout(() => {
          response.writeHead(200, { 'content-type': 'application/json' }).end('{"name":"Custom:x","state":"NOT_INUSE"}')
        }, 300)
      },
    })
    await rig.devices.need('Custom:x').ready
    expect(rig.devices.get('Custom:x')).to.equal('BUSY')
  })

  it('survives a frame of forty megabytes', async () => {
    await start()
    rig = bridgeTo(proxy.url)
    await rig.bridge.settled
    proxy.send(`{"type":"DeviceStateChanged","x":${'['.repeat(40_000_000)}`)
    await stillServes(rig)
  })

  it('starts a new worker where one dies', async () => {
    await start()
    rig = bridgeTo(proxy.url)
    await rig.bridge.settled
    // Read as JSON it is well, and then too deep to be handed on by a thread.
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
    proxy.rules.push({
      path: /deviceStates/,
      answer: (_, response) => void response.writeHead(200, { 'content-type': 'application/json' }).end(deep),
    })
    await rig.devices.need('Custom:x').ready
    await until('its death', () => rig?.logged('the worker failed').length === 1)
    proxy.rules.length = 0
    await until(
      'a second connect',
      () => rig?.bridge.status().connects === 2 && rig.bridge.status().state === 'serving',
    )
    await stillServes(rig)
  })

  it('steps back where another client takes its application', async () => {
    await start()
    rig = bridgeTo(proxy.url)
    await rig.bridge.settled
    const other = bridgeTo(pbx.url)
    await other.bridge.settled
    await until('the loss', () => rig?.bridge.status().state === 'away')
    const said = rig.logged("another client uses the ARI application 'lamplighter'")
    expect(said).to.have.length(1)
    const { retryAt } = rig.bridge.status()
    expect((retryAt?.getTime() ?? 0) - Date.now(), 'no fight').to.be.above(10_000)
    expect(other.bridge.status().state).to.equal('serving')
    await other.bridge.close()
  })

  it('reaches an ARI behind a prefix, and takes a new application name on reload', async () => {
    await start()
    const behind = await AriProxy.before(pbx.url, '/asterisk')
    rig = bridgeTo(`${behind.url}/ari/`)
    await rig.bridge.settled
    await stillServes(rig)
    const options = { ...defaultsOf(serverOptions), url: behind.url, username: 'lamplighter', password: 'lamplighter' }
    await rig.bridge.reload({ ...options, app: 'other' })
    await until('the other name', () => rig?.bridge.status().connects === 2 && rig.bridge.status().state === 'serving')
    await stillServes(rig)
    expect(await rig.hints.find('default', '200')).to.have.property('exten', '200')
    await rig.bridge.close()
    await behind.close()
  })

  it('says of a certificate that is not trusted what it takes', async () => {
    await start()
    const certificates = new Certificates()
    const { cert_file, priv_key_file } = certificates.make('pbx')
    const server = createServer({ cert: readFileSync(cert_file), key: readFileSync(priv_key_file) })
    try {
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      rig = bridgeTo(`https://127.0.0.1:${(server.address() as AddressInfo).port}`)
      await rig.bridge.settled
      expect(rig.logged('shows a certificate that is not trusted (self-signed certificate')).to.have.length(1)
      expect(rig.bridge.status().complaints[0]).to.include('NODE_EXTRA_CA_CERTS=')
    } finally {
      server.close()
      certificates.remove()
    }
  })

  it('takes states with it only where it is told to forget', async () => {
    await start()
    rig = bridgeTo(proxy.url)
    await rig.bridge.settled
    await stillServes(rig)
    await rig.bridge.close()
    expect(rig.devices.get('Custom:x')).to.equal('INUSE')
    const again = bridgeTo(proxy.url, {}, { model: rig })
    await again.bridge.settled
    await again.bridge.close({ forget: true })
    expect(again.devices.namesOf('pbx1')).to.deep.equal([])
  })
})

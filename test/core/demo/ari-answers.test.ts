import { expect } from 'chai'
import type { DemoPbx } from '../../../core/demo/pbx.ts'
import { ask, askAs, Listener, officePbx } from '../../support/demo-pbx.ts'

/** Method, path below /ari/, status, and the body as a real Asterisk was seen to send it. */
const ANSWERS: readonly (readonly [method: string, path: string, status: number, body: unknown])[] = [
  ['GET', 'asterisk/variable?variable=HINT(100@from-internal)', 200, { value: '' }],
  ['GET', 'asterisk/variable?variable=NOSUCH', 200, { value: '' }],
  ['GET', 'asterisk/variable?variable=ENTITYID', 200, { value: '02:fc:00:00:00:01' }],
  ['GET', 'asterisk/variable', 400, { message: 'Variable name is required' }],
  [
    'GET',
    'asterisk/modules/res_mwi_devstate.so',
    200,
    {
      name: 'res_mwi_devstate.so',
      description: 'MWI Device State Subscriptions',
      use_count: 0,
      status: 'Running',
      support_level: 'core',
    },
  ],
  ['GET', 'asterisk/modules/res_mwi_external.so', 404, { message: 'Module could not be found in running modules' }],
  ['GET', 'asterisk/config/dynamic/res_pjsip/auth/nosuch', 404, { message: "Object with id 'nosuch' not found" }],
  ['GET', 'asterisk/config/dynamic/res_pjsip/nosuchtype/1', 404, { message: "objectType 'nosuchtype' not found" }],
  ['GET', 'asterisk/config/dynamic/nosuch/auth/1', 404, { message: "configClass 'nosuch' not found" }],
  ['GET', 'asterisk/config/dynamic/res_pjsip/endpoint', 405, { message: 'Invalid method' }],
  ['PUT', 'asterisk/config/dynamic/res_pjsip/aor/100', 403, { message: "Cannot update sorcery objects of type 'aor'" }],
  ['PUT', 'asterisk/config/dynamic/res_pjsip/aor/9', 403, { message: "Cannot create sorcery objects of type 'aor'" }],
  ['GET', 'deviceStates', 200, []],
  ['GET', 'deviceStates/PJSIP%2F100', 200, { name: 'PJSIP/100', state: 'UNAVAILABLE' }],
  ['GET', 'deviceStates/PJSIP/100', 404, { message: 'Resource not found' }],
  ['GET', 'deviceStates/Custom%3Ax', 200, { name: 'Custom:x', state: 'UNKNOWN' }],
  ['GET', 'deviceStates/MWI:100@default', 200, { name: 'MWI:100@default', state: 'NOT_INUSE' }],
  ['GET', 'deviceStates/Hint:100@from-internal', 200, { name: 'Hint:100@from-internal', state: 'INVALID' }],
  ['PUT', 'deviceStates/Custom:x?deviceState=INUSE', 409, { message: 'Uncontrolled device specified' }],
  ['GET', 'endpoints/PJSIP/100', 200, { technology: 'PJSIP', resource: '100', state: 'offline', channel_ids: [] }],
  ['GET', 'endpoints/PJSIP/nosuch', 404, { message: 'Endpoint not found' }],
  ['GET', 'endpoints/SKINNY', 404, { message: 'No Endpoints found - invalid tech SKINNY' }],
  ['GET', 'channels', 200, []],
  ['GET', 'channels/nosuch', 404, { message: 'Channel not found' }],
  ['DELETE', 'channels/nosuch', 404, { message: 'Provided channel was not found' }],
  ['GET', 'channels/nosuch/variable?variable=A', 404, { message: 'Provided channel was not found' }],
  ['POST', 'channels/create?endpoint=PJSIP%2F100&app=lamp', 500, { error: 'Allocation failed' }],
  ['GET', 'applications', 200, []],
  ['GET', 'applications/lamp', 404, { message: 'Application not found' }],
  ['POST', 'applications/lamp/subscription?eventSource=deviceState:', 404, { message: 'Application not found' }],
  ['GET', 'mailboxes', 404, { message: 'Resource not found' }],
  ['GET', 'nosuch', 404, { message: 'Resource not found' }],
  ['PATCH', 'channels', 405, { message: 'Invalid method' }],
  ['GET', 'api-docs/nosuch.json', 404, { message: 'Resource not found' }],
]

describe('the answers of the demo PBX', () => {
  let pbx: DemoPbx
  before(async () => {
    pbx = await officePbx()
  })
  after(() => pbx.stop())

  for (const [method, path, status, body] of ANSWERS) {
    it(`${method} ${path} is ${status}`, async () => {
      const answer = await ask(pbx, method, path)
      expect(answer.status).to.equal(status)
      expect(answer.json).to.deep.equal(body)
    })
  }

  it('answers what it is', async () => {
    const { json } = await ask(pbx, 'GET', 'asterisk/info')
    expect(json).to.have.nested.property('system.version', '22.10.0')
    expect(json).to.have.nested.property('system.entity_id', '02:fc:00:00:00:01')
    expect(json)
      .to.have.nested.property('status.startup_time')
      .that.matches(/^2.{18}\.[0-9]{3}\+0000$/)
    const only = await ask(pbx, 'GET', 'asterisk/info?only=config')
    expect(Object.keys(only.json as object)).to.deep.equal(['config'])
  })

  it('shows an auth with its password, and everything that was not written by its default', async () => {
    const { json } = await ask(pbx, 'GET', 'asterisk/config/dynamic/res_pjsip/auth/100')
    expect(json).to.have.lengthOf(12)
    expect(json).to.deep.include({ attribute: 'password', value: 'secret100' })
    expect(json).to.deep.include({ attribute: 'nonce_lifetime', value: '32' })
    const endpoint = await ask(pbx, 'GET', 'asterisk/config/dynamic/res_pjsip/endpoint/103')
    expect(endpoint.json).to.deep.include({ attribute: 'allow_subscribe', value: 'false' })
    expect(endpoint.json).to.deep.include({ attribute: 'context', value: 'from-internal' })
    expect(endpoint.json).to.have.length.above(130)
  })

  it('refuses who does not know the password, and who shows none', async () => {
    for (const credentials of ['lamplighter:wrong', 'nobody:lamplighter', '']) {
      const { status, json, headers } = await askAs(pbx, credentials, 'GET', 'asterisk/ping')
      expect(status).to.equal(401)
      expect(json).to.deep.equal({ message: 'Authentication required' })
      expect(headers.get('www-authenticate')).to.equal('Basic realm="Asterisk REST Interface"')
    }
    const byKey = await askAs(pbx, '', 'GET', 'asterisk/ping?api_key=lamplighter:lamplighter')
    expect(byKey.status).to.equal(200)
  })

  it('lets a user who may only look read passwords, and change nothing', async () => {
    const readOnly = await officePbx({ readOnly: true })
    try {
      expect((await ask(readOnly, 'GET', 'asterisk/config/dynamic/res_pjsip/auth/100')).status).to.equal(200)
      const { status, json } = await ask(readOnly, 'POST', 'channels/create?endpoint=Local/zz@x&app=lamp')
      expect(status).to.equal(403)
      expect(json).to.deep.equal({ message: 'Write access denied' })
      const listener = await Listener.open(readOnly, 'app=lamp')
      await listener.close()
    } finally {
      await readOnly.stop()
    }
  })

  it('keeps Stasis: devices, and tells a change of them once', async () => {
    const listener = await Listener.open(pbx, 'app=stasis&subscribeAll=true')
    for (const state of ['INUSE', 'INUSE', 'BUSY'])
      expect((await ask(pbx, 'PUT', `deviceStates/Stasis:lamp203?deviceState=${state}`)).status).to.equal(204)
    expect((await ask(pbx, 'GET', 'deviceStates')).json).to.deep.equal([{ name: 'Stasis:lamp203', state: 'BUSY' }])
    expect((await ask(pbx, 'DELETE', 'deviceStates/Stasis:lamp203')).status).to.equal(204)
    expect((await ask(pbx, 'GET', 'deviceStates')).json).to.deep.equal([])
    await listener.close()
    expect(listener.devices).to.deep.equal(['Stasis:lamp203 INUSE', 'Stasis:lamp203 BUSY', 'Stasis:lamp203 UNKNOWN'])
  })

  it('answers a request it cannot read, and goes on', async () => {
    expect((await ask(pbx, 'POST', `asterisk/variable?variable=${'x'.repeat(5000)}`)).status).to.equal(400)
    expect((await ask(pbx, 'GET', 'channels/%E0%A4%A')).status).to.equal(400)
    const response = await fetch(`${pbx.url}/ari/channels/create?api_key=lamplighter:lamplighter`, {
      method: 'POST',
      body: '{"endpoint":',
      headers: { connection: 'close' },
    })
    expect(response.status).to.equal(400)
    expect((await ask(pbx, 'GET', 'asterisk/ping')).status).to.equal(200)
  })

  it('has mailboxes with res_mwi_external only', async () => {
    const external = await officePbx({ voicemail: 'res_mwi_external' })
    try {
      const listener = await Listener.open(external, 'app=mwi&subscribeAll=true')
      const box = 'mailboxes/100@default'
      expect((await ask(external, 'GET', 'mailboxes')).json).to.deep.equal([])
      expect((await ask(external, 'GET', box)).text).to.equal('{"message":"Mailbox is does not exist"}')
      for (const counts of ['oldMessages=1&newMessages=2', 'oldMessages=1&newMessages=3'])
        expect((await ask(external, 'PUT', `${box}?${counts}`)).status).to.equal(204)
      expect((await ask(external, 'GET', box)).json).to.deep.equal({
        name: '100@default',
        old_messages: 1,
        new_messages: 3,
      })
      expect((await ask(external, 'DELETE', box)).status).to.equal(204)
      const again = await ask(external, 'DELETE', box)
      expect([again.status, again.json]).to.deep.equal([404, { message: 'Mailbox does not exist' }])
      await listener.close()
      expect(listener.devices).to.deep.equal(['MWI:100@default INUSE', 'MWI:100@default NOT_INUSE'])
    } finally {
      await external.stop()
    }
  })
})

describe('the demo PBX and its port', () => {
  it('says which port is in use and where', async () => {
    const first = await officePbx()
    try {
      const failure = await officePbx({ port: first.port }).then(
        () => undefined,
        (error: unknown) => error,
      )
      expect(failure).to.be.an('error')
      expect(String(failure)).to.include(`127.0.0.1:${first.port}`).and.include('in use')
      expect(String(failure).split('\n')).to.have.lengthOf(1)
    } finally {
      await first.stop()
    }
  })
})

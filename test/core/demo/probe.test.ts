import { expect } from 'chai'
import type { DemoPbx } from '../../../core/demo/pbx.ts'
import { ask, Listener, officePbx } from '../../support/demo-pbx.ts'
import { until } from '../../support/tools.ts'

const READS: readonly (readonly [expression: string, value: string])[] = [
  ['HINT(100@from-internal)', 'PJSIP/100'],
  ['HINT(101@from-internal)', 'PJSIP/101&Custom:dnd101'],
  ['HINT(102@from-internal)', 'PJSIP/102,CustomPresence:102'],
  ['HINT(103@from-internal)', 'PJSIP/103'],
  ['HINT(103@from-internal,n)', 'Bob Example'],
  ['HINT(100@from-internal,n)', ''],
  ['HINT(111@from-internal)', 'PJSIP/${EXTEN}'],
  ['HINT(205@from-internal)', ',CustomPresence:only205'],
  ['HINT(600@from-internal)', 'Custom:night'],
  ['EXTENSION_STATE(100@from-internal)', 'UNAVAILABLE'],
  ['EXTENSION_STATE(111@from-internal)', 'UNAVAILABLE'],
  ['EXTENSION_STATE(200@from-internal)', 'NOT_INUSE'],
  ['EXTENSION_STATE(205@from-internal)', 'UNAVAILABLE'],
  ['EXTENSION_STATE(999@from-internal)', 'UNKNOWN'],
  ['DEVICE_STATE(PJSIP/100)', 'UNAVAILABLE'],
  ['DEVICE_STATE(PJSIP/nosuch)', 'INVALID'],
  ['DEVICE_STATE(Custom:x)', 'UNKNOWN'],
  ['PRESENCE_STATE(CustomPresence:102,value)', 'not_set'],
  ['PRESENCE_STATE(CustomPresence:102,message)', ''],
  ['VMCOUNT(100@default)', '0'],
  ['VMCOUNT(nosuch@default)', '0'],
  ['VM_INFO(100@default,exists)', '1'],
  ['VM_INFO(nosuch@default,exists)', '0'],
  ['VM_INFO(100@default,fullname)', 'User 100'],
  ['VM_INFO(101@default,email)', 'bob@example.com'],
  ['PJSIP_ENDPOINT(100,context)', 'from-internal'],
  ['PJSIP_AOR(100,mailboxes)', '100@default'],
  ['AST_SORCERY(res_pjsip,auth,100,password)', 'secret100'],
  ['AST_CONFIG(extensions.conf,from-internal,exten,0)', '100,hint,PJSIP/100'],
  ['AST_CONFIG(extensions.conf,from-internal,exten,3)', '103,hint,PJSIP/103(Bob Example)'],
  ['AST_CONFIG(voicemail.conf,default,100)', '4100,User 100'],
]

const FAILS = [
  'HINT(999@from-internal)',
  'HINT(100)',
  'MAILBOX_EXISTS(100@default)',
  'PRESENCE_STATE(Nobody:102,value)',
  'AST_CONFIG(extensions.conf,from-internal,exten,99)',
  'SHELL(id)',
  'constructor(x)',
]

describe('the probe channel', () => {
  let pbx: DemoPbx
  let listener: Listener
  const probe = { endpoint: 'Local/zz@nosuchctx', app: 'lamp', channelId: 'probe1' }
  const read = (expression: string) =>
    ask(pbx, 'GET', `channels/probe1/variable?variable=${encodeURIComponent(expression)}`)
  const bulk = (...expressions: string[]) =>
    ask(pbx, 'GET', `channels/probe1/variables?variables=${encodeURIComponent(expressions.join(','))}`)

  beforeEach(async () => {
    pbx = await officePbx()
    listener = await Listener.open(pbx, 'app=lamp')
  })
  afterEach(() => pbx.stop())

  it('evaluates dialplan functions as a real one', async () => {
    await ask(pbx, 'POST', 'channels/create', probe)
    for (const [expression, value] of READS) {
      const answer = await read(expression)
      expect([expression, answer.status, answer.json]).to.deep.equal([expression, 200, { value }])
    }
    for (const expression of FAILS) {
      const answer = await read(expression)
      expect([expression, answer.status, answer.json]).to.deep.equal([
        expression,
        500,
        { message: 'Unable to read provided function' },
      ])
    }
    for (const name of ['NOSUCH', '${HINT(100@from-internal)}'])
      expect((await read(name)).text).to.equal('{"message":"Provided variable was not found"}')
  })

  it('reads states as they change', async () => {
    await ask(pbx, 'POST', 'channels/create', probe)
    const value = async (expression: string): Promise<unknown> =>
      ((await read(expression)).json as { value: string }).value
    pbx.setCustom('a', 'BUSY')
    pbx.setPresence('CustomPresence:102', { state: 'away', subtype: 'sub', message: 'back, soon' })
    pbx.leaveMessage('100')
    pbx.leaveMessage('100')
    expect(await value('EXTENSION_STATE(201@from-internal)')).to.equal('BUSY')
    expect(await value('PRESENCE_STATE(CustomPresence:102,value)')).to.equal('away')
    expect(await value('PRESENCE_STATE(CustomPresence:102,message,e)')).to.equal('YmFjaywgc29vbg==')
    expect(await value('VMCOUNT(100@default)')).to.equal('2')
    pbx.readMessages('100@default')
    expect(await value('VMCOUNT(100@default,Old)')).to.equal('2')
    expect(await value('VMCOUNT(100@default&101@default)')).to.equal('0')
  })

  it('reads many at once, all or none', async () => {
    await ask(pbx, 'POST', 'channels/create', probe)
    const good = await bulk('HINT(100@from-internal)', 'PRESENCE_STATE(CustomPresence:102,value)')
    expect(good.json).to.deep.equal({
      variables: { 'HINT(100@from-internal)': 'PJSIP/100', 'PRESENCE_STATE(CustomPresence:102,value)': 'not_set' },
    })
    const bad = await bulk('HINT(100@from-internal)', 'HINT(999@from-internal)')
    expect([bad.status, bad.json]).to.deep.equal([500, { message: 'Unable to read provided function' }])
    const many = await bulk(...Array.from({ length: 128 }, (_, n) => `DEVICE_STATE(Custom:${n})`))
    expect([many.status, many.json]).to.deep.equal([400, { message: 'Too many values for variables' }])
    expect((await bulk(...Array.from({ length: 127 }, () => 'VERSION()'))).status).to.equal(200)
  })

  it('has no bulk reading before the versions that brought it', async () => {
    const old = await officePbx({ bulkVariables: false, version: '18.26.4' })
    try {
      const { status, json } = await ask(old, 'GET', 'channels/probe1/variables?variables=VERSION()')
      expect([status, json]).to.deep.equal([404, { message: 'Resource not found' }])
    } finally {
      await old.stop()
    }
  })

  it('is made and ended with the events of a real one', async () => {
    await ask(pbx, 'POST', 'applications/lamp/subscription?eventSource=deviceState:')
    const made = await ask(pbx, 'POST', 'channels/create', probe)
    expect(made.json).to.deep.include({
      id: 'probe1',
      name: 'Local/zz@nosuchctx-00000000;1',
      state: 'Down',
      accountcode: '',
      dialplan: { context: 'nosuchctx', exten: 'zz', priority: 1, app_name: '', app_data: '' },
    })
    const all = (await ask(pbx, 'GET', 'channels')).json as { id: string }[]
    expect(all.map(({ id }) => id)).to.deep.equal(['probe1', 'probe1;2'])
    expect((await ask(pbx, 'POST', 'channels/create', probe)).status).to.equal(409)
    expect((await ask(pbx, 'DELETE', 'channels/probe1')).status).to.equal(204)
    expect((await ask(pbx, 'GET', 'channels')).json).to.deep.equal([])
    await until('the last event', () => listener.of('ChannelDestroyed').length > 0)
    expect(
      listener.story.filter((line) => !line.startsWith('device') && !line.startsWith('ChannelCreated')),
    ).to.deep.equal(
      [
        'ChannelDialplan',
        'ChannelVarset',
        'StasisStart',
        'ChannelHangupRequest',
        'StasisEnd',
        'ChannelVarset',
        'ChannelDestroyed',
      ].map((type) => `${type} Local/zz@nosuchctx Down`),
    )
    await until('both device events', () => listener.devices.length === 4)
    expect(new Set(listener.devices)).to.deep.equal(new Set(['Local/zz@nosuchctx INVALID']))
  })

  it('dies at once in an application that nobody listens to', async () => {
    const made = await ask(pbx, 'POST', 'channels/create', { ...probe, app: 'nobody' })
    expect(made.status).to.equal(200)
    const { status, json } = await ask(pbx, 'GET', 'channels/probe1')
    expect([status, json]).to.deep.equal([404, { message: 'Channel not found' }])
  })

  it('takes Asterisk with it when it is asked for the e-mail of who has none', async () => {
    await ask(pbx, 'POST', 'channels/create', probe)
    await read('VM_INFO(100@default,email)').catch(() => undefined)
    await until('the crash', () => listener.closed !== undefined)
    expect(listener.closed).to.equal(1006)
    expect(pbx.crashes).to.equal(1)
    expect((await ask(pbx, 'GET', 'applications')).json).to.deep.equal([])
    expect((await ask(pbx, 'GET', 'channels')).json).to.deep.equal([])
  })

  it('has no function whose module is missing', async () => {
    const poor = await officePbx({ missingModules: ['func_extstate.so', 'res_mwi_devstate.so'] })
    try {
      const there = await Listener.open(poor, 'app=lamp&subscribeAll=true')
      await ask(poor, 'POST', 'channels/create', probe)
      const { status } = await ask(poor, 'GET', 'channels/probe1/variable?variable=EXTENSION_STATE(100@from-internal)')
      expect(status).to.equal(500)
      expect((await ask(poor, 'GET', 'asterisk/modules/res_mwi_devstate.so')).status).to.equal(404)
      poor.leaveMessage('100')
      await there.close()
      expect(there.devices.filter((line) => line.startsWith('MWI'))).to.deep.equal([])
    } finally {
      await poor.stop()
    }
  })
})

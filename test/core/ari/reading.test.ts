import { expect } from 'chai'
import * as fc from 'fast-check'
import { baseOf, faultOfApp, faultOfUrl } from '../../../core/ari/address.ts'
import { Asked } from '../../../core/ari/asked.ts'
import { pauseAfter } from '../../../core/ari/backoff.ts'
import { deviceOf, directionOf, isLeg, stateOf } from '../../../core/ari/channel-call.ts'
import { readChannel, readDevice, readEvent, readInfo } from '../../../core/ari/events.ts'
import { deviceStateOf, hintOf, mailboxOf, presenceOf } from '../../../core/ari/functions.ts'
import { readHint } from '../../../core/ari/hint-text.ts'
import type { Channel } from '../../../core/ari/protocol.ts'

const CHANNEL = {
  id: '1795252424.1',
  name: 'PJSIP/100-00000001',
  state: 'Ringing',
  caller: { name: 'Alice', number: '100' },
  connected: { name: '', number: '200' },
  dialplan: { context: 'default', exten: '200', priority: 1, app_name: 'AppDial', app_data: '(Outgoing Line)' },
  creationtime: '2026-11-21T09:13:44.043+0000',
  protocol_id: 'abc@host',
}

const channel = (changes: Partial<Channel> = {}): Channel => {
  const read = readChannel(CHANNEL)
  if (!read) throw new Error('unreadable')
  return { ...read, ...changes }
}

describe('Reading what Asterisk sends', () => {
  it('reads device states and channels', () => {
    expect(
      readEvent({ type: 'DeviceStateChanged', device_state: { name: 'PJSIP/100', state: 'INUSE' }, application: 'x' }),
    ).to.deep.equal({ type: 'device', name: 'PJSIP/100', state: 'INUSE' })
    expect(readDevice({ name: 'PJSIP/100', state: 'PURPLE' })).to.equal(undefined)
    expect(readEvent({ type: 'ChannelHold', channel: CHANNEL })).to.deep.include({ type: 'channel', change: 'hold' })
    expect(readEvent({ type: 'ChannelDestroyed', channel: CHANNEL })).to.deep.include({ type: 'channel-gone' })
    expect(channel()).to.include({
      exten: '200',
      application: 'AppDial',
      created: Date.UTC(2026, 10, 21, 9, 13, 44, 43),
    })
    expect(readInfo({ system: { version: '18.9.0' }, status: { startup_time: 'x' } })).to.include({ version: '18.9.0' })
    expect(readInfo('Hello')).to.equal(undefined)
  })

  it('never throws, whatever the JSON is', () => {
    const types = fc.constantFrom('DeviceStateChanged', 'ChannelCreated', 'ChannelDestroyed', 'Dial', 'x')
    fc.assert(
      fc.property(
        fc.oneof(fc.jsonValue(), fc.record({ type: types, channel: fc.jsonValue(), peer: fc.jsonValue() })),
        (raw) => {
          readEvent(raw)
          readChannel(raw)
          readInfo(raw)
        },
      ),
    )
  })

  it('tells the direction and state of a call from its channel', () => {
    expect(directionOf(channel({ state: 'Ring' }))).to.equal('initiator')
    expect(directionOf(channel({ state: 'Down' }))).to.equal('recipient')
    expect(directionOf(channel({ state: 'Up', application: 'AppDial' }))).to.equal('recipient')
    expect(directionOf(channel({ state: 'Up', application: 'Dial' }))).to.equal('initiator')
    expect(stateOf(channel({ state: 'Ring' }), false)).to.equal('trying')
    expect(stateOf(channel({ state: 'Ring' }), true)).to.equal('early')
    expect(stateOf(channel({ state: 'Ringing' }), false)).to.equal('early')
    expect(stateOf(channel({ state: 'Up' }), false)).to.equal('confirmed')
  })

  it('knows which channels are legs of calls', () => {
    const legs = ['PJSIP/100-00000001', 'SIP/my-trunk-00000001', 'DAHDI/1-1']
    const others = ['Local/100@x-00000001;1', 'PJSIP/100-00000001<ZOMBIE>', 'AsyncGoto/PJSIP/1-2', 'CBAnn/c-1', 'odd']
    expect(legs.filter((name) => isLeg(channel({ name })))).to.deep.equal(legs)
    expect(others.filter((name) => isLeg(channel({ name })))).to.deep.equal([])
    expect(deviceOf('SIP/my-trunk-00000001')).to.equal('SIP/my-trunk')
  })

  it('reads hints as HINT() gives them', () => {
    expect(readHint('PJSIP/101&Custom:dnd101', 'c', '101')).to.deep.equal({
      devices: ['PJSIP/101', 'Custom:dnd101'],
      presence: [],
      unknown: [],
    })
    expect(readHint(',CustomPresence:only', 'c', '1')).to.deep.include({
      devices: [],
      presence: ['CustomPresence:only'],
    })
    expect(
      readHint('PJSIP/${EXTEN}&Custom:${EXTEN:1}&x/${EXTEN:-2}&y/${EXTEN:1:1}&z/${CONTEXT}', 'ctx', '1234').devices,
    ).to.deep.equal(['PJSIP/1234', 'Custom:234', 'x/34', 'y/2', 'z/ctx'])
    expect(readHint('PJSIP/${DB(x/1)}&Custom:a', 'c', '1')).to.deep.include({
      devices: ['Custom:a'],
      unknown: ['PJSIP/${DB(x/1)}'],
    })
    expect(readHint('${DB(x/${EXTEN})}', 'c', '1')).to.deep.equal({
      devices: [],
      presence: [],
      unknown: ['${DB(x/${EXTEN})}'],
    })
  })
})

describe('The functions that may be asked', () => {
  it('are these', () => {
    expect(hintOf('from-internal', '100')).to.deep.equal({
      text: 'HINT(100@from-internal)',
      name: 'HINT(100@from-internal,n)',
      state: 'EXTENSION_STATE(100@from-internal)',
    })
    expect(deviceStateOf('park:701@parkedcalls')).to.equal('DEVICE_STATE(park:701@parkedcalls)')
    expect(presenceOf('CustomPresence:1')?.value).to.equal('PRESENCE_STATE(CustomPresence:1,value)')
    expect(mailboxOf('100@default')).to.deep.equal({
      unread: 'VMCOUNT(100@default)',
      old: 'VMCOUNT(100@default,Old)',
      exists: 'VM_INFO(100@default,exists)',
    })
  })

  it('never let an argument end its bracket or start another function', () => {
    const pieces = fc.constantFrom('1', 'a', ')', '(', ',', '$', '{', '}', 'VM_INFO', 'email', '@', '\n', '"', ' ', '_')
    const nasty = fc.oneof(
      fc.string(),
      fc.array(pieces, { maxLength: 6 }).map((parts) => parts.join('')),
      fc.stringMatching(/^[A-Za-z0-9@.+*#_-]{1,10}$/),
    )
    fc.assert(
      fc.property(nasty, nasty, (a, b) => {
        const made = [
          hintOf(a, b)?.text,
          hintOf(a, b)?.name,
          hintOf(a, b)?.state,
          deviceStateOf(a),
          ...Object.values(presenceOf(a) ?? {}),
          ...Object.values(mailboxOf(a) ?? {}),
        ]
        for (const text of made) {
          if (text === undefined) continue
          expect(text).to.match(
            /^(?:HINT|EXTENSION_STATE|DEVICE_STATE|PRESENCE_STATE|VMCOUNT|VM_INFO)\([^(),${}"'\\\s]+(?:,[a-zA-Z]+)?\)$/,
          )
          expect(text).to.not.match(/,email/)
        }
      }),
      { numRuns: 2000 },
    )
    expect(hintOf('default', '_1XX'), 'a pattern itself').to.equal(undefined)
    expect(hintOf('default', '1)'), 'a bracket').to.equal(undefined)
    expect(mailboxOf('100@default,email')).to.equal(undefined)
  })
})

describe('Small parts of the bridge', () => {
  it('reads the url of a server', () => {
    expect(baseOf('http://127.0.0.1:8088')).to.equal('http://127.0.0.1:8088')
    expect(baseOf('https://pbx.example.com/asterisk/ari/')).to.equal('https://pbx.example.com/asterisk')
    expect(baseOf('http://[::1]:8088/')).to.equal('http://[::1]:8088')
    for (const url of ['pbx:8088', 'not a url', 'ftp://pbx'])
      expect(faultOfUrl(url)).to.equal('is no http or https address')
    expect(faultOfUrl('http://me:pw@pbx:8088')).to.match(/^has a user in it/)
    expect(faultOfApp('a,b')).to.match(/^is not valid/)
  })

  it('doubles its pauses up to the limit, with jitter', () => {
    expect([1, 2, 3, 10].map((n) => pauseAfter(n, 30_000, () => 1))).to.deep.equal([500, 1000, 2000, 30_000])
    expect(pauseAfter(10, 30_000, () => 0)).to.equal(15_000)
    expect(pauseAfter(5000, 30_000, () => 1)).to.equal(30_000)
  })

  it('drops an answer that an event has overtaken, and no other', async () => {
    const asked = new Asked()
    const valid = await asked.during(['PJSIP/100', 'PJSIP/101'], async () => asked.told('pjsip/100'))
    expect([...valid]).to.deep.equal(['PJSIP/101'])
    expect([...(await asked.during(['PJSIP/100'], async () => undefined))]).to.deep.equal(['PJSIP/100'])
  })
})

import { expect } from 'chai'
import { type DemoPbx, startDemoPbx } from '../../../core/demo/pbx.ts'
import type { Hint } from '../../../core/states/hint.ts'
import { type BridgeRig, bridgeTo } from '../../support/bridge-rig.ts'
import { hintsOf, pbxData } from '../../support/pbx-data.ts'
import { until } from '../../support/tools.ts'

const HINTS = {
  'from-internal': {
    100: 'PJSIP/100',
    101: 'PJSIP/101&Custom:dnd101(Bob Example)',
    102: 'PJSIP/102,CustomPresence:102',
    _11X: 'PJSIP/${EXTEN}',
    205: ',CustomPresence:only205',
  },
  shared: { _18X: 'Custom:${CONTEXT}-${EXTEN}' },
}

const DATA = pbxData({
  endpoints: {
    100: { context: 'from-internal', aors: '100', auth: '100', callerid: '"Alice" <100>', mailboxes: '100@default' },
    101: { context: 'from-internal', aors: '101', auth: '101', callerid: '"Bob" <101>' },
    102: { context: 'from-internal', aors: '102', auth: '102' },
    111: { context: 'from-internal', aors: '111', auth: '111' },
  },
  aors: { 100: { max_contacts: '2', mailboxes: '100@default' } },
  auths: { 100: { auth_type: 'userpass', username: '100', password: 'secret100' } },
  hints: HINTS,
  includes: { 'from-internal': ['shared'] },
  mailboxes: { '100@default': '4100,Alice,alice@example.com', '101@default': '4101,Bob' },
})

const find = async (rig: BridgeRig, exten: string): Promise<Hint> => {
  const hint = await rig.hints.find('from-internal', exten)
  if (!hint || hint === 'unreachable') throw new Error(`no hint ${exten}`)
  return hint
}

describe('The bridge to Asterisk', () => {
  for (const bulkVariables of [true, false]) {
    describe(bulkVariables ? 'with bulk variables' : 'without bulk variables (before 20.20)', () => {
      let pbx: DemoPbx
      let rig: BridgeRig

      before(async () => {
        pbx = await startDemoPbx({ port: 0, data: DATA, bulkVariables })
        for (const id of ['100', '101', '102']) pbx.register(id, true)
        rig = bridgeTo(pbx.url, { mailbox_interval: 1, presence_interval: 1 })
        await rig.bridge.settled
      })

      beforeEach(async () => {
        pbx.reloadDialplan(hintsOf(HINTS))
        await rig.bridge.rereadHints()
      })

      after(async () => {
        await rig.bridge.close()
        await pbx.stop()
      })

      it('reads a hint, its name and its devices when somebody asks for the first time', async () => {
        const hint = await find(rig, '101')
        expect(hint.definition).to.include({ name: 'Bob Example', source: 'pbx1' })
        expect(hint.definition?.devices).to.deep.equal(['PJSIP/101', 'Custom:dnd101'])
        expect(rig.devices.get('PJSIP/101')).to.equal('NOT_INUSE')
        expect(rig.devices.get('Custom:dnd101')).to.equal('UNKNOWN')
        expect(hint.value.state).to.equal(0)
      })

      it('puts the extension into the hint of a pattern', async () => {
        expect((await find(rig, '111')).definition?.devices).to.deep.equal(['PJSIP/111'])
        expect(rig.devices.get('PJSIP/111')).to.equal('UNAVAILABLE')
      })

      it('says once that a pattern has variables that nobody knows, whatever extensions are asked for', async () => {
        pbx.reloadDialplan(hintsOf({ 'from-internal': { '_7X.': '${DB(phones/${EXTEN})}' } }))
        for (const exten of ['700', '701', '702'])
          expect((await find(rig, exten)).definition?.devices).to.have.length(0)
        expect(rig.logged('${DB(phones/')).to.have.length(1)
        const { complaints } = rig.bridge.status()
        expect(complaints.filter((text) => text.includes('${DB(phones/${EXTEN})}'))).to.have.length(1)
      })

      it('takes that back when the pattern is corrected, or gone, though nobody looks any more', async () => {
        const corrections: readonly Record<string, string>[] = [{ '_6X.': 'PJSIP/${EXTEN}' }, {}]
        for (const corrected of corrections) {
          pbx.reloadDialplan(hintsOf({ 'from-internal': { '_6X.': '${DB(desks/${EXTEN})}' } }))
          await rig.bridge.rereadHints()
          const hint = await find(rig, '603')
          const stop = hint.watch({ value: () => undefined })
          await rig.bridge.rereadHints()
          const open = (): readonly string[] =>
            rig.bridge.status().complaints.filter((text) => text.includes('${DB(desks/'))
          expect(open()).to.have.length(1)
          void stop()
          await rig.bridge.rereadHints()
          expect(open()).to.have.length(1)
          pbx.reloadDialplan(hintsOf({ 'from-internal': corrected }))
          await rig.bridge.rereadHints()
          expect(open()).to.deep.equal([])
        }
      })

      it('keeps to it, and says no more, while another hint of those that have it is still as it was', async () => {
        const wrong = '${DB(seats/${EXTEN})}'
        const told = (): number[] => [
          rig.bridge.status().complaints.filter((text) => text.includes(wrong)).length,
          rig.logged(wrong).filter(({ level }) => level === 'warning').length,
        ]
        pbx.reloadDialplan(hintsOf({ 'from-internal': { _60X: wrong, _61X: wrong } }))
        await rig.bridge.rereadHints()
        const watches = [await find(rig, '603'), await find(rig, '613')].map((hint) =>
          hint.watch({ value: () => undefined }),
        )
        for (const corrected of ['_60X', '_61X']) {
          pbx.reloadDialplan(hintsOf({ 'from-internal': { _60X: wrong, _61X: wrong, [corrected]: 'Custom:seat' } }))
          await rig.bridge.rereadHints()
          expect(told()).to.deep.equal([1, 1])
        }
        for (const stop of watches) void stop()
      })

      it('remembers that an extension has no hint, and asks again after unknown_hint_ttl', async () => {
        expect(await rig.hints.find('from-internal', '999')).to.equal(undefined)
        pbx.reloadDialplan(hintsOf({ 'from-internal': { 999: 'PJSIP/100' } }))
        expect(await rig.hints.find('from-internal', '999')).to.equal(undefined)
        await rig.bridge.rereadHints()
        expect(await rig.hints.find('from-internal', '999')).to.have.property('exten', '999')
      })

      it('follows the devices of a call, and shows the call', async () => {
        const hint = await find(rig, '101')
        const call = pbx.call('100', '101')
        await until('ringing', () => hint.value.state === 8)
        const ringing = await until('the caller', () => hint.value.calls.find(({ remote }) => remote.number === '100'))
        expect(ringing).to.deep.include({ direction: 'recipient', state: 'early', origin: 'pbx1' })
        expect(ringing.remote).to.deep.equal({ number: '100', name: 'Alice', restricted: false })
        expect(ringing.sip?.callId).to.be.a('string').with.length.above(8)

        call.answer()
        await until('use', () => hint.value.state === 1 && hint.value.calls[0]?.state === 'confirmed')
        call.hold('100')
        await until('hold', () => hint.value.state === 16 && hint.value.calls[0]?.held)
        call.unhold()
        await until('no hold', () => hint.value.state === 1 && !hint.value.calls[0]?.held)
        call.hangUp()
        await until('the end', () => hint.value.state === 0 && hint.value.calls.length === 0)
      })

      it('shows who is on the other end also where the phone was in its call before anybody watched it', async () => {
        const call = pbx.call('100', '102')
        await until('ringing', () => rig.devices.get('PJSIP/102') === 'RINGING')
        await until('the call', () => rig.calls.of('PJSIP/102')[0]?.state === 'early')
        expect(rig.devices.isNeeded('PJSIP/102')).to.equal(false)
        const { value } = await find(rig, '102')
        const { remote, sip } = value.calls[0] ?? {}
        expect(remote?.number).to.equal('100')
        expect(sip?.callId).to.be.a('string').with.length.above(8)
        call.hangUp()
        await until('the end', () => rig.devices.get('PJSIP/102') === 'NOT_INUSE')
      })

      it('shows the caller as the one who made the call, with the number that was dialled', async () => {
        const hint = await find(rig, '100')
        const call = pbx.call('100', '101')
        const calling = await until('the call', () => hint.value.calls.find(({ remote }) => remote.number === '101'))
        expect(calling.direction).to.equal('initiator')
        call.hangUp()
        await until('the end', () => hint.value.calls.length === 0)
      })

      it('counts messages: one and then two, which no event tells', async () => {
        const need = rig.mailboxes.need('100@default')
        await need.ready
        expect(rig.mailboxes.get('100@default')).to.deep.equal({ newMessages: 0, oldMessages: 0 })
        pbx.leaveMessage('100@default')
        await until('one message', () => rig.mailboxes.get('100@default').newMessages === 1)
        pbx.leaveMessage('100@default')
        await until('two messages', () => rig.mailboxes.get('100@default').newMessages === 2)
        pbx.readMessages('100@default')
        await until('old ones', () => rig.mailboxes.get('100@default').oldMessages === 2)
        expect(rig.mailboxes.get('100@default').newMessages).to.equal(0)
      })

      it('has no opinion of a mailbox that does not exist', async () => {
        const need = rig.mailboxes.need('999@default')
        await need.ready
        expect(rig.mailboxes.reportOf('pbx1', '999@default')).to.equal(undefined)
        expect(pbx.crashes).to.equal(0)
      })

      it('follows presence states', async () => {
        const hint = await find(rig, '102')
        expect(hint.value.presence.state).to.equal('not_set')
        pbx.setPresence('CustomPresence:102', { state: 'away', subtype: 'lunch', message: 'back at 1, or 2' })
        await until('away', () => hint.value.presence.state === 'away')
        expect(hint.value.presence).to.include({ subtype: 'lunch', message: 'back at 1, or 2' })
        expect((await find(rig, '205')).value.state).to.equal(4)
      })

      it('finds an edited dialplan when it reads it again', async () => {
        const hint = await find(rig, '100')
        pbx.setCustom('door', 'INUSE')
        pbx.reloadDialplan(hintsOf({ 'from-internal': { ...HINTS['from-internal'], 100: 'Custom:door' } }))
        expect(await rig.bridge.rereadHints()).to.deep.equal(['hint 100@from-internal'])
        await until('the door', () => hint.value.state === 1)
        expect(rig.logged('hint 100@from-internal was PJSIP/100, is Custom:door')).to.have.length(1)

        pbx.reloadDialplan([])
        await rig.bridge.rereadHints()
        await until('no hint', () => hint.definition === undefined)
      })

      it('puts in what only the dialplan knows: the context is that of the pattern, which is included', async () => {
        const hint = await find(rig, '182')
        expect(hint.definition?.devices).to.deep.equal(['Custom:shared-182'])
        pbx.setDevice('Custom:shared-182', 'RINGING')
        await until('it rings', () => hint.value.state === 8)
      })

      it('reads endpoints, AORs and auths, and remembers what is not there', async () => {
        const endpoint = await rig.endpoints.endpoint('100')
        expect(endpoint).to.deep.include({ id: '100', hintContext: 'from-internal', auth: ['100'], aors: ['100'] })
        expect(await rig.endpoints.auth('100')).to.include({ password: 'secret100', username: '100' })
        expect(await rig.endpoints.aor('100')).to.deep.include({ mailboxes: ['100@default'], max_contacts: 2 })
        expect(await rig.endpoints.endpoint('nosuch')).to.equal(undefined)
        expect(await rig.endpoints.endpoint('../auth/100')).to.equal(undefined)
      })

      it('leaves no channel behind', async () => {
        await Promise.all(
          ['100', '101', '102', '111', '999'].map(async (exten) => rig.hints.find('from-internal', exten)),
        )
        await until('no probe', async () => {
          const answer = await fetch(`${pbx.url}/ari/channels?api_key=lamplighter:lamplighter`)
          return JSON.stringify(await answer.json()) === '[]'
        })
      })
    })
  }

  describe('to a server of its own', () => {
    let pbx: DemoPbx
    let rig: BridgeRig

    afterEach(async () => {
      await rig.bridge.close()
      await pbx.stop()
    })

    it('learns calls that were going on before it came', async () => {
      pbx = await startDemoPbx({ port: 0, data: DATA })
      pbx.register('100', true)
      pbx.register('101', true)
      pbx.call('100', '101').answer()
      rig = bridgeTo(pbx.url)
      await rig.bridge.settled
      const hint = await find(rig, '101')
      expect(hint.value.state).to.equal(1)
      const call = await until('the call', () => hint.value.calls.find(({ remote }) => remote.number === '100'))
      expect(call).to.include({ state: 'confirmed', direction: 'recipient' })
      const caller = await find(rig, '100')
      expect(caller.value.calls[0]).to.include({ state: 'confirmed', direction: 'initiator' })
    })

    it('reads counts and presence anew that changed while nobody watched them', async () => {
      pbx = await startDemoPbx({ port: 0, data: DATA })
      rig = bridgeTo(pbx.url, { mailbox_interval: 3600, presence_interval: 3600 })
      await rig.bridge.settled
      const needs = [rig.mailboxes.need('100@default'), rig.presences.need('CustomPresence:102')]
      for (const { ready, release } of needs) void ready.then(release)
      await Promise.all(needs.map(({ ready }) => ready))
      expect(rig.mailboxes.reportOf('pbx1', '100@default')?.state.newMessages).to.equal(0)

      pbx.setMessages('100@default', { newMessages: 2, oldMessages: 0 })
      pbx.setPresence('CustomPresence:102', { state: 'dnd' })
      await until('the event', () => rig.devices.get('MWI:100@default') === 'INUSE')
      await rig.mailboxes.need('100@default').ready
      await rig.presences.need('CustomPresence:102').ready
      expect(rig.mailboxes.get('100@default').newMessages).to.equal(2)
      expect(rig.presences.get('CustomPresence:102').state).to.equal('dnd')
    })

    it('reads mailboxes from /mailboxes where res_mwi_external holds them', async () => {
      pbx = await startDemoPbx({ port: 0, data: DATA, voicemail: 'res_mwi_external' })
      pbx.setMessages('100@default', { newMessages: 3, oldMessages: 1 })
      rig = bridgeTo(pbx.url, { mailbox_interval: 1 })
      await rig.bridge.settled
      const need = rig.mailboxes.need('100@default')
      await need.ready
      expect(rig.mailboxes.get('100@default')).to.deep.equal({ newMessages: 3, oldMessages: 1 })
      pbx.setMessages('100@default', { newMessages: 4, oldMessages: 1 })
      await until('the next count', () => rig.mailboxes.get('100@default').newMessages === 4)
    })
  })
})

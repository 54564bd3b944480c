import { expect } from 'chai'
import { registerCoreCommands } from '../../../core/console/commands.ts'
import { TestCore } from '../../support/core.ts'

describe('commands of the core', () => {
  let office: TestCore

  beforeEach(async () => {
    office = await TestCore.start({ hints: { '200@office': ['Custom:gate', 'Custom:door'] } })
    const nothing = async (): Promise<void> => undefined
    registerCoreCommands(office.core, office.loader, {
      version: '1',
      started: new Date(),
      listening: () => [],
      reload: nothing,
      reloadDialplan: nothing,
      reopenLog: () => undefined,
      stop: () => undefined,
    })
  })
  afterEach(() => office.close())

  const refusal = (line: string): Promise<string> =>
    office.run(line).then(
      () => 'accepted',
      (error: Error) => error.message,
    )

  it('core show hint shows each device as it is now, also where the lamp does not depend on it', async () => {
    const { core } = office
    core.devices.set('pbx1', 'Custom:gate', 'INUSE')
    const hint = await core.hints.find('office', '200')
    expect(hint).to.be.an('object')
    core.devices.set('pbx1', 'Custom:door', 'ONHOLD')
    const shown = await office.run('core show hint 200@office')
    expect(shown).to.match(/Custom:gate +INUSE +pbx1: INUSE/)
    expect(shown).to.match(/Custom:door +ONHOLD +pbx1: ONHOLD/)
  })

  it('core show hint says what it expects, and where there is no such hint', async () => {
    expect(await refusal('core show hint')).to.equal('Usage: core show hint <extension>[@context]')
    expect(await refusal('core show hint 999')).to.equal('no hint 999 is in use')
  })

  it('pjsip set logger takes addresses only, with or without brackets', async () => {
    expect(await refusal('pjsip set logger host phone.example')).to.match(/^'phone.example' is no IP address/)
    expect(await office.run('pjsip set logger host [::1]')).to.equal('PJSIP logging enabled for host ::1')
    expect(await office.run('pjsip set logger host 192.0.2.7')).to.equal('PJSIP logging enabled for host 192.0.2.7')
    expect(await office.run('pjsip set logger off')).to.equal('PJSIP logging disabled')
  })
})

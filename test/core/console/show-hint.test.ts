import { expect } from 'chai'
import { registerCoreCommands } from '../../../core/console/commands.ts'
import { TestCore } from '../../support/core.ts'

describe('core show hint', () => {
  let office: TestCore

  afterEach(() => office.close())

  it('shows each device as it is now, also where the lamp does not depend on it', async () => {
    office = await TestCore.start({ hints: { '200@office': ['Custom:gate', 'Custom:door'] } })
    const { core, loader } = office
    const nothing = async (): Promise<void> => undefined
    registerCoreCommands(core, loader, {
      version: '1',
      started: new Date(),
      listening: () => [],
      reload: nothing,
      reloadDialplan: nothing,
      reopenLog: () => undefined,
      stop: () => undefined,
    })
    core.devices.set('pbx1', 'Custom:gate', 'INUSE')
    const hint = await core.hints.find('office', '200')
    expect(hint).to.be.an('object')
    core.devices.set('pbx1', 'Custom:door', 'ONHOLD')
    const shown = await office.run('core show hint 200@office')
    expect(shown).to.match(/Custom:gate +INUSE +pbx1: INUSE/)
    expect(shown).to.match(/Custom:door +ONHOLD +pbx1: ONHOLD/)
  })
})

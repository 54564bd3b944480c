import { expect } from 'chai'
import { registerPjsipCommands } from '../../../core/console/pjsip-commands.ts'
import { createRegistrar } from '../../../core/registrar/registrations.ts'
import { TestCore } from '../../support/core.ts'
import { FakeSip } from '../../support/fake-sip.ts'

describe('commands about pjsip objects', () => {
  it('do not say that there is none where the Asterisk that may have it could not be asked', async () => {
    const office = await TestCore.start({ sip: new FakeSip() })
    const { core } = office
    const registrar = await createRegistrar(core)
    registerPjsipCommands({ console: core.console, endpoints: core.endpoints, registrar })
    let isAway = true
    const none = async (): Promise<undefined> => undefined
    core.endpoints.addSource({ name: 'pbx1', endpoint: none, aor: none, auth: none, couldNotAsk: () => isAway })
    const refusal = (line: string): Promise<unknown> => office.run(line).catch((error: Error) => error.message)
    try {
      for (const [type, what] of [
        ['endpoint', 'endpoint'],
        ['aor', 'AOR'],
        ['auth', 'auth'],
      ] as const) {
        isAway = true
        expect(await refusal(`pjsip show ${type} 107`)).to.equal(
          `no file has an ${what} '107', and an Asterisk that may have it could not be asked: 'ari show servers' says why`,
        )
        isAway = false
        expect(await refusal(`pjsip show ${type} 107`)).to.equal(`there is no ${what} '107'`)
      }
    } finally {
      await registrar.close()
      await office.close()
    }
  })

  it('pjsip list is pjsip show, and pjsip show settings has what is set for all', async () => {
    const office = await TestCore.start({ sip: new FakeSip() })
    const { core } = office
    const registrar = await createRegistrar(core)
    registerPjsipCommands({ console: core.console, endpoints: core.endpoints, registrar })
    try {
      for (const what of ['endpoints', 'aors', 'auths', 'identifies', 'contacts', 'acls'])
        expect(await office.run(`pjsip list ${what} like .`)).to.equal(await office.run(`pjsip show ${what} like .`))
      expect(await office.run('pjsip show settings')).to.match(
        /^global\n[^]*^ user_agent +: [^]*^system\n[^]*^ timer_t1 +: 500$/m,
      )
    } finally {
      await registrar.close()
      await office.close()
    }
  })
})

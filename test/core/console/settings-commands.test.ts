import { expect } from 'chai'
import type { Configuration } from '../../../core/conf/configuration.ts'
import { parseConfig } from '../../../core/conf/parser.ts'
import { readVoicemail } from '../../../core/conf/voicemail-conf.ts'
import { registerSettingsCommands } from '../../../core/console/settings-commands.ts'
import { TestCore } from '../../support/core.ts'

describe('commands about mailboxes', () => {
  it('voicemail show has users of all contexts or of one, and aliases', async () => {
    const office = await TestCore.start()
    const { core } = office
    const files =
      '[general]\naliasescontext = devices\n[default]\n100 => 1,Alice\n[lab]\n100 => 1,Lab\n[devices]\n7@devices => 100@lab\n'
    const reading = readVoicemail([{ ...parseConfig(files, '/own/voicemail.conf'), foreign: false }])
    const configuration = { mailboxes: reading.directory } as Configuration
    registerSettingsCommands({
      console: core.console,
      core,
      configuration: () => configuration,
      started: configuration,
      listening: () => [],
    })
    const run = async (line: string): Promise<string[]> =>
      (await office.run(line).catch((error: Error) => error.message)).replaceAll(/ +/g, ' ').split('\n')
    core.mailboxes.set('pbx1', '100@lab', { newMessages: 2, oldMessages: 1 })
    const alice = '100@default Alice nobody has said'
    const lab = '100@lab Lab 2 new, 1 old'
    const alias = '7@devices is 100@lab nobody has said'
    try {
      expect(await run('voicemail show users')).to.deep.equal([alice, lab, alias, '3 mailboxes'])
      expect(await run('voicemail show users like 100')).to.deep.equal([alice, lab, '2 mailboxes'])
      expect(await run('voicemail show users for lab')).to.deep.equal([lab, '1 mailboxes'])
      expect(await run('voicemail show aliases')).to.deep.equal([alias, '1 mailboxes'])
      expect(await run('voicemail show users for office')).to.deep.equal([
        "no mailbox is in context 'office', only in default, lab, devices",
      ])
      expect(core.console.complete('voicemail show users for d')).to.deep.equal(['default', 'devices'])
    } finally {
      await office.close()
    }
  })
})

import { expect } from 'chai'
import { parseConfig } from '../../../core/conf/parser.ts'
import { readVoicemail } from '../../../core/conf/voicemail-conf.ts'

describe('voicemail.conf', () => {
  const read = (text: string): ReturnType<typeof readVoicemail> =>
    readVoicemail([{ file: parseConfig(text, '/own/voicemail.conf').file, foreign: false }])
  const aliases = '[myaliases]\n100@devices => 100@default\n'

  it('has aliases in the context that [general] names', () => {
    const { directory, problems } = read(`[general]\naliasescontext = myaliases\n${aliases}`)
    expect(problems).to.deep.equal([])
    expect([...directory.aliases]).to.deep.equal([['100@devices', '100@default']])
  })

  it('says where aliases are announced, as in the sample of Asterisk or with the line in another section', () => {
    const { directory, problems } = read(
      `[default]\n100 => 1234,Alice\naliasescontext = myaliases\n${aliases}1 0 => 1\n`,
    )
    const what = 'a mailbox of [myaliases] has a blank, @ or comma in its name, expected'
    expect(problems.map(({ message }) => message)).to.deep.equal([
      `/own/voicemail.conf:5: ${what} aliasescontext = myaliases in [general] if these are aliases`,
      `/own/voicemail.conf:6: ${what} 100 => PIN,Name`,
    ])
    expect(directory.aliases.size).to.equal(0)
  })
})

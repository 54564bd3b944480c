import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { readConfigFile } from '../../core/conf/parser.ts'
import { type ConfigError, defaultsOf, type OptionSet, readSection } from '../../core/options.ts'
import { reginfoOptions } from '../../res_pjsip_exten_state/res_pjsip_reginfo.ts'
import { pubsubOptions } from '../../res_pjsip_pubsub/options.ts'

describe('pubsub.conf.sample', () => {
  const path = fileURLToPath(new URL('../../configs/pubsub.conf.sample', import.meta.url))
  const text = readFileSync(path, 'utf8')

  it('names every option with its default, and no other', () => {
    const named = [...text.matchAll(/^(?:;([a-z0-9_]+) = (.*)|\[(.*)\])$/gm)].map(([, ...found]) => found)
    const of = (section: string, set: OptionSet) => [
      [undefined, undefined, section],
      ...Object.entries(set).map(([name, option]) => [name, option.defaultText, undefined]),
    ]
    expect(named).to.deep.equal([...of('general', pubsubOptions), ...of('reginfo', reginfoOptions)])
  })

  it('can be read as it stands', () => {
    const { file, problems } = readConfigFile(path)
    expect(problems).to.deep.equal([])
    const wrong: ConfigError[] = []
    const general = file.sections.find(({ name }) => name === 'general')
    expect(readSection(general, pubsubOptions, wrong)).to.deep.equal(defaultsOf(pubsubOptions))
    expect(wrong).to.deep.equal([])
  })

  it('says what each option does', () => {
    for (const [name, option] of Object.entries(pubsubOptions)) expect(option.doc, name).to.match(/^[A-Z].*\.$/)
  })
})

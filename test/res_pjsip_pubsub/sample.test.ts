import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { readConfigFile } from '../../core/conf/parser.ts'
import { type ConfigError, defaultsOf, readSection } from '../../core/options.ts'
import { pubsubOptions } from '../../res_pjsip_pubsub/options.ts'

describe('pubsub.conf.sample', () => {
  const path = fileURLToPath(new URL('../../configs/pubsub.conf.sample', import.meta.url))
  const text = readFileSync(path, 'utf8')

  it('names every option with its default, and no other', () => {
    const named = [...text.matchAll(/^;([a-z0-9_]+) = (.*)$/gm)].map(([, name, value]) => [name, value])
    expect(named).to.deep.equal(Object.entries(pubsubOptions).map(([name, option]) => [name, option.defaultText]))
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

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { findModules } from '../../core/find-modules.ts'
import type { ModulesPlan } from '../../core/loader.ts'
import { unreadable } from '../../core/server-configuration.ts'
import { TestCore } from '../support/core.ts'

const PLAN: ModulesPlan = { autoload: true, preload: [], load: [], noload: [], require: [] }

describe('finding modules', () => {
  let house: string

  beforeEach(() => {
    house = mkdtempSync(join(tmpdir(), 'lamplighter-house-'))
    mkdirSync(join(house, 'res_mine'))
  })
  afterEach(() => rmSync(house, { recursive: true }))

  const put = (name: string, text: string): void => writeFileSync(join(house, 'res_mine', `${name}.ts`), text)
  const moduleText = (name: string): string => `export default { name: '${name}', description: '', load() {} }\n`

  it('one whose file cannot be read declines, and the others are loaded', async () => {
    put('res_a', "import './gone.ts'\n")
    put('res_b', moduleText('res_other'))
    put('res_c', moduleText('res_c'))
    put('res_d', 'export const nothing = 1\n')
    const modules = await findModules(pathToFileURL(`${house}/`))
    const office = await TestCore.start()
    try {
      for (const one of modules) office.loader.add(one)
      await office.loader.start(PLAN)
      const shown = office.loader.list().map(({ name, status, why }) => [name, status, why.replace(/ '.*/, '')])
      expect(shown).to.deep.equal([
        ['res_a', 'Declined', 'res_mine/res_a.ts: Cannot find module'],
        ['res_b', 'Declined', 'res_mine/res_b.ts: is called res_other inside, expected res_b'],
        ['res_c', 'Running', ''],
        ['res_d', 'Declined', 'res_mine/res_d.ts: expected a module as its default export'],
      ])
    } finally {
      await office.close()
    }
  })

  it('modules.conf says which of them are faults of a configuration', async () => {
    for (const name of ['res_a', 'res_b']) put(name, 'export const nothing = 1\n')
    const modules = await findModules(pathToFileURL(`${house}/`))
    const faults = (more: Partial<ModulesPlan>): string[] =>
      unreadable(modules, { modules: { ...PLAN, ...more } }).map(({ message }) => message.split(' ')[1] ?? '')
    expect(faults({})).to.deep.equal(['res_a', 'res_b'])
    expect(faults({ noload: ['res_a'] })).to.deep.equal(['res_b'])
    expect(faults({ autoload: false, load: ['res_a'] })).to.deep.equal(['res_a'])
  })
})

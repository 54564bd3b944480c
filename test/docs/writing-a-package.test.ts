import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'

const read = (path: string): string => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8')

describe('docs/writing-a-package.md', () => {
  it('shows the package as it is', () => {
    const source = read('res_pjsip_exten_state/res_pjsip_reginfo.ts')
    const shown = [...read('docs/writing-a-package.md').matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(
      ([, code = '']) => code,
    )
    expect(shown).to.have.lengthOf(4)
    for (const code of shown) expect(source).to.include(code)
  })

  it('names only callbacks that there are', () => {
    const contract = read('res_pjsip_pubsub/contract.ts') + read('res_pjsip_pubsub/subscriber/contract.ts')
    const named = [...read('docs/writing-a-package.md').matchAll(/`([a-z]+[A-Z][A-Za-z]+)`/g)].map(
      ([, name = '']) => name,
    )
    const elsewhere = ['versionAt', 'noresource', 'defineModule']
    const callbacks = named.filter((name) => !elsewhere.includes(name))
    expect(callbacks).to.include('newSubscribe')
    for (const name of callbacks) expect(contract).to.include(name)
  })
})

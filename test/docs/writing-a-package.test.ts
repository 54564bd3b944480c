import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { lampOffice, settled } from '../support/lamp-office.ts'

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

  it('has packages built in whatever folder res_* they are, as the loader looks in all of them', () => {
    const root = fileURLToPath(new URL('../../', import.meta.url))
    const house = mkdtempSync(join(tmpdir(), 'lamplighter-package-'))
    try {
      cpSync(join(root, 'tsconfig.json'), join(house, 'tsconfig.json'))
      symlinkSync(join(root, 'node_modules'), join(house, 'node_modules'))
      for (const folder of ['core', 'res_mine', 'res_pjsip_mine', 'elsewhere']) {
        mkdirSync(join(house, folder))
        writeFileSync(join(house, folder, 'res_one.ts'), 'export default 1\n')
      }
      const tsc = join(root, 'node_modules/typescript/bin/tsc')
      const listed = execFileSync(process.execPath, [tsc, '-p', house, '--listFilesOnly'], { encoding: 'utf8' })
      const built = [...listed.matchAll(/(\w+)\/res_one\.ts$/gm)].map(([, folder]) => folder)
      expect(built).to.have.members(['core', 'res_mine', 'res_pjsip_mine'])
    } finally {
      rmSync(house, { recursive: true })
    }
  })

  it('shows how PUBLISH is taken: the one line is a package that serves what is published', async () => {
    const [, event, type] =
      /`own\(pubsub\.addEvent\(\{ event: '(.*?)', accept: \['(.*?)'\] \}\)\)`/.exec(
        read('docs/writing-a-package.md'),
      ) ?? []
    if (event === undefined || type === undefined) throw new Error('there is no such line')
    const made = await lampOffice()
    try {
      made.pubsub.addEvent({ event, accept: [type] })
      const tx = await made.sip.subscribe('100', { Event: event, Accept: type })
      const headers = { Event: event, 'Content-Type': type }
      expect((await made.sip.publish('100', '<first/>', headers)).status).to.equal(200)
      expect((await made.sip.publish('100', '<second/>', headers)).status).to.equal(200)
      await settled()
      expect(tx.dialog.last.text).to.equal('<second/>')
      expect((await made.sip.publish('100', 'no XML', headers)).status).to.equal(400)
    } finally {
      await made.office.close()
    }
  })

  it('names only callbacks that there are', () => {
    const contract = ['contract.ts', 'subscriber/contract.ts', 'kamailio/contract.ts']
      .map((file) => read(`res_pjsip_pubsub/${file}`))
      .join('')
    const named = [...read('docs/writing-a-package.md').matchAll(/`([a-z]+[A-Z][A-Za-z]+)`/g)].map(
      ([, name = '']) => name,
    )
    const elsewhere = ['versionAt', 'noresource', 'defineModule']
    const callbacks = named.filter((name) => !elsewhere.includes(name))
    expect(callbacks).to.include.members(['newSubscribe', 'newPublication', 'publishTermination', 'aggNbody'])
    for (const name of callbacks) expect(contract).to.include(name)
  })
})

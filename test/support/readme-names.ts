/** The tables of the README of res_pjsip_pubsub: what a name of elsewhere is called here, and in which file. */
import { readFileSync } from 'node:fs'
import { expect } from 'chai'

const FOLDER = new URL('../../res_pjsip_pubsub/', import.meta.url)

interface Row {
  readonly seed: string
  readonly ours: readonly string[]
  readonly file: string
}

/** Tests of the table under this heading, for the suite that has a test of each name in it. */
export function testReadmeNames(heading: string): void {
  const rows = rowsUnder(heading)

  it('has a test of the name for each row of the README, and a row for each test', function () {
    const tests = (this.test?.parent?.tests ?? []).map((test) => test.title).filter((title) => !title.includes(' '))
    expect(tests).to.deep.equal(rows.map(({ seed }) => seed))
  })

  it('has what the rows say in the files they name', () => {
    for (const { seed, ours, file } of rows) {
      expect(ours, seed).not.to.deep.equal([])
      const text = readFileSync(new URL(file, FOLDER), 'utf8')
      for (const name of ours) expect(text, `${name} of ${seed}`).to.include(name.split('.').at(-1))
    }
  })
}

function rowsUnder(heading: string): Row[] {
  const [, rest = ''] = readFileSync(new URL('README.md', FOLDER), 'utf8').split(`## ${heading}\n`)
  const [table = ''] = rest.split('\n## ')
  return table.split('\n').flatMap((line) => {
    const [, seed = '', said = '', file = ''] = line.split('|').map((cell) => cell.trim())
    // What is behind a semicolon says more about it.
    const [names = ''] = said.split(';')
    const ours = [...names.matchAll(/`([A-Za-z_.]+)(?:\(\))?`/g)].map(([, name = '']) => name)
    return seed.startsWith('`') ? [{ seed: seed.slice(1, -1), ours, file: file.slice(1, -1) }] : []
  })
}

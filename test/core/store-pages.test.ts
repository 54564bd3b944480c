import { expect } from 'chai'
import { scanPages } from '../../core/store-pages.ts'
import type { Database } from '../../core/store-tables.ts'

describe('pages of a table', () => {
  it('are read one ahead of the one that is taken', async () => {
    const happened: string[] = []
    const refuse = (): Promise<never> => Promise.reject(new Error('not asked for'))
    const database: Database = {
      run: refuse,
      all: refuse,
      write: refuse,
      checkpoint: refuse,
      close: refuse,
      written: 0,
      select: (_, [after]) => {
        const first = Number(after)
        happened.push(`read behind ${first}`)
        const cells = [[first + 1], [first + 2]].filter(([row]) => Number(row) <= 5)
        return Promise.resolve([{ cells: JSON.stringify(cells), last: first + cells.length }])
      },
    }
    await scanPages(
      database,
      { name: 'lamps', key: 'name', columns: { name: 'TEXT' } },
      {
        columns: ['name'],
        most: 2,
        page: (rows) => void happened.push(`take ${rows.flat().join(', ')}`),
        inTurn: (work) => Promise.resolve().then(work),
      },
    )
    expect(happened).to.deep.equal([
      'read behind 0',
      'read behind 2',
      'take 1, 2',
      'read behind 4',
      'take 3, 4',
      'take 5',
    ])
  })
})

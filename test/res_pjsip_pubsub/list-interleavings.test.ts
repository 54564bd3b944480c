/**
 * Whatever happens in whatever order: what a client adds up from all documents is what the list holds, whole and in
 * parts, however little room there is and however often a NOTIFY fails.
 */
import { expect } from 'chai'
import * as fc from 'fast-check'
import { settled } from '../support/lamp-office.ts'
import { ListOffice, lampsOf } from '../support/list-office.ts'
import { until } from '../support/tools.ts'

const NAMES = ['200', '201', '202', '203', '204', '205']
const LISTS = ['top', 'inner', 'deep'] as const

type Step =
  | { readonly kind: 'light'; readonly name: string; readonly light: string }
  | { readonly kind: 'refill'; readonly list: (typeof LISTS)[number]; readonly items: readonly string[] }
  | { readonly kind: 'room'; readonly room: number }
  | { readonly kind: 'refuse' }
  | { readonly kind: 'refresh' }
  | { readonly kind: 'pause' }

const items = fc.uniqueArray(fc.constantFrom(...NAMES, 'inner', 'deep', 'top', '299'), { maxLength: 7 })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('light' as const),
      name: fc.constantFrom(...NAMES),
      light: fc.constantFrom('a', 'b', 'c'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('refill' as const), list: fc.constantFrom(...LISTS), items }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('room' as const), room: fc.constantFrom(100, 900, 1600, 3000, 1e9) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom('refuse' as const, 'refresh' as const, 'pause' as const) }),
  },
)

/** What the list holds, by the path a client has for it: each name once, at its first place. */
function expected(
  lists: ReadonlyMap<string, readonly string[]>,
  light: (name: string) => string | undefined,
): Record<string, string> {
  const all: Record<string, string> = {}
  const seen = new Set(['top'])
  const walk = (name: string, path: string): void => {
    for (const item of lists.get(name) ?? []) {
      if (seen.has(item)) continue
      seen.add(item)
      const uri = `${path}sip:${item}@pbx.example`
      const lit = light(item)
      if ((lists.get(item) ?? []).length > 0) walk(item, `${uri} `)
      else if (lit !== undefined) all[uri] = lit
    }
  }
  walk('top', '')
  return all
}

describe('documents of a resource list', function () {
  this.timeout(60_000)

  for (const full_state of [false, true]) {
    it(`add up to its state in any run, with full_state = ${full_state ? 'yes' : 'no'} in the inner lists`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 14 }), fc.boolean(), async (steps, topIsFull) => {
          const contents = new Map<string, readonly string[]>([
            ['top', ['200', 'inner', '201']],
            ['inner', ['202', 'deep']],
            ['deep', ['203', '204']],
          ])
          const section = (name: string) => {
            const isFull = name === 'top' ? topIsFull : full_state
            return { event: 'lamp', list_item: contents.get(name) ?? [], full_state: isFull }
          }
          const office = await ListOffice.open({
            lamps: lampsOf(NAMES.length),
            lists: Object.fromEntries(LISTS.map((name) => [name, section(name)])),
            files: { 'pubsub.conf': { notify_retry_interval: '10' } },
          })
          const { sip, lamps } = office.made
          try {
            const tx = await office.subscribe('top')
            const { dialog } = tx
            for (const one of steps) {
              if (one.kind === 'light') lamps.set(one.name, one.light)
              else if (one.kind === 'room') dialog.room = one.room
              else if (one.kind === 'refuse') sip.autoAnswer = 500
              else if (one.kind === 'refresh') await sip.again(tx, { Supported: 'eventlist' })
              else if (one.kind === 'pause') await settled(6)
              else {
                // A list without items is none, and one that is gone ends what watches it.
                if (one.list === 'top' && one.items.length === 0) continue
                contents.set(one.list, one.items)
                office.configure(({ resourceLists }) => {
                  const known = resourceLists?.get(one.list)
                  const lists = new Map(resourceLists)
                  if (known) lists.set(one.list, { ...known, list_item: one.items })
                  return { resourceLists: lists }
                })
              }
              if (one.kind === 'pause') sip.autoAnswer = 200
            }
            sip.autoAnswer = 200
            const wanted = JSON.stringify(sorted(expected(contents, (name) => lamps.lamps.get(name)?.value.light)))
            await until(
              `the state ${wanted}`,
              async () => {
                await office.told(dialog)
                return JSON.stringify(sorted(office.table(dialog))) === wanted
              },
              3000,
            )
            expect(dialog.last.state).to.match(/^active/)
          } finally {
            await office.close()
          }
        }),
        { numRuns: 40 },
      )
    })
  }
})

function sorted(table: Record<string, string>): [string, string][] {
  return Object.entries(table).sort(([a], [b]) => (a < b ? -1 : 1))
}

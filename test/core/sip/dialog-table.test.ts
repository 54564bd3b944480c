import { expect } from 'chai'
import * as fc from 'fast-check'
import { DialogTable, type Filed } from '../../../core/sip/dialog-table.ts'

class Entry implements Filed {
  readonly callId: string
  readonly localTag: string
  readonly remoteTag: string
  place = -1

  constructor(callId: string, localTag: string, remoteTag: string) {
    this.callId = callId
    this.localTag = localTag
    this.remoteTag = remoteTag
  }

  get id(): string {
    return `${this.callId};${this.localTag};${this.remoteTag}`
  }

  isOf(callId: string, localTag: string, remoteTag: string): boolean {
    return callId === this.callId && localTag === this.localTag && remoteTag === this.remoteTag
  }
}

describe('the table of dialogs', () => {
  const names = fc.constantFrom('a', 'a;b', 'b', 'a@h', '')
  const tags = fc.constantFrom('1', '12', '2', '')

  it('property: finds what a map by id finds, whatever comes, is replaced and goes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), names, tags, tags), { maxLength: 60 }), (steps) => {
        const table = new DialogTable<Entry>()
        const all = new Map<string, Entry>()
        for (const [comes, callId, localTag, remoteTag] of steps) {
          const id = `${callId};${localTag};${remoteTag}`
          const known = all.get(id)
          if (comes) {
            const dialog = new Entry(callId, localTag, remoteTag)
            table.set(dialog)
            all.set(id, dialog)
            // It is in the table no more, and its end ends nothing.
            if (known) table.delete(known)
          } else if (known) {
            table.delete(known)
            table.delete(known)
            all.delete(id)
          }
          expect(table.size).to.equal(all.size)
          expect(table.find(callId, localTag, remoteTag)).to.equal(all.get(id))
          expect(table.get(id)).to.equal(all.get(id))
          for (const one of all.values()) expect(table.get(one.id)).to.equal(one)
        }
      }),
    )
  })

  it('holds many', () => {
    const table = new DialogTable<Entry>()
    const all = Array.from({ length: 5000 }, (_, at) => new Entry(`c${at}`, `local${at}`, `remote${at % 7}`))
    for (const dialog of all) table.set(dialog)
    for (const dialog of all.slice(0, 2500)) table.delete(dialog)
    expect(all.filter(({ id }) => table.get(id))).to.deep.equal(all.slice(2500))
    expect(table.get('c1')).to.equal(undefined)
  })
})

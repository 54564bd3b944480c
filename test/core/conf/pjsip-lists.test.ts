/** Resource lists as pjsip.conf has them: what is read, and what makes a list none. */
import { expect } from 'chai'
import { parseConfig } from '../../../core/conf/parser.ts'
import { type PjsipReading, readPjsip } from '../../../core/conf/pjsip-conf.ts'

function read(text: string, foreign = false): PjsipReading {
  return readPjsip([{ kind: 'pjsip', file: parseConfig(text, 'pjsip.conf').file, foreign }], '.')
}

const messages = (list: readonly Error[]): string[] => list.map(({ message }) => message)

describe('resource lists of pjsip.conf', () => {
  it('add up their items over lines and commas', () => {
    const { config, problems } = read(
      '[floor]\ntype = resource_list\nevent = dialog\nlist_item = 100, 101\nlist_item = _2XX\nfull_state = yes\n' +
        'notification_batch_interval = 250\nresource_display_name = yes\n',
    )
    expect(messages(problems)).to.deep.equal([])
    expect(config.resourceLists?.get('floor')).to.deep.equal({
      id: 'floor',
      source: 'pjsip.conf:3',
      event: 'dialog',
      list_item: ['100', '101', '_2XX'],
      full_state: true,
      notification_batch_interval: 250,
      resource_display_name: true,
    })
  })

  it('have each item once, and say which was there twice', () => {
    const { config, problems, notes } = read('[a]\ntype = resource_list\nevent = dialog\nlist_item = 1,2,1\n')
    expect(messages(problems)).to.deep.equal([])
    expect(messages(notes)).to.deep.equal(['pjsip.conf:4: resource_list [a] has 1 twice, expected it once'])
    expect(config.resourceLists?.get('a')?.list_item).to.deep.equal(['1', '2'])
  })

  const FAULTS: readonly (readonly [what: string, lines: string, message: string])[] = [
    [
      'no event',
      'list_item = 1',
      'pjsip.conf:1: resource_list [a] has no event, expected presence, dialog or message-summary',
    ],
    ['no items', 'event = dialog', 'pjsip.conf:1: resource_list [a] has no items, expected list_item = NAME'],
    [
      'a pattern that is none',
      'event = dialog\nlist_item = _[1',
      'pjsip.conf:4: resource_list [a] has list_item = _[1, expected ] after [ in a pattern',
    ],
  ]
  for (const [what, lines, message] of FAULTS) {
    it(`with ${what} are none: a fault in our file, a note in Asterisk's`, () => {
      const text = `[a]\ntype = resource_list\n${lines}\n`
      expect(messages(read(text).problems)).to.deep.equal([message])
      const { config, problems, notes } = read(text, true)
      expect([messages(problems), messages(notes)]).to.deep.equal([[], [message]])
      expect(config.resourceLists?.size).to.equal(0)
    })
  }
})

import { expect } from 'chai'
import { parseConfig } from '../../core/conf/parser.ts'
import { didYouMean } from '../../core/conf/suggestion.ts'
import {
  ConfigError,
  choice,
  commaList,
  defaultsOf,
  integer,
  list,
  options,
  readSection,
  secret,
  text,
  yesno,
} from '../../core/options.ts'

const set = options({
  on: yesno(true, 'A switch.'),
  size: integer(3, 'A size.', { min: 1, max: 9, unit: 'metres' }),
  name: text('x', 'A name.'),
  kind: choice(['big', 'small'], 'big', 'A kind.'),
  all: list(['a'], 'Many.'),
  last: commaList(['b'], 'The last line.'),
  password: secret('A secret.'),
  code: { ...integer(0, 'A secret number.'), secret: true },
})

function read(lines: string): { values: ReturnType<typeof readSection<typeof set>>; faults: string[] } {
  const problems: ConfigError[] = []
  const [section] = parseConfig(`[s]\n${lines}`, '/x.conf').file.sections
  const values = readSection(section, set, problems)
  return { values, faults: problems.map((problem) => problem.message) }
}

describe('options', () => {
  it('says where a fault stands: file and line, and the file alone where no line does', () => {
    expect(new ConfigError('wrong', { file: 'pjsip.conf', line: 3 }).message).to.equal('pjsip.conf:3: wrong')
    expect(new ConfigError('wrong', { file: 'pjsip.conf', line: 0 }).message).to.equal('pjsip.conf: wrong')
    expect(new ConfigError('wrong').message).to.equal('wrong')
  })

  it('are their defaults where nothing is written', () => {
    expect(read('')).to.deep.equal({ values: defaultsOf(set), faults: [] })
    expect(readSection(undefined, set, [])).to.deep.equal(defaultsOf(set))
  })

  for (const [written, value] of [
    ['0x9', 9],
    ['0X8', 8],
    ['07', 7],
    ['+6', 6],
  ] as const)
    it(`reads ${written} as Asterisk does`, () => {
      const { values, faults } = read(`size = ${written}`)
      expect([values.size, faults]).to.deep.equal([value, []])
    })

  for (const written of ['08', '0x', '5.5', '5s', '', '+', '--5', '0xg', '-5', '012'])
    it(`refuses '${written}' for 1 to 9`, () => {
      expect(read(`size = ${written}`).faults).to.have.lengthOf(1)
    })

  it('are read without regard to the case of their names; the last line counts, and of lists all do', () => {
    const { values, faults } = read('ON = off\nname=1\nName=2\nkind=SMALL\nall=x, y\nall=z,\nlast=x\nlast=y,z\nsize=9')
    expect(faults).to.deep.equal([])
    expect(values).to.deep.include({
      on: false,
      name: '2',
      kind: 'small',
      all: ['x', 'y', 'z'],
      last: ['y', 'z'],
      size: 9,
    })
  })

  it('that are wrong leave their default, and are said with their place and without secrets', () => {
    const { values, faults } = read('on=maybe\nsize=0\nsize=1x\nkind=medium\ncode=hunter2\nnmae=1\nqqqqqqqq=1')
    expect(values).to.deep.equal(defaultsOf(set))
    expect(faults).to.deep.equal([
      "/x.conf:2: on = 'maybe' is not valid, expected yes or no",
      "/x.conf:3: size = '0' is not valid, expected metres from 1 to 9",
      "/x.conf:4: size = '1x' is not valid, expected metres from 1 to 9",
      "/x.conf:5: kind = 'medium' is not valid, expected big or small",
      '/x.conf:6: code = (hidden) is not valid, expected a whole number of at least 0',
      "/x.conf:7: unknown option 'nmae' in [s], did you mean 'name'?",
      "/x.conf:8: unknown option 'qqqqqqqq' in [s], expected one of: on, size, name, kind, all, last, password, code",
    ])
  })
})

describe('suggestion', () => {
  const cases: [written: string, meant: string][] = [
    ['contxt', 'context'],
    ['Context', 'context'],
    ['ocntext', 'context'],
    ['tpye', 'type'],
    ['x', ''],
    ['entirely-different', ''],
    ['', ''],
    ['c'.repeat(100_000), ''],
  ]
  for (const [written, meant] of cases) {
    it(`${written.slice(0, 20)}: ${meant}`, () => {
      expect(didYouMean(written, ['context', 'type', 'callerid'])).to.equal(
        meant === '' ? '' : `, did you mean '${meant}'?`,
      )
    })
  }
})

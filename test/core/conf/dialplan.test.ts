import { expect } from 'chai'
import * as fc from 'fast-check'
import { Dialplan } from '../../../core/conf/dialplan.ts'
import { type DialplanReading, readDialplan } from '../../../core/conf/dialplan-conf.ts'
import { comparePatterns, matchesPattern, readExtenPattern } from '../../../core/conf/dialplan-pattern.ts'
import { CannotEvaluate, expandVariables } from '../../../core/conf/dialplan-variables.ts'
import { type ConfigSource, parseConfig } from '../../../core/conf/parser.ts'
import type { ConfigError } from '../../../core/options.ts'
import { computed } from '../../support/tools.ts'

function source(text: string, foreign = false): ConfigSource {
  const { file, problems } = parseConfig(text, `/${foreign ? 'ast' : 'own'}/extensions.conf`, { foreign })
  expect(problems).to.deep.equal([])
  return { file, foreign }
}

const messages = (problems: readonly ConfigError[]): string[] => problems.map((problem) => problem.message)
const read = (text: string): DialplanReading => readDialplan([source(text)])

/** A dialplan without faults. */
function plan(text: string): Dialplan {
  const { data, problems, notes } = read(text)
  expect(messages([...problems, ...notes])).to.deep.equal([])
  return new Dialplan(data)
}

/** `devices | presence | name`, as the hint of an extension says it. */
function hint(dialplan: Dialplan, exten: string, context = 'c'): string | undefined {
  const found = dialplan.lookup(context, exten)
  return found && [found.devices.join('&'), found.presence.join('&'), found.name].join('|')
}

describe('dialplan: hints', () => {
  const forms: [written: string, hint: string][] = [
    ['exten => 100,hint,PJSIP/100', 'PJSIP/100||'],
    ['exten = 100,hint,PJSIP/100&Custom:x', 'PJSIP/100&Custom:x||'],
    ['exten => 100,hint,PJSIP/100&&  Custom:x &', 'PJSIP/100&Custom:x||'],
    ['exten => 100,hint,PJSIP/100,CustomPresence:100', 'PJSIP/100|CustomPresence:100|'],
    ['exten => 100,hint,,CustomPresence:a&CustomPresence:b', '|CustomPresence:a&CustomPresence:b|'],
    ['exten => 100,hint,PJSIP/100(Alice Example)', 'PJSIP/100||Alice Example'],
    ['exten => 100,hint,PJSIP/100,CustomPresence:100(Al (ice))', 'PJSIP/100|CustomPresence:100|Al (ice)'],
    ['exten => 100,hint(label),PJSIP/100', 'PJSIP/100||'],
    ['exten => 100, hint , PJSIP/100', 'PJSIP/100||'],
    ['exten => 100,1,Dial(PJSIP/100)\nsame => n,Hangup()\nsame => hint,PJSIP/100', 'PJSIP/100||'],
    ['exten => 1-0-0,hint,PJSIP/100', 'PJSIP/100||'],
    ['exten => 100/,hint,PJSIP/100', 'PJSIP/100||'],
    ['exten => _[1,2]XX,hint,PJSIP/${EXTEN}', 'PJSIP/100||'],
    ['exten => 100,hint,Custom:${EXTEN}@${CONTEXT}', 'Custom:100@c||'],
    ['exten => ${HUNDRED},hint,${TECH}/${DEV_${EXTEN}}', 'PJSIP/alice||'],
    ['exten => 100,hint,PJSIP/${GLOBAL(DEV_100)}', 'PJSIP/alice||'],
    ['exten => 100,hint,${NOBODY}PJSIP/1', 'PJSIP/1||'],
  ]
  for (const [written, expected] of forms) {
    it(written.replaceAll('\n', ' '), () => {
      const dialplan = plan(`[globals]\nTECH = PJSIP\nHUNDRED=100\nDEV_100=alice\n[c]\n${written}\n`)
      expect(hint(dialplan, '100')).to.equal(expected)
      expect(hint(dialplan, 'alice')).to.equal(undefined)
    })
  }

  it('keeps the name and the place for people', () => {
    expect(plan('[c]\nexten => _X,hint,PJSIP/${EXTEN}').lookup('c', '7')).to.deep.equal({
      context: 'c',
      exten: '7',
      devices: ['PJSIP/7'],
      presence: [],
      name: '',
      source: 'extensions.conf:2',
    })
  })

  it('tries exact extensions first, then the most specific pattern, whatever the order', () => {
    const dialplan = plan(
      '[c]\nexten => _!,hint,A/!\nexten => _.,hint,A/.\nexten => _X.,hint,A/X.\nexten => _1X,hint,A/1X\nexten => _1[0-4],hint,A/1[0-4]\n' +
        'exten => _1[05],hint,A/1[05]\nexten => 10,hint,A/10\nexten => _1N,hint,A/1N',
    )
    const found = ['10', '15', '11', '12', '19', '1', 'x', '20', '123'].map(
      (exten) => `${exten} ${hint(dialplan, exten)}`,
    )
    expect(found).to.deep.equal([
      '10 A/10||',
      '15 A/1[05]||',
      '11 A/1[0-4]||',
      '12 A/1[0-4]||',
      '19 A/1N||',
      '1 A/.||',
      'x A/.||',
      '20 A/X.||',
      '123 A/X.||',
    ])
  })

  it('looks into included contexts depth first, timed ones too, and stops where they go in a circle', () => {
    const dialplan = plan(
      '[c]\ninclude => a\ninclude => b,09:00-17:00,mon-fri,*,*\nswitch => Realtime/x\n[a]\ninclude => d|9:00-17:00|*|*|*\n[b]\nexten => 1,hint,B/1\n' +
        'exten => 2,hint,B/2\n[d]\ninclude => c\nexten => 1,hint,D/1\n[e]\ninclude => e',
    )
    expect(hint(dialplan, '1')).to.equal('D/1||')
    expect(hint(dialplan, '2')).to.equal('B/2||')
    expect(dialplan.lookup('c', '1')?.context).to.equal('d')
    expect(hint(dialplan, '3')).to.equal(undefined)
    expect(hint(dialplan, '1', 'e')).to.equal(undefined)
    expect(hint(dialplan, '1', 'nowhere')).to.equal(undefined)
  })

  it('takes general and globals for no contexts, and contexts written twice for one', () => {
    const dialplan = plan(
      '[general]\nstatic = yes\n[globals]\nexten = x\n[c]\nexten => 1,hint,A/1\n[d]\n[c]\nexten => 2,hint,A/2',
    )
    expect([hint(dialplan, '1'), hint(dialplan, '2')]).to.deep.equal(['A/1||', 'A/2||'])
  })

  it('does not take what a phone sends for a pattern', () => {
    const dialplan = plan('[c]\nexten => _X.,hint,PJSIP/${EXTEN}')
    expect(hint(dialplan, '_X.')).to.equal(undefined)
    expect(hint(dialplan, '')).to.equal(undefined)
  })

  it('says where it is wrong', () => {
    const { problems, notes } = read(
      '[globals]\nDB = ${DB(a/b)}\n[c]\nsame => hint,PJSIP/0\nexten => 1,hint,PJSIP/1\nexten => 1,hint,PJSIP/2\nexten => 2,hint,\nexten => 3,hint,PJSIP3\n' +
        'exten => 4,hint,PJSIP/4,away\nexten => 5,hint,PJSIP/5(Bob\nexten => _[1,hint,PJSIP/6\nextn => 7,hint,PJSIP/7\nexten => 8/200,hint,PJSIP/8\n' +
        'exten => 9,hint,${DB(x/y)}\nexten => _9X,hint,PJSIP/$[1+1]\nexten => 10,hint,PJSIP/${DB}\nexten => 11,hint,PJSIP/${EXTEN\ninclude => nowhere\n' +
        'include =>\nautohints = yes\nexten => ,hint,PJSIP/12\nexten => 13,hint,PJSIP/${EXTEN}&Custom:x(Bob)\nexten => 14,hint,PJSIP/${GLOBAL(DEV)}1',
    )
    expect(messages(problems)).to.deep.equal([
      '/own/extensions.conf:2: global DB: the function DB(a/b) cannot be evaluated here, expected text and other globals',
      '/own/extensions.conf:4: same => without an extension before it, expected exten => first',
      '/own/extensions.conf:6: a second hint for 1 in [c], expected one (the first is at /own/extensions.conf:5)',
      '/own/extensions.conf:7: hint 2 has no device, expected PJSIP/100',
      "/own/extensions.conf:8: device 'PJSIP3' of hint 3, expected Tech/name or Provider:name",
      "/own/extensions.conf:9: presence 'away' of hint 4, expected CustomPresence:name",
      '/own/extensions.conf:10: name of a hint without a closing ), expected PJSIP/100(Name)',
      '/own/extensions.conf:11: exten => without a priority, expected exten => 100,hint,PJSIP/100 (and [ closed by ])',
      "/own/extensions.conf:12: unknown directive 'extn' in [c], did you mean 'exten'?",
      '/own/extensions.conf:13: hint 8/200 is for the caller 200, expected none: subscriptions have no caller',
      '/own/extensions.conf:14: hint 9: the function DB(x/y) cannot be evaluated here, expected devices, and variables set in [globals]',
      '/own/extensions.conf:15: hint _9X: the expression $[1+1] cannot be evaluated here, expected devices, and variables set in [globals]',
      '/own/extensions.conf:16: hint 10: DB: the function DB(a/b) cannot be evaluated here, expected devices, and variables set in [globals]',
      '/own/extensions.conf:17: hint 11: ${EXTEN has no closing }, expected devices, and variables set in [globals]',
      '/own/extensions.conf:19: include => without a context, expected its name',
      '/own/extensions.conf:21: hint without an extension, expected exten => 100,hint,PJSIP/100',
      '/own/extensions.conf:22: a name after a variable is taken for a part of the device, expected no variable before (Name)',
      "/own/extensions.conf:18: [c] includes 'nowhere', which is not there, expected a context",
    ])
    expect(messages(notes)).to.deep.equal([
      '/own/extensions.conf:20: autohints of [c] make no hints here, only exten => lines do',
    ])
  })

  it('leaves to Asterisk what only Asterisk can evaluate: noted, and not known here', () => {
    const { data, problems, notes } = readDialplan([
      source('[c]\nexten => 1,hint,${DB(x/y)}\nexten => 2,hint,PJSIP/2\nbogus => 1', true),
    ])
    expect(problems).to.deep.equal([])
    expect(messages(notes)).to.deep.equal([
      '/ast/extensions.conf:2: hint 1: the function DB(x/y) cannot be evaluated here, Asterisk is asked over ARI',
    ])
    const dialplan = new Dialplan(data)
    expect(dialplan.lookup('c', '1')).to.equal(undefined)
    expect(hint(dialplan, '2')).to.equal('PJSIP/2||')
  })

  it('gives the hint that two wizards name to the later one, as Asterisk does, and notes it', () => {
    const file = '/ast/pjsip_wizard.conf'
    const { data, problems, notes } = readDialplan(
      [source('[c]\nexten => 2,hint,PJSIP/line', true)],
      [
        { context: 'c', exten: '1001', device: 'PJSIP/bart', file, foreign: true, line: 3 },
        { context: 'c', exten: '2', device: 'PJSIP/bart', file, foreign: true, line: 3 },
        { context: 'd', exten: '1001', device: 'PJSIP/homer', file, foreign: true, line: 5 },
        { context: 'c', exten: '1001', device: 'PJSIP/lisa', file, foreign: true, line: 9 },
      ],
    )
    const dialplan = new Dialplan(data)
    expect([hint(dialplan, '1001'), hint(dialplan, '1001', 'd'), hint(dialplan, '2')]).to.deep.equal([
      'PJSIP/lisa||',
      'PJSIP/homer||',
      'PJSIP/line||',
    ])
    expect(messages([...problems, ...notes])).to.deep.equal([
      `${file}:9: hint_exten = 1001 goes before that of ${file}:3, expected one`,
    ])
  })

  it("overrules Asterisk's hints and globals with ours, adds to its contexts, and takes in those of the wizard", () => {
    const wizard = { context: 'c', device: 'PJSIP/wiz', file: '/ast/pjsip_wizard.conf', line: 7, foreign: true }
    const { data, problems, notes } = readDialplan(
      [
        source(
          '[globals]\nT=SIP\n[c]\nexten => 1,hint,${T}/ast1\nexten => 2,hint,${T}/ast2\nexten => _3X,hint,A/3X',
          true,
        ),
        source('[globals]\nT=PJSIP\n[c]\nexten => 1,hint,${T}/own1\nexten => _3X,hint,O/3X\n[d]\ninclude => c'),
      ],
      [
        { ...wizard, exten: '2' },
        { ...wizard, exten: '4' },
        { ...wizard, exten: '_[' },
        { ...wizard, exten: '_2[', file: '/own/pjsip_wizard.conf', foreign: false },
      ],
    )
    expect(messages(notes), 'keeps nobody from starting').to.deep.equal([
      '/ast/pjsip_wizard.conf:7: hint_exten = _[: expected ] after [ in a pattern',
    ])
    expect(messages(problems)).to.deep.equal([
      '/own/pjsip_wizard.conf:7: hint_exten = _2[: expected ] after [ in a pattern',
    ])
    const dialplan = new Dialplan(data)
    expect(['1', '2', '33', '4'].map((exten) => hint(dialplan, exten, 'd'))).to.deep.equal([
      'PJSIP/own1||',
      'PJSIP/ast2||',
      'O/3X||',
      'PJSIP/wiz||',
    ])
    expect(dialplan.extensions().map((h) => h.exten)).to.have.members(['1', '2', '4'])
  })

  it('tells that the files were read again', async () => {
    const dialplan = plan('[c]\nexten => 1,hint,A/1')
    let told = 0
    const stop = dialplan.onChange(() => told++)
    dialplan.replace(read('[c]\nexten => 1,hint,A/2').data)
    expect(told).to.equal(1)
    expect(dialplan.lookup('c', '1')?.devices).to.deep.equal(['A/2'])
    void stop()
    dialplan.replace(read('').data)
    expect(told).to.equal(1)
    expect(dialplan.lookup('c', '1')).to.equal(undefined)
  })
})

describe('dialplan: patterns', () => {
  const cases: [pattern: string, matching: string[], others: string[]][] = [
    ['_X', ['0', '9'], ['', 'a', '10', '*']],
    ['_zN', ['12', '99'], ['01', '11', '1']],
    ['_[a-cx-]9', ['a9', 'c9', 'x9'], ['d9', 'a', '99']],
    ['_[]1', ['1'], ['']],
    ['_[9-1]5', ['5'], ['15']],
    ['_1.', ['10', '1ab'], ['1', '2']],
    ['_1!', ['1', '1ab'], ['2', '']],
    ['_NXX-XXXX', ['2001234', '200-1234', '-2001234'], ['1001234', '200123']],
    ['_1 NXX NXX', ['1200200', '1-200-200'], ['1 200200', '120020']],
    ['_[ 1]2', [' 2', '12'], ['2']],
    ['_*7[1-5]X.', ['*715x', '*75123'], ['*76123', '*715']],
    ['_a.b', ['axyz'], ['a']],
  ]
  for (const [pattern, matching, others] of cases) {
    it(pattern, () => {
      const read = readExtenPattern(pattern)
      for (const exten of matching) expect(matchesPattern(read, exten), exten).to.equal(true)
      for (const exten of others) expect(matchesPattern(read, exten), exten).to.equal(false)
    })
  }

  it('sort from the specific to the general', () => {
    const order = [
      '_100',
      '_10[12]',
      '_10[13]',
      '_10N',
      '_10Z',
      '_10X',
      '_1[0-1]',
      '_1X0',
      '_1X',
      '_1X.',
      '_1X!',
      '_1.',
      '_1!',
      '_2',
      '_N',
      '_X.',
      '_.',
      '_!',
    ]
    const wanted = [
      '_100',
      '_10[12]',
      '_10[13]',
      '_10N',
      '_10Z',
      '_10X',
      '_1[0-1]',
      '_1X0',
      '_1X.',
      '_1X!',
      '_1X',
      '_1.',
      '_1!',
      '_2',
      '_N',
      '_X.',
      '_.',
      '_!',
    ]
    const sorted = order
      .toReversed()
      .map(readExtenPattern)
      .sort(comparePatterns)
      .map((p) => p.text)
    expect(sorted).to.deep.equal(wanted)
  })

  it('are compared consistently', () => {
    const pattern = fc
      .array(fc.constantFrom('X', 'N', 'Z', '1', '2', '[1-3]', '[24]', '.', '!', '-', '[]'))
      .map((p) => readExtenPattern(`_${p.join('')}`))
    fc.assert(
      fc.property(pattern, pattern, pattern, (a, b, c) => {
        expect(Math.sign(comparePatterns(a, b)) + Math.sign(comparePatterns(b, a))).to.equal(0)
        if (comparePatterns(a, b) <= 0 && comparePatterns(b, c) <= 0) expect(comparePatterns(a, c)).to.be.at.most(0)
      }),
    )
  })
})

describe('dialplan: variables', () => {
  const values: Record<string, string> = { EXTEN: '12345', A: 'EXTEN', 'X Y': 'z', EMPTY: '' }
  const variables = (name: string): string | undefined => values[name]
  const cases: [string, string][] = [
    ['', ''],
    ['plain $ $$ {x}', 'plain $ $$ {x}'],
    ['${EXTEN}', '12345'],
    ['<${EXTEN:1}>', '<2345>'],
    ['${EXTEN:-2}', '45'],
    ['${EXTEN:-9}', '12345'],
    ['${EXTEN:1:2}', '23'],
    ['${EXTEN:1:-1}', '234'],
    ['${EXTEN:0:0}', ''],
    ['${EXTEN:9}', ''],
    ['${EXTEN:2:-9}', ''],
    ['${EXTEN:-3:2}', '34'],
    ['${EXTEN:x}', '12345'],
    ['${${A}}${${A}:4}', '123455'],
    ['${NOBODY}${EMPTY}', ''],
    ['${X Y}', 'z'],
    ['${GLOBAL(EXTEN):4}', '5'],
  ]
  for (const [text, value] of cases) {
    it(`${text} is '${value}'`, () => {
      expect(expandVariables(text, variables)).to.equal(value)
    })
  }

  for (const text of [
    '${DB(a:b)}',
    '$[1+1]',
    '${',
    '${EXTEN',
    '${${IF(1?a:b)}}',
    '${A'.repeat(5000),
    '${'.repeat(30) + '}'.repeat(30),
  ]) {
    it(`refuses ${text.slice(0, 20)}`, () => {
      expect(() => expandVariables(text, variables)).to.throw(CannotEvaluate)
    })
  }

  it('does not grow without bounds', () => {
    const globals = Array.from({ length: 60 }, (_, i) => `V${i + 1}=\${V${i}}\${V${i}}`).join('\n')
    const { problems } = read(`[globals]\nV0=x\n${globals}\n`)
    expect(problems[0]?.message).to.contain('the text with its variables is too long')
  })

  it('throws nothing else, in a time linear in the text', () => {
    const piece = fc.constantFrom('${', '}', '$[', ':', '(', ')', 'EXTEN', '-1', '$', '{')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 200 }), (pieces) => {
        try {
          expandVariables(pieces.join(''), variables)
        } catch (error) {
          expect(error).to.be.instanceOf(CannotEvaluate)
        }
      }),
    )
    for (const unit of ['${EXTEN}', '$', '{', '${', '${A:']) {
      const start = computed()
      expect(() => read(`[c]\nexten => 1,hint,A/${unit.repeat(50_000)}`)).not.to.throw()
      expect(computed() - start).to.be.below(2000)
    }
  })
})

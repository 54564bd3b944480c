import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import * as fc from 'fast-check'
import { parseConfig, type ReadingOptions, readConfigFile } from '../../../core/conf/parser.ts'
import type { ConfigFile } from '../../../core/config.ts'
import type { ConfigError } from '../../../core/options.ts'
import { computed } from '../../support/tools.ts'

/** `[name] key=value …` a section. */
function shown(file: ConfigFile): string[] {
  return file.sections.map(({ name, entries }) => [`[${name}]`, ...entries.map((e) => `${e.key}=${e.value}`)].join(' '))
}

const messages = (problems: readonly ConfigError[]): string[] => problems.map((problem) => problem.message)

function parsed(text: string, options?: ReadingOptions): string[] {
  const { file, problems } = parseConfig(text, '/etc/x.conf', options)
  expect(messages(problems)).to.deep.equal([])
  return shown(file)
}

function faults(text: string): string[] {
  return messages(parseConfig(text, '/etc/x.conf').problems)
}

describe('conf-parser: lines', () => {
  it('reads sections, = and =>, and keeps the place of every value', () => {
    const { file } = parseConfig('[a]\nx = 1\n\ny => 2,3 \n[b]\nz=a=b\n', '/etc/x.conf')
    expect(file.sections).to.deep.equal([
      {
        name: 'a',
        file: '/etc/x.conf',
        line: 1,
        entries: [
          { key: 'x', value: '1', file: '/etc/x.conf', line: 2 },
          { key: 'y', value: '2,3', file: '/etc/x.conf', line: 4 },
        ],
      },
      {
        name: 'b',
        file: '/etc/x.conf',
        line: 5,
        entries: [{ key: 'z', value: 'a=b', file: '/etc/x.conf', line: 6 }],
      },
    ])
  })

  it('points out a parameter of a SIP URI that is taken for a comment, as a note in files of Asterisk', () => {
    const text = [
      '[a]',
      'server_address = sip:192.0.2.1:5060;transport=tcp',
      'outbound_proxy = <sips:host.example;LR>',
      'contact = sip:host.example\\;transport=tcp;lr',
      'server_uri = sip:host.example ; transport=tcp',
      'from_uri = sip:host.example;where we are',
      'server = host.example;transport=tcp',
      ';uri = sip:host.example;transport=tcp',
      ';-- sip:host.example;transport=tcp --;',
    ].join('\n')
    const { file, problems, notes } = parseConfig(text, '/etc/x.conf')
    expect(problems.map(({ message }) => message)).to.deep.equal([
      "/etc/x.conf:2: ';transport' begins a comment, expected '\\;transport' for a parameter of the URI",
      "/etc/x.conf:3: ';LR' begins a comment, expected '\\;LR' for a parameter of the URI",
      "/etc/x.conf:4: ';lr' begins a comment, expected '\\;lr' for a parameter of the URI",
    ])
    expect(notes).to.deep.equal([])
    expect(shown({ ...file, sections: file.sections.slice(0, 1) })[0]).to.include(
      'contact=sip:host.example;transport=tcp ',
    )
    const foreign = parseConfig(text, '/etc/x.conf', { foreign: true })
    expect([foreign.problems.length, foreign.notes.length]).to.deep.equal([0, 3])
  })

  it('skips a byte order mark and takes lines that end with CR LF', () => {
    expect(parsed('\uFEFF[a]\r\nx = 1\r\n; c\r\ny = 2')).to.deep.equal(['[a] x=1 y=2'])
  })

  const comments: [what: string, text: string, value: string][] = [
    ['to the end of the line', 'x = 1 ; one', '1'],
    ['not after a backslash', 'x = a\\;b ; c', 'a;b'],
    ['twice not', 'x = \\;\\;', ';;'],
    ['a block within a line', 'x = a;-- no --;b', 'ab'],
    ['a block over lines', 'x = a ;-- no\nx = 2\nstill --; b', 'a'],
    ['what follows a block', ';-- no\n--; x = 1', '1'],
    ['a nested block', 'x = a;-- 1 ;-- 2 --; 1 --;b', 'ab'],
    ['a nested block over lines', ';--\n;--\nx=1\n--;\nx=2\n--;\nx = 3', '3'],
    ['a line comment in a block is none', ';-- ; --;x = 1', '1'],
    ['a rule of dashes is a line comment', ';--- no ---\nx = 1', '1'],
    ['an end without a beginning is a line comment', 'x = 1 --; 2', '1 --'],
    ['an opening that could be its own end', ';--; x = 2\n--;x = 1', '1'],
  ]
  for (const [what, text, value] of comments) {
    it(`comments: ${what}`, () => {
      const [section] = parseConfig(`[a]\n${text}\n`, '/etc/x.conf').file.sections
      expect(section?.entries.map((entry) => entry.value)).to.deep.equal([value])
    })
  }

  it('gathers all errors, each with file and line, and reads the rest', () => {
    const text = [
      'x = 1',
      'y = 2',
      '[a]',
      'nothing',
      '[b',
      'z = 3',
      '[c](d',
      '= 4',
      '#exec /bin/x',
      '#inklude "x"',
      '#include',
      '[e] (!)',
      'ok = 1',
      ';-- open',
    ]
    const { file, problems } = parseConfig(text.join('\n'), '/etc/x.conf')
    expect(messages(problems)).to.deep.equal([
      '/etc/x.conf:1: an entry before the first section, expected [section] above it',
      '/etc/x.conf:4: a line without =, expected key = value',
      '/etc/x.conf:5: section without a closing ], expected [name]',
      '/etc/x.conf:7: [c]( without a closing ), expected [name](options)',
      '/etc/x.conf:8: nothing before =, expected key = value',
      '/etc/x.conf:9: #exec is never run here, expected #include of a file with its output',
      "/etc/x.conf:10: unknown directive '#inklude', expected #include or #tryinclude",
      '/etc/x.conf:11: #include without a file, expected #include "file"',
      '/etc/x.conf:12: text after [e], expected ( directly after ] or nothing',
      '/etc/x.conf:14: comment ;-- is never closed, expected --;',
    ])
    expect(shown(file)).to.deep.equal(['[a]', '[c]', '[e] ok=1'])
  })

  it('warns of the end of a comment that never began in files of Asterisk, which loses what follows', () => {
    const text = '[a]\nx = 1 --; ;-- 2 --;\ny = 2 -- ; 3\n;----;\nz = 4 ;----;\nv = 5 ;-- --;\n'
    const { warnings, problems } = parseConfig(text, '/etc/x.conf', { foreign: true })
    expect(messages(warnings)).to.deep.equal([
      "/etc/x.conf:2: '--;' without ';--': Asterisk passes over what follows in this file, expected a blank before the ';'",
    ])
    expect(messages(problems)).to.deep.equal([])
    expect(parseConfig(text, '/etc/x.conf').warnings).to.deep.equal([])
  })

  it("only notes in Asterisk's own files what Asterisk only warns about", () => {
    const { problems, notes } = parseConfig('[a]\nnothing\n#exec x\n[b](c)\n', '/etc/x.conf', { foreign: true })
    expect(messages(notes).map((m) => m.slice(0, 13))).to.deep.equal(['/etc/x.conf:2', '/etc/x.conf:3'])
    expect(messages(problems)).to.deep.equal([
      '/etc/x.conf:4: [b](c) inherits from a section that is not there, expected [c](!) above it',
    ])
  })

  it('never shows what stands in a line: it may be a secret', () => {
    const { problems } = parseConfig('hunter2\n[a]\nhunter2\n[hunt\nhunter2\n', '/etc/x.conf')
    expect(problems).to.have.length(4)
    for (const { message } of problems) expect(message).not.to.contain('hunter2')
  })
})

describe('conf-parser: templates', () => {
  it('does not list templates, and puts what is inherited first, with its own place', () => {
    const { file, problems } = parseConfig('[t](!)\na = 1\n[u](!,t)\nb = 2\n[s](u)\na = 3\n', '/etc/x.conf')
    expect(problems).to.deep.equal([])
    expect(shown(file)).to.deep.equal(['[s] a=1 b=2 a=3'])
    expect(file.sections[0]?.entries.map((entry) => entry.line)).to.deep.equal([2, 4, 6])
  })

  it('inherits from several, and from sections that are no templates, without regard to case', () => {
    expect(parsed('[a]\nx=1\n[b](!)\ny=2\n[c](A,B)\nz=3')).to.deep.equal(['[a] x=1', '[c] x=1 y=2 z=3'])
  })

  it('inherits what stands there at that time, not what is added later', () => {
    expect(parsed('[a]\nx=1\n[b](a)\n[a](+)\ny=2')).to.deep.equal(['[a] x=1 y=2', '[b] x=1'])
  })

  it('keeps sections of one name apart, and (+) goes on with the first that is no template', () => {
    expect(parsed('[1](!)\nt=0\n[1]\ntype=aor\n[1]\ntype=auth\n[1](+)\nx=1')).to.deep.equal([
      '[1] type=aor x=1',
      '[1] type=auth',
    ])
  })

  it('(+key=value) goes on with the section that has it', () => {
    expect(parsed('[1]\ntype=aor\n[1]\ntype=auth\n[1](+type=^auth$)\nx=1')).to.deep.equal([
      '[1] type=aor',
      '[1] type=auth x=1',
    ])
    expect(faults('[1]\ntype=aor\n[1](+type=auth)\nx=1\n[1](+type)\n[1](+a=[)')).to.deep.equal([
      '/etc/x.conf:3: [1](+type=auth) goes on with a section that is not there, expected [1] above it',
      '/etc/x.conf:5: (+type) is not a filter, expected (+key=value)',
      '/etc/x.conf:5: [1](+type) goes on with a section that is not there, expected [1] above it',
      '/etc/x.conf:6: (+a=[) is not a filter, the expression ends too early',
      '/etc/x.conf:6: [1](+a=[) goes on with a section that is not there, expected [1] above it',
    ])
  })

  it('+= makes the last value longer, an inherited one too', () => {
    expect(parsed('[t](!)\nallow = ulaw\n[a](t)\nallow += ,alaw\nnew += 1')).to.deep.equal([
      '[a] allow=ulaw ,alaw new=1',
    ])
  })

  it('+= keeps the blank after it, as Asterisk does: a second word stays one', () => {
    expect(parsed('[a]\nname = Alice\nname += Example\nname +=,x\nname  +=\t y \nempty =\nempty += z')).to.deep.equal([
      '[a] name=Alice Example,x\t y empty=z',
    ])
  })

  it('(+TEMPLATES=include) goes on with a template too, and (+TEMPLATES=restrict) with one only', () => {
    expect(
      parsed(
        '[t](!)\ntype=x\n[t](+TEMPLATES=include)\nk=1\n[t](+TEMPLATES=restrict&type=x)\nl=2\n[a](t)\n' +
          '[a](+TEMPLATES=include&type=x)\nm=3',
      ),
    ).to.deep.equal(['[a] type=x k=1 l=2 m=3'])
    expect(faults('[a]\nk=1\n[a](+TEMPLATES=restrict)\nl=2\n[a](+TEMPLATES=some)\nm=3')).to.deep.equal([
      '/etc/x.conf:3: [a](+TEMPLATES=restrict) goes on with a section that is not there, expected [a] above it',
      '/etc/x.conf:5: (+TEMPLATES=some) is not a filter, expected TEMPLATES=include or TEMPLATES=restrict',
      '/etc/x.conf:5: [a](+TEMPLATES=some) goes on with a section that is not there, expected [a] above it',
    ])
  })

  it('takes a backslash before a key that looks like something else', () => {
    expect(parsed('[a]\n\\[x] = 1\n\\#y = 2')).to.deep.equal(['[a] [x]=1 #y=2'])
  })

  it('survives a section that inherits from itself, and templates that double', () => {
    expect(parsed('[a]\nx=1\n[a](+,a)\n')).to.deep.equal(['[a] x=1 x=1'])
    const doubling = ['[t0](!)', 'x = 1', ...Array.from({ length: 60 }, (_, i) => `[t${i + 1}](!,t${i},t${i})`)]
    expect(faults(doubling.join('\n'))).to.deep.equal([
      '/etc/x.conf:21: templates add up to more than 1000000 lines, expected fewer',
    ])
  })
})

describe('conf-parser: files', () => {
  let directory = ''
  const at = (name: string): string => join(directory, name)

  function write(files: Record<string, string>): void {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(at(name)), { recursive: true })
      writeFileSync(at(name), text)
    }
  }

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'conf-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  it('includes files by name, in quotes, in angle brackets and plain, and by pattern in the order of their names', () => {
    write({
      'main.conf':
        '[a]\n#include "one.conf"\n#include <two.conf>\n#include three.conf\n#include sub/*.conf\n#include s?b/{x,y}.inc\n[z]\nq=9',
      'one.conf': 'x=1',
      'two.conf': '[b]\nx=2',
      'three.conf': 'y=3',
      'sub/b.conf': '[sb]',
      'sub/a.conf': '[sa]',
      'sub/.hidden.conf': '[no]',
      'sub/x.inc': 'w=1',
      'sub/y.inc': '[y]',
    })
    const { file, problems } = readConfigFile(at('main.conf'))
    expect(messages(problems)).to.deep.equal([])
    expect(shown(file)).to.deep.equal(['[a] x=1', '[b] x=2 y=3', '[sa]', '[sb] w=1', '[y]', '[z] q=9'])
    expect(file.files.map((path) => path.slice(directory.length + 1))).to.deep.equal([
      'main.conf',
      'one.conf',
      'two.conf',
      'three.conf',
      'sub/a.conf',
      'sub/b.conf',
      'sub/x.inc',
      'sub/y.inc',
    ])
    expect(file.sections[2]?.file).to.equal(at('sub/a.conf'))
  })

  it('goes on in the section it was in when an include ends', () => {
    write({ 'main.conf': '[a]\n#include "b.conf"\nx=1', 'b.conf': '[b]\ny=2' })
    expect(shown(readConfigFile(at('main.conf')).file)).to.deep.equal(['[a] x=1', '[b] y=2'])
  })

  it("looks in the configuration directory, then in the including file's own", () => {
    write({
      'main.conf': '#include "sub/main.conf"',
      'sub/main.conf': '#include "x.conf"\n#include "y.conf"',
      'x.conf': '[top]',
      'sub/x.conf': '[no]',
      'sub/y.conf': '[own]',
    })
    const { file, problems } = readConfigFile(at('main.conf'))
    expect(messages(problems)).to.deep.equal([])
    expect(shown(file)).to.deep.equal(['[top]', '[own]'])
  })

  it('says what is missing, a directory or unreadable, and goes on; #tryinclude does not mind what is missing', () => {
    write({
      'main.conf':
        '#include "no.conf"\n#include "no/*.conf"\n#include "sub"\n#tryinclude "no.conf"\n#tryinclude "no*"\n[a]\nx=1',
      'sub/x': '',
    })
    symlinkSync('/dev/null', at('null.conf'))
    const { file, problems } = readConfigFile(at('main.conf'))
    expect(messages(problems)).to.deep.equal([
      `${at('main.conf')}:1: #include "no.conf": no such file, expected one in ${directory} (or #tryinclude)`,
      `${at('main.conf')}:2: #include "no/*.conf": no such file, expected one in ${directory} (or #tryinclude)`,
      `${at('main.conf')}:3: #include "sub": ${at('sub')} is a directory, expected a readable file`,
    ])
    expect(shown(file)).to.deep.equal(['[a] x=1'])
    expect(messages(readConfigFile(at('null.conf')).problems)).to.deep.equal([
      `${at('null.conf')}: is not a regular file, expected a readable file`,
    ])
    expect(messages(readConfigFile(at('none.conf')).problems)).to.deep.equal([
      `${at('none.conf')}: cannot be read (ENOENT), expected a readable file`,
    ])
  })

  it('says why where a pattern or a #tryinclude names what is there and cannot be read', () => {
    const long = 'x'.repeat(300)
    write({ 'main.conf': `#include "${long}/*.conf"\n#tryinclude "${long}"\n#tryinclude "sub"`, 'sub/x': '' })
    const told = [
      `${at('main.conf')}:1: #include "${long}/*.conf": ${at(long)} cannot be read (ENAMETOOLONG), expected a readable file`,
      `${at('main.conf')}:2: #tryinclude "${long}": ${at(long)} cannot be read (ENAMETOOLONG), expected a readable file`,
      `${at('main.conf')}:3: #tryinclude "sub": ${at('sub')} is a directory, expected a readable file`,
    ]
    expect(messages(readConfigFile(at('main.conf')).problems)).to.deep.equal(told)
    const { problems, notes } = readConfigFile(at('main.conf'), { foreign: true })
    expect([messages(problems), messages(notes)]).to.deep.equal([told.slice(0, 1), told.slice(1)])
  })

  it('says once where a file is not UTF-8, which in a password nobody would see; comments may be anything', () => {
    write({ 'utf8.conf': '[a]\nname=J\u00F6rg' })
    const inLatin1 = (text: string): void => writeFileSync(at('latin1.conf'), Buffer.from(text, 'latin1'))
    inLatin1('; B\u00FCro\n[a]\nname=Alice ; f\u00FCr')
    expect(readConfigFile(at('utf8.conf')).problems).to.deep.equal([])
    expect(readConfigFile(at('latin1.conf')).problems).to.deep.equal([])
    inLatin1('; B\u00FCro\n[a]\npassword=gr\u00FCn\nname=J\u00F6rg')
    const told = [`${at('latin1.conf')}:3: text that is not UTF-8, expected UTF-8 throughout the file`]
    expect(messages(readConfigFile(at('latin1.conf')).problems)).to.deep.equal(told)
    const { problems, notes } = readConfigFile(at('latin1.conf'), { foreign: true })
    expect([messages(problems), messages(notes)]).to.deep.equal([[], told])
  })

  it('reads a file that Asterisk includes up to its fault, as Asterisk does, and goes on after the #include', () => {
    write({
      'main.conf': '#include "one.conf"\n#include "two.conf"\n#include "three.conf"\n#include "four.conf"\n[z]\nx=1',
      'one.conf': '[a]\nx=1',
      'two.conf': '[a](+)\ny=1\n[deleted](+)\nx=2\n[b]',
      'three.conf': '[c]\n#include "none.conf"\n[d]',
      'four.conf': '[t](!)\nx=1\n[e](t,none)\n[f]',
    })
    const { file, problems, warnings, notes } = readConfigFile(at('main.conf'), { foreign: true })
    expect(shown(file)).to.deep.equal(['[a] x=1 y=1', '[c]', '[z] x=1'])
    expect([problems, notes]).to.deep.equal([[], []])
    const cut = '; Asterisk reads this file no further'
    expect(messages(warnings)).to.deep.equal([
      `${at('two.conf')}:3: [deleted](+) goes on with a section that is not there, expected [deleted] above it${cut}`,
      `${at('three.conf')}:2: #include "none.conf": no such file, expected one in ${directory} (or #tryinclude)${cut}`,
      `${at('four.conf')}:3: [e](none) inherits from a section that is not there, expected [none](!) above it${cut}`,
    ])
    expect(readConfigFile(at('main.conf')).problems).to.have.length(3)
    expect(readConfigFile(at('two.conf'), { foreign: true }).problems).to.have.length(2)
  })

  it('does not pass over what Asterisk includes and may read, and we may not', () => {
    const long = 'x'.repeat(300)
    write({ 'main.conf': '#include "one.conf"', 'one.conf': `#include "${long}"\n[a]\nx=1` })
    const { file, problems, warnings } = readConfigFile(at('main.conf'), { foreign: true })
    expect(messages(problems)).to.deep.equal([
      `${at('one.conf')}:1: #include "${long}": ${at(long)} cannot be read (ENAMETOOLONG), expected a readable file`,
    ])
    expect([shown(file), warnings]).to.deep.equal([['[a] x=1'], []])
  })

  it('finds includes that go in a circle, through links too', () => {
    write({ 'a.conf': '#include "b.conf"\n[a]', 'b.conf': '#include "link.conf"\n[b]' })
    symlinkSync(at('a.conf'), at('link.conf'))
    const { file, problems } = readConfigFile(at('a.conf'))
    expect(messages(problems)).to.deep.equal([
      `${at('b.conf')}:1: #include "link.conf" goes in a circle (a.conf → b.conf → a.conf), expected a file not yet open`,
    ])
    expect(shown(file)).to.deep.equal(['[b]', '[a]'])
  })

  it('stops at too many files and at too deep a nest', () => {
    const doubling = Object.fromEntries(
      Array.from({ length: 30 }, (_, i) => [`${i}.conf`, `#include "${i + 1}.conf"\n#include "${i + 1}.conf"`]),
    )
    write({ ...doubling, '30.conf': '[x]' })
    const many = readConfigFile(at('0.conf'))
    expect(many.problems).to.have.length(1)
    expect(many.problems[0]?.message).to.contain('too many files are included, expected at most 10000')
    write(Object.fromEntries(Array.from({ length: 80 }, (_, i) => [`d${i}.conf`, `#include "d${i + 1}.conf"`])))
    const deep = readConfigFile(at('d0.conf'))
    expect(deep.problems.at(-1)?.message).to.contain('is nested too deeply, expected at most 64')
  })
})

describe('conf-parser: any input', () => {
  const piece = fc.constantFrom(
    '[',
    ']',
    '(',
    ')',
    '!',
    '+',
    ',',
    '=',
    '=>',
    ';',
    ';--',
    '--;',
    '\\',
    '\n',
    '\r\n',
    ' ',
    '#include ',
    '#tryinclude ',
    '"',
    '<',
    '*',
    '{',
    'a',
    'b',
    'type',
    '\uFEFF',
    '\0',
    'é',
    '&',
    '^',
    '$',
  )

  it('never throws, and every problem has a place', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 60 }), fc.boolean(), (pieces, foreign) => {
        const { problems } = parseConfig(pieces.join(''), '/nowhere/x.conf', { foreign })
        for (const { message } of problems) expect(message).to.match(/^\/nowhere\/x\.conf:[0-9]+: .*, /s)
      }),
      { numRuns: 2000 },
    )
  })

  for (const unit of [';', '\\;', ';--', '--;', '[', '(', '[a](', '=', '[a]\n', '\n', 'x=1\n', ';--\n--;', ' ', '#']) {
    it(`takes a time linear in the length: ${JSON.stringify(unit)}`, () => {
      const text = `[a](!)\n${unit.repeat(Math.ceil(400_000 / unit.length))}`
      const start = computed()
      parseConfig(text, '/etc/x.conf')
      expect(computed() - start).to.be.below(3000)
    })
  }
})

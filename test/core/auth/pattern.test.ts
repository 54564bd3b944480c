import { expect } from 'chai'
import { array, assert, constantFrom, property, tuple } from 'fast-check'
import { compilePattern } from '../../../core/auth/pattern.ts'
import { computed } from '../../support/tools.ts'

describe('Patterns', () => {
  const cases: readonly [pattern: string, yes: readonly string[], no: readonly string[]][] = [
    ['lobby', ['lobby', 'the lobby phone'], ['lob', '']],
    ['^lobby$', ['lobby'], ['the lobby', 'lobby ']],
    ['a.c', ['abc', 'xa-cx'], ['ac']],
    ['^(cat|dog)s?$', ['cat', 'dogs'], ['cats and', 'cow']],
    ['^[0-9]{3,4}$', ['123', '1234'], ['12', '12345', '12a']],
    ['^[^a-c]+$', ['xyz'], ['xbz', '']],
    ['^a{2}b*$', ['aa', 'aabbb'], ['a', 'aba']],
    ['1\\.5', ['v1.5'], ['v1x5']],
    ['^$', [''], ['a']],
    ['[]x-]', [']', '-', 'x'], ['a']],
    ['^(a?){3}b{1,}$', ['b', 'aaab', 'abb'], ['aaaab', 'a']],
    ['x|^y', ['zx', 'yz'], ['zy']],
  ]
  for (const [pattern, yes, no] of cases) {
    it(`/${pattern}/`, () => {
      const compiled = compilePattern(pattern)
      for (const text of yes) expect(compiled.test(text), text).to.equal(true)
      for (const text of no) expect(compiled.test(text), text).to.equal(false)
    })
  }

  for (const wrong of ['(a', 'a)', '[a', 'a{', 'a{2', 'a{9,2}', 'a{999}', '\\d', 'a\\', '('.repeat(99)]) {
    it(`refuses ${wrong.slice(0, 20)}`, () => {
      expect(() => compilePattern(wrong)).to.throw(Error)
    })
  }

  it('bounds what an expression may grow to', () => {
    expect(() => compilePattern('((a{100}){100}){100}')).to.throw(/too large/)
  })

  it('matches in a time in proportion to the text, whatever the expression', () => {
    const before = computed()
    for (const evil of ['^(a*)*b$', '^(a|a)*b$', '(.*)*(.*)*(.*)*x', '^(a?){50}(a){50}$'])
      expect(compilePattern(evil).test('a'.repeat(256))).to.equal(false)
    expect(computed() - before).to.be.below(1000)
  })

  it('agrees with JavaScript on what both know', () => {
    const atom = constantFrom('a', 'b', '.', '[ab]', '[^a]', '(a|b)', '(ab)', '(a|)', '^', '$')
    const item = tuple(atom, constantFrom('', '', '*', '+', '?', '{1,2}')).map(([text, times]) =>
      text === '^' || text === '$' ? text : text + times,
    )
    const pattern = array(item, { minLength: 1, maxLength: 5 }).map((items) => items.join(''))
    const word = array(constantFrom('a', 'b', 'c'), { maxLength: 8 }).map((chars) => chars.join(''))
    assert(
      property(pattern, word, (expression, text) => {
        expect(compilePattern(expression).test(text)).to.equal(new RegExp(expression).test(text))
      }),
      { numRuns: 2000 },
    )
  })
})

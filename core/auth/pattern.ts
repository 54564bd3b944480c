/**
 * Regular expressions for what comes from the network: matched in a time linear in the text, whatever the expression,
 * by following all ways through it at once. Knows what extended POSIX expressions are mostly used for:
 * `. [a-z] [^,] ^ $ * + ? {2,4} | ( )` and `\` before a character that stands for itself.
 */
export interface Pattern {
  /** Whether the expression matches anywhere in the text. */
  test(text: string): boolean
}

/** The expression may be a good one, but has what is not known here. */
export class BeyondUs extends Error {}

/** Throws an Error that says what is wrong with the expression. */
export function compilePattern(expression: string): Pattern {
  const program: Instruction[] = []
  emit(program, new Parser(expression).parse())
  program.push({ op: 'match' })
  return { test: (text) => run(program, text) }
}

const MAX_INSTRUCTIONS = 500
const MAX_REPEAT = 100

type Node =
  | { readonly kind: 'char'; readonly test: (c: string) => boolean }
  | { readonly kind: 'start' | 'end' }
  | { readonly kind: 'sequence' | 'either'; readonly items: readonly Node[] }
  | { readonly kind: 'repeat'; readonly item: Node; readonly min: number; readonly max: number }

type Instruction =
  | { readonly op: 'char'; readonly test: (c: string) => boolean }
  | { readonly op: 'start' | 'end' | 'match' }
  /** Goes on at all of these. */
  | { readonly op: 'fork'; readonly to: number[] }

class Parser {
  readonly #text: string
  #at = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
  }

  parse(): Node {
    const node = this.#either()
    if (this.#at < this.#text.length) throw new Error(`expected nothing after '${this.#text.slice(0, this.#at)}'`)
    return node
  }

  #either(): Node {
    const items = [this.#sequence()]
    while (this.#take('|')) items.push(this.#sequence())
    return items.length === 1 && items[0] ? items[0] : { kind: 'either', items }
  }

  #sequence(): Node {
    const items: Node[] = []
    while (this.#at < this.#text.length && !')|'.includes(this.#peek())) items.push(this.#repeated())
    return { kind: 'sequence', items }
  }

  #repeated(): Node {
    let item = this.#atom()
    for (;;) {
      if (this.#take('*')) item = { kind: 'repeat', item, min: 0, max: Number.POSITIVE_INFINITY }
      else if (this.#take('+')) item = { kind: 'repeat', item, min: 1, max: Number.POSITIVE_INFINITY }
      else if (this.#take('?')) item = { kind: 'repeat', item, min: 0, max: 1 }
      else if (this.#take('{')) item = { kind: 'repeat', item, ...this.#bounds() }
      else return item
    }
  }

  #bounds(): { min: number; max: number } {
    const close = this.#text.indexOf('}', this.#at)
    const found = /^([0-9]{1,3})(,([0-9]{0,3}))?$/.exec(this.#text.slice(this.#at, Math.max(this.#at, close)))
    if (!found) throw new Error('expected {n}, {n,} or {n,m}')
    this.#at = close + 1
    const min = Number(found[1])
    const max = found[2] === undefined ? min : found[3] ? Number(found[3]) : Number.POSITIVE_INFINITY
    if (min > MAX_REPEAT || (max !== Number.POSITIVE_INFINITY && (max > MAX_REPEAT || max < min)))
      throw new BeyondUs(`expected at most ${MAX_REPEAT} repetitions, the smaller number first`)
    return { min, max }
  }

  #atom(): Node {
    if (this.#take('(')) {
      if (++this.#depth > 50) throw new BeyondUs('expected fewer nested parentheses')
      const inner = this.#either()
      if (!this.#take(')')) throw new Error("expected ')'")
      this.#depth--
      return inner
    }
    if (this.#take('.')) return { kind: 'char', test: () => true }
    if (this.#take('^')) return { kind: 'start' }
    if (this.#take('$')) return { kind: 'end' }
    if (this.#take('[')) return { kind: 'char', test: this.#set() }
    if (this.#take('\\') && /[A-Za-z0-9]/.test(this.#peek())) throw new BeyondUs(`unknown escape '\\${this.#peek()}'`)
    const literal = this.#next()
    return { kind: 'char', test: (c) => c === literal }
  }

  #set(): (c: string) => boolean {
    const negated = this.#take('^')
    const ranges: [string, string][] = []
    do {
      const from = this.#next()
      const isRange = this.#peek() === '-' && this.#text[this.#at + 1] !== ']'
      if (isRange) this.#at++
      ranges.push([from, isRange ? this.#next() : from])
    } while (!this.#take(']'))
    return (c) => ranges.some(([from, to]) => c >= from && c <= to) !== negated
  }

  #peek(): string {
    return this.#text[this.#at] ?? ''
  }

  #take(c: string): boolean {
    if (this.#text[this.#at] !== c) return false
    this.#at++
    return true
  }

  #next(): string {
    const c = this.#text[this.#at++]
    if (c === undefined) throw new Error('the expression ends too early')
    return c
  }
}

function emit(program: Instruction[], node: Node): void {
  if (program.length > MAX_INSTRUCTIONS) throw new BeyondUs('the expression is too large')
  switch (node.kind) {
    case 'char':
      program.push({ op: 'char', test: node.test })
      break
    case 'start':
    case 'end':
      program.push({ op: node.kind })
      break
    case 'sequence':
      for (const item of node.items) emit(program, item)
      break
    case 'either': {
      const ends: number[][] = []
      const choice: number[] = []
      program.push({ op: 'fork', to: choice })
      for (const item of node.items) {
        choice.push(program.length)
        emit(program, item)
        ends.push(jump(program))
      }
      for (const end of ends) end.push(program.length)
      break
    }
    case 'repeat': {
      for (let n = 0; n < node.min; n++) emit(program, node.item)
      const exits: number[][] = []
      const times = node.max === Number.POSITIVE_INFINITY ? 1 : node.max - node.min
      for (let n = 0; n < times; n++) {
        const start = program.length
        const ways = jump(program)
        ways.push(start + 1)
        exits.push(ways)
        emit(program, node.item)
        if (node.max === Number.POSITIVE_INFINITY) jump(program).push(start)
      }
      for (const exit of exits) exit.push(program.length)
      break
    }
  }
}

function jump(program: Instruction[]): number[] {
  const to: number[] = []
  program.push({ op: 'fork', to })
  return to
}

function run(program: readonly Instruction[], text: string): boolean {
  let places = new Set<number>()
  for (let at = 0; at <= text.length; at++) {
    if (reach(program, places, 0, at, text.length)) return true
    const next = new Set<number>()
    const c = text[at]
    if (c === undefined) return false
    for (const place of places) {
      const instruction = program[place]
      if (instruction?.op !== 'char' || !instruction.test(c)) continue
      if (reach(program, next, place + 1, at + 1, text.length)) return true
    }
    places = next
  }
  return false
}

/** Adds every place that can be reached from `place` without another character; true where one of them is the end. */
function reach(
  program: readonly Instruction[],
  places: Set<number>,
  from: number,
  at: number,
  length: number,
): boolean {
  const open = [from]
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    if (places.has(place)) continue
    places.add(place)
    const instruction = program[place]
    if (!instruction || instruction.op === 'match') return true
    if (instruction.op === 'fork') open.push(...instruction.to)
    else if (instruction.op === 'start' && at === 0) open.push(place + 1)
    else if (instruction.op === 'end' && at === length) open.push(place + 1)
  }
  return false
}

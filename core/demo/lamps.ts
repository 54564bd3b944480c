/**
 * The terminal picture of the demo: on a terminal a board of phones and their lamps, drawn again with each change;
 * elsewhere one plain line a change.
 */
import { plain } from '../console/console.ts'
import type { Light } from './lamp-reading.ts'
import type { LampChange } from './phones.ts'

/** What of a stream is used. */
export interface Screen {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
  on?(event: 'resize', listener: () => void): unknown
  off?(event: 'resize', listener: () => void): unknown
}

export interface LampView {
  lamp(change: LampChange): void
  /** A sentence of the story. */
  said(sentence: string): void
  close(): void
}

export interface LampViewOptions {
  readonly quiet?: boolean
  /** Phone → name of its owner; target → name of what is watched. */
  readonly nameOf: (number: string) => string
  /** Said once, before everything else; on a terminal it stays below the phones, the first two of it whatever their number. */
  readonly about?: readonly string[]
}

const SYMBOL: Record<Light, string> = {
  off: '○',
  lit: '●',
  flashing: '◉',
  winking: '◐',
  dark: '·',
  away: '◌',
  message: '✉',
}
/** SGR codes: red lit, yellow flashing, magenta on hold, green idle … */
const COLOUR: Record<Light, string> = {
  off: '32',
  lit: '31',
  flashing: '1;33',
  winking: '35',
  dark: '90',
  away: '36',
  message: '1;34',
}

export function showLamps(screen: Screen, { quiet = false, nameOf, about = [] }: LampViewOptions): LampView {
  if (quiet) return { lamp: () => undefined, said: () => undefined, close: () => undefined }
  return screen.isTTY === true ? new Board(screen, nameOf, about) : new Lines(screen, nameOf, about)
}

/** `12:00:01 100 Alice: 101 Bob ringing from Carol` */
class Lines implements LampView {
  readonly #screen: Screen
  readonly #nameOf: (number: string) => string

  constructor(screen: Screen, nameOf: (number: string) => string, about: readonly string[]) {
    this.#screen = screen
    this.#nameOf = nameOf
    for (const line of about) screen.write(`${line}\n`)
  }

  lamp({ phone, spec, reading }: LampChange): void {
    const watched = describe(spec, this.#nameOf)
    this.#screen.write(`${clock()} phone ${label(phone, this.#nameOf)}: ${watched}: ${plain(reading.words)}\n`)
  }

  said(sentence: string): void {
    this.#screen.write(`${clock()} ${plain(sentence)}\n`)
  }

  close(): void {
    return undefined
  }
}

const CLEAR_BELOW = '\x1b[J'
const CLEAR_LINE = '\x1b[K'
const CLEAR_SCREEN = '\x1b[2J\x1b[H'
/** Changes within this time are one drawing. In milliseconds. */
const FRAME = 40

class Board implements LampView {
  readonly #screen: Screen
  readonly #nameOf: (number: string) => string
  readonly #about: readonly string[]
  /** Phone → lamp → what it shows. */
  readonly #phones = new Map<string, Map<string, LampChange>>()
  /** The terminal may have wrapped what was drawn: nothing of it can be drawn over. */
  readonly #resized = (): void => {
    this.#screen.write(CLEAR_SCREEN)
    this.#drawn = 0
    this.#later()
  }
  #sentence = ''
  #drawn = 0
  #timer: NodeJS.Timeout | undefined

  constructor(screen: Screen, nameOf: (number: string) => string, about: readonly string[]) {
    this.#screen = screen
    this.#nameOf = nameOf
    this.#about = about
    screen.on?.('resize', this.#resized)
  }

  lamp(change: LampChange): void {
    let lamps = this.#phones.get(change.phone)
    if (!lamps) this.#phones.set(change.phone, (lamps = new Map()))
    lamps.set(`${change.spec.event} ${change.spec.target}`, change)
    this.#later()
  }

  said(sentence: string): void {
    this.#sentence = sentence
    this.#later()
  }

  close(): void {
    this.#screen.off?.('resize', this.#resized)
    if (this.#timer) this.#draw()
  }

  #later(): void {
    this.#timer ??= setTimeout(() => this.#draw(), FRAME).unref()
  }

  /** Over the last drawing. Lines are cut, never wrapped, so that their number is known. */
  #draw(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    // A terminal of size 0 has not been told its size.
    const width = Math.max(20, this.#screen.columns || 80)
    const height = Math.max(4, (this.#screen.rows || 24) - 1)
    const lines = this.#lines(width, height)
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A\r` : ''
    this.#screen.write(`${up}${lines.map((line) => `${line}${CLEAR_LINE}\n`).join('')}${CLEAR_BELOW}`)
    this.#drawn = lines.length
  }

  #lines(width: number, height: number): string[] {
    const head = cut(`Lamplighter demo${this.#sentence && ` · ${plain(this.#sentence)}`}`, width)
    const rows = [...this.#phones].sort(([a], [b]) => (a < b ? -1 : 1))
    const about = this.#about.map((line) => fold(line, width))
    const phones = rows.flatMap(([phone, lamps]) => this.#row(phone, lamps, width))
    // A phone too many for the terminal does not push out what to type next.
    const kept = Math.min(about.slice(0, 2).flat().length, Math.floor(height / 4))
    const below = about.flat().map((line) => `\x1b[2m${line}\x1b[0m`)
    return [...[`\x1b[1m${head}\x1b[0m`, ...phones].slice(0, height - kept), ...below].slice(0, height)
  }

  #row(phone: string, lamps: ReadonlyMap<string, LampChange>, width: number): string[] {
    const indent = '  '
    const title = `\x1b[4m${cut(`phone ${label(phone, this.#nameOf)}`, width)}\x1b[0m`
    const cells = [...lamps.values()].sort(byPlace).map(({ spec, reading }) => {
      const text = `${SYMBOL[reading.light]} ${describe(spec, this.#nameOf)}: ${plain(reading.words)}`
      return { text: cut(text, width - indent.length - 1), colour: COLOUR[reading.light] }
    })
    const lines: string[] = []
    let line = indent
    let used = indent.length
    for (const { text, colour } of cells) {
      const length = charactersOf(text).length + 3
      if (used > indent.length && used + length > width) {
        lines.push(line)
        line = indent
        used = indent.length
      }
      line += `\x1b[${colour}m${text}\x1b[0m   `
      used += length
    }
    return [title, ...lines, line]
  }
}

function describe({ event, target }: LampChange['spec'], nameOf: (number: string) => string): string {
  if (event === 'message-summary') return 'voicemail'
  return event === 'presence' ? `${label(target, nameOf)} (presence)` : label(target, nameOf)
}

/** Voicemail first, then by number: a lamp stays where it is. */
function byPlace({ spec: a }: LampChange, { spec: b }: LampChange): number {
  const place = ({ event, target }: LampChange['spec']): string =>
    `${event === 'message-summary' ? 0 : 1}${target}${event}`
  return place(a) < place(b) ? -1 : 1
}

function label(number: string, nameOf: (number: string) => string): string {
  const name = nameOf(number)
  return name === '' ? number : `${number} ${name}`
}

function clock(): string {
  return new Date().toTimeString().slice(0, 8)
}

function cut(text: string, width: number): string {
  const characters = charactersOf(text)
  return characters.length <= width ? text : `${characters.slice(0, Math.max(0, width - 1)).join('')}…`
}

/** In lines between words, where it is longer than that: a command that is cut cannot be typed. */
function fold(text: string, width: number): string[] {
  const lines = ['']
  for (const word of text.split(' ')) {
    const last = lines.at(-1) ?? ''
    const longer = last === '' ? word : `${last} ${word}`
    if (last === '' || charactersOf(longer).length <= width) lines[lines.length - 1] = longer
    else lines.push(word)
  }
  return lines.map((line) => cut(line, width))
}

const SEGMENTER = new Intl.Segmenter()

/** As they are seen: a letter and its accent are one. */
function charactersOf(text: string): string[] {
  return Array.from(SEGMENTER.segment(text), ({ segment }) => segment)
}

/** Asterisk's .conf dialect, as data. Every value keeps the file and line it was written in. */

export interface Place {
  readonly file: string
  readonly line: number
}

export interface ConfigEntry extends Place {
  readonly key: string
  readonly value: string
}

export interface ConfigSection extends Place {
  readonly name: string
  /** Inherited entries first, own ones after: where one line counts, the last does. Templates themselves are not listed as sections. */
  readonly entries: readonly ConfigEntry[]
}

export interface ConfigFile {
  readonly path: string
  /** In the order of the file. One name may occur several times (pjsip.conf uses that for its types). */
  readonly sections: readonly ConfigSection[]
  /** Every file that was read, includes too. */
  readonly files: readonly string[]
}

/** A section that is written in several pieces. Its place is that of the first. */
export function inOnePiece(pieces: readonly ConfigSection[]): ConfigSection | undefined {
  const [first] = pieces
  return first && { ...first, entries: pieces.flatMap(({ entries }) => entries) }
}

/** The last value of a key, names without case. */
export function lastValue(section: ConfigSection | undefined, key: string): ConfigEntry | undefined {
  const wanted = key.toLowerCase()
  return section?.entries.findLast((entry) => entry.key.toLowerCase() === wanted)
}

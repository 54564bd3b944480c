/** What makes a row a failure, and what is only counted. */

export interface Faults {
  /** Requests answered otherwise than 2xx, with the last such status line. */
  refused: number
  refusal: string
  /** Requests without an answer after 32 s. */
  unanswered: number
  /** NOTIFYs outside of any dialog of ours, or with a wrong tag, Event, Content-Length or Subscription-State. */
  strange: number
  /** What was strange about the last of them. */
  strangeness: string
  /** NOTIFYs whose body says what was never said. */
  wrong: number
  /** NOTIFYs that took a lamp back to an older state. */
  backwards: number
  /** One CSeq for two NOTIFYs. */
  reused: number
  /** Documents whose version is not the last one's and one. */
  gaps: number
  /** Lamps that show something else than the newest state when all is over. */
  stale: number
}

/** No fault: what UDP does under load. */
export interface Repeats {
  /** Requests we sent again. */
  ours: number
  /** NOTIFYs that came again. */
  theirs: number
}

export function noFaults(): Faults {
  return {
    refused: 0,
    refusal: '',
    unanswered: 0,
    strange: 0,
    strangeness: '',
    wrong: 0,
    backwards: 0,
    reused: 0,
    gaps: 0,
    stale: 0,
  }
}

/** In words; empty where all was well. */
export function faultText(faults: Faults): string {
  const { refusal, strangeness } = faults
  const words: Readonly<Record<string, string>> = {
    refused: `refused (${refusal})`,
    unanswered: 'unanswered',
    strange: `strange (${strangeness})`,
    wrong: 'with a wrong state',
    backwards: 'back to an older state',
    reused: 'with a CSeq twice',
    gaps: 'with a gap in their versions',
    stale: 'stale lamps at the end',
  }
  const counted = Object.entries(faults).filter(([, count]) => typeof count === 'number' && count > 0)
  return counted.map(([name, count]) => `${count} ${words[name] ?? name}`).join(', ')
}

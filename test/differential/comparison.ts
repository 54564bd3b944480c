/** Plays every script with both servers and lays what was seen side by side. */
import { Instance } from '../support/instance.ts'
import { Kamailio, LIMITS } from '../support/kamailio.ts'
import { REASONS, type Reason } from './reasons.ts'
import { SCRIPTS, type Script, Stage } from './scripts.ts'

export interface Row {
  readonly ours: string
  readonly theirs: string
}

export interface Comparison {
  readonly script: string
  readonly rows: readonly Row[]
}

export interface Result {
  readonly version: string
  readonly comparisons: readonly Comparison[]
}

const PUBLISHERS = ['alice', 'bob', 'carol', 'owner']

export async function compare(): Promise<Result> {
  const ours = new Instance(CONFIGURATION)
  await ours.start()
  try {
    const kamailio = await Kamailio.start()
    try {
      const ports = { ours: ours.address().port, theirs: kamailio.port }
      const comparisons: Comparison[] = []
      for (const [index, script] of SCRIPTS.entries()) {
        const resource = script.resource ?? `lamp${index}`
        const [here, there] = await Promise.all([
          seen(script, ports.ours, resource),
          seen(script, ports.theirs, resource),
        ])
        comparisons.push({ script: script.name, rows: sideBySide(here, there) })
      }
      return { version: kamailio.version, comparisons }
    } finally {
      await kamailio.stop()
    }
  } finally {
    await ours.dispose()
  }
}

export const differs = ({ ours, theirs }: Row): boolean => ours !== theirs

export interface Difference extends Row {
  readonly script: string
  /** Undefined where nobody has said why. */
  readonly reason: Reason | undefined
}

export function differences({ comparisons }: Result): Difference[] {
  return comparisons.flatMap(({ script, rows }) =>
    rows.filter(differs).map((row) => ({
      script,
      ...row,
      reason: REASONS.find(({ ours, theirs }) => ours.test(row.ours) && theirs.test(row.theirs)),
    })),
  )
}

/** A reason that explains nothing is left over from something that was mended. */
export function idleReasons(result: Result): Reason[] {
  const used = new Set(differences(result).map(({ reason }) => reason))
  return REASONS.filter((reason) => !used.has(reason))
}

async function seen(script: Script, port: number, resource: string): Promise<readonly string[]> {
  const stage = new Stage(port, resource)
  try {
    await script.play(stage)
  } catch (error) {
    stage.seen.push(error instanceof Error ? error.message : String(error))
  } finally {
    await stage.leave()
  }
  return stage.seen
}

function sideBySide(here: readonly string[], there: readonly string[]): Row[] {
  return Array.from({ length: Math.max(here.length, there.length) }, (_, line) => ({
    ours: here[line] ?? 'nothing',
    theirs: there[line] ?? 'nothing',
  }))
}

const CONFIGURATION = {
  'lamplighter.conf': '[general]\n',
  'pubsub.conf': `[general]\naccept_unknown = yes\nmin_expires = ${LIMITS.shortest}\nmax_expires = ${LIMITS.longest}\n`,
  'pjsip.conf': [
    '[udp]\ntype = transport\nprotocol = udp\nbind = 127.0.0.1:0\n',
    ...PUBLISHERS.map((name) => `[${name}]\ntype = endpoint\nallow_publish = any\n`),
  ].join('\n'),
}

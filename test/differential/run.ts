/** `npm run differential`: compares, and writes what differs, and why, to docs/kamailio-differences.md. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { endOnSignals } from '../../bench/leftovers.ts'
import { compare, type Difference, differences, differs, idleReasons, type Result } from './comparison.ts'
import { REASONS } from './reasons.ts'

const DOCUMENT = fileURLToPath(new URL('../../docs/kamailio-differences.md', import.meta.url))

endOnSignals()
const result = await compare()
writeFileSync(DOCUMENT, report(result))
const found = differences(result)
const unexplained = found.filter(({ reason }) => !reason)
console.log(`${found.length} differences, ${unexplained.length} of them without a reason: ${DOCUMENT}`)
for (const { script, ours, theirs } of unexplained) console.log(`${script}:\n  ${ours}\nKamailio:\n  ${theirs}`)
for (const { what } of idleReasons(result)) console.log(`a reason without a difference: ${what}`)
process.exitCode = unexplained.length + idleReasons(result).length > 0 ? 1 : 0

function report(of: Result): string {
  const found = differences(of)
  const sections = [...REASONS, undefined].flatMap((reason) => {
    const [first, ...others] = found.filter((difference) => difference.reason === reason)
    return first ? [section(reason?.what ?? 'Not explained', reason?.why ?? '', first, others)] : []
  })
  const alike = of.comparisons.filter(({ rows }) => !rows.some(differs)).map(({ script }) => `- ${script}`)
  const seen = of.comparisons.reduce((sum, { rows }) => sum + rows.length, 0)
  return `# Where Lamplighter answers otherwise than Kamailio

Written by \`npm run differential\`, which says the same to both over UDP: to Lamplighter with \`accept_unknown = yes\`, and
to Kamailio ${of.version} with presence, presence_xml, presence_dialoginfo and presence_mwi in memory. It plays
${of.comparisons.length} scripts and compares ${seen} answers and NOTIFYs, without what only says the same in other words: white
space, the order of attributes, unused namespaces, random names. ${found.length} differ, for these reasons.

${sections.join('\n')}
## The same in every answer and body

${alike.join('\n')}
`
}

function section(title: string, why: string, first: Difference, others: readonly Difference[]): string {
  const scripts = [...new Set(others.map(({ script }) => script).filter((script) => script !== first.script))]
  const also = scripts.length === 0 ? '' : `\nAlso in: ${scripts.join('; ')}.\n`
  return `## ${title}

${why}

In "${first.script}" Lamplighter says

\`\`\`
${first.ours}
\`\`\`

and Kamailio

\`\`\`
${first.theirs}
\`\`\`
${also}`
}

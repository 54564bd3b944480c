/** `npm run bench:micro`: the small pieces that every message goes through, alone. */
import { median } from '../median.ts'
import { datagramTiming } from './datagrams.ts'
import { messageTimings } from './messages.ts'
import { npmSipTiming } from './npm-sip.ts'
import { digestTiming, hintTiming } from './states.ts'
import type { Timing } from './timing.ts'

const [parse, ...writing] = messageTimings()
const theirs = npmSipTiming()
const timings = [
  parse,
  theirs,
  ...writing,
  digestTiming(),
  await hintTiming(),
  await datagramTiming('plain'),
  await datagramTiming('batched'),
]
console.log('| work | µs, median (min–max) |\n| --- | --- |')
for (const timing of timings) console.log(`| ${timing.name} | ${print(timing)} |`)
console.log(`\nParser against npm sip: ${(median(parse.each) / median(theirs.each)).toFixed(2)}`)
process.exit()

function print({ each }: Timing): string {
  return `${median(each).toFixed(2)} (${Math.min(...each).toFixed(2)}–${Math.max(...each).toFixed(2)})`
}

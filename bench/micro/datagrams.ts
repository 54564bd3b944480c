/** Both kinds of UDP sockets: what a datagram costs this process, from the text to the kernel and back to a text. */
import type { DatagramsKind } from '../../core/sip/datagrams.ts'
import { UdpTransport } from '../../core/sip/udp.ts'
import { contextFor } from '../../test/support/datagrams.ts'
import { transportConfig } from '../../test/support/stack.ts'
import { SUBSCRIBE } from './messages.ts'
import type { Timing } from './timing.ts'

const MEASUREMENTS = 7
const BURSTS = 800
/** As many as a busy server finds in one turn of its event loop. */
const BURST = 24

/** A socket sends to itself, so one is sent and one is received. */
export async function datagramTiming(kind: DatagramsKind): Promise<Timing> {
  let came = 0
  let burstCame = (): void => undefined
  const received = (): void => {
    if (++came % BURST === 0) burstCame()
  }
  const receiver = { received, broken: () => undefined }
  const udp = await UdpTransport.open(transportConfig(), { ...contextFor(kind), receiver })
  const itself = udp.wireTo(udp.local)
  const burst = (): Promise<void> =>
    new Promise((resolve) => {
      burstCame = resolve
      for (let at = 0; at < BURST; at++) itself.send(`${SUBSCRIBE}${at}`)
    })
  const each: number[] = []
  for (let measurement = 0; measurement <= MEASUREMENTS; measurement++) {
    const begun = came
    const start = process.cpuUsage()
    for (let bursts = 0; bursts < BURSTS; bursts++) await burst()
    const { user, system } = process.cpuUsage(start)
    // The first one warms it up.
    if (measurement > 0) each.push((user + system) / (came - begun))
  }
  await udp.close()
  return { name: `a datagram sent and received, ${kind}`, each }
}

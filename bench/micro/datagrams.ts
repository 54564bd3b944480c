/** Both kinds of UDP sockets: what a datagram costs this process, from the text to the kernel and back to a text. */
import { globalOptions, systemOptions, transportOptions } from '../../core/endpoints.ts'
import { Log } from '../../core/log.ts'
import { Metrics } from '../../core/metrics.ts'
import { defaultsOf } from '../../core/options.ts'
import type { DatagramsKind } from '../../core/sip/datagrams.ts'
import { TimerWheel } from '../../core/sip/timer-wheel.ts'
import { timersOf } from '../../core/sip/timers.ts'
import { Trace } from '../../core/sip/trace.ts'
import { UdpTransport } from '../../core/sip/udp.ts'
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
  const udp = await open(kind, () => {
    if (++came % BURST === 0) burstCame()
  })
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

function open(datagrams: DatagramsKind, received: () => void): Promise<UdpTransport> {
  const global = defaultsOf(globalOptions)
  const config = { ...defaultsOf(transportOptions), id: 'bench', file: 'bench', line: 1, bind: '127.0.0.1:0' }
  return UdpTransport.open(config, {
    receiver: { received, broken: () => undefined },
    wheel: new TimerWheel(),
    timers: () => timersOf(defaultsOf(systemOptions)),
    trace: new Trace(),
    log: new Log('error').logger('sip'),
    metrics: new Metrics(),
    global: () => global,
    datagrams,
  })
}

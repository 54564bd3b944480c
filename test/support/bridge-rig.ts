/** A bridge with the state model behind it, for tests. */
import { Bridge } from '../../core/ari/bridge.ts'
import type { ServerOptions } from '../../core/ari/bridge-contract.ts'
import { Endpoints } from '../../core/endpoints.ts'
import { formatLogLine, Log, type LogLine } from '../../core/log.ts'
import { Metrics } from '../../core/metrics.ts'
import { defaultsOf } from '../../core/options.ts'
import { globalOptions, systemOptions } from '../../core/pjsip-options.ts'
import { serverOptions } from '../../core/settings.ts'
import { Calls } from '../../core/states/calls.ts'
import { Devices } from '../../core/states/devices.ts'
import { Hints } from '../../core/states/hints.ts'
import { Mailboxes } from '../../core/states/mailboxes.ts'
import { Presences } from '../../core/states/presence.ts'

export interface StateModel {
  readonly log: Log
  readonly lines: readonly LogLine[]
  readonly devices: Devices
  readonly presences: Presences
  readonly mailboxes: Mailboxes
  readonly calls: Calls
  readonly hints: Hints
  readonly endpoints: Endpoints
  readonly metrics: Metrics
  /** Lines of a level that hold a text. */
  logged(text: string): readonly LogLine[]
}

export function stateModel(): StateModel {
  const log = new Log('debug')
  const lines: LogLine[] = []
  log.addSink((line) => {
    lines.push(line)
    if (process.env.SHOW_LOG) console.error(formatLogLine(line))
  })
  const devices = new Devices()
  const presences = new Presences()
  const calls = new Calls()
  return {
    log,
    lines,
    devices,
    presences,
    calls,
    mailboxes: new Mailboxes(),
    hints: new Hints({ devices, presences, calls }, { removedHintGrace: () => 30, log: log.logger('hints') }),
    endpoints: new Endpoints({
      endpoints: new Map(),
      aors: new Map(),
      auths: new Map(),
      acls: new Map(),
      identifies: [],
      global: defaultsOf(globalOptions),
      system: defaultsOf(systemOptions),
      transports: [],
    }),
    metrics: new Metrics(),
    logged: (text) => lines.filter(({ message }) => message.includes(text)),
  }
}

export interface BridgeRig extends StateModel {
  readonly bridge: Bridge
}

/** Intervals are long, so that nothing but what a test does makes anything happen. */
export function bridgeTo(
  url: string,
  options: Partial<ServerOptions> = {},
  {
    model = stateModel(),
    fromFiles = false,
    name = 'pbx1',
  }: { model?: StateModel; fromFiles?: boolean; name?: string } = {},
): BridgeRig {
  const bridge = new Bridge({
    server: {
      name,
      options: {
        ...defaultsOf(serverOptions),
        url,
        username: 'lamplighter',
        password: 'lamplighter',
        reconcile_interval: 3600,
        hint_interval: 3600,
        mailbox_interval: 3600,
        presence_interval: 3600,
        reconnect_max: 1,
        ...options,
      },
    },
    core: model,
    log: model.log.logger('ari'),
    ...(fromFiles && { isInFiles: () => true }),
    endpointsFromFiles: fromFiles,
  })
  return { ...model, bridge }
}

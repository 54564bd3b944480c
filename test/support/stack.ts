/** A SIP stack on 127.0.0.1 with ports of the system's choice, for tests. */
import type { TransportConfig } from '../../core/endpoints.ts'
import { Log } from '../../core/log.ts'
import { Metrics } from '../../core/metrics.ts'
import { defaultsOf } from '../../core/options.ts'
import { globalOptions, systemOptions, transportOptions } from '../../core/pjsip-options.ts'
import { createStack, type Stack, type StackSettings } from '../../core/sip/stack.ts'

export function transportConfig(values: Partial<TransportConfig> = {}): TransportConfig {
  return {
    ...defaultsOf(transportOptions),
    id: `transport-${values.protocol ?? 'udp'}`,
    file: 'pjsip.conf',
    line: 1,
    bind: '127.0.0.1:0',
    ...values,
  }
}

/** Without `transports`: one for UDP. */
export function testStack(settings: Partial<StackSettings> = {}): Promise<Stack> {
  const global = defaultsOf(globalOptions)
  return createStack({
    transports: [transportConfig()],
    system: defaultsOf(systemOptions),
    global: () => global,
    log: new Log('error').logger('sip'),
    metrics: new Metrics(),
    ...settings,
  })
}

/** SIP of the whole server: the stack, who is asking, and where phones can be reached. */
import { createAuthenticator, type RunningAuthenticator } from './auth/authenticator.ts'
import { createLimits } from './auth/limits.ts'
import type { Configuration } from './conf/configuration.ts'
import { Endpoints } from './endpoints.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import { createRegistrar, type Registrar } from './registrar/registrations.ts'
import type { Scope } from './scope.ts'
import { parseUri } from './sip/parse-uri.ts'
import { createStack, type Stack } from './sip/stack.ts'
import type { Store } from './store-contract.ts'

export interface ServerSip {
  readonly endpoints: Endpoints
  readonly stack: Stack
  readonly auth: RunningAuthenticator
  readonly registrar: Registrar
}

export interface SipParts {
  /** The one that holds now. */
  readonly configuration: () => Configuration
  readonly store: Store
  readonly log: Log
  readonly metrics: Metrics
}

/** Its sockets are open, and deaf until the stack is started. */
export async function startSip({ configuration, ...parts }: SipParts, own: Scope['own']): Promise<ServerSip> {
  const { log, metrics } = parts
  const { transports, system } = configuration().pjsip
  const endpoints = new Endpoints(configuration().pjsip)
  const limits = createLimits({ endpoints, log, metrics })
  const stack = await createStack({
    transports,
    system,
    global: () => endpoints.global,
    log: log.logger('sip'),
    metrics,
    beforeRequest: (request, source, flow) => {
      const limited = limits.beforeRequest(request, source, flow)
      return limited === 'accept' ? (auth.refusalFor(request, source) ?? limited) : limited
    },
    // Nobody asks who calls.
    callsTo: () => parseUri(configuration().general.calls_to),
    forceRport: (request) => {
      const endpoint = request.from.uri ? endpoints.files.endpoints.get(request.from.uri.user) : undefined
      return endpoint?.force_rport ?? true
    },
    paused: true,
  })
  own(() => stack.close())
  const compat = (): Configuration['general']['compat'] => configuration().general.compat
  const auth = createAuthenticator({ endpoints, log, metrics, limits, compat, targetsOf: stack.targetsOf.bind(stack) })
  own(() => auth.close())
  const registrar = await createRegistrar({ sip: stack, endpoints, auth, compat, ...parts })
  own(() => registrar.close())
  return { endpoints, stack, auth, registrar }
}

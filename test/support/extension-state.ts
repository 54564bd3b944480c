/** Extension states, calls and addressings for the tests of bodies. */
import type { Endpoint } from '../../core/endpoints.ts'
import { defaultsOf, type OptionValues } from '../../core/options.ts'
import { endpointOptions } from '../../core/pjsip-options.ts'
import { generalOptions } from '../../core/settings.ts'
import type { Call } from '../../core/states/calls.ts'
import type { DeviceState } from '../../core/states/devices.ts'
import { EXTENSION, type ExtensionState, type ExtensionStateCode } from '../../core/states/extension-state.ts'
import { NO_PRESENCE } from '../../core/states/presence.ts'
import type { XmlElement } from '../../core/xml.ts'
import type { Addressing, BodyGenerator, BodySupplement } from '../../res_pjsip_pubsub/contract.ts'

export type General = OptionValues<typeof generalOptions>

export const RFC: { readonly general: General } = { general: { ...defaultsOf(generalOptions), compat: 'rfc' } }
export const ASTERISK: { readonly general: General } = {
  general: { ...defaultsOf(generalOptions), compat: 'asterisk' },
}

export function general(changed: Partial<General>): { readonly general: General } {
  return { general: { ...defaultsOf(generalOptions), ...changed } }
}

export function endpoint(changed: Partial<Endpoint> = {}): Endpoint {
  return { ...defaultsOf(endpointOptions), id: '100', hintContext: 'default', ...changed }
}

export function addressing(changed: Partial<Addressing> = {}): Addressing {
  return {
    resource: '200',
    localUri: 'sip:200@127.0.0.1',
    remoteUri: 'sip:100@127.0.0.1',
    userAgent: 'Phone/1.0',
    endpoint: endpoint(),
    ...changed,
  }
}

const DEVICE_STATE: Readonly<Record<ExtensionStateCode, DeviceState>> = {
  0: 'NOT_INUSE',
  1: 'INUSE',
  2: 'BUSY',
  4: 'UNAVAILABLE',
  8: 'RINGING',
  9: 'RINGINUSE',
  16: 'ONHOLD',
}

/** Of one device, `PJSIP/200`. */
export function extensionState(state: ExtensionStateCode, changed: Partial<ExtensionState> = {}): ExtensionState {
  return {
    context: 'default',
    exten: '200',
    name: '',
    state,
    devices: [{ device: 'PJSIP/200', state: DEVICE_STATE[state] }],
    presence: NO_PRESENCE,
    calls: [],
    ...changed,
  }
}

export const ALL_STATES: readonly (readonly [string, ExtensionStateCode])[] = Object.entries(EXTENSION)

/** An incoming call that rings on `PJSIP/200`. */
export function call(changed: Partial<Call> = {}): Call {
  return {
    origin: 'pbx1',
    id: '1700000000.1',
    device: 'PJSIP/200',
    direction: 'recipient',
    state: 'early',
    held: false,
    local: { number: '200', name: '', restricted: false },
    remote: { number: '301', name: 'Carol', restricted: false },
    since: 1000,
    ...changed,
  }
}

export function bodyText<State>(
  generator: BodyGenerator<State, XmlElement>,
  state: State,
  to: Addressing,
  supplements: readonly BodySupplement<State, XmlElement>[] = [],
): string {
  const document = generator.generate(state, to)
  for (const supplement of supplements) supplement.supplement(document, state, to)
  return generator.print(document).text
}

/** A whole document as it is printed, around its root. */
export const document = (inner: string): string => `<?xml version="1.0" encoding="UTF-8"?>\n${inner.trim()}\n`

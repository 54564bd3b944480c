/** Where a transport listens: `0.0.0.0`, `192.0.2.1:5060`, `[::]:5061`, `::1`. */
import { isIP } from 'node:net'
import type { Address } from '../sip/contract.ts'

/** RFC 3261 19.1.2 */
const DEFAULT_PORT = { udp: 5060, tcp: 5060, tls: 5061 }

/** IPv6 without its brackets, with its zone where it has one; port 0 takes any free one. Throws an Error that says what is expected. */
export function parseBind(text: string, protocol: keyof typeof DEFAULT_PORT = 'udp'): Address {
  const { address, port } = split(text)
  if (isIP(address) === 0) throw new Error(`expected an address and a port, 0.0.0.0:5060 or [::]:5060`)
  if (port === undefined) return { address, port: DEFAULT_PORT[protocol] }
  const number = /^[0-9]{1,5}$/.test(port) ? Number(port) : Number.NaN
  if (Number.isNaN(number) || number > 65535) throw new Error('expected a port from 0 to 65535 after the last colon')
  return { address, port: number }
}

function split(text: string): { address: string; port: string | undefined } {
  if (text.startsWith('[')) {
    const close = text.indexOf(']')
    const rest = text.slice(close + 1)
    if (close < 0 || (rest !== '' && !rest.startsWith(':'))) return { address: '', port: undefined }
    return { address: text.slice(1, close), port: rest === '' ? undefined : rest.slice(1) }
  }
  const colon = text.lastIndexOf(':')
  // More than one colon without brackets is an IPv6 address that has no port.
  if (colon < 0 || text.indexOf(':') !== colon) return { address: text, port: undefined }
  return { address: text.slice(0, colon), port: text.slice(colon + 1) }
}

/** Addresses and networks as an administrator writes them: `192.0.2.7`, `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `2001:db8::/32`. */
import ipaddr from 'ipaddr.js'

export type IpAddress = ReturnType<typeof ipaddr.process>

export interface Network {
  /** As it was written. */
  readonly text: string
  readonly address: IpAddress
  /** Leading bits that count. */
  readonly bits: number
}

/** An address as a socket or an administrator gives it; IPv4 in IPv6 clothes becomes IPv4. undefined: it is none. */
export function parseAddress(text: string): IpAddress | undefined {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  if (!bare.includes(':') && !ipaddr.IPv4.isValidFourPartDecimal(bare)) return undefined
  return ipaddr.isValid(bare) ? ipaddr.process(bare) : undefined
}

/** What counts as one host: whoever has one IPv6 address has its whole /64. */
export function hostOf(address: string): string {
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('::')
  if (address.startsWith('::ffff:') && address.includes('.')) return address.slice(7)
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) while (groups.length < 4) groups.push('0')
  return `${groups.slice(0, 4).join(':')}::/64`
}

/** Throws an Error that says what is expected. */
export function readNetwork(text: string): Network {
  const slash = text.indexOf('/')
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash))
  if (!address) throw new Error(`expected an address, address/bits or address/mask, not '${text}'`)
  const isMapped = address.kind() === 'ipv4' && text.includes(':')
  const most = address.kind() === 'ipv4' && !isMapped ? 32 : 128
  const mask = slash < 0 ? String(most) : text.slice(slash + 1)
  const bits = /^[0-9]{1,3}$/.test(mask) ? Number(mask) : (parseAddress(mask)?.prefixLengthFromSubnetMask() ?? -1)
  if (bits < 0 || bits > most) throw new Error(`expected 0 to ${most} bits or a mask after the slash of '${text}'`)
  return { text, address, bits: isMapped ? Math.max(0, bits - 96) : bits }
}

export function inNetwork(address: IpAddress, network: Network): boolean {
  return address.kind() === network.address.kind() && address.match(network.address, network.bits)
}

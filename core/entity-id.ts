/** Entity ids: the six octets by which servers know each other (`asterisk_eid`), and the origin of what they publish. */
import { createHash } from 'node:crypto'
import { networkInterfaces } from 'node:os'

export function isEntityId(text: string): boolean {
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)
}

/**
 * What stands for `asterisk_eid` where it is empty: the same at each start, and never the one that an Asterisk on this
 * machine makes of the same network address. `seed` tells apart several of us on it.
 */
export function defaultEntityId(seed: string): string {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  const mac = addresses.find(({ internal }) => !internal)?.mac ?? ''
  const octets = createHash('sha256').update(`lamplighter ${mac} ${seed}`).digest().subarray(0, 6)
  // A locally administered address of one station (IEEE 802), as no network card has it.
  octets.writeUInt8((octets.readUInt8(0) | 0x02) & 0xfe, 0)
  return [...octets].map((octet) => octet.toString(16).padStart(2, '0')).join(':')
}

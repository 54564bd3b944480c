/**
 * STUN binding requests on the SIP port: the keep-alive of a phone's UDP flow (RFC 5626 3.5.2, RFC 5389). A phone
 * compares the mapped address of the answers, and registers again when it has changed.
 */
import { isIPv4 } from 'node:net'
import ipaddr from 'ipaddr.js'
import type { Address } from './contract.ts'

const HEADER = 20
const COOKIE = 0x2112a442
const BINDING_REQUEST = 0x0001
const BINDING_SUCCESS = 0x0101
const XOR_MAPPED_ADDRESS = 0x0020

/** SIP begins with a letter, STUN with two zero bits and its cookie (RFC 5389 6). */
export function isStun(bytes: Buffer): boolean {
  return bytes.length >= HEADER && (bytes[0] ?? 0xff) < 0x40 && bytes.readUInt32BE(4) === COOKIE
}

/** undefined for anything but a well-formed binding request; error answers would only help those who scan. */
export function bindingResponse(request: Buffer, from: Address): Buffer | undefined {
  if (request.readUInt16BE(0) !== BINDING_REQUEST || request.readUInt16BE(2) !== request.length - HEADER)
    return undefined
  const address = Buffer.from(ipaddr.parse(from.address).toByteArray())
  const response = Buffer.alloc(HEADER + 8 + address.length)
  response.writeUInt16BE(BINDING_SUCCESS, 0)
  response.writeUInt16BE(8 + address.length, 2)
  request.copy(response, 4, 4, HEADER)
  response.writeUInt16BE(XOR_MAPPED_ADDRESS, HEADER)
  response.writeUInt16BE(4 + address.length, HEADER + 2)
  response.writeUInt8(isIPv4(from.address) ? 1 : 2, HEADER + 5)
  response.writeUInt16BE(from.port ^ (COOKIE >>> 16), HEADER + 6)
  // The address is masked with the cookie and, for IPv6, the transaction id after it.
  for (const [at, byte] of address.entries()) response[HEADER + 8 + at] = byte ^ (response[4 + at] ?? 0)
  return response
}

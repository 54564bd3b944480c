/** Our Contacts, as they are written: the same few, in one answer and request after the other. */
import type { OwnAddress } from './addressing.ts'
import type { Protocol } from './contract.ts'
import { escapeUser, parseNameAddr, printHostPort } from './parse-uri.ts'

/** Strings that are remembered at a time. */
const MOST = 10_000

export class Contacts {
  /** By user, for the address, protocol and scheme below. */
  readonly #written = new Map<string, string>()
  #own: OwnAddress | undefined
  #protocol: Protocol = 'UDP'
  #secure = false

  /** With angle brackets. RFC 3261 12.1.1: sips where the request came by sips. */
  of(own: OwnAddress, protocol: Protocol, user: string, secure: boolean): string {
    if (own !== this.#own || protocol !== this.#protocol || secure !== this.#secure) {
      this.#written.clear()
      this.#own = own
      this.#protocol = protocol
      this.#secure = secure
    }
    const known = this.#written.get(user)
    return known ?? remember(this.#written, user, written(own, protocol, user, secure))
  }
}

function written({ host, port }: OwnAddress, protocol: Protocol, user: string, secure: boolean): string {
  const at = `${user === '' ? '' : `${escapeUser(user)}@`}${printHostPort(host, port)}`
  if (secure) return `<sips:${at}>`
  return protocol === 'UDP' ? `<sip:${at}>` : `<sip:${at};transport=${protocol.toLowerCase()}>`
}

const users = new Map<string, string>()

/** The user of a name-addr; empty where it has none. */
export function userOf(nameAddr: string): string {
  return users.get(nameAddr) ?? remember(users, nameAddr, parseNameAddr(nameAddr)?.uri?.user ?? '')
}

function remember(known: Map<string, string>, key: string, value: string): string {
  if (known.size >= MOST) known.clear()
  known.set(key, value)
  return value
}

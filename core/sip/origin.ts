/** What our Via says: where a request of ours comes from, and its answer goes. One object for all requests it is the same for. */
import { joined } from '../text.ts'
import type { OwnAddress } from './addressing.ts'
import type { AnsweredVia } from './answered-vias.ts'
import type { Protocol } from './contract.ts'
import { toWire } from './grammar.ts'
import { writtenName } from './headers.ts'
import { DEFAULT_PORT } from './transport.ts'
import { type ViaParts, viaBeforeBranch } from './via.ts'

export class Origin {
  readonly own: OwnAddress
  readonly protocol: Protocol
  readonly rport: boolean
  /** What comes between the URI of a request and its branch, as it goes on the wire; the second with short names. */
  readonly #afterUri: string
  readonly #afterUriCompact: string
  readonly #host: string
  readonly #port: number

  constructor(own: OwnAddress, protocol: Protocol, rport: boolean) {
    this.own = own
    this.protocol = protocol
    this.rport = rport
    const via = toWire(viaBeforeBranch(this.via))
    this.#afterUri = joined(` SIP/2.0\r\n${writtenName('Via', false)}: ${via}`)
    this.#afterUriCompact = joined(` SIP/2.0\r\n${writtenName('Via', true)}: ${via}`)
    this.#host = own.host.toLowerCase()
    this.#port = own.port
  }

  afterUri(compact: boolean): string {
    return compact ? this.#afterUriCompact : this.#afterUri
  }

  get via(): ViaParts {
    const { host, port } = this.own
    return { protocol: this.protocol, host, port, rport: this.rport }
  }

  /** Host and port as they are compared (RFC 3261 18.1.2); where none is said it is the protocol's. */
  isSentBy({ host, port, protocol }: AnsweredVia): boolean {
    return host === this.#host && (port ?? (protocol === 'TLS' ? DEFAULT_PORT.TLS : DEFAULT_PORT.UDP)) === this.#port
  }
}

/** Those that were made, as few as there are addresses of ours. */
export class Origins {
  #last: Origin | undefined
  readonly #made = new WeakMap<OwnAddress, Origin[]>()

  of(own: OwnAddress, protocol: Protocol, rport: boolean): Origin {
    const last = this.#last
    if (last && isOf(last, own, protocol, rport)) return last
    let made = this.#made.get(own)
    if (!made) this.#made.set(own, (made = []))
    let origin = made.find((one) => isOf(one, own, protocol, rport))
    if (!origin) made.push((origin = new Origin(own, protocol, rport)))
    return (this.#last = origin)
  }
}

function isOf(origin: Origin, own: OwnAddress, protocol: Protocol, rport: boolean): boolean {
  return origin.own === own && origin.protocol === protocol && origin.rport === rport
}

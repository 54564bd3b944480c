/** A TCP or TLS transport: a listener and its connections, accepted and made. */
import {
  connect as connectTcp,
  createServer as createTcpServer,
  isIP,
  type Server,
  Socket,
  type TcpNetConnectOpts,
} from 'node:net'
import {
  connect as connectTls,
  createServer as createTlsServer,
  type SecureContextOptions,
  type TLSSocket,
  Server as TlsServer,
} from 'node:tls'
import { hostOf } from '../auth/networks.ts'
import { Counts } from '../counts.ts'
import type { TransportConfig } from '../endpoints.ts'
import type { Logger } from '../log.ts'
import type { Counter } from '../metrics.ts'
import type { Undo } from '../scope.ts'
import { isLoopback, isWildcard } from './addressing.ts'
import { readCertificates } from './certificates.ts'
import { Connection, NOT_READ } from './connection.ts'
import { mostUnread, shareOfHost } from './connection-limits.ts'
import type { Address } from './contract.ts'
import { NowAndThen } from './now-and-then.ts'
import { CheckedServer, identityFault } from './server-identity.ts'
import type { TimerWheel } from './timer-wheel.ts'
import type { Timers } from './timers.ts'
import { belowTls, isOfTls, whyNoTls } from './tls-failure.ts'
import type { Trace } from './trace.ts'
import { bindAddress, hostPort, listenError, type Transport, type TransportContext } from './transport.ts'

/** Milliseconds for a TCP connection or TLS handshake, in either direction. */
const CONNECT_LIMIT = 8000
const BACKLOG = 1024
/** Milliseconds that the last bytes get when the server stops. */
const FLUSH_LIMIT = 200

export class StreamTransport implements Transport {
  readonly protocol: 'TCP' | 'TLS'
  readonly family: 4 | 6
  readonly local: Address
  readonly #context: TransportContext
  readonly #server: Server
  readonly #connections = new Set<Connection>()
  /** Accepted. During a TLS handshake one is no connection yet, and keeps the server from being closed all the same. */
  readonly #sockets = new Set<Socket>()
  readonly #ofHosts = new Counts()
  /** Of peers that have much to read, and are not listened to before they have; the first comes first. */
  readonly #unread = new Set<Connection>()
  readonly #byRemote = new Map<string, Connection>()
  readonly #byAddress = new Map<string, Set<Connection>>()
  /** Connections of ours whose peers had to show who they are. */
  readonly #checked = new WeakMap<Connection, CheckedServer>()
  readonly #turnedAway: Counter
  readonly #handshakes: Counter
  readonly #unmeter: Undo
  config: TransportConfig
  /** What we show when we connect; read once, not for each connection. */
  #certificates: SecureContextOptions | undefined
  closed = false
  #numbered = 0
  readonly #saysFull = new NowAndThen()
  readonly #saysHostFull = new NowAndThen()
  readonly #saysNoTls = new NowAndThen()
  readonly #saysUnread = new NowAndThen()

  static async open(config: TransportConfig, context: TransportContext): Promise<StreamTransport> {
    const at = bindAddress(config)
    const certificates = config.protocol === 'tls' ? readCertificates(config) : undefined
    const server = certificates ? tlsServer(config, certificates, context.timers()) : createTcpServer()
    server.maxConnections = config.max_connections
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(listenError(error, config, at)))
      server.listen(
        { host: at.address, port: at.port, ipv6Only: isIP(at.address) === 6, exclusive: true, backlog: BACKLOG },
        resolve,
      )
    })
    server.removeAllListeners('error')
    return new StreamTransport(config, server, certificates, context)
  }

  constructor(
    config: TransportConfig,
    server: Server,
    certificates: SecureContextOptions | undefined,
    context: TransportContext,
  ) {
    this.#certificates = certificates
    this.protocol = config.protocol === 'tls' ? 'TLS' : 'TCP'
    const bound = server.address()
    if (bound === null || typeof bound === 'string') throw new Error(`[${config.id}] has no address`)
    this.local = { address: bound.address, port: bound.port }
    this.family = isIP(bound.address) === 6 ? 6 : 4
    this.config = config
    this.#server = server
    this.#context = context
    const name = this.protocol.toLowerCase()
    this.#turnedAway = context.metrics.counter(`sip.${name}.turned_away`)
    this.#unmeter = context.metrics.gauge(`sip.connections.${config.id}`, () => this.#connections.size)
    this.#handshakes = context.metrics.counter('sip.tls.handshake.failed')
    server.on('error', (error) => this.#log.warning(`[${config.id}] ${error.message}`))
    server.on('connection', (socket: Socket) => {
      if (this.#admits(socket) && this.protocol === 'TCP') this.#accept(socket)
    })
    if (this.protocol === 'TLS') server.on('secureConnection', (socket: Socket) => this.#accept(socket))
    server.on('drop', (dropped) => this.#full(dropped?.remoteAddress))
    server.on('tlsClientError', (error: Error, socket: TLSSocket) => this.#handshakeFailed(error, socket))
  }

  get wheel(): TimerWheel {
    return this.#context.wheel
  }

  get trace(): Trace {
    return this.#context.trace
  }

  get timers(): Timers {
    return this.#context.timers()
  }

  /** Milliseconds; 0 for none. */
  get keepAliveInterval(): number {
    return this.#context.global().keep_alive_interval * 1000
  }

  get #log(): Logger {
    return this.#context.log
  }

  received(text: string, connection: Connection): void {
    this.trace.received(text, this.protocol, connection.remote)
    this.#context.receiver.received(text, connection)
  }

  broken(status: number, why: string, head: string | undefined, connection: Connection): void {
    const { address } = connection.remote
    if (this.#saysUnread.now(address))
      this.#log.warning(`[${this.config.id}] what ${address} sent cannot be read, its connection is closed: ${why}`)
    this.#context.receiver.broken(status, why, head, connection)
  }

  findWire(remote: Address): Connection | undefined {
    const connection = this.#byRemote.get(hostPort(remote))
    return connection?.open ? connection : undefined
  }

  wireTo(remote: Address, name?: string): Connection {
    const known = this.findWire(remote)
    if (known && this.#isServer(known, name)) return known
    return this.#otherTo(remote, name) ?? this.#connect(remote, name ?? remote.address)
  }

  connectionsFrom(address: string): Connection[] {
    return [...(this.#byAddress.get(address) ?? [])].filter((connection) => connection.open)
  }

  get #verifies(): boolean {
    return this.protocol === 'TLS' && this.config.verify_server
  }

  /** Whoever came to us has shown nothing of who it is. Without a name it is an answer, which goes to who asked. */
  #isServer(connection: Connection, name: string | undefined): boolean {
    if (!this.#verifies || name === undefined) return true
    return this.#checked.get(connection)?.is(name) === true
  }

  /** Servers with one address may have names, and certificates, of their own. */
  #otherTo({ address, port }: Address, name: string | undefined): Connection | undefined {
    if (!this.#verifies) return undefined
    return this.connectionsFrom(address).find(
      (connection) => connection.remote.port === port && this.#isServer(connection, name),
    )
  }

  reconfigure(config: TransportConfig): void {
    if (this.#server instanceof TlsServer) {
      this.#certificates = readCertificates(config)
      this.#server.setSecureContext(this.#certificates)
    }
    this.#server.maxConnections = config.max_connections
    this.config = config
  }

  /** Its peer has much to read. What waits for all of those is in memory: where they are many the first has had its time. */
  waitFor(connection: Connection): void {
    this.#unread.add(connection)
    if (this.#unread.size <= mostUnread(this.config)) return
    for (const first of this.#unread) {
      this.#unread.delete(first)
      return first.end(NOT_READ)
    }
  }

  waitNoMore(connection: Connection): void {
    this.#unread.delete(connection)
  }

  forget(connection: Connection): void {
    this.#connections.delete(connection)
    this.#unread.delete(connection)
    const key = hostPort(connection.remote)
    if (this.#byRemote.get(key) === connection) this.#byRemote.delete(key)
    const neighbours = this.#byAddress.get(connection.remote.address)
    if (neighbours?.delete(connection) && neighbours.size === 0) this.#byAddress.delete(connection.remote.address)
    this.#log.debug(() => `${connection.id} from ${key} ended: ${connection.why}`)
  }

  async close(): Promise<void> {
    this.closed = true
    void this.#unmeter()
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
    for (const connection of this.#connections) connection.end('the server stops')
    const impatience = setTimeout(() => {
      for (const connection of this.#connections) connection.destroy()
      for (const socket of this.#sockets) socket.destroy()
    }, FLUSH_LIMIT)
    await closed
    clearTimeout(impatience)
  }

  /** One host must not have so many that there are none for others. */
  #admits(socket: Socket): boolean {
    const { remoteAddress } = socket
    if (this.#context.files.full) {
      socket.destroy()
      this.#full(remoteAddress, this.#noFiles)
      return false
    }
    const host = remoteAddress && hostOf(remoteAddress)
    const most = shareOfHost(this.config)
    if (host !== undefined && this.#ofHosts.of(host) >= most) {
      socket.destroy()
      this.#hostFull(host, most)
      return false
    }
    this.#context.files.add(socket)
    this.#sockets.add(socket)
    if (host !== undefined) this.#ofHosts.add(host)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      if (host !== undefined) this.#ofHosts.add(host, -1)
    })
    return true
  }

  #accept(socket: Socket): void {
    const { remoteAddress, remotePort } = socket
    // Gone before we got to it.
    if (remoteAddress === undefined || remotePort === undefined) return void socket.destroy()
    this.#enter(socket, { address: remoteAddress, port: remotePort }, false)
  }

  /** Whoever has said nothing only looked whether somebody is there. */
  #handshakeFailed(error: Error, socket: TLSSocket): void {
    this.#handshakes.add()
    const { remoteAddress = 'a peer', bytesRead } = belowTls(socket)
    // Node ends one that came to nothing, but not one that takes too long.
    socket.destroy()
    this.#noTls(remoteAddress, whyNoTls(error, socket), bytesRead > 0)
  }

  #noTls(peer: string, why: string, isNews: boolean): void {
    const text = `[${this.config.id}] TLS with ${peer} failed: ${why}`
    if (isNews && this.#saysNoTls.now(peer)) this.#log.warning(text)
    else this.#log.debug(() => text)
  }

  #connect(remote: Address, name: string): Connection {
    if (this.closed) return this.#refused(remote, 'the transport is closed')
    if (this.#context.files.full) {
      this.#full(undefined, this.#noFiles)
      return this.#refused(remote, 'the process may open no more files (ulimit -n)')
    }
    if (this.#connections.size >= this.config.max_connections) {
      this.#full(undefined)
      return this.#refused(remote, 'there are too many connections (max_connections)')
    }
    const way = { host: remote.address, port: remote.port, ...this.#from(remote) }
    const secured = this.protocol === 'TLS' ? this.#connectTls(way, name) : undefined
    const socket = secured ?? connectTcp(way)
    this.#context.files.add(socket)
    const connection = this.#enter(socket, remote, true)
    if (secured) this.#watchHandshake(secured, remote.address)
    const { verify_server, allow_wildcard_certs } = this.config
    if (secured && verify_server) this.#checked.set(connection, new CheckedServer(secured, name, allow_wildcard_certs))
    const limit = setTimeout(() => connection.end('it could not be made in time'), CONNECT_LIMIT).unref()
    const settle = (): void => clearTimeout(limit)
    socket.once(this.protocol === 'TLS' ? 'secureConnect' : 'connect', settle)
    socket.once('close', settle)
    return connection
  }

  /** Of ours. Where nobody is there at all, whoever sends is told. */
  #watchHandshake(socket: TLSSocket, peer: string): void {
    const failed = (error: Error): void => this.#noTls(peer, whyNoTls(error, socket), isOfTls(error, socket))
    socket.once('error', failed)
    socket.once('secureConnect', () => socket.off('error', failed))
  }

  /** As by UDP: from the address that our Via and Contact say, where the peer can be reached from it. */
  #from(remote: Address): { readonly localAddress?: string } {
    const { address } = this.local
    const reaches = !isWildcard(address) && (!isLoopback(address) || isLoopback(remote.address))
    return reaches ? { localAddress: address } : {}
  }

  #connectTls(way: TcpNetConnectOpts, name: string): TLSSocket {
    const { verify_server, allow_wildcard_certs } = this.config
    const named = isIP(name) === 0 ? { servername: name } : {}
    return connectTls({
      ...way,
      ...this.#certificates,
      ...named,
      rejectUnauthorized: verify_server,
      checkServerIdentity: (host, certificate) => identityFault(host, certificate, allow_wildcard_certs),
    })
  }

  /** A connection that has ended already: whoever sends on it is told. */
  #refused(remote: Address, why: string): Connection {
    const connection = new Connection(this, ++this.#numbered, new Socket(), remote, true)
    connection.end(why)
    return connection
  }

  #enter(socket: Socket, remote: Address, outgoing: boolean): Connection {
    const connection = new Connection(this, ++this.#numbered, socket, remote, outgoing)
    this.#connections.add(connection)
    this.#byRemote.set(hostPort(remote), connection)
    const neighbours = this.#byAddress.get(remote.address)
    if (neighbours) neighbours.add(connection)
    else this.#byAddress.set(remote.address, new Set([connection]))
    return connection
  }

  get #noFiles(): string {
    return `has no room for a connection more, for the process may open only ${this.#context.files.limit} files (LimitNOFILE, ulimit -n)`
  }

  #full(
    peer: string | undefined,
    why = `has all of its ${this.config.max_connections} connections (max_connections) in use`,
  ): void {
    this.#turnedAway.add()
    this.#makeRoom()
    if (!this.#saysFull.now()) return
    this.#log.warning(
      `[${this.config.id}] ${why}; ${peer === undefined ? 'no new one is made' : `${peer} was turned away`}`,
    )
  }

  /** For the next one: two hosts with an OPTIONS on each of their connections would keep all phones out for good. */
  #makeRoom(): void {
    for (const connection of this.#connections)
      if (connection.open && connection.isIdle) return connection.end('its place is needed, and it has proved nothing')
  }

  #hostFull(host: string, most: number): void {
    this.#turnedAway.add()
    if (!this.#saysHostFull.now()) return
    this.#log.warning(
      `[${this.config.id}] ${host} has ${most} connections open, as many as one host may have ` +
        '(max_connections_per_host); a further one was turned away',
    )
  }
}

function tlsServer(config: TransportConfig, certificates: SecureContextOptions, { silence }: Timers): TlsServer {
  return createTlsServer({
    ...certificates,
    requestCert: config.verify_client,
    rejectUnauthorized: config.verify_client,
    handshakeTimeout: Math.min(CONNECT_LIMIT, silence),
  })
}

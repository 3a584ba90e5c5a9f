import { readFileSync } from 'node:fs'
import { connect, isIP, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { type ConnectionOptions, connect as connectTls, type SecureVersion } from 'node:tls'
import { toError } from '../core/to-error.ts'
import { type DatabaseServer, type TlsOptions, whereIs } from './database-url.ts'

/** The SSLRequest message: length and code. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])
const OFFERED = 'S'.charCodeAt(0)
const READY_FOR_QUERY = 'Z'.charCodeAt(0)
const IDLE = 'I'.charCodeAt(0)
const KEEP_ALIVE_MS = 60_000

/**
 * The socket to a server, instead of the driver's own. It encrypts as the URL requires, and it checks the transaction
 * status: each statement is an autocommit statement, so the server must be idle when it is ready for the next query. If a
 * pooler has opened a transaction (Pgpool-II, in some modes), the statement is not committed. Then the connection is
 * closed before the driver gets the success of the statement.
 */
export class ServerSocket extends Duplex {
  readonly #raw: Socket
  readonly #isOpen = transactionWatch()
  #wire: Socket | undefined
  #begun: (() => void) | undefined
  #written = false
  /** Whether the server has sent something. */
  #hasReceived = false
  #failure: { error: Error | undefined } | undefined
  /** Used in error messages of the driver. */
  readonly host: string
  readonly port: number

  constructor(server: DatabaseServer) {
    super()
    this.host = server.host
    this.port = server.port
    const { host, port, tls } = server
    this.#raw = host.startsWith('/') ? connect({ path: whereIs(server) }) : connect({ host, port })
    this.#raw.setNoDelay(true)
    this.#raw.setKeepAlive(true, KEEP_ALIVE_MS)
    this.#raw.once('error', (error) => this.#fail(error))
    this.#raw.once('close', () => this.#close())
    this.#raw.once('connect', () => {
      if (tls.use === 'never' || host.startsWith('/')) this.#begin(this.#raw)
      else if (tls.use === 'direct') this.#encrypt(tls)
      else this.#negotiate(tls)
    })
  }

  /** As in net.Socket; the driver reads it before it ends the connection. */
  get readyState(): 'opening' | 'open' | 'closed' {
    return this.destroyed ? 'closed' : this.#wire === undefined ? 'opening' : 'open'
  }

  #negotiate(tls: TlsOptions): void {
    this.#raw.once('data', (response: Buffer) => {
      // More than one byte means that unencrypted data follows, which may come from an attacker.
      if (response.length === 1 && response[0] === OFFERED) this.#encrypt(tls)
      else if (response.length === 1 && tls.use === 'if offered') this.#begin(this.#raw)
      else this.#fail(failure('ERR_TLS_NOT_OFFERED', 'the server does not offer TLS, which sslmode requires'))
    })
    this.#raw.write(SSL_REQUEST)
  }

  #encrypt(tls: TlsOptions): void {
    try {
      const wire = connectTls({ ...tlsOptions(this.host, tls), socket: this.#raw })
      wire.once('error', (error) => this.#fail(error))
      wire.once('close', () => this.#close())
      wire.once('secureConnect', () => this.#begin(wire))
    } catch (error) {
      this.#fail(toError(error))
    }
  }

  /**
   * postgres.js 3.4.9 reopens a connection that closes before the first byte of the server immediately and without end.
   * HAProxy, a Docker port or a Kubernetes service without a server close connections like that.
   */
  #close(): void {
    this.#fail(this.#hasReceived ? undefined : failure('ECONNREFUSED', CLOSED_EARLY))
  }

  /**
   * postgres.js 3.4.9 writes in a setImmediate callback. If the stream closes before, it cancels the callback and never
   * schedules another: this connection and its replacements then never send anything. So a failure before the first write
   * waits for that write, and `_destroy` lets the callbacks of this turn run.
   */
  #fail(error?: Error): void {
    if (this.#written) this.destroy(error)
    else this.#failure ??= { error }
  }

  #begin(wire: Socket): void {
    this.#wire = wire
    wire.on('data', (chunk: Buffer) => {
      this.#hasReceived = true
      if (this.#isOpen(chunk)) this.destroy(failure('OPEN_TRANSACTION', OPEN))
      else if (!this.push(chunk)) wire.pause()
    })
    wire.once('end', () => (this.#hasReceived ? this.push(null) : this.#close()))
    this.#begun?.()
  }

  override _read(): void {
    this.#wire?.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const wire = this.#wire
    this.#written = true
    if (this.#failure !== undefined) this.destroy(this.#failure.error)
    else if (wire === undefined) this.#begun = () => this._write(chunk, 'binary', done)
    else if (wire.write(chunk)) done()
    else wire.once('drain', done)
  }

  override _final(done: () => void): void {
    this.#wire?.end()
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#wire?.destroy()
    this.#raw.destroy()
    setImmediate(done, error)
  }
}

const OPEN =
  'the connection is in a transaction that a pooler has opened: nothing is committed. ' +
  'Use no pooler, or a pooler and mode that docs/engines.md lists'

const CLOSED_EARLY = 'the connection was closed before the server sent anything'

function failure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}

const VERSIONS: Record<string, SecureVersion | undefined> = { 'TLSv1.2': 'TLSv1.2', 'TLSv1.3': 'TLSv1.3' }

function tlsOptions(host: string, { use, verify, ca, cert, key, passphrase, minVersion }: TlsOptions) {
  const options: ConnectionOptions = { rejectUnauthorized: verify !== 'nothing', host }
  if (isIP(host) === 0) options.servername = host
  if (verify === 'chain') options.checkServerIdentity = () => undefined
  if (use === 'direct') options.ALPNProtocols = ['postgresql']
  if (ca !== undefined) options.ca = readFileSync(ca)
  if (cert !== undefined) options.cert = readFileSync(cert)
  if (key !== undefined) options.key = readFileSync(key)
  if (passphrase !== undefined) options.passphrase = passphrase
  const version = VERSIONS[minVersion ?? '']
  if (version !== undefined) options.minVersion = version
  return options
}

/** The bytes of type and length of a message. */
const HEADER = 5

/**
 * Returns a function that gets the chunks of one connection in order, and returns whether the server was ready for the next
 * query inside a transaction.
 */
export function transactionWatch(): (chunk: Buffer) => boolean {
  let skip = 0
  let rest = Buffer.alloc(0)
  return (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let isOpen = false
    let at = skip
    while (bytes.length - at >= HEADER) {
      if (bytes[at] === READY_FOR_QUERY) {
        // The status byte comes in the next chunk.
        if (bytes.length - at === HEADER) break
        if (bytes[at + HEADER] !== IDLE) isOpen = true
      }
      at += 1 + bytes.readUInt32BE(at + 1)
    }
    skip = Math.max(0, at - bytes.length)
    rest = Buffer.from(bytes.subarray(Math.min(at, bytes.length)))
    return isOpen
  }
}

import { connect, type Socket } from 'node:net'
import { toError } from '../../internal/core/to-error.ts'

export interface WireRequest {
  port: number
  method: string
  path: string
  headers: Record<string, string>
  body: string
  /** Without a whole response for this long the request fails with code ETIMEDOUT. */
  timeoutMs: number
}

export interface WireResponse {
  status: number
  /** Names in lower case; what comes twice is joined by a comma. */
  headers: ReadonlyMap<string, string>
  body: Buffer
}

/**
 * Requests to this machine over connections that are kept, as many as are wanted; none is repeated. At hundreds of requests a
 * second node:http would take more of the processor in a partner than the service does.
 */
export class Connections {
  readonly #idle = new Map<number, Connection[]>()

  /** Rejects with an error of the connection, which has a `code`; one that ends before its response is whole: ECONNRESET. */
  async send(request: WireRequest): Promise<WireResponse> {
    const { port } = request
    const idle = this.#idle.get(port) ?? []
    this.#idle.set(port, idle)
    const connection = idle.pop() ?? new Connection(port, (gone) => void remove(idle, gone))
    const response = await connection.send(request)
    if (connection.isOpen) idle.push(connection)
    return response
  }
}

function remove(idle: Connection[], gone: Connection): void {
  const at = idle.indexOf(gone)
  if (at >= 0) idle.splice(at, 1)
}

interface Waiting {
  resolve: (response: WireResponse) => void
  reject: (error: Error) => void
  timer: NodeJS.Timeout
}

/** One request at a time. */
class Connection {
  readonly #socket: Socket
  #bytes: Buffer = Buffer.alloc(0)
  #waiting: Waiting | undefined

  constructor(port: number, onGone: (gone: Connection) => void) {
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true })
    this.#socket.on('data', (chunk) => this.#read(chunk))
    this.#socket.on('error', (error) => this.#fail(error))
    this.#socket.on('close', () => {
      onGone(this)
      this.#fail(coded('the connection has ended', 'ECONNRESET'))
    })
  }

  get isOpen(): boolean {
    return this.#socket.writable
  }

  send({ port, method, path, headers, body, timeoutMs }: WireRequest): Promise<WireResponse> {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const head = `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${lines.join('')}\r\n`
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#fail(coded(`no response within ${timeoutMs} ms`, 'ETIMEDOUT'))
        this.#socket.destroy()
      }, timeoutMs)
      this.#waiting = { resolve, reject, timer }
      this.#socket.write(head + body)
    })
  }

  #read(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
    let response: WireResponse | undefined
    try {
      response = readResponse(this.#bytes)
    } catch (error) {
      this.#fail(toError(error))
      this.#socket.destroy()
      return
    }
    if (response === undefined) return
    this.#bytes = Buffer.alloc(0)
    if (response.headers.get('connection') === 'close') this.#socket.destroy()
    this.#done()?.resolve(response)
  }

  #fail(error: Error): void {
    this.#done()?.reject(error)
  }

  #done(): Waiting | undefined {
    const waiting = this.#waiting
    this.#waiting = undefined
    clearTimeout(waiting?.timer)
    return waiting
  }
}

function coded(message: string, code: string): Error {
  return Object.assign(new Error(message), { code })
}

/** undefined: it is not whole yet. Throws for what is no response of HTTP/1.1, or has no length. */
export function readResponse(bytes: Buffer): WireResponse | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const [first = '', ...lines] = bytes.toString('latin1', 0, headEnd).split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1])
  if (Number.isNaN(status)) throw coded(`no response begins with ${first}`, 'EPROTO')
  const headers = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    const before = headers.get(name)
    const value = line.slice(colon + 1).trim()
    headers.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  const rest = bytes.subarray(headEnd + 4)
  const body = bodyOf(status, headers, rest)
  if (body === undefined) return undefined
  return { status, headers, body }
}

function bodyOf(status: number, headers: ReadonlyMap<string, string>, rest: Buffer): Buffer | undefined {
  if (status === 204 || status === 304) return rest
  const length = headers.get('content-length')
  if (length !== undefined) return whole(rest, Number(length))
  if (headers.get('transfer-encoding') === 'chunked') return unchunked(rest)
  throw coded('a response without a length', 'EPROTO')
}

/** More than it would be another response, and none was asked for. */
function whole(rest: Buffer, length: number): Buffer | undefined {
  if (rest.length > length) throw coded('more bytes than the response has', 'EPROTO')
  return rest.length === length ? rest : undefined
}

function unchunked(rest: Buffer): Buffer | undefined {
  const chunks: Buffer[] = []
  for (let at = 0; ; ) {
    const lineEnd = rest.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const length = Number.parseInt(rest.toString('latin1', at, lineEnd), 16)
    const end = lineEnd + 2 + length
    if (Number.isNaN(length)) throw coded('a chunk without a length', 'EPROTO')
    if (rest.length < end + 2) return undefined
    if (length === 0) return Buffer.concat(chunks)
    chunks.push(rest.subarray(lineEnd + 2, end))
    at = end + 2
  }
}

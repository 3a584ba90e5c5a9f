import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Backend, Call } from './backend.ts'
import { checkedHeaders, type HeaderLines, hasNoBody, headerOf, responseHeaders } from './response-headers.ts'
import { faultOf, statusClass, unreachable } from './upstream-failure.ts'

/**
 * Passes one request and its response on as streams, with back-pressure. Resolves when the response is sent, or cut as
 * the backend cut it. Rejects with `backend_unreachable` or `backend_timeout` before the response. A client that leaves
 * ends the request.
 */
export function streamThrough(backend: Backend, call: Call, res: ServerResponse): Promise<void> {
  return new Promise((resolve, reject) => {
    const passing = new Passing(backend, call, res, {
      addHeaders() {},
      ended: (error) => (error === undefined ? resolve() : reject(error)),
    })
    res.once('close', () => passing.left())
    passing.begin()
  })
}

export interface PassingOwner {
  /** Adds headers to those of the backend. */
  addHeaders(headers: HeaderLines): void
  /** Called once at the end, with the error if there is one. */
  ended(error?: unknown): void
}

/** Copying more would cost more than the saved system call. */
const ONE_WRITE_BYTES = 16_384

const LEFT = new Error('the client has gone')

/**
 * One request on its way, without the price of a promise: its holder must call left() when the response closes. In
 * the form of handler that undici takes as it is: for the newer one it makes an object of all headers that is not used.
 */
export class Passing implements Dispatcher.DispatchHandler {
  readonly #startedMs = performance.now()
  readonly #backend: Backend
  readonly #call: Call
  readonly #res: ServerResponse
  readonly #owner: PassingOwner
  #abort: ((error?: Error) => void) | undefined
  #resume: (() => void) | undefined
  #status = 0
  #length: number | undefined
  #whole: Buffer | undefined
  #ended = false

  constructor(backend: Backend, call: Call, res: ServerResponse, owner: PassingOwner) {
    this.#backend = backend
    this.#call = call
    this.#res = res
    this.#owner = owner
  }

  begin(): void {
    this.#backend.send(this.#call, this)
  }

  /** The response has gone, or its client has. */
  left(): void {
    if (this.#ended) return
    this.#abort?.(LEFT)
    // A request that waits for a connection cannot be aborted: it fails by its body.
    if (!this.#ended) this.#dropBody(LEFT)
  }

  onConnect(abort: (error?: Error) => void): void {
    if (this.#abort !== undefined) {
      abort(new Error('a request is not sent twice'))
      return
    }
    this.#abort = abort
    if (this.#res.destroyed) abort(LEFT)
  }

  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void): boolean {
    // Interim responses are dropped; the client got its 100 from this server.
    if (status < 200) return true
    this.#status = status
    this.#resume = resume
    const lines = checkedHeaders(status, rawHeaders)
    const headers = responseHeaders(status, lines)
    this.#owner.addHeaders(headers)
    this.#res.writeHead(status, headers)
    const length = headerOf(headers, 'content-length')
    if (length !== undefined) this.#length = Number(length)
    if (hasNoBody(status)) this.onComplete()
    return true
  }

  onData(chunk: Buffer): boolean {
    // The whole body: it can be sent with the head in one write.
    if (chunk.length === this.#length && chunk.length <= ONE_WRITE_BYTES) {
      this.#whole = chunk
      return true
    }
    if (this.#res.write(chunk)) return true
    if (this.#resume !== undefined) this.#res.once('drain', this.#resume)
    return false
  }

  onComplete(): void {
    if (this.#ended) return
    this.#ended = true
    this.#dropBody()
    this.#backend.ended(statusClass(this.#status), this.#startedMs)
    if (this.#whole === undefined) this.#res.end()
    else endInOneWrite(this.#res, this.#whole)
    this.#owner.ended()
  }

  onError(error: Error): void {
    if (this.#ended) return
    this.#ended = true
    this.#dropBody()
    const left = this.#res.destroyed
    const fault = faultOf(error, this.#abort !== undefined, this.#status > 0)
    this.#backend.ended(left ? 'left' : fault, this.#startedMs)
    if (left || this.#res.headersSent) {
      cutResponse(this.#res, this.#length !== undefined)
      this.#owner.ended()
    } else this.#owner.ended(unreachable(fault, error, { method: this.#call.method, keyed: false }))
  }

  /** undici does not close a body that it has not begun to send. */
  #dropBody(reason?: Error): void {
    const { body } = this.#call
    if (body instanceof Readable) body.destroy(reason)
  }
}

/**
 * As Latin-1 text Node joins body and head, and sent before end() they leave in one system call for one piece, in half
 * the time of a list.
 */
function endInOneWrite(res: ServerResponse, body: Buffer): void {
  res.write(body.toString('latin1'), 'latin1')
  res.socket?.uncork()
  res.end()
}

/**
 * Ends an incomplete response so that its client notices. Without length and chunks, as in HTTP/1.0, an end of the
 * connection would look complete: it is reset (RFC 9112, 8).
 */
export function cutResponse(res: ServerResponse, hasLength: boolean): void {
  const { socket } = res
  if (hasLength || res.chunkedEncoding || socket === null) res.destroy()
  else socket.resetAndDestroy()
}

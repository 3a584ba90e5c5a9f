import type { IncomingMessage } from 'node:http'
import { PassThrough, type Readable } from 'node:stream'
import { type Dispatcher, Pool } from 'undici'
import { connectBackend } from './backend-connection.ts'
import { type ForwardedHeadersOptions, forwardedHeaders, type RequestIds } from './forwarded-headers.ts'
import { splitTarget } from './target.ts'
import type { UpstreamOutcome } from './upstream-failure.ts'

export interface BackendOptions extends ForwardedHeadersOptions {
  connectTimeoutMs: number
  /** false: a connection for each request. */
  keepAlive: boolean
  /** Until the status, and between two pieces of the response. */
  timeoutMs: number
  onOutcome: (outcome: UpstreamOutcome, seconds: number) => void
}

/** One request as it goes to the backend. */
export interface Call {
  method: string
  path: string
  headers: string[]
  body: Buffer | Readable | null
}

/**
 * A connection that closes while we write leaves open whether the request was read. Most servers keep idle connections
 * for 2 s or more: ours close earlier, or a second before an announced `Keep-Alive: timeout=…`.
 */
const KEEP_ALIVE_MS = 1_000
const KEEP_ALIVE_MAX_MS = 60_000
/** Backends may set many cookies. */
const MAX_HEADER_BYTES = 65_536

/** The connections to the target. Nothing is pipelined or sent twice. */
export class Backend {
  readonly #options: BackendOptions
  readonly #pool: Pool

  constructor(options: BackendOptions) {
    this.#options = options
    this.#pool = new Pool(options.target.origin, {
      // 0 tells the backend to close (`Connection: close`).
      pipelining: options.keepAlive ? 1 : 0,
      connect: connectBackend(options.connectTimeoutMs),
      headersTimeout: options.timeoutMs,
      bodyTimeout: options.timeoutMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    })
  }

  /** The request for the backend, with its target as it came. Throws `invalid_request`. */
  callFor(req: IncomingMessage, ids: RequestIds, body: Call['body']): Call {
    const { pathAndQuery, host } = splitTarget(req.url ?? '')
    return {
      method: req.method ?? 'GET',
      path: this.#options.target.basePath + pathAndQuery,
      headers: forwardedHeaders(req, ids, host, this.#options),
      body,
    }
  }

  send(call: Call, handler: Dispatcher.DispatchHandler): void {
    this.#pool.dispatch(call, handler)
  }

  /** To be called at the end of a request. `startedMs`: by performance.now(). */
  ended(outcome: UpstreamOutcome, startedMs: number): void {
    this.#options.onOutcome(outcome, (performance.now() - startedMs) / 1_000)
  }

  async close(): Promise<void> {
    await this.#pool.destroy()
  }
}

/**
 * The body as a stream, null without one. If the backend responds early, this stream ends and not the connection of the
 * client.
 */
export function bodyStream(req: IncomingMessage): Readable | null {
  const { 'content-length': length, 'transfer-encoding': coding } = req.headers
  if (coding === undefined && !(Number(length) > 0)) return null
  const body = new PassThrough()
  // The rest is read and dropped, so that the next request can follow.
  body.once('close', () => req.unpipe(body).resume())
  return req.pipe(body)
}

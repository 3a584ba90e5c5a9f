import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Backend, Call } from './backend.ts'
import { checkedHeaders, type HeaderLines, hasNoBody, headerOf, responseHeaders } from './response-headers.ts'
import { isStreamed } from './response-meaning.ts'
import { faultOf, statusClass, type UpstreamFault, WATCHDOG } from './upstream-failure.ts'

export interface ExchangeLimits {
  /** A larger response is streamed. */
  maxResponseBytes: number
  /** For the whole response. A stream may take longer, while a client reads it. */
  maxDurationMs: number
  /** Ends the exchange like a timeout. */
  signal?: AbortSignal
}

export type Exchanged =
  | { kind: 'whole'; status: number; headers: HeaderLines; body: Buffer; outcome: string | undefined }
  /** Too large, or of a streaming type; `body` fails where the backend cut it. */
  | {
      kind: 'stream'
      status: number
      headers: HeaderLines
      body: Readable
      outcome: string | undefined
      why: 'answer_too_large' | 'answer_streamed'
    }
  | { kind: 'failed'; fault: UpstreamFault; cause: Error }

/**
 * Sends one request and collects its response. Never rejects, and goes on when the client leaves: the backend may be at
 * work.
 */
export function exchange(backend: Backend, call: Call, limits: ExchangeLimits): Promise<Exchanged> {
  return new Promise((resolve) => {
    backend.send(call, new Collecting(backend, limits, resolve))
  })
}

class Collecting implements Dispatcher.DispatchHandler {
  readonly #startedMs = performance.now()
  readonly #backend: Backend
  readonly #limits: ExchangeLimits
  readonly #resolve: (exchanged: Exchanged) => void
  readonly #timer: NodeJS.Timeout
  readonly #onAbort = () => this.#expire()
  #controller: Dispatcher.DispatchController | undefined
  #expired = false
  #ended = false
  #status = 0
  #headers: HeaderLines = []
  #outcome: string | undefined
  #chunks: Buffer[] = []
  #size = 0
  #rest: Readable | undefined

  constructor(backend: Backend, limits: ExchangeLimits, resolve: (exchanged: Exchanged) => void) {
    this.#backend = backend
    this.#limits = limits
    this.#resolve = resolve
    this.#timer = setTimeout(this.#onAbort, limits.maxDurationMs)
    limits.signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#controller !== undefined) {
      controller.abort(new Error('a request is not sent twice'))
      return
    }
    if (this.#expired) {
      controller.abort(expiry())
      return
    }
    this.#controller = controller
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200) return
    this.#status = status
    const lines = checkedHeaders(status, controller.rawHeaders)
    this.#headers = responseHeaders(status, lines)
    this.#outcome = headerOf(lines, 'idempotency-outcome')
    if (hasNoBody(status)) this.onResponseEnd()
    else if (
      isStreamed(headerOf(this.#headers, 'content-type'), headerOf(this.#headers, 'x-accel-buffering'))
    ) {
      this.#stream('answer_streamed')
    } else if (Number(headerOf(this.#headers, 'content-length')) > this.#limits.maxResponseBytes) {
      this.#stream('answer_too_large')
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#rest !== undefined) {
      if (!this.#rest.destroyed && !this.#rest.push(chunk)) controller.pause()
      return
    }
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#size > this.#limits.maxResponseBytes) this.#stream('answer_too_large')
  }

  onResponseEnd(): void {
    if (this.#ended) return
    this.#ended = true
    this.#settle(statusClass(this.#status))
    if (this.#rest !== undefined) {
      this.#rest.push(null)
      return
    }
    const body = Buffer.concat(this.#chunks, this.#size)
    this.#resolve(Object.assign(this.#head(), { kind: 'whole', body } as const))
  }

  onResponseError(_: unknown, error: Error): void {
    if (this.#ended) return
    this.#ended = true
    // Without a begun request nothing was sent, also after a timeout.
    const fault = faultOf(error, this.#controller !== undefined, this.#status > 0)
    this.#settle(fault)
    if (this.#rest === undefined) this.#resolve({ kind: 'failed', fault, cause: error })
    else this.#rest.destroy(error)
  }

  /** Streams the response from now on. */
  #stream(why: 'answer_too_large' | 'answer_streamed'): void {
    const rest = new Readable({
      read: () => this.#controller?.resume(),
      destroy: (error, done) => {
        // The client has left: the backend may finish within its time.
        if (performance.now() - this.#startedMs >= this.#limits.maxDurationMs) this.#expire()
        else this.#controller?.resume()
        done(error)
      },
    })
    // It may fail before a reader has begun, who then gets the error.
    rest.on('error', () => {})
    for (const chunk of this.#chunks) rest.push(chunk)
    this.#chunks = []
    this.#rest = rest
    this.#resolve(Object.assign(this.#head(), { kind: 'stream', body: rest, why } as const))
  }

  #head() {
    return { status: this.#status, headers: this.#headers, outcome: this.#outcome }
  }

  #expire(): void {
    if (this.#rest !== undefined && !this.#rest.destroyed) return
    this.#expired = true
    this.#controller?.abort(expiry())
  }

  #settle(outcome: UpstreamFault | ReturnType<typeof statusClass>): void {
    clearTimeout(this.#timer)
    this.#limits.signal?.removeEventListener('abort', this.#onAbort)
    this.#backend.ended(outcome, this.#startedMs)
  }
}

function expiry(): Error {
  return Object.assign(new Error('the backend had its longest time'), { code: WATCHDOG })
}

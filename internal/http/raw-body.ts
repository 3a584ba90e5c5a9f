import type { IncomingMessage } from 'node:http'
import { checkNumber, MAX_TIMER_MS } from '../core/check-option.ts'
import { middleware } from '../core/compose.ts'
import { type Middleware, type RequestState, WireBody } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import { isBodyWithheld } from './await-continue.ts'
import { LINGER_MS } from './close-after-body.ts'

export interface BodyLimits {
  /** The most bytes of a body; 65,536 by default. */
  maxBodyBytes?: number
  /** The time from the end of the headers to the end of the body; 15,000 by default. */
  timeoutMs?: number
  /** Accepts a body with a Content-Encoding without decoding it, for a proxy that forwards it. */
  anyEncoding?: boolean
}

const MAX_BODY_BYTES = 65_536
/** Without it, a client that sends a byte a second would occupy a connection for hours. */
const TIMEOUT_MS = 15_000

/**
 * Reads the bytes of the body into `ctx.state.body`. They are what is signed, fingerprinted and parsed.
 *
 * @throws ServiceError `body_too_large`, `unsupported_media_type` (a Content-Encoding), `request_timeout`, or
 * `invalid_request` if the connection ends within the body. A plain Error if an earlier middleware, such as a body
 * parser, has already read the body.
 * @example app.use(rawBody({ maxBodyBytes: 1_048_576 }))
 */
export function rawBody(limits: BodyLimits = {}): Middleware {
  const all = withDefaults(limits)
  return middleware(function rawBody({ req, state }) {
    return readWire(req, all, state)
  })
}

export function withDefaults({
  maxBodyBytes = MAX_BODY_BYTES,
  timeoutMs = TIMEOUT_MS,
  anyEncoding = false,
}: BodyLimits): Limits {
  checkNumber('maxBodyBytes', maxBodyBytes, 0, Number.POSITIVE_INFINITY)
  checkNumber('timeoutMs', timeoutMs, 1, MAX_TIMER_MS)
  return { maxBodyBytes, timeoutMs, anyEncoding }
}

const EMPTY = Buffer.alloc(0)
/** The limits, with defaults filled in. */
type Limits = Required<BodyLimits>

export function readWire(req: ReadRequest, limits: Limits, state: RequestState): Promise<void> {
  return new Promise((resolve, reject) => {
    const { headers } = req
    const length = headers['content-length']
    if (req.readableDidRead) return reject(new Error('rawBody must come before what reads the body'))
    if (length === undefined && !isOpenEnded(req)) {
      state.body = new WireBody(EMPTY)
      return resolve()
    }
    // The connection was lost while an earlier middleware waited; there will be no further event.
    if (req.destroyed) return reject(connectionEnded())
    const reading = new Reading(req, limits, state, resolve, reject)
    if (headers['content-encoding'] !== undefined && !limits.anyEncoding) {
      const detail = 'Send the body without a Content-Encoding.'
      return reading.refuse(new ServiceError('unsupported_media_type', detail))
    }
    if (Number(length) > limits.maxBodyBytes) return reading.refuse(tooLarge(limits.maxBodyBytes))
    // The listeners are not removed: that costs more than a late call.
    req[READING] = reading
    req.on('data', onData).on('end', onEnd).on('close', onClose)
    process.nextTick(startTimer, reading, Number(length))
  })
}

/** Whether there may be a body without Content-Length. */
function isOpenEnded({ headers, httpVersionMajor }: IncomingMessage): boolean {
  // HTTP/2 has no Transfer-Encoding, and its clients often declare no length.
  return headers['transfer-encoding'] !== undefined || httpVersionMajor >= 2
}

const READING = Symbol('reading')
/** All requests share the same listener functions; closures for each request would cost memory. */
type ReadRequest = IncomingMessage & { [READING]?: Reading }

function onData(this: ReadRequest, chunk: Buffer): void {
  this[READING]?.add(chunk)
}

function onEnd(this: ReadRequest): void {
  this[READING]?.end()
}

function onClose(this: ReadRequest): void {
  this[READING]?.close()
}

/**
 * Usually the whole body arrives with the headers and is read by the end of the tick; then no timer is needed. The size
 * is compared because `req.complete` is set only after the callbacks of this tick.
 */
function startTimer(reading: Reading, length: number): void {
  if (reading.size !== length) reading.startTimer()
}

/** A body that is being read. */
class Reading {
  readonly #req: IncomingMessage
  readonly #limits: Limits
  readonly #state: RequestState
  readonly #resolve: () => void
  readonly #reject: (error: ServiceError) => void
  #first: Buffer = EMPTY
  #more: Buffer[] | undefined
  size = 0
  #isSettled = false
  #timer: NodeJS.Timeout | undefined

  constructor(
    req: IncomingMessage,
    limits: Limits,
    state: RequestState,
    resolve: () => void,
    reject: (error: ServiceError) => void,
  ) {
    this.#req = req
    this.#limits = limits
    this.#state = state
    this.#resolve = resolve
    this.#reject = reject
  }

  startTimer(): void {
    if (this.#isSettled) return
    const { timeoutMs } = this.#limits
    this.#timer = setTimeout(() => {
      const detail = `The body did not arrive within ${timeoutMs} ms.`
      this.refuse(new ServiceError('request_timeout', detail, { headers: { Connection: 'close' } }))
    }, timeoutMs)
  }

  add(chunk: Buffer): void {
    if (this.#isSettled) return
    if (this.size === 0) this.#first = chunk
    else {
      this.#more ??= [this.#first]
      this.#more.push(chunk)
    }
    this.size += chunk.length
    const { maxBodyBytes } = this.#limits
    if (this.size > maxBodyBytes) this.refuse(tooLarge(maxBodyBytes))
  }

  end(): void {
    if (this.#isSettled) return
    this.#settle()
    const bytes = this.#more === undefined ? this.#first : Buffer.concat(this.#more, this.size)
    this.#state.body = new WireBody(bytes)
    this.#resolve()
  }

  close(): void {
    if (this.#isSettled) return
    this.refuse(connectionEnded())
  }

  refuse(error: ServiceError): void {
    if (this.#isSettled) return
    this.#settle()
    discardRest(this.#req)
    this.#reject(error)
  }

  #settle(): void {
    this.#isSettled = true
    clearTimeout(this.#timer)
  }
}

/**
 * Reads and discards the rest for up to `LINGER_MS`: closing with unread bytes would reset the connection and could
 * lose the response.
 */
function discardRest(req: IncomingMessage): void {
  if (req.complete || req.destroyed || isBodyWithheld(req)) return
  req.resume()
  const timer = setTimeout(() => req.socket.destroy(), LINGER_MS)
  req.once('end', () => clearTimeout(timer)).once('close', () => clearTimeout(timer))
}

function connectionEnded(): ServiceError {
  return new ServiceError('invalid_request', 'The connection ended before the end of the body.')
}

function tooLarge(maxBodyBytes: number): ServiceError {
  return new ServiceError('body_too_large', `The body has more than ${maxBodyBytes} bytes.`)
}

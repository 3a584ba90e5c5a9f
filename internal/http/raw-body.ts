import type { IncomingMessage } from 'node:http'
import { middleware } from '../core/compose.ts'
import { type Middleware, type RequestState, WireBody } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import { isBodyWithheld } from './await-continue.ts'
import { LINGER_MS } from './close-after-body.ts'

export interface BodyLimits {
  /** 65,536 by default. */
  maxBodyBytes?: number
  /** From the moment the headers are read until the whole body is there; 15,000 by default. */
  timeoutMs?: number
  /** Takes a body with a Content-Encoding as the bytes that came, for who passes it on unread. */
  anyEncoding?: boolean
}

const MAX_BODY_BYTES = 65_536
/** A client that sends a byte a second would hold a connection and a request for ever. */
const TIMEOUT_MS = 15_000

/**
 * Reads the body as it comes over the wire: what is signed, fingerprinted and, behind them, parsed.
 *
 * @throws ServiceError `body_too_large`, `unsupported_media_type` (a Content-Encoding), `request_timeout`, or
 * `invalid_request` where the connection ends within the body; a plain Error where a middleware before it has read the
 * body, as body parsers do.
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
  return { maxBodyBytes, timeoutMs, anyEncoding }
}

const EMPTY = Buffer.alloc(0)
/** The limits of all requests, with their defaults. */
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
    // While a middleware in front waited: no event would tell of it any more.
    if (req.destroyed) return reject(endedWithin())
    const reading = new Reading(req, limits, state, resolve, reject)
    if (headers['content-encoding'] !== undefined && !limits.anyEncoding) {
      const detail = 'Send the body without a Content-Encoding.'
      return reading.refuse(new ServiceError('unsupported_media_type', detail))
    }
    if (Number(length) > limits.maxBodyBytes) return reading.refuse(tooLarge(limits.maxBodyBytes))
    // They are not taken off again: that costs more than to be called once more.
    req[READING] = reading
    req.on('data', onData).on('end', onEnd).on('close', onClose)
    process.nextTick(startTimer, reading, Number(length))
  })
}

/** Without a length there may be a body all the same: it ends where its stream does. */
function isOpenEnded({ headers, httpVersionMajor }: IncomingMessage): boolean {
  // HTTP/2 has no Transfer-Encoding, and its clients often declare no length.
  return headers['transfer-encoding'] !== undefined || httpVersionMajor >= 2
}

const READING = Symbol('reading')
/** The listeners are the same for all requests: functions of its own would live as long as each of them. */
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
 * Mostly the body came with the headers, and all of it has been read by the end of the tick: that needs no timer.
 * `req.complete` is not yet true: Node.js parses the end of the request after the callbacks of this tick.
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
      const detail = `The body was not there within ${timeoutMs} ms.`
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
    this.refuse(endedWithin())
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

/** Closing a connection with unread bytes resets it, and the response may be lost: the rest is read for a while. */
function discardRest(req: IncomingMessage): void {
  if (req.complete || req.destroyed || isBodyWithheld(req)) return
  req.resume()
  const timer = setTimeout(() => req.socket.destroy(), LINGER_MS)
  req.once('end', () => clearTimeout(timer)).once('close', () => clearTimeout(timer))
}

function endedWithin(): ServiceError {
  return new ServiceError('invalid_request', 'The connection ended before the body did.')
}

function tooLarge(maxBodyBytes: number): ServiceError {
  return new ServiceError('body_too_large', `The body has more than ${maxBodyBytes} bytes.`)
}

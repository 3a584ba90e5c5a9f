import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import bodyParser from 'koa-bodyparser'
import { middleware } from '../core/compose.ts'
import { type Middleware, WireBody } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import { isBodyWithheld } from './await-continue.ts'

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
  return middleware(function rawBody(ctx) {
    return readWire(ctx.req, limits).then((bytes) => {
      ctx.state.body = new WireBody(bytes)
    })
  })
}

/**
 * The same, and koa-bodyparser's `ctx.request.body` from the same chunks: for apps whose routes want it parsed
 * before anything else. (The parser alone keeps no bytes: its `rawBody` is decoded text.)
 *
 * @throws ServiceError as `rawBody`, and `invalid_json`.
 * @example app.use(parsedBody()).use(verifySignature({ registry })).use(parsedJson())
 */
export function parsedBody(limits: BodyLimits = {}): Middleware {
  const parse = bodyParser({
    enableTypes: ['json'],
    jsonLimit: String(limits.maxBodyBytes ?? MAX_BODY_BYTES),
  })
  return middleware(async function parsedBody(ctx) {
    // Both listen in this tick, before the first chunk can flow.
    const [bytes] = await Promise.all([
      readWire(ctx.req, limits),
      parse(ctx, async () => {}).catch(asServiceError),
    ])
    // The parser reads what is not UTF-8 as if it were something else: it would not be what was signed.
    if (ctx.request.rawBody !== undefined && !isUtf8(bytes)) {
      throw new ServiceError('invalid_json', 'The body is not valid JSON: it is not valid UTF-8.')
    }
    ctx.state.body = new WireBody(bytes)
  })
}

const EMPTY = Buffer.alloc(0)
/** How long a refused body may go on coming in, so that its sender gets to read the response. */
const LINGER_MS = 2_000

function readWire(req: IncomingMessage, limits: BodyLimits): Promise<Buffer> {
  const { maxBodyBytes = MAX_BODY_BYTES, timeoutMs = TIMEOUT_MS, anyEncoding } = limits
  return new Promise((resolve, reject) => {
    let first: Buffer = EMPTY
    let more: Buffer[] | undefined
    let size = 0
    let isSettled = false
    let timer: NodeJS.Timeout | undefined
    const refuse = (error: ServiceError) => {
      if (isSettled) return
      isSettled = true
      clearTimeout(timer)
      discardRest(req)
      reject(error)
    }
    if (req.readableDidRead) return reject(new Error('rawBody must come before what reads the body'))
    const length = req.headers['content-length']
    if (length === undefined && !isOpenEnded(req)) return resolve(EMPTY)
    if (req.headers['content-encoding'] !== undefined && anyEncoding !== true) {
      const detail = 'Send the body without a Content-Encoding.'
      return refuse(new ServiceError('unsupported_media_type', detail))
    }
    if (Number(length) > maxBodyBytes) return refuse(tooLarge(maxBodyBytes))
    // They are not taken off again: that costs more than to be called once more.
    req
      .on('data', (chunk: Buffer) => {
        if (isSettled) return
        if (size === 0) first = chunk
        else {
          more ??= [first]
          more.push(chunk)
        }
        size += chunk.length
        if (size > maxBodyBytes) refuse(tooLarge(maxBodyBytes))
      })
      .on('end', () => {
        isSettled = true
        clearTimeout(timer)
        resolve(more === undefined ? first : Buffer.concat(more, size))
      })
      .on('close', () => {
        if (isSettled) return
        refuse(new ServiceError('invalid_request', 'The connection ended before the body did.'))
      })
    const late = () => {
      const detail = `The body was not there within ${timeoutMs} ms.`
      refuse(new ServiceError('request_timeout', detail, { headers: { Connection: 'close' } }))
    }
    // Mostly the body came with the headers, and all of it has been read by then: that needs no timer. `req.complete` is
    // not yet true: Node.js parses the end of the request after the callbacks of this tick.
    process.nextTick(() => {
      if (!isSettled && size !== Number(length)) timer = setTimeout(late, timeoutMs)
    })
  })
}

/** Without a length there may be a body all the same: it ends where its stream does. */
function isOpenEnded({ headers, httpVersionMajor }: IncomingMessage): boolean {
  // HTTP/2 has no Transfer-Encoding, and its clients often declare no length.
  return headers['transfer-encoding'] !== undefined || httpVersionMajor >= 2
}

/**
 * Closing a connection with unread bytes resets it, and the response may be lost with it. So the rest is read and
 * thrown away, for a while.
 */
function discardRest(req: IncomingMessage): void {
  if (req.complete || req.destroyed || isBodyWithheld(req)) return
  req.resume()
  const timer = setTimeout(() => req.socket.destroy(), LINGER_MS)
  req.once('end', () => clearTimeout(timer)).once('close', () => clearTimeout(timer))
}

function tooLarge(maxBodyBytes: number): ServiceError {
  return new ServiceError('body_too_large', `The body has more than ${maxBodyBytes} bytes.`)
}

/** koa-bodyparser throws http-errors. */
function asServiceError(error: unknown): never {
  const status = error instanceof Error && 'status' in error ? error.status : undefined
  if (status === 413) throw new ServiceError('body_too_large', 'The body is too large.')
  if (status === 415) throw new ServiceError('unsupported_media_type', 'The body is not in UTF-8.')
  if (status === 400) throw new ServiceError('invalid_json', 'The body is not valid JSON.')
  throw error
}

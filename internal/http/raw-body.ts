import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import bodyParser from 'koa-bodyparser'
import { type Stage, type StageContext, WireBody } from '../request-state.ts'
import { ServiceError } from '../service-error.ts'

export interface BodyLimits {
  maxBodyBytes: number
  /** From the moment the headers are read until the whole body is there. */
  timeoutMs: number
  /** Takes a body with a Content-Encoding as the bytes that came, for who passes it on unread. */
  anyEncoding?: boolean
}

/** Reads the body as it comes over the wire: what is signed, fingerprinted and, behind them, parsed. */
export function rawBody(limits: BodyLimits): Stage {
  return async function rawBody(ctx, next) {
    ctx.state.body = new WireBody(await readWire(ctx, limits))
    await next()
  }
}

/**
 * The same, and koa-bodyparser's `ctx.request.body` from the same chunks: for apps whose routes want it parsed
 * before anything else. (The parser alone keeps no bytes: its `rawBody` is decoded text.)
 */
export function parsedBody(limits: BodyLimits): Stage {
  const parse = bodyParser({ enableTypes: ['json'], jsonLimit: String(limits.maxBodyBytes) })
  return async function parsedBody(ctx, next) {
    // Both listen in this tick, before the first chunk can flow.
    const [bytes] = await Promise.all([
      readWire(ctx, limits),
      parse(ctx, async () => {}).catch(asServiceError),
    ])
    // The parser reads what is not UTF-8 as if it were something else: it would not be what was signed.
    if (ctx.request.rawBody !== undefined && !isUtf8(bytes)) {
      throw new ServiceError('invalid_json', 'The body is not valid JSON: it is not valid UTF-8.')
    }
    ctx.state.body = new WireBody(bytes)
    await next()
  }
}

const EMPTY = Buffer.alloc(0)
/** How long a refused body may go on coming in, so that its sender gets to read the answer. */
const LINGER_MS = 2_000

async function readWire(ctx: StageContext, limits: BodyLimits): Promise<Buffer> {
  const { req } = ctx
  const length = req.headers['content-length']
  if (length === undefined && req.headers['transfer-encoding'] === undefined) return EMPTY
  try {
    if (req.headers['content-encoding'] !== undefined && limits.anyEncoding !== true) {
      throw new ServiceError('unsupported_media_type', 'Send the body without a Content-Encoding.')
    }
    if (Number(length) > limits.maxBodyBytes) throw tooLarge(limits.maxBodyBytes)
    return await read(req, limits)
  } catch (error) {
    discardRest(req)
    throw error
  }
}

function read(req: IncomingMessage, limits: BodyLimits): Promise<Buffer> {
  const { maxBodyBytes, timeoutMs } = limits
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const settle = (error?: ServiceError) => {
      clearTimeout(timer)
      req.off('data', onData).off('end', onEnd).off('close', onClose)
      if (error !== undefined) return reject(error)
      const [first = EMPTY] = chunks
      resolve(chunks.length === 1 ? first : Buffer.concat(chunks, size))
    }
    const onData = (chunk: Buffer) => {
      size += chunk.length
      chunks.push(chunk)
      if (size > maxBodyBytes) settle(tooLarge(maxBodyBytes))
    }
    const onEnd = () => settle()
    const onClose = () =>
      settle(new ServiceError('invalid_request', 'The connection ended before the body did.'))
    const onTimeout = () =>
      settle(
        new ServiceError('request_timeout', `The body was not there within ${timeoutMs} ms.`, {
          headers: { Connection: 'close' },
        }),
      )
    const timer = setTimeout(onTimeout, timeoutMs)
    req.on('data', onData).on('end', onEnd).on('close', onClose)
  })
}

/**
 * Closing a connection with unread bytes resets it, and the answer may be lost with it. So the rest is read and
 * thrown away, for a while.
 */
function discardRest(req: IncomingMessage): void {
  if (req.complete || req.destroyed) return
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

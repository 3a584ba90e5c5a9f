import { isUtf8 } from 'node:buffer'
import bodyParser from 'koa-bodyparser'
import { middleware } from '../core/compose.ts'
import { type Middleware, required } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import { type BodyLimits, readWire, withDefaults } from './raw-body.ts'

/**
 * Like `rawBody`, and also sets `ctx.request.body` with koa-bodyparser, from the same chunks. For apps that need the
 * parsed body first. (koa-bodyparser alone does not keep the bytes: its `rawBody` is decoded text.)
 *
 * @throws ServiceError as `rawBody`, and `invalid_json`.
 * @example app.use(parsedBody()).use(verifySignature({ registry })).use(parsedJson())
 */
export function parsedBody(limits: BodyLimits = {}): Middleware {
  const all = withDefaults(limits)
  const parse = bodyParser({ enableTypes: ['json'], jsonLimit: String(all.maxBodyBytes) })
  return middleware(async function parsedBody(ctx) {
    // Both add their listeners in this tick, before the first chunk.
    await Promise.all([readWire(ctx.req, all, ctx.state), parse(ctx, async () => {}).catch(asServiceError)])
    const { bytes } = required(ctx, 'body', 'parsedBody')
    // koa-bodyparser replaces invalid UTF-8, and then the parsed body differs from the signed bytes.
    if (ctx.request.rawBody !== undefined && !isUtf8(bytes))
      throw new ServiceError('invalid_json', 'The body is not valid JSON: it is not valid UTF-8.')
  })
}

/** Converts the http-errors that koa-bodyparser throws. */
function asServiceError(error: unknown): never {
  const status = error instanceof Error && 'status' in error ? error.status : undefined
  if (status === 413) throw new ServiceError('body_too_large', 'The body is too large.')
  if (status === 415) throw new ServiceError('unsupported_media_type', 'The body is not in UTF-8.')
  if (status === 400) throw new ServiceError('invalid_json', 'The body is not valid JSON.')
  throw error
}

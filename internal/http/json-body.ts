import { middleware } from '../core/compose.ts'
import { type JsonBody, type Middleware, type MiddlewareContext, required } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import { parseJsonText, withNumbers } from './json-text.ts'

/** `application/json` and `+json`. Parameters are ignored (RFC 8259, 11), except for a charset that is not UTF-8. */
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json[\t ]*(?:;|$)/i
const CHARSET = /;[\t ]*charset[\t ]*=[\t ]*"?([^\s";]*)/i
const UTF8 = /^utf-?8$/i

export interface JsonBodyOptions {
  /** The value of an empty body, which then needs no Content-Type. */
  absent?: JsonBody['value']
}

/**
 * Parses the body that `rawBody` has read, and sets `ctx.state.json`. It comes after the signature and the key, so that
 * replays are not parsed.
 *
 * @throws ServiceError `unsupported_media_type` or `invalid_json`.
 * @example app.use(rawBody()).use(jsonBody())
 */
export function jsonBody({ absent }: JsonBodyOptions = {}): Middleware {
  return middleware(function jsonBody(ctx) {
    const { bytes } = required(ctx, 'body', 'rawBody')
    if (absent !== undefined && bytes.length === 0) {
      ctx.state.json = { value: absent, numbers: new Map() }
    } else {
      requireJsonType(ctx)
      ctx.state.json = parseJsonText(bytes)
    }
  })
}

/**
 * Like `jsonBody`, for a body that `parsedBody` has read and koa-bodyparser has parsed.
 *
 * @throws ServiceError `unsupported_media_type` or `invalid_json`.
 * @example app.use(parsedBody()).use(parsedJson())
 */
export function parsedJson(): Middleware {
  return middleware(function parsedJson(ctx) {
    requireJsonType(ctx)
    const { bytes } = required(ctx, 'body', 'parsedBody')
    // koa-bodyparser returns an empty object for an empty body and for unknown types.
    const isParsed = ctx.request.rawBody !== undefined && bytes.length > 0
    ctx.state.json = isParsed ? withNumbers(ctx.request.body, bytes) : parseJsonText(bytes)
  })
}

function requireJsonType(ctx: MiddlewareContext): void {
  const type = ctx.req.headers['content-type'] ?? ''
  if (!JSON_TYPE.test(type))
    throw new ServiceError('unsupported_media_type', 'Send the body as Content-Type: application/json.')
  const charset = CHARSET.exec(type)?.[1]
  if (charset !== undefined && !UTF8.test(charset)) {
    throw new ServiceError(
      'unsupported_media_type',
      'Send the body in UTF-8, without a charset in Content-Type or with charset=utf-8.',
    )
  }
}

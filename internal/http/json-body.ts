import { required, type Stage } from '../request-state.ts'
import { ServiceError } from '../service-error.ts'
import { parseJsonText } from './json-text.ts'

/** `application/json` and its structured relatives, in UTF-8 or unsaid. */
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json[\t ]*(?:;[\t ]*charset="?utf-8"?[\t ]*)?$/i

/**
 * Parses the bytes that `rawBody` has read. It stands behind the signature and the key, so that replays are never
 * parsed. Throws `unsupported_media_type` or `invalid_json`.
 */
export function jsonBody(): Stage {
  return async function jsonBody(ctx, next) {
    const type = ctx.req.headers['content-type'] ?? ''
    if (!JSON_TYPE.test(type)) {
      throw new ServiceError('unsupported_media_type', 'Send the body as Content-Type: application/json.')
    }
    ctx.state.json = parseJsonText(required(ctx, 'body', 'rawBody').bytes)
    await next()
  }
}

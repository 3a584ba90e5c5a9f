import { type JsonBody, required, type Stage, type StageContext } from '../request-state.ts'
import { ServiceError } from '../service-error.ts'
import { before } from '../stages.ts'
import { parseJsonText, withNumbers } from './json-text.ts'

/** `application/json` and its structured relatives, in UTF-8 or unsaid. */
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json[\t ]*(?:;[\t ]*charset="?utf-8"?[\t ]*)?$/i

interface JsonBodyOptions {
  /** Without a body: this one, for which no Content-Type is needed. */
  absent?: JsonBody['value']
}

/**
 * Parses the bytes that `rawBody` has read. It stands behind the signature and the key, so that replays are never
 * parsed. Throws `unsupported_media_type` or `invalid_json`.
 */
export function jsonBody({ absent }: JsonBodyOptions = {}): Stage {
  return before(function jsonBody(ctx) {
    const { bytes } = required(ctx, 'body', 'rawBody')
    if (absent !== undefined && bytes.length === 0) {
      ctx.state.json = { value: absent, numbers: new Map() }
    } else {
      requireJsonType(ctx)
      ctx.state.json = parseJsonText(bytes)
    }
  })
}

/** The same for what `parsedBody` has read and koa-bodyparser has parsed. */
export function parsedJson(): Stage {
  return before(function parsedJson(ctx) {
    requireJsonType(ctx)
    const { bytes } = required(ctx, 'body', 'parsedBody')
    // The parser makes an empty object of no text, and of the types that it does not know.
    const isParsed = ctx.request.rawBody !== undefined && bytes.length > 0
    ctx.state.json = isParsed ? withNumbers(ctx.request.body, bytes) : parseJsonText(bytes)
  })
}

function requireJsonType(ctx: StageContext): void {
  if (JSON_TYPE.test(ctx.req.headers['content-type'] ?? '')) return
  throw new ServiceError('unsupported_media_type', 'Send the body as Content-Type: application/json.')
}

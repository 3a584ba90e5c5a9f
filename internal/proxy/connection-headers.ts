import { headerValues } from '../core/header-values.ts'
import { ServiceError } from '../core/service-error.ts'

/** Headers of the connection (RFC 9110, 7.6.1), or for this proxy only. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Headers that middleware or the backend rely on: named in Connection they would vanish between the check and their use. */
const OF_THE_MESSAGE =
  /^(?:host|authorization|cookie|origin|referer|date|via|forwarded|signature|signature-input|traceparent|tracestate|content-.*|(?:x-)?idempotency-.*|x-signature|x-client-id|x-request-id|x-forwarded-.*|x-real-ip|x-api-key|.*auth.*|.*token.*)$/

export function isHopByHop(name: string): boolean {
  return HOP_BY_HOP.has(name)
}

const NONE: ReadonlySet<string> = new Set()

/** The names in Connection headers, in lower case. */
function connectionOptions(values: readonly string[]): string[] {
  return values
    .flatMap((value) =>
      value
        .toLowerCase()
        .split(',')
        .map((name) => name.trim()),
    )
    .filter(Boolean)
}

/** The headers of this connection only. Throws `invalid_request` if one belongs to the message, as `callerHeader` does. */
export function droppedHeaders(
  rawHeaders: readonly string[],
  callerHeader: string | undefined,
): ReadonlySet<string> {
  const values = headerValues(rawHeaders, 'connection')
  if (values.length === 0) return NONE
  const options = connectionOptions(values)
  if (options.some((name) => !HOP_BY_HOP.has(name) && (name === callerHeader || OF_THE_MESSAGE.test(name)))) {
    throw new ServiceError(
      'invalid_request',
      'The Connection header names a header that belongs to the message and must reach the backend.',
    )
  }
  return new Set(options)
}

import { quoted } from '../core/quoted.ts'

/** What the log tells of a request. */
export interface RequestLine {
  requestId: string | undefined
  /** Hexadecimal digits, as the span's. */
  traceId: string | undefined
  spanId: string | undefined
  client: string | undefined
  /** The idempotency key as it was sent, at most 255 characters. */
  key: string | undefined
  /** From a fixed set, as the route: nothing in them that JSON escapes. */
  method: string
  route: string
  path: string
  status: number
  durationMs: number
}

/** The members of the log line of a request, as pino would write them, in less than half of the time. */
export function requestLine(line: RequestLine): string {
  const { requestId, traceId, spanId, client, key } = line
  const who = requestId === undefined ? '' : `,"request_id":${quoted(requestId)}`
  const trace = traceId === undefined ? '' : `,"trace_id":"${traceId}"`
  const span = spanId === undefined ? '' : `,"span_id":"${spanId}"`
  const caller = client === undefined ? '' : `,"client":${quoted(client)}`
  const keyed = key === undefined ? '' : `,"idempotency_key":${quoted(key)}`
  return `${who}${trace}${span}${caller}${keyed},"method":"${line.method}","route":"${line.route}","path":${quoted(line.path)},"status":${line.status},"duration_ms":${line.durationMs},"msg":"request"`
}

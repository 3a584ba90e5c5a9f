import { type FieldFault, localProblem, type Problem, type RateLimitStanding } from './problem-error.ts'
import { retryAfterOf } from './retry-policy.ts'

/** A complete response that is not a problem. */
export interface ServiceResponse {
  status: number
  headers: Headers
  /** The body as received. */
  bytes: Uint8Array
  /** The response is a replay of an earlier one; this attempt changed nothing. */
  replayed: boolean
  /** The id of this attempt in the log of the service. */
  requestId: string | undefined
  rateLimit: RateLimitStanding | undefined
}

export type Read = { ok: true; response: ServiceResponse } | { ok: false; problem: Problem }

/** Reads at most `maxBytes`. `outcomes`: statuses besides 2xx that are not problems. Rejects if the connection fails. */
export async function readResponse(
  response: Response,
  maxBytes: number,
  nowMs: number,
  outcomes: readonly number[],
): Promise<Read> {
  const { status, headers } = response
  const requestId = headers.get('X-Request-Id') ?? undefined
  const rateLimit = rateLimitOf(headers)
  const about = { status, requestId, rateLimit }
  const bytes = await readBytes(response, maxBytes)
  if (bytes === undefined) {
    const detail = `The response ${status} has more than ${maxBytes} bytes.`
    return { ok: false, problem: localProblem('answer_too_large', detail, about) }
  }
  const isOutcome =
    outcomes.includes(status) && /^application\/json\b/i.test(headers.get('Content-Type') ?? '')
  if (response.ok || isOutcome) {
    const replayed = headers.get('Idempotent-Replayed') === 'true'
    return { ok: true, response: { status, headers, bytes, replayed, requestId, rateLimit } }
  }
  const document = problemDocument(headers, bytes)
  const retryAfterMs = retryAfterOf(headers, document?.retry_after_ms, nowMs)
  if (typeof document?.code !== 'string') {
    const type = headers.get('Content-Type') ?? 'no content type'
    const detail = `The response ${status} (${type}) is not from the service; a proxy may have sent it.`
    return { ok: false, problem: localProblem('unexpected_answer', detail, { ...about, retryAfterMs }) }
  }
  const { code, title, detail, retryable } = document
  const problem: Problem = {
    code,
    detail: [detail, title].find((text) => typeof text === 'string') ?? code,
    ...about,
    requestId: requestId ?? textOf(document.request_id),
    retryable: typeof retryable === 'boolean' ? retryable : undefined,
    retryAfterMs,
    errors: fieldFaults(document.errors),
    cause: undefined,
  }
  return { ok: false, problem }
}

/** The body; undefined if it has more than `maxBytes`. */
async function readBytes(response: Response, maxBytes: number): Promise<Uint8Array | undefined> {
  const reader = response.body?.getReader()
  const chunks: Uint8Array[] = []
  let length = 0
  while (reader !== undefined) {
    const { done, value } = await reader.read()
    if (done) break
    length += value.length
    if (length > maxBytes) {
      await reader.cancel()
      return undefined
    }
    chunks.push(value)
  }
  const bytes = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    bytes.set(chunk, offset)
    offset += chunk.length
  }
  return bytes
}

function rateLimitOf(headers: Headers): RateLimitStanding | undefined {
  const [limit, remaining, reset] = ['Limit', 'Remaining', 'Reset'].map((name) => {
    const text = headers.get(`X-RateLimit-${name}`) ?? ''
    return /^\d{1,15}$/.test(text) ? Number(text) : undefined
  })
  if (limit === undefined || remaining === undefined || reset === undefined) return undefined
  return { limit, remaining, resetAtMs: reset * 1_000 }
}

function problemDocument(headers: Headers, bytes: Uint8Array): Record<string, unknown> | undefined {
  if (!/^application\/(problem\+)?json\b/i.test(headers.get('Content-Type') ?? '')) return undefined
  const value = parseJson(bytes)
  return isObject(value) ? value : undefined
}

function fieldFaults(value: unknown): FieldFault[] {
  if (!Array.isArray(value)) return []
  return value.flatMap((fault: unknown) => {
    if (!isObject(fault)) return []
    return [{ pointer: textOf(fault.pointer) ?? '', detail: textOf(fault.detail) ?? '' }]
  })
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** The value of a JSON body; undefined if it is not valid JSON in UTF-8. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}

/** The array; undefined if the value is not an array of such items. */
export function arrayOf<T>(value: unknown, isItem: (item: unknown) => item is T): T[] | undefined {
  return Array.isArray(value) && value.every(isItem) ? value : undefined
}

/** Whether all these members are strings. */
export function hasStrings(value: Record<string, unknown>, ...names: string[]): boolean {
  return names.every((name) => typeof value[name] === 'string')
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

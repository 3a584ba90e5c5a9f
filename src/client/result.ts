import { localProblem, ProblemError, type RateLimitStanding } from './problem-error.ts'
import { parseJson, type ServiceResponse } from './read-response.ts'
import type { SendRequest } from './request.ts'
import type { Effort, Sent } from './transport.ts'

/** The members that every result has besides its value. */
export interface About {
  requestId: string | undefined
  rateLimit: RateLimitStanding | undefined
  /** The number of attempts. */
  attempts: number
}

/** The result of a request with a key. */
export interface Created extends About {
  key: string
  /** The response is a replay of an earlier one, perhaps of an earlier attempt of this call. */
  replayed: boolean
}

export function aboutOf({ requestId, rateLimit, attempts }: Sent): About {
  return { requestId, rateLimit, attempts }
}

/** The value of a response. `key`: undefined for a GET. Throws ProblemError `unexpected_answer`. */
export function parsed<T>(sent: Sent, key: string | undefined, parse: (value: unknown) => T | undefined): T {
  const value = parse(parseJson(sent.bytes))
  if (value !== undefined) return value
  const effect = key === undefined ? 'none' : 'unknown'
  throw new ProblemError(unexpected(sent), { key, attempts: sent.attempts, effect, gaveUp: 'not retryable' })
}

/** Reads a route with GET. */
export async function read<T extends object>(
  request: SendRequest,
  path: string,
  { signal, deadlineMs }: Effort,
  parse: (value: unknown) => T | undefined,
): Promise<T & About> {
  const sent = await request(path, { signal, deadlineMs })
  return { ...parsed(sent, undefined, parse), ...aboutOf(sent) }
}

/** A path with the parameters that are not undefined. */
export function withQuery(path: string, parameters: Record<string, string | number | undefined>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) query.set(name, String(value))
  }
  const search = query.toString()
  return search === '' ? path : `${path}?${search}`
}

function unexpected({ status, headers, requestId, rateLimit }: ServiceResponse) {
  const type = headers.get('Content-Type') ?? 'no content type'
  const detail = `The response ${status} (${type}) is not a response of this route: check baseUrl.`
  return localProblem('unexpected_answer', detail, { status, requestId, rateLimit })
}

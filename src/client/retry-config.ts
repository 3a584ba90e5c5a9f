import { NO_CREDENTIALS } from './credentials.ts'
import { isObject, parseJson } from './read-response.ts'
import type { SendRequest } from './request.ts'
import { type About, read } from './result.ts'
import { DEFAULT_RULES, MULTIPLIER, type RetryRules, retryPolicy } from './retry-policy.ts'
import { stopwatch } from './signals.ts'
import { targetOf } from './target.ts'
import { type Effort, type Transport, tryOnce } from './transport.ts'

/** `GET /api/v1/retry-config`: how the service recommends to retry. */
export interface RetryConfig {
  /** Including the first. */
  max_attempts: number
  /**
   * The ceiling of the wait before the first retry. Each further ceiling is `multiplier` times as high, up to
   * `max_delay_ms`.
   */
  base_delay_ms: number
  max_delay_ms: number
  multiplier: number
  /** `full`: each wait is a uniform random value from 0 to its ceiling. */
  jitter: string
  /** The timeout of one attempt, from sending to the last byte of the response. */
  attempt_timeout_ms: number
  /** The deadline of the request, with all attempts and waits. */
  deadline_ms: number
  /** Whether the wait that a response requests is added to the random wait. */
  honour_retry_after: boolean
  retry_on: { statuses: number[]; codes: string[] }
  /** The ceiling of each wait. */
  example_delays_ms: number[]
  /** An example of the random waits of one request. */
  example_delays_with_jitter_ms: number[]
}

export interface FoundRetryConfig extends About {
  config: RetryConfig
}

const PATH = 'api/v1/retry-config'
/** The timeout of reading the recommendation. After it the defaults are used. */
const READ_MS = 3_000
/** The wait after a failed read before the next one. */
const READ_AGAIN_MS = 60_000

export function readRetryConfig(request: SendRequest, options: Effort = {}): Promise<FoundRetryConfig> {
  return read(request, PATH, options, (value) => {
    const config = retryConfigOf(value)
    return config && { config }
  })
}

/** The rules of the service, read once. After a failed read: the defaults, and a new read a minute later. Never rejects. */
export function serviceRules(transport: Omit<Transport, 'rules'>, base: URL): () => Promise<RetryRules> {
  const { now } = transport
  let reading: Promise<RetryRules | undefined> | undefined
  let sinceFailedMs: (() => number) | undefined
  const readOnce = async () => {
    const rules = await readRules(transport, base)
    sinceFailedMs = rules === undefined ? stopwatch(now) : undefined
    return rules
  }
  return async function rules() {
    if (sinceFailedMs !== undefined && sinceFailedMs() >= READ_AGAIN_MS) reading = undefined
    if (reading === undefined) {
      sinceFailedMs = undefined
      reading = readOnce()
    }
    return (await reading) ?? DEFAULT_RULES
  }
}

async function readRules(transport: Omit<Transport, 'rules'>, base: URL): Promise<RetryRules | undefined> {
  const outgoing = { method: 'GET', ...targetOf(PATH, base), key: undefined, keyHeader: '', body: undefined }
  // The route is public, so no credentials are sent.
  const response = await tryOnce(
    { ...transport, credentials: NO_CREDENTIALS },
    { ...outgoing, outcomes: [] },
    READ_MS,
  )
  return response.ok ? rulesOf(retryConfigOf(parseJson(response.response.bytes))) : undefined
}

/** Undefined if this client does not support a part of the recommendation; then none of it is used. */
function rulesOf(config: RetryConfig | undefined): RetryRules | undefined {
  if (config === undefined || config.multiplier !== MULTIPLIER || config.jitter !== 'full') return undefined
  if (!config.honour_retry_after) return undefined
  try {
    const policy = retryPolicy({
      maxAttempts: config.max_attempts,
      baseMs: config.base_delay_ms,
      capMs: config.max_delay_ms,
      attemptTimeoutMs: config.attempt_timeout_ms,
      deadlineMs: config.deadline_ms,
    })
    return { policy, on: config.retry_on }
  } catch {
    return undefined
  }
}

const NUMBERS = [
  'max_attempts',
  'base_delay_ms',
  'max_delay_ms',
  'multiplier',
  'attempt_timeout_ms',
  'deadline_ms',
] as const

function retryConfigOf(value: unknown): RetryConfig | undefined {
  return isRetryConfig(value) ? value : undefined
}

function isRetryConfig(value: unknown): value is RetryConfig {
  if (!isObject(value) || !isObject(value.retry_on)) return false
  const { statuses, codes } = value.retry_on
  return (
    NUMBERS.every((name) => typeof value[name] === 'number') &&
    typeof value.jitter === 'string' &&
    typeof value.honour_retry_after === 'boolean' &&
    isListOf('number', statuses) &&
    isListOf('string', codes) &&
    isListOf('number', value.example_delays_ms) &&
    isListOf('number', value.example_delays_with_jitter_ms)
  )
}

function isListOf(type: 'number' | 'string', value: unknown): boolean {
  return Array.isArray(value) && value.every((one: unknown) => typeof one === type)
}

import type { Credentials } from './credentials.ts'
import { type GaveUp, localProblem, type Problem, ProblemError } from './problem-error.ts'
import { type Read, readResponse, type ServiceResponse } from './read-response.ts'
import type { RetryBudget } from './retry-budget.ts'
import { isRetryable, ownDeadline, type RetryRules, retryDelay } from './retry-policy.ts'
import { follow, isOver, stopwatch, unlessAborted } from './signals.ts'

/** What a client is made of. */
export interface Transport {
  credentials: Credentials
  fetch: typeof globalThis.fetch
  /** Never rejects. */
  rules: () => Promise<RetryRules>
  budget: RetryBudget
  maxResponseBytes: number
  onRetry: ((retry: RetryNotice) => void) | undefined
  now: () => number
  random: () => number
  /** Resolves after so many milliseconds, or as soon as the signal is aborted. */
  sleep: (ms: number, signal: AbortSignal | undefined) => Promise<void>
}

/** Before the wait for the next attempt. */
export interface RetryNotice {
  key: string | undefined
  /** The one that just failed; 1 is the first. */
  attempt: number
  delayMs: number
  problem: Problem
}

/** A request whose every attempt has the same bytes. */
export interface Outgoing {
  method: string
  url: string
  /** Path and query, as they are signed. */
  target: string
  key: string | undefined
  /** `key` as it stands in the header. */
  keyHeader: string
  body: Uint8Array<ArrayBuffer> | undefined
  /** Statuses that are responses and no problems, beside 2xx, where they come as JSON. */
  outcomes: readonly number[]
}

export interface Effort {
  signal?: AbortSignal | undefined
  /** For this request instead of the policy's: up to 2,147,483,647, or RangeError. None is left where it is 0 or less. */
  deadlineMs?: number | undefined
}

/** The response, and how many attempts it took. */
export type Sent = ServiceResponse & { attempts: number }

/**
 * Sends the request until it has a response that is no passing trouble, with a new timestamp and signature for each
 * attempt. Only what may be sent twice is: GET, HEAD and requests with a key. Rejects with ProblemError.
 */
export async function send(transport: Transport, outgoing: Outgoing, effort: Effort = {}): Promise<Sent> {
  const { budget, now, random, sleep, onRetry } = transport
  const { signal } = effort
  const passedMs = stopwatch(now)
  const ownDeadlineMs = ownDeadline(effort.deadlineMs)
  const reading = outgoing.method === 'GET' || outgoing.method === 'HEAD'
  const repeatable = reading || outgoing.key !== undefined
  let effect: 'none' | 'unknown' = 'none'
  if (isOver(signal))
    throw new ProblemError(aborted(signal), { key: outgoing.key, attempts: 0, effect, gaveUp: 'aborted' })
  const rules = await unlessAborted(transport.rules(), signal)
  if (rules === undefined)
    throw new ProblemError(aborted(signal), { key: outgoing.key, attempts: 0, effect, gaveUp: 'aborted' })
  const { policy, on } = rules
  const deadlineMs = ownDeadlineMs ?? policy.deadlineMs
  if (passedMs() >= deadlineMs) {
    const late = localProblem('timeout', 'The deadline was over before the first attempt.')
    throw new ProblemError(late, { key: outgoing.key, attempts: 0, effect, gaveUp: 'deadline' })
  }
  budget.request()

  for (let attempt = 1; ; attempt++) {
    const read = await tryOnce(
      transport,
      outgoing,
      Math.min(policy.attemptTimeoutMs, deadlineMs - passedMs()),
      signal,
    )
    if (read.ok) return { ...read.response, attempts: attempt }
    const { problem } = read
    if (!reading) effect = effectAfter(effect, problem)
    const fail = (gaveUp: GaveUp, last = problem) =>
      new ProblemError(last, { key: outgoing.key, attempts: attempt, effect, gaveUp })

    if (isOver(signal)) throw fail('aborted', problem.code === 'aborted' ? problem : aborted(signal))
    if (!repeatable || !isRetryable(problem, on)) throw fail('not retryable')
    if (attempt >= policy.maxAttempts) throw fail('attempts')
    const delayMs = retryDelay(policy, attempt - 1, problem.retryAfterMs, random)
    if (passedMs() + delayMs >= deadlineMs) throw fail('deadline')
    if (!budget.take()) throw fail('retry budget')
    onRetry?.({ key: outgoing.key, attempt, delayMs, problem })
    await sleep(delayMs, signal)
    if (isOver(signal)) throw fail('aborted', aborted(signal))
    // A timer that fired late, as on a machine that slept, must not start an attempt without time.
    if (passedMs() >= deadlineMs) throw fail('deadline')
  }
}

/** One attempt. Rejects only with a defect of this side. */
export async function tryOnce(
  transport: Omit<Transport, 'rules'>,
  outgoing: Outgoing,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<Read> {
  const { method, url, body } = outgoing
  const headers = await headersOf(transport, outgoing)
  const { controller, release } = follow(signal)
  let late = false
  const timer = setTimeout(() => {
    late = true
    controller.abort()
  }, timeoutMs)
  try {
    const response = await transport.fetch(url, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
      signal: controller.signal,
      // A signature is for one target: it is not handed on to another.
      redirect: 'manual',
      credentials: 'omit',
    })
    return await readResponse(response, transport.maxResponseBytes, transport.now(), outgoing.outcomes)
  } catch (cause) {
    if (isOver(signal)) return { ok: false, problem: aborted(signal) }
    const problem = late
      ? localProblem('timeout', `There was no whole response within ${Math.round(timeoutMs)} ms.`, { cause })
      : localProblem('network_error', `There was no whole response: ${describe(cause)}.`, { cause })
    return { ok: false, problem }
  } finally {
    clearTimeout(timer)
    release()
  }
}

async function headersOf(
  { credentials, now }: Pick<Transport, 'credentials' | 'now'>,
  outgoing: Outgoing,
): Promise<Record<string, string>> {
  const { method, target, key, keyHeader, body } = outgoing
  const own = await credentials.headers({
    timestamp: Math.floor(now() / 1_000),
    method,
    target,
    key: keyHeader,
    body: body ?? new Uint8Array(),
  })
  return {
    Accept: 'application/json, application/problem+json',
    ...own,
    ...(key === undefined ? {} : { 'Idempotency-Key': keyHeader }),
    ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
  }
}

function aborted(signal: AbortSignal | undefined): Problem {
  return localProblem('aborted', 'The caller aborted the request.', { cause: signal?.reason })
}

/** Refusals before anything was done: what became of earlier attempts stays as it was. */
const REFUSALS = new Set([400, 401, 403, 404, 405, 406, 413, 415, 429, 431])
/** Final words about the key: nothing took effect under it and nothing will. */
const VERDICTS = new Set(['validation_failed'])

function effectAfter(before: 'none' | 'unknown', { code, status }: Problem): 'none' | 'unknown' {
  if (VERDICTS.has(code)) return 'none'
  return REFUSALS.has(status) ? before : 'unknown'
}

/** The message of fetch() says only "fetch failed" in Node.js: its cause says why. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  if (cause instanceof Error) return `${error.message} (${cause.message || cause.name})`
  return error.message
}

import type { Credentials } from './credentials.ts'
import { type GaveUp, localProblem, type Problem, ProblemError } from './problem-error.ts'
import { type Read, readResponse, type ServiceResponse } from './read-response.ts'
import type { RetryBudget } from './retry-budget.ts'
import { isRetryable, ownDeadline, type RetryRules, retryDelay } from './retry-policy.ts'
import { follow, isAborted, stopwatch, unlessAborted } from './signals.ts'

/** The dependencies of a client. */
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
  /** Resolves after `ms`, or as soon as the signal is aborted. */
  sleep: (ms: number, signal: AbortSignal | undefined) => Promise<void>
}

/** A retry that is about to be waited for. */
export interface RetryNotice {
  key: string | undefined
  /** The number of the failed attempt, from 1. */
  attempt: number
  delayMs: number
  problem: Problem
}

/** A request; each attempt has the same bytes. */
export interface Outgoing {
  method: string
  url: string
  /** Path and query, as signed. */
  target: string
  key: string | undefined
  /** `key` as written in the header. */
  keyHeader: string
  body: Uint8Array<ArrayBuffer> | undefined
  /** Statuses besides 2xx that are results and not problems, if the response is JSON. */
  outcomes: readonly number[]
}

export interface Effort {
  signal?: AbortSignal | undefined
  /**
   * The deadline of this request, instead of that of the policy: at most 2,147,483,647, or RangeError. With 0 or less
   * nothing is sent.
   */
  deadlineMs?: number | undefined
}

/** The response and the number of attempts. */
export type Sent = ServiceResponse & { attempts: number }

/**
 * Sends the request until it succeeds, fails finally, or reaches a limit of the policy. Each attempt has a new timestamp
 * and signature. Only GET, HEAD and requests with a key are retried. Rejects with ProblemError.
 */
export async function send(transport: Transport, outgoing: Outgoing, effort: Effort = {}): Promise<Sent> {
  const { budget, now, random, sleep, onRetry } = transport
  const { signal } = effort
  const passedMs = stopwatch(now)
  const ownDeadlineMs = ownDeadline(effort.deadlineMs)
  const reading = outgoing.method === 'GET' || outgoing.method === 'HEAD'
  const repeatable = reading || outgoing.key !== undefined
  let effect: 'none' | 'unknown' = 'none'
  if (isAborted(signal))
    throw new ProblemError(aborted(signal), { key: outgoing.key, attempts: 0, effect, gaveUp: 'aborted' })
  const rules = await unlessAborted(transport.rules(), signal)
  if (rules === undefined)
    throw new ProblemError(aborted(signal), { key: outgoing.key, attempts: 0, effect, gaveUp: 'aborted' })
  const { policy, on } = rules
  const deadlineMs = ownDeadlineMs ?? policy.deadlineMs
  if (passedMs() >= deadlineMs) {
    const late = localProblem('timeout', 'The deadline passed before the first attempt.')
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

    if (isAborted(signal)) throw fail('aborted', problem.code === 'aborted' ? problem : aborted(signal))
    if (!repeatable || !isRetryable(problem, on)) throw fail('not retryable')
    if (attempt >= policy.maxAttempts) throw fail('attempts')
    const delayMs = retryDelay(policy, attempt - 1, problem.retryAfterMs, random)
    if (passedMs() + delayMs >= deadlineMs) throw fail('deadline')
    if (!budget.take()) throw fail('retry budget')
    onRetry?.({ key: outgoing.key, attempt, delayMs, problem })
    await sleep(delayMs, signal)
    if (isAborted(signal)) throw fail('aborted', aborted(signal))
    // If the timer fired late, for example after the machine slept, there is no time left for an attempt.
    if (passedMs() >= deadlineMs) throw fail('deadline')
  }
}

/** One attempt. Rejects only with a defect of the client. */
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
      // A signature is for one target, so a redirect is not followed.
      redirect: 'manual',
      credentials: 'omit',
    })
    return await readResponse(response, transport.maxResponseBytes, transport.now(), outgoing.outcomes)
  } catch (cause) {
    if (isAborted(signal)) return { ok: false, problem: aborted(signal) }
    const problem = late
      ? localProblem('timeout', `There was no complete response within ${Math.round(timeoutMs)} ms.`, {
          cause,
        })
      : localProblem('network_error', `There was no complete response: ${describe(cause)}.`, { cause })
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

/** Refusals before any effect. They say nothing about the effect of earlier attempts. */
const REFUSALS = new Set([400, 401, 403, 404, 405, 406, 413, 415, 429, 431])
/** Final results for the key: nothing took effect, and nothing will. */
const FINAL_REFUSALS = new Set(['validation_failed'])

function effectAfter(before: 'none' | 'unknown', { code, status }: Problem): 'none' | 'unknown' {
  if (FINAL_REFUSALS.has(code)) return 'none'
  return REFUSALS.has(status) ? before : 'unknown'
}

/** In Node.js, the message of a fetch() error is only "fetch failed"; its cause has the reason. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  if (cause instanceof Error) return `${error.message} (${cause.message || cause.name})`
  return error.message
}

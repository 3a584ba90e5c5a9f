import { performance } from 'node:perf_hooks'
import { sleep } from '../../client/signals.ts'
import { type Client, createClient, ProblemError, type RetryNotice } from '../../client.ts'
import { Ledger } from './ledger.ts'
import { type Attempt, losingFetch } from './losing-fetch.ts'
import { clientName, type Plan, planOf } from './plan.ts'
import { seeded } from './seeded.ts'
import { sendPlan } from './send-plan.ts'
import type { Settings } from './settings.ts'

/** One copy of a request, from its first attempt to its end. */
export interface Call {
  client: string
  number: number
  /** 1 or 2. */
  copy: number
  key: string
  attempts: Attempt[]
  /** It ended without a response. */
  gaveUp: boolean
}

/** The state of a run. */
export interface Run {
  readonly settings: Settings
  readonly ledger: Ledger
  readonly calls: Call[]
  /** Milliseconds since the start of the run. */
  readonly now: () => number
  /** Requests of which every copy has ended. */
  done: number
  /** Until then a client waits after a 429. */
  limitedUntilMs: number
  /** The tightest limit, from the responses. */
  limit: { limit: number; remaining: number } | undefined
  phase: 'sending' | 'checking' | 'over'
  /** Keys that the check has sent again. */
  checked: number
}

/** For requests in flight after --duration: longer than the longest default limit window. */
export const GRACE_MS = 90_000
const ATTEMPT_TIMEOUT_MS = 10_000
/** Losses are simulated: no request is given up before its deadline. */
const RETRY = { maxAttempts: 1_000, baseMs: 100, capMs: 5_000, budgetReserve: Number.POSITIVE_INFINITY }

export function newRun(settings: Settings): Run {
  const startedMs = performance.now()
  return {
    settings,
    ledger: new Ledger(),
    calls: [],
    now: () => performance.now() - startedMs,
    done: 0,
    limitedUntilMs: 0,
    limit: undefined,
    phase: 'sending',
    checked: 0,
  }
}

/** Runs all clients. Rejects with an Error for the operator when the service refuses valid requests. */
export async function sendAll(run: Run): Promise<void> {
  const { settings } = run
  const fatal = new AbortController()
  const pace = pacer(run, fatal.signal)
  const client = async (name: string) => {
    const lanes = [1, 2].map((copy) => openLane(run, name, copy, fatal.signal))
    for (let number = 1; number <= settings.requests; number++) {
      await pace()
      if (fatal.signal.aborted || run.now() >= settings.durationMs) return
      const plan = planOf(settings, name, number)
      run.ledger.sent(plan)
      await Promise.all(plan.copies.map((_, n) => lanes[n]?.(plan)))
      run.done++
    }
  }
  const names = Array.from({ length: settings.clients }, (_, index) => clientName(index))
  await Promise.all(
    names.map((name) =>
      client(name).catch((error: unknown) => {
        fatal.abort()
        throw error
      }),
    ),
  )
}

/** Resolves when the next request may begin. */
function pacer({ settings: { rate }, now }: Run, signal: AbortSignal): () => Promise<void> {
  let begun = 0
  return async () => {
    if (rate === undefined) return
    const waitMs = (begun++ * 1_000) / rate - now()
    if (waitMs > 0) await sleep(waitMs, signal)
  }
}

/** An SDK client; the returned function sends a copy of a request. */
function openLane(run: Run, name: string, copy: number, signal: AbortSignal): (plan: Plan) => Promise<void> {
  let call: Call | undefined
  let losses: Plan['copies'][number]['losses'] = []
  const client = openClient(run, `${name}/${copy}`, {
    nextLoss: () => losses[call?.attempts.length ?? 0],
    onAttempt: (attempt) => call?.attempts.push(attempt),
    onFinal: (response) => call !== undefined && run.ledger.answered(call.key, response),
    now: run.now,
  })
  return async (plan) => {
    const { delayMs = 0, losses: planned = [] } = plan.copies[copy - 1] ?? {}
    await sleep(delayMs, signal)
    call = { client: name, number: plan.number, copy, key: plan.key, attempts: [], gaveUp: false }
    losses = planned
    run.calls.push(call)
    const { settings } = run
    const deadlineMs = Math.max(1, settings.durationMs + GRACE_MS - run.now())
    try {
      const { rateLimit } = await sendPlan(client, settings.api, plan, { key: plan.key, signal, deadlineMs })
      run.limit = rateLimit ?? run.limit
    } catch (error) {
      call.gaveUp = true
      if (isFatal(error, signal)) throw refusal(error)
    }
  }
}

/** An SDK client with its defaults, except that the jitter is from the seed. */
export function openClient(run: Run, name: string, lane: Parameters<typeof losingFetch>[0]): Client {
  const { url, client, secret, seed } = run.settings
  return createClient({
    baseUrl: url,
    client,
    secret,
    retry: { ...RETRY, attemptTimeoutMs: ATTEMPT_TIMEOUT_MS },
    fetch: losingFetch(lane),
    random: seeded(`${seed}/jitter/${name}`),
    onRetry: (retry) => noticeLimit(run, retry),
  })
}

function noticeLimit(run: Run, { problem, delayMs }: RetryNotice): void {
  run.limit = problem.rateLimit ?? run.limit
  if (problem.status === 429) run.limitedUntilMs = Math.max(run.limitedUntilMs, run.now() + delayMs)
}

/** A refusal would come again for every request. */
function isFatal(error: unknown, signal: AbortSignal): boolean {
  if (!(error instanceof ProblemError)) return true
  return error.gaveUp === 'not retryable' && !signal.aborted
}

function refusal(error: unknown): Error {
  if (!(error instanceof ProblemError)) return error instanceof Error ? error : new Error(String(error))
  const { status, code, message } = error
  const hint = status === 401 ? '; are --client and --secret those of this service?' : ''
  return new Error(`the service refuses what is sent with ${status} ${code}: ${message}${hint}`)
}

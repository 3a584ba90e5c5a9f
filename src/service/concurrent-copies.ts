import { createClient } from '../client.ts'
import type { FinalResponse } from '../tools/simulator/ledger.ts'
import { type Attempt, losingFetch, type Outcome } from '../tools/simulator/losing-fetch.ts'

export interface CopiesOptions {
  /** Of the service. */
  url: string
  apiKey: string
  key: string
  payment: { amount: string; currency: string; payment_method: string }
  copies: number
  /** Milliseconds, monotonic. */
  now: () => number
  /** 0 to less than 1. */
  random: () => number
}

const OUTCOMES = {
  fresh: 'executed',
  replayed: 'replayed',
  limited: 'rate_limited',
  'in progress': 'conflicted',
  lost: 'failed',
  failed: 'failed',
} as const satisfies Record<Outcome, string>

interface Copy {
  /** From 1. */
  copy: number
  outcome: (typeof OUTCOMES)[Outcome]
  /** Of the last response; 0: there was none. */
  status: number
  attempts: number
  started_ms: number
  duration_ms: number
}

/** The response of `POST /api/v1/simulate-concurrent`. */
export interface CopiesReport {
  requests: number
  idempotency_key: string
  executed: number
  replayed: number
  /** Attempts that got 409 because another copy was in flight. */
  conflicted: number
  rate_limited: number
  failed: number
  transaction_id: string | null
  /** Status and bytes of all copies that got a response. */
  identical_answers: boolean
  duration_ms: number
  copies: Copy[]
}

/** As long as a person waits; a copy with a later Retry-After ends. */
const PATIENCE_MS = 20_000
/** As the SDK, but without its retry budget: many concurrent retries are the purpose. */
const RETRY = { maxAttempts: 20, baseMs: 50, capMs: 1_000, budgetReserve: Number.POSITIVE_INFINITY }

/** Sends copies of one payment at the same time, each with its retries. */
export async function sendCopies(options: CopiesOptions): Promise<CopiesReport> {
  const { now, key } = options
  const startMs = now()
  const results = await Promise.all(Array.from({ length: options.copies }, () => sendCopy(options)))
  const attempts = results.flatMap((one) => one.attempts)
  const copies = results.map((one, n) => copyOf(n + 1, one.attempts, startMs))
  const count = (outcome: Copy['outcome']) => copies.filter((one) => one.outcome === outcome).length
  const responses = results.flatMap(({ response }) => response ?? [])
  const texts = responses.map(({ status, body }) => `${status} ${Buffer.from(body).toString()}`)
  return {
    requests: options.copies,
    idempotency_key: key,
    executed: count('executed'),
    replayed: count('replayed'),
    conflicted: attempts.filter(({ outcome }) => outcome === 'in progress').length,
    rate_limited: count('rate_limited'),
    failed: count('failed') + count('conflicted'),
    transaction_id: /"transaction_id":"([^"]+)"/.exec(texts[0] ?? '')?.[1] ?? null,
    identical_answers: texts.length > 0 && new Set(texts).size === 1,
    duration_ms: round(now() - startMs),
    copies,
  }
}

interface Sent {
  attempts: Attempt[]
  response: FinalResponse | undefined
}

async function sendCopy({ url, apiKey, key, payment, now, random }: CopiesOptions): Promise<Sent> {
  const sent: Sent = { attempts: [], response: undefined }
  const client = createClient({
    baseUrl: url,
    apiKey,
    random,
    retry: RETRY,
    fetch: losingFetch({
      nextLoss: () => undefined,
      onAttempt: (attempt) => sent.attempts.push(attempt),
      onFinal: (response) => {
        sent.response = response
      },
      now,
    }),
  })
  // The outcome is in the attempts.
  await client.payments.create(payment, { key, deadlineMs: PATIENCE_MS }).catch(() => {})
  return sent
}

function copyOf(copy: number, attempts: readonly Attempt[], startMs: number): Copy {
  const [first, last] = [attempts[0], attempts.at(-1)]
  return {
    copy,
    outcome: last === undefined ? 'failed' : OUTCOMES[last.outcome],
    status: last?.status ?? 0,
    attempts: attempts.length,
    started_ms: round((first?.startMs ?? startMs) - startMs),
    duration_ms: round((last?.endMs ?? startMs) - (first?.startMs ?? startMs)),
  }
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10
}

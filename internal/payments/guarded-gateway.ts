import { randomBytes } from 'node:crypto'
import {
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  ExponentialBackoff,
  fullJitterGenerator,
  handleWhenResult,
  type RetryPolicy,
  retry,
} from 'cockatiel'
import type { ChargeResult, FindResult, PaymentGateway } from './gateway.ts'

export interface GuardedGateway extends PaymentGateway {
  /** How long the circuit breaker stays open, at least 1; undefined: it is closed. */
  restMs(): number | undefined
}

export interface GuardedGatewayOptions {
  onState?: (state: 'closed' | 'half_open' | 'open') => void
  /** Called after each call with its result. */
  onCall?: (outcome: ChargeResult['outcome'] | FindResult['outcome'], seconds: number) => void
  halfOpenAfterMs?: number
}

/** Fewer could be one request with its retries; with more of them too many clients would wait for nothing. */
const FAILURES_IN_A_ROW = 5
const HALF_OPEN_AFTER_MS = 5_000

/**
 * A gateway behind a circuit breaker, which opens after 5 failures in a row. While it is open charges are `unsent`, and
 * every 5 s a lookup of a charge that does not exist probes the gateway, so that the breaker closes without traffic and
 * without risk for a payment. A failure is a call without a response; a declined or refused charge is a response. Failed
 * lookups count, successful ones do not close the breaker: a gateway may find charges and make none. A charge that was
 * not sent is retried with full jitter.
 */
export function guardedGateway(gateway: PaymentGateway, options: GuardedGatewayOptions = {}): GuardedGateway {
  const { onState, onCall, halfOpenAfterMs = HALF_OPEN_AFTER_MS } = options
  const breaker = circuitBreaker(handleWhenResult(isFailure), {
    halfOpenAfter: halfOpenAfterMs,
    breaker: new ConsecutiveBreaker(FAILURES_IN_A_ROW),
  })
  // The half second or so that a restart of a process takes.
  const again = jitteredRetry(isUnsent, { retries: 2, firstDelayMs: 100, maxDelayMs: 500 })
  const timed = async <T extends ChargeResult | FindResult>(call: Promise<T>): Promise<T> => {
    const startedMs = performance.now()
    const result = await call
    onCall?.(result.outcome, (performance.now() - startedMs) / 1000)
    return result
  }
  const find = (key: string) => timed(gateway.find(key))

  let closed = false
  let probe: NodeJS.Timeout | undefined
  let probeAtMs: number | undefined
  const probeLater = () => {
    clearTimeout(probe)
    if (closed) return
    probeAtMs = performance.now() + halfOpenAfterMs
    // Cockatiel uses another clock, in whole milliseconds: this must be a little later.
    probe = setTimeout(() => {
      const unknownKey = randomBytes(32).toString('hex')
      void breaker.execute(() => find(unknownKey)).then(probeIfOpen, probeIfOpen)
    }, halfOpenAfterMs + 20)
    probe.unref()
  }
  const probeIfOpen = () => {
    if (breaker.state === CircuitState.Open) probeLater()
  }
  breaker.onStateChange((state) => {
    onState?.(NAMES[state])
    if (state === CircuitState.Open) probeLater()
    if (state === CircuitState.Closed) probeAtMs = undefined
  })
  onState?.('closed')

  return {
    charge: (charge, chargeOptions) =>
      again.execute(async (): Promise<ChargeResult> => {
        if (probeAtMs !== undefined || !chargeOptions.mayLeave()) return unsent()
        return await throughBreaker(breaker, () => timed(gateway.charge(charge, chargeOptions)))
      }),
    async find(key) {
      const result = await find(key)
      if (isFailure(result) && probeAtMs === undefined)
        await throughBreaker(breaker, async (): Promise<FindResult> => result)
      return result
    },
    restMs: () => (probeAtMs === undefined ? undefined : Math.max(1, probeAtMs - performance.now())),
    close() {
      closed = true
      clearTimeout(probe)
      gateway.close()
    },
  }
}

const NAMES = {
  [CircuitState.Closed]: 'closed',
  [CircuitState.HalfOpen]: 'half_open',
  [CircuitState.Open]: 'open',
  [CircuitState.Isolated]: 'open',
} as const

/** An open breaker throws: nothing was sent. */
async function throughBreaker<T>(breaker: CircuitBreakerPolicy, call: () => Promise<T>) {
  try {
    return await breaker.execute(call)
  } catch (error) {
    return unsent(error)
  }
}

function unsent(cause: unknown = undefined): { outcome: 'unsent'; cause: Error } {
  return { outcome: 'unsent', cause: new Error('nothing was sent', { cause }) }
}

interface Retries {
  retries: number
  firstDelayMs: number
  maxDelayMs: number
}

/** Repeats a call with exponential backoff and full jitter while its result `isRetried`. */
export function jitteredRetry(
  isRetried: (result: unknown) => boolean,
  { retries, firstDelayMs: initialDelay, maxDelayMs: maxDelay }: Retries,
): RetryPolicy {
  const backoff = new ExponentialBackoff({ initialDelay, maxDelay, generator: fullJitterGenerator })
  return retry(handleWhenResult(isRetried), { maxAttempts: retries, backoff })
}

export function outcomeOf(result: unknown): unknown {
  return typeof result === 'object' && result !== null && 'outcome' in result ? result.outcome : undefined
}

function isFailure(result: unknown): boolean {
  return ['unsent', 'timeout', 'error'].some((one) => one === outcomeOf(result))
}

function isUnsent(result: unknown): boolean {
  return outcomeOf(result) === 'unsent'
}

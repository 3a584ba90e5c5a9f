import { randomBytes } from 'node:crypto'
import {
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  ExponentialBackoff,
  fullJitterGenerator,
  handleWhenResult,
  retry,
} from 'cockatiel'
import type { ChargeResult, FindResult, PaymentGateway } from './gateway.ts'

export interface GuardedGateway extends PaymentGateway {
  /** How long the circuit breaker stays open from now, at least 1; undefined: it is closed. */
  restMs(): number | undefined
}

export interface GuardedGatewayOptions {
  onState?: (state: 'closed' | 'half_open' | 'open') => void
  /** What a call came to, and the time that it took. */
  onCall?: (outcome: ChargeResult['outcome'] | FindResult['outcome'], seconds: number) => void
  halfOpenAfterMs?: number
}

/** Fewer could be one request and its retries; more would be a crowd that waits in vain. */
const FAILURES_IN_A_ROW = 5
const HALF_OPEN_AFTER_MS = 5_000
/** Charges that were not sent are tried again twice, within the half second or so that a restart of a process takes. */
const RETRIES = 2
const FIRST_DELAY_MS = 100
const MAX_DELAY_MS = 500

/**
 * A gateway with a circuit breaker round it. It opens after 5 failures in a row and says so by `restMs`; while it is
 * open charges are `unsent`, and every 5 s a lookup of a charge that does not exist asks whether the gateway is back: no
 * payment is risked on it, and it closes without traffic. Failures are what did not give a response; a declined or
 * refused charge is one. Lookups that fail count, those that succeed do not: a gateway that finds but never charges
 * is not well. A charge that was not sent is tried again, with full jitter.
 */
export function guardedGateway(gateway: PaymentGateway, options: GuardedGatewayOptions = {}): GuardedGateway {
  const { onState, onCall, halfOpenAfterMs = HALF_OPEN_AFTER_MS } = options
  const breaker = circuitBreaker(handleWhenResult(isFailure), {
    halfOpenAfter: halfOpenAfterMs,
    breaker: new ConsecutiveBreaker(FAILURES_IN_A_ROW),
  })
  const again = retry(handleWhenResult(isUnsent), {
    maxAttempts: RETRIES,
    backoff: new ExponentialBackoff({
      initialDelay: FIRST_DELAY_MS,
      maxDelay: MAX_DELAY_MS,
      generator: fullJitterGenerator,
    }),
  })
  const timed = async <T extends { outcome: ChargeResult['outcome'] | FindResult['outcome'] }>(
    call: Promise<T>,
  ): Promise<T> => {
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
    // The library counts in the milliseconds of another clock: a little later than it does.
    probe = setTimeout(() => {
      void breaker.execute(() => find(nobodysKey())).then(probeIfOpen, probeIfOpen)
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

/** The breaker refuses by throwing; what it refuses was not sent. */
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

function resultOutcome(result: unknown): unknown {
  return typeof result === 'object' && result !== null && 'outcome' in result ? result.outcome : undefined
}

function isFailure(result: unknown): boolean {
  return ['unsent', 'timeout', 'error'].some((one) => one === resultOutcome(result))
}

function isUnsent(result: unknown): boolean {
  return resultOutcome(result) === 'unsent'
}

function nobodysKey(): string {
  return randomBytes(32).toString('hex')
}

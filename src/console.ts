import Router from '@koa/router'
import { type ClientStanding, consoleApi, type Settling } from '../internal/console/console-api.ts'
import { consolePage } from '../internal/console/console-page.ts'
import { reportNode } from '../internal/console/report-node.ts'
import { signIn } from '../internal/console/sign-in.ts'
import { Traffic } from '../internal/console/traffic.ts'
import type { Database } from '../internal/database/database.ts'
import type { RedisConnection } from '../internal/database/redis.ts'
import { jsonBody } from '../internal/http/json-body.ts'
import { rawBody } from '../internal/http/raw-body.ts'
import type { KeyRecords } from '../internal/idempotency/key-records.ts'
import { postgresRecords } from '../internal/idempotency/postgres-records.ts'
import { redisRecords } from '../internal/idempotency/redis-records.ts'
import { settleMsOf } from '../internal/payments/pay-once.ts'
import { PAY_SCOPE } from '../internal/payments/payment.ts'
import { paymentStore } from '../internal/payments/payment-store.ts'
import { PAYMENTS_SCOPE, paymentAnswer } from '../internal/payments/payments.ts'
import { takeUnknown } from '../internal/payments/read-payments.ts'
import type { Limiter } from '../internal/ratelimit/limiter.ts'
import type { RequestState } from '../internal/request-state.ts'
import type { Logger } from '../internal/telemetry/logger.ts'
import type { Metrics } from '../internal/telemetry/metrics.ts'
import type { Config } from './config.ts'
import { limitGroups } from './limits.ts'
import { VERSION } from './package-root.ts'

/** Where keys are used: what is searched for a key. */
const SCOPES = ['POST /orders', PAY_SCOPE, PAYMENTS_SCOPE]
/** An operator may give the whole body of an answer. */
const MAX_BODY_BYTES = 1_048_576
const BODY_TIMEOUT_MS = 15_000
const CIRCUIT_STATES = ['closed', 'half_open', 'open']

interface ConsoleParts {
  config: Config
  database: Database
  redis: RedisConnection | undefined
  limiter: Limiter
}

/** True where the console is served: with a token, on the private listener, or in demo mode beside the API. */
function hasConsole({ operatorToken, metricsPort, production }: Config): boolean {
  return operatorToken !== undefined && (metricsPort !== undefined || !production)
}

/** `/console` and what its page asks. */
export function operatorConsole(parts: ConsoleParts): Router<RequestState> {
  const { config, database } = parts
  const router = new Router<RequestState>()
  const api = consoleApi({
    ...{ database, records: keyRecords(parts), scopes: SCOPES, now: Date.now },
    resolutionsElsewhere: config.idempotencyStore === 'redis',
    standings: (client) => standings(parts, client),
    settle: (settling) => settle(parts, settling),
  })
  const page = consolePage()
  const signedIn = signIn({ token: config.operatorToken ?? '', now: Date.now })
  const body = [
    signedIn,
    rawBody({ maxBodyBytes: MAX_BODY_BYTES, timeoutMs: BODY_TIMEOUT_MS }),
    jsonBody(),
  ] as const
  router.get('/console', page)
  router.get('/console/:file', page)
  router.get('/console/api/overview', signedIn, api.overview)
  router.get('/console/api/key', signedIn, api.key)
  router.post('/console/api/keys/resolve', ...body, api.resolveKey)
  router.post('/console/api/payments/settle', ...body, api.settlePayment)
  return router
}

export interface OpenConsole {
  console: Router<RequestState> | undefined
  /** What is to be told what this process does. */
  traffic: Traffic | undefined
  close(): Promise<void>
}

/**
 * The console of a process that serves requests, and its reports to whoever has the console open on whichever process.
 * Neither where there is no console.
 */
export function openConsole(parts: ConsoleParts & { metrics: Metrics; logger: Logger }): OpenConsole {
  const { config, database, metrics, logger } = parts
  if (!hasConsole(config)) return { console: undefined, traffic: undefined, close: async () => {} }
  const traffic = new Traffic(Date.now)
  const reporting = reportNode(database, {
    version: VERSION,
    traffic,
    async circuits() {
      const { values } = await metrics.circuitState.get()
      return Object.fromEntries(
        values.map(({ labels, value }) => [String(labels.name), CIRCUIT_STATES[value] ?? 'unknown']),
      )
    },
    onTrouble: (error) => logger.warn({ err: error }, 'the console is not told of this process'),
  })
  return { console: operatorConsole(parts), traffic, close: () => reporting.close() }
}

function keyRecords({ config, database, redis }: ConsoleParts): KeyRecords {
  const options = { ttlMs: config.idempotencyTtlMs }
  return config.idempotencyStore === 'redis' && redis !== undefined
    ? redisRecords(redis, options)
    : postgresRecords(database, options)
}

/** Limits of an address are left out: they are not the client's. */
async function standings({ config, limiter }: ConsoleParts, client: string): Promise<ClientStanding[]> {
  const groups = await Promise.all(
    limitGroups(config).map(async ({ group, limits, route }) => {
      const own = limits.filter(({ scope }) => scope === 'client' || scope === 'endpoint')
      if (own.length === 0) return []
      const { statuses } = await limiter.peek(own, { client, ip: '', route, group })
      return statuses.map(({ name, remaining, allowed, resetAfterMs }) => {
        const limit = own.find((one) => one.name === name)
        return { group, name, quota: limit?.burst ?? 0, remaining, allowed, resetAfterMs }
      })
    }),
  )
  return groups.flat()
}

/** Longer than the statement after it, and the same once more. */
const SETTLE_LEASE_MS = 8_000

/** Only what the gateway did not tell for a day: until then asking it is better than being told. */
async function settle({ config, database }: ConsoleParts, settling: Settling): Promise<boolean> {
  const { client, id, attempt, state, chargeId, by, reason } = settling
  const taken = await takeUnknown(database, { client, id, seen: attempt, leaseMs: SETTLE_LEASE_MS })
  if (taken === undefined) return false
  const { payment } = taken
  const store = paymentStore(database, { settleMs: settleMsOf(config.gatewayTimeoutMs) })
  return await store.settle(
    { client, id, attempt: taken.attempt, requestId: undefined },
    {
      ...{ state, chargeId, answer: paymentAnswer({ ...payment, state }) },
      ...{ event: 'payment.recovered', by: `operator:${by}`, reason },
    },
  )
}

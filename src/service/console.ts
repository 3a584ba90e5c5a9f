import { consoleApi, type Settling } from '../../internal/console/console-api.ts'
import { consolePage } from '../../internal/console/console-page.ts'
import { postgresBoard } from '../../internal/console/node-board.ts'
import { reportNode } from '../../internal/console/report-node.ts'
import { Traffic } from '../../internal/console/traffic.ts'
import type { Middleware } from '../../internal/core/request-state.ts'
import type { Database } from '../../internal/database/database.ts'
import type { RedisConnection } from '../../internal/database/redis.ts'
import { operatorWebhooks } from '../../internal/events/operator-webhooks.ts'
import type { ServedRoute } from '../../internal/http/route-map.ts'
import { settleMsOf } from '../../internal/payments/pay-once.ts'
import { paymentResponse } from '../../internal/payments/payments.ts'
import { takeUnknown } from '../../internal/payments/read-payments.ts'
import type { Limiter } from '../../internal/ratelimit/limiter.ts'
import type { OwnLimits } from '../../internal/ratelimit/rate-limits.ts'
import type { Logger } from '../../internal/telemetry/logger.ts'
import type { Metrics } from '../../internal/telemetry/metrics.ts'
import type { Config } from '../config/config.ts'
import { VERSION } from '../package-root.ts'
import { clientStandings } from '../runtime/client-standings.ts'
import { consoleGate } from '../runtime/console-gate.ts'
import { keyRecords } from '../runtime/key-engine.ts'
import { limitsInForce } from '../runtime/limits.ts'
import { openPaymentStore } from './payments.ts'
import { type ConsoleOperation, ROUTES, routeOf, scopeOf } from './routes.ts'

/** Routes with keys. */
const SCOPES = ROUTES.filter(({ key }) => key !== undefined).map(scopeOf)
const CIRCUIT_STATES = ['closed', 'half_open', 'open']

interface ConsoleDependencies {
  config: Config
  database: Database
  redis: RedisConnection | undefined
  limiter: Limiter
  ownLimits: OwnLimits
}

/** With a token, on the private listener, or in demo mode beside the API. */
function hasConsole({ operatorToken, metricsPort, production }: Config): boolean {
  return operatorToken !== undefined && (metricsPort !== undefined || !production)
}

/** `/console` and its API. */
export function operatorConsole(dependencies: ConsoleDependencies): ServedRoute[] {
  const { config, database, limiter, ownLimits } = dependencies
  // `endpoint` limits count payments.
  const limits = {
    limiter,
    ownLimits,
    limits: limitsInForce(config),
    route: scopeOf(routeOf('createPayment')),
  }
  const api = consoleApi({
    kind: 'service',
    nodes: postgresBoard(database, 'service'),
    searchClient: 'default',
    ledger: database,
    records: keyRecords(dependencies),
    scopes: SCOPES,
    now: Date.now,
    resolutionsElsewhere: config.idempotencyStore === 'redis',
    standings: (client) => clientStandings(limits, client),
    settle: (settling) => settle(dependencies, settling),
  })
  const webhooks = operatorWebhooks(database)
  const page = consolePage()
  const handlers: Readonly<Record<ConsoleOperation, Middleware>> = {
    consolePage: page,
    consoleFile: page,
    consoleOverview: api.overview,
    consoleKey: api.key,
    consoleResolveKey: api.resolveKey,
    consoleSettlePayment: api.settlePayment,
    consoleWebhooks: webhooks.endpoints,
    consoleDeliveries: webhooks.deliveries,
    consoleReplayWebhooks: webhooks.replay,
    consoleDisableWebhooks: webhooks.disable,
  }
  const gate = consoleGate(config.operatorToken ?? '')
  const byOperation = new Map(Object.entries(handlers))
  return ROUTES.flatMap((route) => {
    const handler = byOperation.get(route.operation)
    return handler === undefined
      ? []
      : [{ method: route.method, path: route.path, middlewares: [...gate(route), handler] }]
  })
}

export interface OpenConsole {
  console: readonly ServedRoute[]
  /** Counts requests. */
  traffic: Traffic | undefined
  close(): Promise<void>
}

/** The console of a process that serves requests, and the reports of this process to all consoles. */
export function openConsole(
  dependencies: ConsoleDependencies & { metrics: Metrics; logger: Logger },
): OpenConsole {
  const { config, database, metrics, logger } = dependencies
  if (!hasConsole(config)) return { console: [], traffic: undefined, close: async () => {} }
  const traffic = new Traffic(Date.now)
  const reporting = reportNode(postgresBoard(database, 'service'), {
    kind: 'service',
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
  return { console: operatorConsole(dependencies), traffic, close: () => reporting.close() }
}

/** Longer than the statement after it, sent twice. */
const SETTLE_LEASE_MS = 8_000

/** For payments in state `unknown` only: before that the gateway is asked. */
async function settle(dependencies: ConsoleDependencies, settling: Settling): Promise<boolean> {
  const { client, id, attempt, state, chargeId, by, reason } = settling
  const taken = await takeUnknown(dependencies.database, {
    client,
    id,
    seen: attempt,
    leaseMs: SETTLE_LEASE_MS,
    settleMs: settleMsOf(dependencies.config.gatewayTimeoutMs),
  })
  if (taken === undefined) return false
  const { payment } = taken
  return await openPaymentStore(dependencies).settle(
    { client, id, attempt: taken.attempt, requestId: undefined },
    {
      state,
      chargeId,
      response: paymentResponse({ ...payment, state }),
      event: 'payment.recovered',
      by: `operator:${by}`,
      reason,
    },
  )
}

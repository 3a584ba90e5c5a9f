import type Router from '@koa/router'
import type { Observations } from '../internal/audit/observations.ts'
import type { Traffic } from '../internal/console/traffic.ts'
import type { Database } from '../internal/database/database.ts'
import type { RedisConnection } from '../internal/database/redis.ts'
import type { Drain } from '../internal/http/drain.ts'
import type { HealthOptions } from '../internal/http/health.ts'
import type { GuardedGateway } from '../internal/payments/guarded-gateway.ts'
import type { Limiter } from '../internal/ratelimit/limiter.ts'
import type { RequestState } from '../internal/request-state.ts'
import type { ClientRegistry } from '../internal/signature/client-registry.ts'
import type { Logger } from '../internal/telemetry/logger.ts'
import type { Metrics } from '../internal/telemetry/metrics.ts'
import type { Spans } from '../internal/telemetry/spans.ts'
import type { Config } from './config.ts'
import type { Scrape } from './metrics-app.ts'

/** What the pipeline is made of: connections and collectors, opened by whoever runs it. */
export interface Parts {
  config: Config
  clients: ClientRegistry
  database: Database
  redis: RedisConnection | undefined
  gateway: GuardedGateway
  observations: Observations
  drain: Drain
  health: HealthOptions
  logger: Logger
  metrics: Metrics
  /** The text for `/metrics`: of this process, or of all workers. */
  scrape: Scrape
  /** undefined: no spans are recorded. */
  spans: Spans | undefined
  limiter: Limiter
  /** The operator's console; undefined: it is not served. */
  console: Router<RequestState> | undefined
  /** What the console is told of this process. */
  traffic: Traffic | undefined
}

export interface StoreParts extends Pick<Parts, 'config' | 'redis' | 'logger' | 'metrics'> {
  /** undefined: the keys are in Redis. */
  database: Database | undefined
}

/** What finds the lines of a request, here and at whoever took part in it. */
export function idsOf({ requestId, trace }: RequestState) {
  return { request_id: requestId, trace_id: trace?.traceId, span_id: trace?.spanId }
}

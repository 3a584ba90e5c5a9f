import type { RequestState } from '../../internal/core/request-state.ts'
import type { Database } from '../../internal/database/database.ts'
import type { RedisConnection } from '../../internal/database/redis.ts'
import type { Drain } from '../../internal/http/drain.ts'
import type { HealthOptions } from '../../internal/http/health.ts'
import type { Logger } from '../../internal/telemetry/logger.ts'
import type { Metrics } from '../../internal/telemetry/metrics.ts'
import type { SharedConfig } from '../config/config.ts'
import type { Scrape } from './metrics-app.ts'

/** What keys and limits need. */
export interface StoreDependencies {
  config: SharedConfig
  /** undefined: the keys are in Redis. */
  database: Database | undefined
  redis: RedisConnection | undefined
  logger: Logger
  metrics: Metrics
}

/** What the service and the sidecar have in common. */
export interface ServingDependencies extends StoreDependencies {
  drain: Drain
  health: HealthOptions
  /** The text for `/metrics`: of this process, or of all workers. */
  scrape: Scrape
}

/** What finds the lines of a request, here and in the services that took part in it. */
export function idsOf({ requestId, trace }: RequestState) {
  return { request_id: requestId, trace_id: trace?.traceId, span_id: trace?.spanId }
}

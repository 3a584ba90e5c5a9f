import type { RequestState } from '../../internal/core/request-state.ts'
import type { Database } from '../../internal/database/database.ts'
import type { RedisConnection } from '../../internal/database/redis.ts'
import type { Drain } from '../../internal/http/drain.ts'
import type { HealthOptions } from '../../internal/http/health.ts'
import type { Logger } from '../../internal/telemetry/logger.ts'
import type { Metrics } from '../../internal/telemetry/metrics.ts'
import type { SharedConfig } from '../config/config.ts'
import type { Scrape } from './metrics-app.ts'

export interface StoreDependencies {
  config: SharedConfig
  /** undefined: the keys are in Redis. */
  database: Database | undefined
  redis: RedisConnection | undefined
  logger: Logger
  metrics: Metrics
}

/** Common to the service and the sidecar. */
export interface ServingDependencies extends StoreDependencies {
  drain: Drain
  health: HealthOptions
  scrape: Scrape
}

/** The members of log lines by which a request is found, here and in other services. */
export function idsOf({ requestId, trace }: RequestState) {
  return { request_id: requestId, trace_id: trace?.traceId, span_id: trace?.spanId }
}

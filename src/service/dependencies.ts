import type { Observations } from '../../internal/audit/observations.ts'
import type { Traffic } from '../../internal/console/traffic.ts'
import type { Database } from '../../internal/database/database.ts'
import type { ServedRoute } from '../../internal/http/route-map.ts'
import type { GuardedGateway } from '../../internal/payments/guarded-gateway.ts'
import type { Limiter } from '../../internal/ratelimit/limiter.ts'
import type { OwnLimits } from '../../internal/ratelimit/rate-limits.ts'
import type { ClientRegistry } from '../../internal/signature/client-registry.ts'
import type { Spans } from '../../internal/telemetry/spans.ts'
import type { Config } from '../config/config.ts'
import type { ServingDependencies } from '../runtime/dependencies.ts'

export interface ServiceDependencies extends ServingDependencies {
  config: Config
  clients: ClientRegistry
  database: Database
  /** Unix milliseconds by the clock of the database, for stored times. */
  now: () => number
  gateway: GuardedGateway
  observations: Observations
  /** undefined: no spans are recorded. */
  spans: Spans | undefined
  limiter: Limiter
  ownLimits: OwnLimits
  /** The routes of the operator's console; none: it is not served. */
  console: readonly ServedRoute[]
  /** Counts requests for the console. */
  traffic: Traffic | undefined
}

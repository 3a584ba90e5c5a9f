import { randomUUID } from 'node:crypto'
import { auditLog } from '../../internal/audit/audit-log.ts'
import { Observations } from '../../internal/audit/observations.ts'
import type { Database } from '../../internal/database/database.ts'
import type { Logger } from '../../internal/telemetry/logger.ts'
import type { Metrics } from '../../internal/telemetry/metrics.ts'

/** What waits to be written into the audit trail; to be closed before the database is. */
export function openObservations(database: Database, logger: Logger, metrics: Metrics): Observations {
  const observations = new Observations({
    append: auditLog(database).append,
    now: Date.now,
    newId: randomUUID,
    onLost(count, why, cause) {
      metrics.auditEntriesLost.inc(count)
      logger.error({ count, why, err: cause }, 'entries of the audit trail are lost')
    },
  })
  observations.start()
  return observations
}

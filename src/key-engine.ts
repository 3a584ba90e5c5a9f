import { type EngineOptions, IdempotencyEngine, OUTCOMES } from '../internal/idempotency/engine.ts'
import { knownAnswers } from '../internal/idempotency/known-answers.ts'
import { postgresStore } from '../internal/idempotency/postgres-store.ts'
import { redisStore } from '../internal/idempotency/redis-store.ts'
import type { IdempotencyStore } from '../internal/idempotency/store.ts'
import { timedStore } from '../internal/idempotency/timed-store.ts'
import { type Traced, traced } from '../internal/telemetry/spans.ts'
import type { StoreParts } from './parts.ts'

/** The verbs of the store that have a span, where spans are recorded. */
const STORE_SPANS = { claim: 'claim', complete: 'complete', release: 'release' }
export function engine(
  parts: StoreParts,
  options: Pick<EngineOptions, 'onUnknown' | 'maxAgeMs' | 'lookup'>,
  spanned: Traced = traced(undefined),
): IdempotencyEngine {
  const { config, logger, metrics } = parts
  // From the start, at 0: Prometheus sees a first one only as the change from there.
  for (const outcome of OUTCOMES) metrics.idempotencyOutcomes.inc({ outcome }, 0)
  const timed = timedStore(keyStore(parts), (operation, seconds) =>
    metrics.storeDuration.add({ store: config.idempotencyStore, operation }, seconds),
  )
  const store = knownAnswers(timed, { ttlMs: config.idempotencyTtlMs })
  return new IdempotencyEngine({
    store: spanned.calls(store, STORE_SPANS),
    leaseMs: config.idempotencyLeaseMs,
    ...options,
    onOutcome(outcome) {
      metrics.idempotencyOutcomes.inc({ outcome })
      if (outcome === 'replay') metrics.replays.inc()
      if (outcome === 'in_progress') metrics.conflicts.inc()
    },
    onTrouble: (verb, id, reason) =>
      logger.warn(
        { verb, client: id.client, scope: id.scope, err: reason },
        'the record of a key was not settled',
      ),
  })
}

function keyStore({ config, database, redis, metrics }: StoreParts): IdempotencyStore {
  const ttlMs = config.idempotencyTtlMs
  if (config.idempotencyStore === 'redis' && redis !== undefined) return redisStore(redis, { ttlMs })
  if (database === undefined) throw new Error('the keys need a database where they are not in Redis')
  return postgresStore(database, {
    ttlMs,
    onBatch: (group, items) => metrics.batchItems.add({ group }, items),
  })
}

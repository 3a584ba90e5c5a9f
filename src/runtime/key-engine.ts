import type { Database } from '../../internal/database/database.ts'
import type { RedisConnection } from '../../internal/database/redis.ts'
import {
  type EngineOptions,
  IdempotencyEngine,
  type KeyEngine,
  OUTCOMES,
  type Outcome,
} from '../../internal/idempotency/engine.ts'
import type { KeyRecords } from '../../internal/idempotency/key-records.ts'
import { postgresRecords } from '../../internal/idempotency/postgres-records.ts'
import { postgresStore } from '../../internal/idempotency/postgres-store.ts'
import { redisRecords } from '../../internal/idempotency/redis-records.ts'
import { redisStore } from '../../internal/idempotency/redis-store.ts'
import { ReplayCache } from '../../internal/idempotency/replay-cache.ts'
import { behindRows, RowEngine, type RowOf } from '../../internal/idempotency/row-engine.ts'
import type { IdempotencyStore } from '../../internal/idempotency/store.ts'
import { type Traced, traced } from '../../internal/telemetry/spans.ts'
import type { SharedConfig } from '../config/config.ts'
import type { StoreDependencies } from './dependencies.ts'

/** The verbs of the store that have a span. */
const STORE_SPANS = { claim: 'claim', complete: 'complete', release: 'release' }

type HowToRun = Pick<EngineOptions, 'onUnknown' | 'maxAgeMs' | 'lookup'>

export interface KeyEngines {
  keys: IdempotencyEngine
  /** For handlers whose own row, found by `rowOf`, is the record of the key. Only with the store in PostgreSQL. */
  inRows: (rowOf: RowOf) => KeyEngine
}

export function engine(
  dependencies: StoreDependencies,
  options: HowToRun,
  spanned: Traced = traced(undefined),
): IdempotencyEngine {
  return keyEngines(dependencies, options, spanned).keys
}

/** All engines of one call share a store and so its group commit. */
export function keyEngines(dependencies: StoreDependencies, options: HowToRun, spanned: Traced): KeyEngines {
  const { config, logger, metrics } = dependencies
  // Counters begin at 0, so that Prometheus sees the first increment.
  for (const outcome of OUTCOMES) metrics.idempotencyOutcomes.inc({ outcome }, 0)
  const onOutcome = (outcome: Outcome) => {
    metrics.idempotencyOutcomes.add({ outcome })
    if (outcome === 'replay') metrics.replays.inc()
    if (outcome === 'in_progress') metrics.conflicts.inc()
  }
  const onTrouble: EngineOptions['onTrouble'] = (verb, id, reason) =>
    logger.warn(
      { verb, client: id.client, scope: id.scope, err: reason },
      'the record of a key was not settled',
    )
  const store = keyStore(dependencies)
  const onVerb: EngineOptions['onVerb'] = (operation, seconds) =>
    metrics.storeDuration.add({ store: config.idempotencyStore, operation }, seconds)
  const { idempotencyLeaseMs: leaseMs, idempotencyTtlMs: ttlMs } = config
  const over = (claimed: IdempotencyStore, replays: ReplayCache) =>
    new IdempotencyEngine({
      ...options,
      store: spanned.calls(claimed, STORE_SPANS),
      leaseMs,
      replays,
      onOutcome,
      onVerb,
      onTrouble,
    })
  return {
    keys: over(store, new ReplayCache({ ttlMs })),
    inRows(rowOf) {
      const replays = new ReplayCache({ ttlMs })
      const claimed = behindRows(store, rowOf, onVerb)
      return new RowEngine({ claiming: over(claimed, replays), replays, onOutcome })
    },
  }
}

function keyStore({ config, database, redis, metrics }: StoreDependencies): IdempotencyStore {
  const ttlMs = config.idempotencyTtlMs
  if (config.idempotencyStore === 'redis' && redis !== undefined)
    return redisStore(redis, { ttlMs, prefix: config.redisPrefix })
  if (database === undefined) throw new Error('the keys need a database where they are not in Redis')
  return postgresStore(database, {
    ttlMs,
    onBatch: (group, items) => metrics.batchItems.add({ group }, items),
  })
}

interface KeyRecordsDependencies {
  config: SharedConfig
  database: Database | undefined
  redis: RedisConnection | undefined
}

/** The records of the keys, in the store where this process has them. */
export function keyRecords({ config, database, redis }: KeyRecordsDependencies): KeyRecords {
  const options = { ttlMs: config.idempotencyTtlMs }
  if (config.idempotencyStore === 'redis' && redis !== undefined)
    return redisRecords(redis, { ...options, prefix: config.redisPrefix })
  if (database === undefined) throw new Error('the keys need a database where they are not in Redis')
  return postgresRecords(database, options)
}

/**
 * The stages of the service as Koa middleware for an app of your own, and the stores behind them. Put them together
 * in this order: requestId, problems, rawBody (or parsedBody), verifySignature (or authenticate), rateLimit, idempotency, jsonBody.
 */
export { type Database, openDatabase } from '../internal/database/database.ts'
export { migrate } from '../internal/database/migrate.ts'
export { connectRedis, type RedisConnection } from '../internal/database/redis.ts'
export { jsonBody } from '../internal/http/json-body.ts'
export { problems, renderProblem } from '../internal/http/problems.ts'
export { type BodyLimits, parsedBody, rawBody } from '../internal/http/raw-body.ts'
export { requestId } from '../internal/http/request-id.ts'
export {
  type EngineOptions,
  type Handled,
  type Holding,
  IdempotencyEngine,
  type Outcome,
} from '../internal/idempotency/engine.ts'
export { type IdempotencyOptions, idempotency } from '../internal/idempotency/idempotency.ts'
export type {
  KeyFilter,
  KeyRecord,
  KeyRecords,
  KeyState,
  Resolution,
} from '../internal/idempotency/key-records.ts'
export type { Lookup } from '../internal/idempotency/lookups.ts'
export { postgresRecords } from '../internal/idempotency/postgres-records.ts'
export { postgresStore } from '../internal/idempotency/postgres-store.ts'
export { redisRecords } from '../internal/idempotency/redis-records.ts'
export { redisStore } from '../internal/idempotency/redis-store.ts'
export type {
  Answer,
  Claim,
  IdempotencyStore,
  KeyId,
  Resolver,
  Unknown,
  UnknownReason,
} from '../internal/idempotency/store.ts'
export { Sweeper, type SweeperOptions, sweepExpired } from '../internal/idempotency/sweeper.ts'
export type { Decision, Limiter } from '../internal/ratelimit/limiter.ts'
export { MemoryLimiter } from '../internal/ratelimit/memory-limiter.ts'
export { OutageLimiter } from '../internal/ratelimit/outage-limiter.ts'
export { rateLimit } from '../internal/ratelimit/rate-limit.ts'
export { type Limit, parseRateLimits } from '../internal/ratelimit/rate-limits.ts'
export { RedisLimiter } from '../internal/ratelimit/redis-limiter.ts'
export type { Attempt, Caller, JsonBody, RequestState, Stage, WireBody } from '../internal/request-state.ts'
export { type ProblemCode, ServiceError } from '../internal/service-error.ts'
export { type ApiKey, type ApiKeys, apiKeys, parseApiKeys } from '../internal/signature/api-keys.ts'
export { type AuthenticateOptions, authenticate } from '../internal/signature/authenticate.ts'
export type { Client, ClientRegistry, Scheme } from '../internal/signature/client-registry.ts'
export { openClientsFile } from '../internal/signature/clients-file.ts'
export { verifySignature } from '../internal/signature/verify-signature.ts'
export { SQL_DIRECTORY } from './package-root.ts'

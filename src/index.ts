/**
 * The steps of the service as Koa middleware for an app of your own, and the stores behind them. Put them together
 * in this order: problems, rawBody (or parsedBody), verifySignature (or authenticate), rateLimit, idempotency, jsonBody
 * (or parsedJson).
 */

export type {
  Attempt,
  Caller,
  JsonBody,
  Middleware,
  RequestState,
  WireBody,
} from '../internal/core/request-state.ts'
export { type ProblemCode, ServiceError } from '../internal/core/service-error.ts'
export { type Database, openDatabase } from '../internal/database/database.ts'
export { migrate } from '../internal/database/migrate.ts'
export { connectRedis, type RedisConnection } from '../internal/database/redis.ts'
export { type JsonBodyOptions, jsonBody, parsedJson } from '../internal/http/json-body.ts'
export { parsedBody } from '../internal/http/parsed-body.ts'
export { problems, type ReportDefect, renderProblem } from '../internal/http/problems.ts'
export { type BodyLimits, rawBody } from '../internal/http/raw-body.ts'
export { requestId } from '../internal/http/request-id.ts'
export {
  type EngineOptions,
  type HandlerResult,
  type HeldKey,
  type IdempotencyEngine,
  idempotencyEngine,
  type Outcome,
} from '../internal/idempotency/engine.ts'
export { type IdempotencyOptions, idempotency } from '../internal/idempotency/idempotency.ts'
export { type KeyGrammar, keyInBody, keyInHeader } from '../internal/idempotency/idempotency-key.ts'
export type {
  ImportedKey,
  ImportOptions,
  ImportOutcome,
  KeyFilter,
  KeyRecord,
  KeyRecords,
  KeyState,
  Resolution,
} from '../internal/idempotency/key-records.ts'
export type { Lookup } from '../internal/idempotency/lookups.ts'
export { postgresRecords } from '../internal/idempotency/postgres-records.ts'
export { type PostgresStoreOptions, postgresStore } from '../internal/idempotency/postgres-store.ts'
export { redisRecords } from '../internal/idempotency/redis-records.ts'
export { type RedisStoreOptions, redisStore } from '../internal/idempotency/redis-store.ts'
export type {
  Claim,
  IdempotencyStore,
  KeyId,
  Resolver,
  StoredResponse,
  Unknown,
  UnknownReason,
} from '../internal/idempotency/store.ts'
export { type Sweeper, type SweeperOptions, sweepExpired, sweeper } from '../internal/idempotency/sweeper.ts'
export type { Decision, Limiter } from '../internal/ratelimit/limiter.ts'
export { type MemoryLimiterOptions, memoryLimiter } from '../internal/ratelimit/memory-limiter.ts'
export {
  type OnOutage,
  type OutageLimiterOptions,
  outageLimiter,
} from '../internal/ratelimit/outage-limiter.ts'
export { type RateLimitOptions, rateLimit } from '../internal/ratelimit/rate-limit.ts'
export { type Limit, parseRateLimits } from '../internal/ratelimit/rate-limits.ts'
export { type RedisLimiterOptions, redisLimiter } from '../internal/ratelimit/redis-limiter.ts'
export { type ApiKey, type ApiKeys, apiKeys, parseApiKeys } from '../internal/signature/api-keys.ts'
export { type AuthenticateOptions, authenticate } from '../internal/signature/authenticate.ts'
export type { Client, ClientRegistry, Scheme } from '../internal/signature/client-registry.ts'
export {
  type ClientsFile,
  type ClientsFileOptions,
  openClientsFile,
} from '../internal/signature/clients-file.ts'
export { type VerifySignatureOptions, verifySignature } from '../internal/signature/verify-signature.ts'
export { SQL_DIRECTORY } from './package-root.ts'
export { type OpenPostgresStore, openPostgresStore } from './runtime/open-postgres-store.ts'

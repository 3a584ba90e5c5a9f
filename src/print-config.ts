import { simulatedGatewayText } from '../internal/payments/simulated-gateway.ts'
import type { Config } from './config.ts'

/** The settings in force, one `NAME=value` a line, secrets masked. */
export function printConfig(config: Config): string {
  const mask = (value: string | undefined) => (value === undefined ? '' : '********')
  const seconds = (ms: number) => (ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`)
  const limits = config.rateLimits?.map(
    (l) =>
      `${l.scope}=${l.quota}/${seconds(l.windowMs)}:${l.algorithm}${l.burst === l.quota ? '' : `:${l.burst}`}`,
  )
  const lines: [string, string | number | undefined][] = [
    ['NODE_ENV', config.production ? 'production' : 'development'],
    ['HOST', config.host],
    ['PORT', config.port],
    ['METRICS_PORT', config.metricsPort],
    ['OPERATOR_TOKEN', mask(config.operatorToken)],
    ['DATABASE_URL', maskUrl(config.databaseUrl)],
    ['DATABASE_DIRECT_URL', maskUrl(config.databaseDirectUrl)],
    ['REDIS_URL', maskUrl(config.redisUrl)],
    ['DATA_DIR', config.dataDir],
    ['HMAC_SECRET', mask(config.hmacSecret)],
    ['CLIENTS_FILE', config.clientsFile],
    ['SECRETS_KEY', mask(config.secretsKeys[0]?.id)],
    ['SECRETS_KEY_OLD', mask(config.secretsKeys[1]?.id)],
    ['API_KEYS', config.apiKeys.length === 0 ? 'none' : mask('')],
    ['MIN_SCHEME', config.minScheme],
    ['SIGNATURE_TOLERANCE', seconds(config.signatureToleranceMs)],
    ['SIGNATURE_HINTS', config.signatureHints ? 1 : 0],
    ['IDEMPOTENCY_STORE', config.idempotencyStore],
    ['IDEMPOTENCY_TTL', seconds(config.idempotencyTtlMs)],
    ['IDEMPOTENCY_LEASE', seconds(config.idempotencyLeaseMs)],
    ['RATE_LIMITS', limits === undefined ? '' : limits.join(',') || 'none'],
    ['RATE_LIMIT_ON_OUTAGE', config.rateLimitOnOutage],
    ['GATEWAY_URL', maskUrl(config.gatewayUrl)],
    ['GATEWAY_TIMEOUT', seconds(config.gatewayTimeoutMs)],
    [
      'SIMULATED_GATEWAY',
      config.gatewayUrl === undefined ? simulatedGatewayText(config.simulatedGateway) : '',
    ],
    ['SIMULATED_FAILURE_RATE', config.simulatedFailureRate],
    ['MAX_BODY_BYTES', config.maxBodyBytes],
    ['MAX_RESPONSE_BYTES', config.maxResponseBytes],
    ['TRUST_PROXY', config.trustProxy],
    ['WORKERS', config.workers],
    ['SHUTDOWN_GRACE', seconds(config.shutdownGraceMs)],
    ['TRACING', config.tracing ? 'otel' : 'off'],
    ['LOG_LEVEL', config.logLevel],
    ['LOG_FILE', config.logFile],
  ]
  return lines.map(([name, value]) => `${name}=${value ?? ''}\n`).join('')
}

/** In each node of the list, everything before the last @ and the query may be a credential. */
function maskUrl(text: string | undefined): string | undefined {
  return text
    ?.split(/,(?=\s*rediss?:\/\/)/)
    .map((node) => node.replace(/\/\/[\s\S]*@/, '//********@').replace(/\?[\s\S]*/, '?********'))
    .join(',')
}

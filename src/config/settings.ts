import { existsSync } from 'node:fs'
import { databaseUrl } from '../../internal/database/database-url.ts'
import { parseRateLimits } from '../../internal/ratelimit/rate-limits.ts'
import { parseApiKeys } from '../../internal/signature/api-keys.ts'
import { SCHEMES } from '../../internal/signature/client-registry.ts'
import { DEFAULT_TOLERANCE_MS } from '../../internal/signature/schemes.ts'
import { parseSealKey } from '../../internal/signature/seal.ts'
import { defaultLimitLines } from './default-limits.ts'
import { DEMO_API_KEY, DEMO_OPERATOR_TOKEN, DEMO_SECRET } from './demo.ts'
import { type Given, optional, setting } from './setting.ts'
import {
  duration,
  file,
  gatewayUrl,
  maskUrl,
  oneOf,
  operatorToken,
  origins,
  pathPrefix,
  redisPrefix,
  redisUrl,
  share,
  text,
  unpadded,
  whole,
  workers,
} from './setting-values.ts'
import { parseSimulatedGateway, simulatedGatewayText } from './simulated-gateway-settings.ts'

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']
/** Clients do not wait longer for a response; what takes longer is found out with a look-up at the gateway. */
const MAX_GATEWAY_TIMEOUT_MS = 120_000
/** Two programs cannot share one embedded database, and both may run in one directory. */
const DATA_DIRECTORIES = { service: '.oncekey', sidecar: '.oncekey-proxy' } as const

const RUNNING = ['serve', 'proxy'] as const
const VERIFYING = ['serve', 'proxy --verify'] as const
const CLIENTS = ['serve', 'proxy --verify', 'clients'] as const
const DATABASE = ['serve', 'proxy', 'clients', 'keys', 'audit', 'migrate'] as const
const KEYS = ['serve', 'proxy', 'keys'] as const

/**
 * All environment variables, in the order of --help. To add a setting, add an entry here and use it: --help,
 * --print-config, docs/settings.md and the checks of deployment files come from this table.
 */
export const SETTINGS = {
  production: setting({
    name: 'NODE_ENV',
    default: 'development',
    parse: (value) => value === 'production',
    help: 'production refuses the demo credentials; anything else is demo mode',
    show: (production) => (production ? 'production' : 'development'),
    usedBy: ['serve', 'proxy', 'clients'],
  }),
  host: setting({
    name: 'HOST',
    default: ({ production }) => (production ? '0.0.0.0' : '127.0.0.1'),
    defaultText: '127.0.0.1, in production 0.0.0.0',
    parse: text,
    help: 'the address to listen on',
    usedBy: ['serve', 'proxy', 'clients'],
  }),
  port: setting({
    name: 'PORT',
    default: '8080',
    parse: whole(0, 65_535),
    help: 'the port to listen on; 0 takes a free one',
    usedBy: RUNNING,
  }),
  databaseUrl: optional({
    name: 'DATABASE_URL',
    default: undefined,
    defaultText: 'none: an embedded database',
    parse: databaseUrl,
    help: 'PostgreSQL 14 or newer, postgres://user:password@host:5432/name; of host:port,host:port the primary is used',
    secret: true,
    show: maskUrl,
    usedBy: DATABASE,
  }),
  databaseDirectUrl: optional({
    name: 'DATABASE_DIRECT_URL',
    default: undefined,
    defaultText: 'DATABASE_URL',
    parse: databaseUrl,
    help: 'the database server itself, where DATABASE_URL goes through a pooler such as PgBouncer',
    secret: true,
    show: maskUrl,
    usedBy: VERIFYING,
  }),
  dataDir: setting({
    name: 'DATA_DIR',
    default: dataDirectory,
    defaultText: `${DATA_DIRECTORIES.service}; for the sidecar ${DATA_DIRECTORIES.sidecar}`,
    parse: text,
    help: 'the directory of the embedded database; one process at a time',
    usedBy: DATABASE,
  }),
  redisUrl: optional({
    name: 'REDIS_URL',
    default: undefined,
    parse: redisUrl,
    help: 'Redis 6.2 or newer, or Valkey: redis:// or rediss://; a comma list is a Redis Cluster; redis+sentinel://host:port,host:port/name is Sentinel, with TLS rediss+sentinel://',
    secret: true,
    show: maskUrl,
    usedBy: KEYS,
  }),
  redisTlsCa: optional({
    name: 'REDIS_TLS_CA',
    default: undefined,
    defaultText: 'those that Node.js trusts',
    parse: file,
    help: 'a PEM file of the CA that signed the certificates of Redis, for rediss://; read at each connection',
    usedBy: KEYS,
  }),
  redisTlsCert: optional({
    name: 'REDIS_TLS_CERT',
    default: undefined,
    parse: file,
    help: 'a PEM file with the certificate of this client, where Redis demands one (tls-auth-clients)',
    usedBy: KEYS,
  }),
  redisTlsKey: optional({
    name: 'REDIS_TLS_KEY',
    default: undefined,
    parse: file,
    help: 'a PEM file with the key of REDIS_TLS_CERT',
    usedBy: KEYS,
  }),
  redisPrefix: optional({
    name: 'REDIS_PREFIX',
    default: undefined,
    defaultText:
      'oncekey: and the id of the deployment, which the database keeps; oncekey without a database',
    parse: redisPrefix,
    help: 'in front of every name in Redis, so that deployments share one without meeting',
    usedBy: KEYS,
  }),
  hmacSecret: optional({
    name: 'HMAC_SECRET',
    default: ({ production }) => (production ? undefined : DEMO_SECRET),
    defaultText: `none; ${DEMO_SECRET} in demo mode`,
    parse: unpadded,
    help: 'the secret of client "default"; in production at least 16 bytes',
    secret: true,
    usedBy: CLIENTS,
  }),
  clientsFile: optional({
    name: 'CLIENTS_FILE',
    default: undefined,
    parse: file,
    help: 'a file with JSON {client: {secrets: [...], min_scheme}}, read again when it changes',
    usedBy: CLIENTS,
  }),
  secretsKey: optional({
    name: 'SECRETS_KEY',
    default: undefined,
    parse: parseSealKey,
    help: '32 bytes in base64 (openssl rand -base64 32): opens the secrets of "oncekey clients" in the database',
    secret: true,
    usedBy: CLIENTS,
  }),
  secretsKeyOld: optional({
    name: 'SECRETS_KEY_OLD',
    default: undefined,
    parse: parseSealKey,
    help: 'the SECRETS_KEY before it, while it is being changed',
    secret: true,
    usedBy: CLIENTS,
  }),
  apiKeys: setting({
    name: 'API_KEYS',
    default: ({ production }) => (production ? 'none' : `${DEMO_API_KEY.user}:${DEMO_API_KEY.key}`),
    defaultText: `none; ${DEMO_API_KEY.user}:${DEMO_API_KEY.key} in demo mode`,
    parse: parseApiKeys,
    help: 'user:key,user:key for "Authorization: Bearer", or none',
    secret: true,
    show: (keys) => (keys.length === 0 ? 'none' : '********'),
    usedBy: ['serve'],
  }),
  minScheme: setting({
    name: 'MIN_SCHEME',
    default: 'v0',
    parse: oneOf(SCHEMES),
    help: 'the weakest signature scheme that is accepted: v0, v1 or rfc9421',
    usedBy: VERIFYING,
  }),
  signatureToleranceMs: setting({
    name: 'SIGNATURE_TOLERANCE',
    default: `${DEFAULT_TOLERANCE_MS / 1_000}s`,
    parse: duration(1_000),
    help: 'how far the time of a signature may be off, in both directions',
    usedBy: VERIFYING,
  }),
  strippedPrefix: optional({
    name: 'STRIPPED_PREFIX',
    default: undefined,
    defaultText: 'none',
    parse: pathPrefix,
    help: 'what a proxy in front takes away from the path, such as /shop: signatures cover the path with it',
    usedBy: VERIFYING,
  }),
  signatureHints: setting({
    name: 'SIGNATURE_HINTS',
    default: '0',
    parse: (value) => oneOf(['0', '1'])(value) === '1',
    help: '1: a 401 names the likely mistake; for test environments only',
    usedBy: VERIFYING,
  }),
  idempotencyStore: setting({
    name: 'IDEMPOTENCY_STORE',
    default: (given) => (given.text('REDIS_URL') === undefined ? 'postgres' : 'redis'),
    defaultText: 'redis with REDIS_URL, else postgres',
    parse: oneOf(['redis', 'postgres'] as const),
    help: 'where keys are claimed and responses are kept: redis or postgres',
    usedBy: KEYS,
  }),
  idempotencyTtlMs: setting({
    name: 'IDEMPOTENCY_TTL',
    default: '24h',
    parse: duration(1_000),
    help: 'how long a response is replayed',
    usedBy: KEYS,
  }),
  idempotencyLeaseMs: setting({
    name: 'IDEMPOTENCY_LEASE',
    default: '30s',
    parse: duration(300),
    help: 'the lock on a request in flight, renewed at a third of it',
    usedBy: RUNNING,
  }),
  rateLimits: optional({
    name: 'RATE_LIMITS',
    default: ({ command }) => (command === 'serve' ? undefined : 'none'),
    defaultText: 'limits of each API; for the sidecar none',
    parse: parseRateLimits,
    help: 'scope=quota/window[:algorithm[:burst]],... for all routes, or none',
    notes: (limits) => (limits === undefined ? defaultLimitLines() : []),
    usedBy: RUNNING,
  }),
  rateLimitOnOutage: setting({
    name: 'RATE_LIMIT_ON_OUTAGE',
    default: 'local',
    parse: oneOf(['local', 'open', 'closed'] as const),
    help: 'while Redis is away: local (each process counts), open (no limits) or closed (503)',
    usedBy: RUNNING,
  }),
  gatewayUrl: optional({
    name: 'GATEWAY_URL',
    default: undefined,
    defaultText: 'none; in production GATEWAY_URL or SIMULATED_GATEWAY must be set',
    parse: gatewayUrl,
    help: 'the payment gateway, http:// or https://',
    secret: true,
    show: maskUrl,
    usedBy: ['serve'],
  }),
  gatewayTimeoutMs: setting({
    name: 'GATEWAY_TIMEOUT',
    default: '10s',
    parse: duration(100, MAX_GATEWAY_TIMEOUT_MS),
    help: 'how long a charge may take before the gateway is asked about it; at most 120s',
    usedBy: ['serve'],
  }),
  simulatedGateway: optional({
    name: 'SIMULATED_GATEWAY',
    default: (given) => (given.production || given.text('GATEWAY_URL') !== undefined ? undefined : 'on'),
    defaultText: 'on in demo mode without GATEWAY_URL',
    parse: parseSimulatedGateway,
    help: 'payments are simulated, and nothing is charged: on, or delay=50ms,decline=0,failure=0,seed=1 (rates from 0 to 1)',
    show: simulatedGatewayText,
    usedBy: ['serve'],
  }),
  simulatedFailureRate: setting({
    name: 'SIMULATED_FAILURE_RATE',
    // Often enough that a first try of /pay meets a retry.
    default: ({ production }) => (production ? '0' : '0.3'),
    defaultText: '0.3, in production 0',
    parse: share,
    help: 'the share of the requests to /pay that fail on purpose, 0 to 1',
    usedBy: ['serve'],
  }),
  maxBodyBytes: setting({
    name: 'MAX_BODY_BYTES',
    default: '65536',
    parse: whole(1, 64 * 1024 * 1024),
    help: 'the largest body of a request; for the sidecar, of one with a key',
    usedBy: RUNNING,
  }),
  maxResponseBytes: setting({
    name: 'MAX_RESPONSE_BYTES',
    default: '1048576',
    parse: whole(0, 64 * 1024 * 1024),
    help: 'the largest response of the backend that is recorded',
    usedBy: ['proxy'],
  }),
  trustProxy: setting({
    name: 'TRUST_PROXY',
    default: '0',
    parse: whole(0, 16),
    help: 'the number of trusted proxies in front, for the address of the client',
    usedBy: RUNNING,
  }),
  allowedOrigins: setting({
    name: 'ALLOWED_ORIGINS',
    default: 'none',
    parse: origins,
    help: 'the origins of browser apps that may read the responses (CORS), such as https://shop.example; for the sidecar: its own responses',
    usedBy: RUNNING,
  }),
  workers: setting({
    name: 'WORKERS',
    default: '1',
    parse: workers,
    help: 'processes that share the port, or auto: one a core; needs REDIS_URL and, where a database is used, DATABASE_URL',
    show: String,
    usedBy: RUNNING,
  }),
  metricsPort: optional({
    name: 'METRICS_PORT',
    default: undefined,
    defaultText: 'the same port',
    parse: whole(0, 65_535),
    help: 'a listener of its own for /metrics',
    usedBy: ['serve'],
  }),
  operatorToken: optional({
    name: 'OPERATOR_TOKEN',
    // The published token is for the person at this machine. A sidecar on loopback may well have a proxy in front of it.
    default: ({ isDemo, command }) => (isDemo && command === 'serve' ? DEMO_OPERATOR_TOKEN : undefined),
    defaultText: `none; serve has ${DEMO_OPERATOR_TOKEN} in demo mode on loopback`,
    parse: operatorToken,
    parseDefault: text,
    help: 'signs in at /console, 16 characters or more; in production it needs METRICS_PORT, the sidecar --admin-port',
    secret: true,
    usedBy: RUNNING,
  }),
  shutdownGraceMs: setting({
    name: 'SHUTDOWN_GRACE',
    default: '25s',
    parse: duration(0),
    help: 'how long requests in flight may take to finish',
    usedBy: RUNNING,
  }),
  tracing: setting({
    name: 'TRACING',
    default: (given) => (exportsTraces(given) ? 'otel' : 'off'),
    defaultText: 'otel where OTEL_EXPORTER_OTLP_ENDPOINT is set, else off',
    parse: (value) => oneOf(['off', 'otel'])(value) === 'otel',
    help: 'otel: spans with OpenTelemetry, which the OTEL_* variables set up; or off',
    usedBy: ['serve', 'proxy'],
  }),
  logLevel: setting({
    name: 'LOG_LEVEL',
    default: 'info',
    parse: oneOf(LOG_LEVELS),
    help: `the least important lines that are written: ${LOG_LEVELS.join(', ')}`,
    usedBy: RUNNING,
  }),
  logFile: optional({
    name: 'LOG_FILE',
    default: undefined,
    defaultText: 'standard output',
    parse: text,
    help: 'where the JSON lines of the log go',
    usedBy: RUNNING,
  }),
}

/** OpenTelemetry's own variables, which set-ups for many services give to each of them. */
function exportsTraces({ text }: Given): boolean {
  const names = ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']
  return names.some((name) => text(name) !== undefined) && text('OTEL_SDK_DISABLED') !== 'true'
}

/** `oncekey keys` works on the sidecar's database where a sidecar was started: only it leaves keys to decide about. */
function dataDirectory({ command }: Given): string {
  const { service, sidecar } = DATA_DIRECTORIES
  if (command === 'proxy' || command === 'proxy --verify') return sidecar
  return command === 'keys' && existsSync(sidecar) ? sidecar : service
}

import { existsSync } from 'node:fs'
import { isIP } from 'node:net'
import { databaseUrl } from '../internal/database/database-url.ts'
import {
  parseSimulatedGateway,
  SIMULATED_DEFAULTS,
  type SimulatedGatewaySettings,
} from '../internal/payments/simulated-gateway.ts'
import type { OnOutage } from '../internal/ratelimit/outage-limiter.ts'
import { type Limit, parseRateLimits } from '../internal/ratelimit/rate-limits.ts'
import { type ApiKey, parseApiKeys } from '../internal/signature/api-keys.ts'
import { SCHEMES, type Scheme } from '../internal/signature/client-registry.ts'
import type { Keyring } from '../internal/signature/keyring.ts'
import { parseSealKey, type SealKey } from '../internal/signature/seal.ts'
import { DEMO_API_KEY, DEMO_OPERATOR_TOKEN, DEMO_SECRET, demoCredentials } from './demo-credentials.ts'
import {
  duration,
  file,
  gatewayUrl,
  oneOf,
  operatorToken,
  redisUrl,
  share,
  whole,
  workers,
} from './setting-values.ts'

export interface Config {
  production: boolean
  host: string
  port: number
  metricsPort: number | undefined
  /** For the console; undefined: there is none. */
  operatorToken: string | undefined
  databaseUrl: string | undefined
  /** Past a pooler, for what needs a connection of its own; undefined: as databaseUrl. */
  databaseDirectUrl: string | undefined
  redisUrl: string | undefined
  dataDir: string
  hmacSecret: string | undefined
  clientsFile: string | undefined
  /** SECRETS_KEY, then SECRETS_KEY_OLD; empty without. */
  secretsKeys: Keyring
  /** For `Authorization: Bearer`. */
  apiKeys: readonly ApiKey[]
  minScheme: Scheme
  signatureToleranceMs: number
  /** Test environments only: tells partners which mistake made their signature invalid. */
  signatureHints: boolean
  idempotencyStore: 'redis' | 'postgres'
  idempotencyTtlMs: number
  idempotencyLeaseMs: number
  /** undefined: each API has its own defaults. */
  rateLimits: readonly Limit[] | undefined
  rateLimitOnOutage: OnOutage
  /** undefined: payments are simulated. */
  gatewayUrl: string | undefined
  gatewayTimeoutMs: number
  simulatedGateway: SimulatedGatewaySettings
  /** 0..1: of the requests to /pay. */
  simulatedFailureRate: number
  maxBodyBytes: number
  /** Sidecar only: the largest answer that is recorded. */
  maxResponseBytes: number
  trustProxy: number
  /** Processes that share the port; 1 is a process without a primary. */
  workers: number
  shutdownGraceMs: number
  /** Spans are made and exported with OpenTelemetry. */
  tracing: boolean
  logLevel: string
  logFile: string | undefined
}

/** All that is wrong with the settings, so that they are mended in one go. */
export class ConfigError extends Error {
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(`the settings are not valid:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`)
    this.name = 'ConfigError'
    this.faults = faults
  }
}

export const SIGNATURE_TOLERANCE_MS = 300_000
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']
/** Nobody waits longer for an answer; what takes longer is found out by asking. */
const MAX_GATEWAY_TIMEOUT_MS = 120_000
/** Often enough that whoever tries /pay meets a retry. */
const DEMO_FAILURE_RATE = 0.3

/** What the settings are for, where commands differ. */
export interface SettingsUse {
  /** Signatures are checked, so that somebody must be able to make one. */
  verifies: boolean
  /** API keys are taken beside signatures. */
  takesApiKeys: boolean
  /** The keys' store beside which no database is used; undefined: one always is. */
  storeWithoutDatabase?: 'redis'
  /** Where the embedded database is if DATA_DIR does not say it: two services cannot share one. */
  dataDir: string
}

/** Beside that of the service: both may run in one directory. */
export const SIDECAR_DATA_DIR = '.oncekey-proxy'

const SERVE: SettingsUse = { verifies: true, takesApiKeys: true, dataDir: '.oncekey' }

/** For a command whose options stand in for variables: the environment with these in their places. */
export function environmentWith(
  options: Record<string, string | undefined>,
  env: NodeJS.ProcessEnv = process.env,
): NodeJS.ProcessEnv {
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  return { ...env, ...Object.fromEntries(given) }
}

/** Reads and checks every setting. Throws ConfigError with all faults at once; secrets are never quoted. */
export function readConfig(env: NodeJS.ProcessEnv = process.env, use: SettingsUse = SERVE): Config {
  const faults: string[] = []
  const production = env.NODE_ENV === 'production'

  /** The value, parsed; a fault is noted and the default goes on, so that the other settings are checked too. */
  function read<T>(name: string, fallback: T, parse: (text: string) => T): T {
    const text = env[name]
    if (text === undefined || text === '') return fallback
    try {
      return parse(text)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      faults.push(isSecret(name) ? `${name} ${reason}` : `${name}=${text}: ${reason}`)
      return fallback
    }
  }

  const optional = (name: string) => env[name] || undefined
  const host = read('HOST', production ? '0.0.0.0' : '127.0.0.1', (text) => text)
  const config: Config = {
    production,
    host,
    port: read('PORT', 8080, whole(0, 65_535)),
    metricsPort: read<number | undefined>('METRICS_PORT', undefined, whole(0, 65_535)),
    operatorToken: read<string | undefined>(
      'OPERATOR_TOKEN',
      // The published one is for who sits at this machine.
      production || !isLoopback(host) ? undefined : DEMO_OPERATOR_TOKEN,
      operatorToken,
    ),
    databaseUrl: read<string | undefined>('DATABASE_URL', undefined, databaseUrl),
    databaseDirectUrl: read<string | undefined>('DATABASE_DIRECT_URL', undefined, databaseUrl),
    redisUrl: read<string | undefined>('REDIS_URL', undefined, redisUrl),
    dataDir: read('DATA_DIR', use.dataDir, (text) => text),
    hmacSecret: use.verifies
      ? (optional('HMAC_SECRET') ?? (production ? undefined : DEMO_SECRET))
      : undefined,
    clientsFile: read<string | undefined>('CLIENTS_FILE', undefined, file),
    secretsKeys: ['SECRETS_KEY', 'SECRETS_KEY_OLD'].flatMap((name) => {
      const key = read<SealKey | undefined>(name, undefined, parseSealKey)
      return key === undefined ? [] : [key]
    }),
    apiKeys: use.takesApiKeys ? read('API_KEYS', production ? [] : [DEMO_API_KEY], parseApiKeys) : [],
    minScheme: read<Scheme>('MIN_SCHEME', 'v0', oneOf(SCHEMES)),
    signatureToleranceMs: read('SIGNATURE_TOLERANCE', SIGNATURE_TOLERANCE_MS, duration(1_000)),
    signatureHints: read('SIGNATURE_HINTS', '0', oneOf(['0', '1'] as const)) === '1',
    idempotencyStore: read<'redis' | 'postgres'>(
      'IDEMPOTENCY_STORE',
      optional('REDIS_URL') === undefined ? 'postgres' : 'redis',
      oneOf(['redis', 'postgres'] as const),
    ),
    idempotencyTtlMs: read('IDEMPOTENCY_TTL', 86_400_000, duration(1_000)),
    idempotencyLeaseMs: read('IDEMPOTENCY_LEASE', 30_000, duration(300)),
    rateLimits: read<readonly Limit[] | undefined>('RATE_LIMITS', undefined, parseRateLimits),
    rateLimitOnOutage: read<OnOutage>(
      'RATE_LIMIT_ON_OUTAGE',
      'local',
      oneOf(['local', 'open', 'closed'] as const),
    ),
    gatewayUrl: read<string | undefined>('GATEWAY_URL', undefined, gatewayUrl),
    gatewayTimeoutMs: read('GATEWAY_TIMEOUT', 10_000, duration(100)),
    simulatedGateway: read('SIMULATED_GATEWAY', SIMULATED_DEFAULTS, parseSimulatedGateway),
    simulatedFailureRate: read('SIMULATED_FAILURE_RATE', production ? 0 : DEMO_FAILURE_RATE, share),
    maxBodyBytes: read('MAX_BODY_BYTES', 65_536, whole(1, 64 * 1024 * 1024)),
    maxResponseBytes: read('MAX_RESPONSE_BYTES', 1_048_576, whole(0, 64 * 1024 * 1024)),
    trustProxy: read('TRUST_PROXY', 0, whole(0, 16)),
    workers: read('WORKERS', 1, workers),
    shutdownGraceMs: read('SHUTDOWN_GRACE', 25_000, duration(0)),
    tracing:
      read('TRACING', exportsTraces(optional) ? 'otel' : 'off', oneOf(['off', 'otel'] as const)) === 'otel',
    logLevel: read('LOG_LEVEL', 'info', oneOf(LOG_LEVELS)),
    logFile: optional('LOG_FILE'),
  }
  faults.push(...clashes(config, use, optional))
  if (optional('SECRETS_KEY_OLD') !== undefined && optional('SECRETS_KEY') === undefined) {
    faults.push('SECRETS_KEY_OLD needs SECRETS_KEY, the key that takes its place')
  }
  if (config.gatewayUrl !== undefined && optional('SIMULATED_GATEWAY') !== undefined) {
    faults.push('SIMULATED_GATEWAY: with GATEWAY_URL nothing is simulated; leave one of them out')
  }
  if (config.gatewayTimeoutMs > MAX_GATEWAY_TIMEOUT_MS) {
    faults.push(`GATEWAY_TIMEOUT=${config.gatewayTimeoutMs}ms: must be at most ${MAX_GATEWAY_TIMEOUT_MS} ms`)
  }
  if (faults.length > 0) throw new ConfigError(faults)
  return config
}

/**
 * For commands that open the store of the keys and serve nobody: in production, too, nobody has to be able to sign. The
 * embedded database is the one of the sidecar, if one was ever started here: only it leaves keys to be decided about.
 */
export function readStoreConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const dataDir = existsSync(SIDECAR_DATA_DIR) ? SIDECAR_DATA_DIR : SERVE.dataDir
  return readConfig(
    { ...env, NODE_ENV: undefined, HOST: undefined },
    { verifies: false, takesApiKeys: false, dataDir },
  )
}

/** OpenTelemetry's own variables, which set-ups for many services give to each of them. */
function exportsTraces(given: (name: string) => string | undefined): boolean {
  const names = ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']
  return names.some((name) => given(name) !== undefined) && given('OTEL_SDK_DISABLED') !== 'true'
}

/** What is wrong with settings that are each fine by themselves. */
function clashes(config: Config, use: SettingsUse, given: (name: string) => string | undefined): string[] {
  const faults: string[] = []
  const hasRedis = given('REDIS_URL') !== undefined
  const { hmacSecret, clientsFile, secretsKeys, apiKeys } = config
  if (
    use.verifies &&
    config.production &&
    hmacSecret === undefined &&
    clientsFile === undefined &&
    secretsKeys.length === 0 &&
    apiKeys.length === 0
  ) {
    const settings = use.takesApiKeys
      ? 'CLIENTS_FILE, SECRETS_KEY or API_KEYS'
      : 'CLIENTS_FILE or SECRETS_KEY'
    faults.push(`HMAC_SECRET, ${settings} must be set in production: nobody could send a request`)
  }
  const published = demoCredentials(config)
  for (const { setting } of config.production ? published : [])
    faults.push(`${setting} is the published default: choose another one in production`)
  if (published.length > 0 && !isLoopback(config.host)) {
    const defaults = published.map(({ what }) => `the default ${what}`).join(' and ')
    const settings = published.map(({ setting }) => setting).join(' and ')
    faults.push(`HOST=${config.host}: with ${defaults} the service listens on loopback only; set ${settings}`)
  }
  if (config.idempotencyStore === 'redis' && !hasRedis) {
    faults.push('IDEMPOTENCY_STORE=redis needs REDIS_URL')
  }
  if (config.metricsPort !== undefined && config.metricsPort !== 0 && config.metricsPort === config.port) {
    faults.push(`METRICS_PORT=${config.metricsPort}: it is the same as PORT; leave it out to share the port`)
  }
  if (
    use.verifies &&
    config.production &&
    config.operatorToken !== undefined &&
    config.metricsPort === undefined
  ) {
    faults.push(
      'OPERATOR_TOKEN needs METRICS_PORT in production: the console is on the private listener only',
    )
  }
  if (config.tracing && given('OTEL_SDK_DISABLED') === 'true') {
    faults.push('TRACING=otel and OTEL_SDK_DISABLED=true: leave one of them out')
  }
  if (config.workers > 1) {
    const setting = `WORKERS=${given('WORKERS')}`
    if (!hasRedis)
      faults.push(`${setting} needs REDIS_URL: each process would count the rate limits for itself`)
    if (given('DATABASE_URL') === undefined && config.idempotencyStore !== use.storeWithoutDatabase) {
      faults.push(`${setting} needs DATABASE_URL: the embedded database belongs to one process`)
    }
  }
  return faults
}

/** For trying it out on one machine: some routes are there for everybody who can connect, which nobody else can. */
export function isDemo({ production, host }: Pick<Config, 'production' | 'host'>): boolean {
  return !production && isLoopback(host)
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

const SECRETS = new Set([
  'OPERATOR_TOKEN',
  'HMAC_SECRET',
  'DATABASE_URL',
  'DATABASE_DIRECT_URL',
  'REDIS_URL',
  'SECRETS_KEY',
  'SECRETS_KEY_OLD',
  'API_KEYS',
  'GATEWAY_URL',
])

function isSecret(name: string): boolean {
  return SECRETS.has(name)
}

/** For commands that sign: a secret belongs in the environment or in a file rather than on a command line. */
export function secretFromEnv(name: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  return env[name] || undefined
}

import { existsSync } from 'node:fs'
import { isIP } from 'node:net'
import { availableParallelism } from 'node:os'
import {
  parseSimulatedGateway,
  SIMULATED_DEFAULTS,
  type SimulatedGatewaySettings,
  simulatedGatewayText,
} from '../internal/payments/simulated-gateway.ts'
import type { OnOutage } from '../internal/ratelimit/outage-limiter.ts'
import { type Limit, parseRateLimits } from '../internal/ratelimit/rate-limits.ts'
import { type ApiKey, parseApiKeys } from '../internal/signature/api-keys.ts'
import { SCHEMES, type Scheme } from '../internal/signature/client-registry.ts'
import type { Keyring } from '../internal/signature/keyring.ts'
import { parseSealKey, type SealKey } from '../internal/signature/seal.ts'
import { DEMO_API_KEY, DEMO_OPERATOR_TOKEN, DEMO_SECRET, demoCredentials } from './demo-credentials.ts'

export interface Config {
  production: boolean
  host: string
  port: number
  metricsPort: number | undefined
  /** For the console; undefined: there is none. */
  operatorToken: string | undefined
  databaseUrl: string | undefined
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
const MAX_INT32 = 2_147_483_647

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
    databaseUrl: read<string | undefined>('DATABASE_URL', undefined, url(/^postgres(ql)?:\/\//)),
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

/** For commands that open the stores and serve nobody: in production, too, nobody has to be able to sign. */
export function readStoreConfig(env: NodeJS.ProcessEnv = process.env): Config {
  return readConfig({ ...env, NODE_ENV: undefined, HOST: undefined })
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
  'REDIS_URL',
  'SECRETS_KEY',
  'SECRETS_KEY_OLD',
  'API_KEYS',
  'GATEWAY_URL',
])

function isSecret(name: string): boolean {
  return SECRETS.has(name)
}

/** `500ms`, `30s`, `10m`, `24h` in milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d{1,9})(ms|s|m|h)$/.exec(text)
  if (match === null) throw new Error('must be a duration like 500ms, 30s, 10m or 24h')
  const unit = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[match[2] ?? ''] ?? Number.NaN
  return Number(match[1]) * unit
}

export function duration(minMs: number): (text: string) => number {
  return (text) => {
    const ms = parseDuration(text)
    if (ms < minMs) throw new Error(`must be at least ${minMs} ms`)
    if (ms > MAX_INT32) throw new Error('must be at most 24 days')
    return ms
  }
}

export function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
    if (!(number >= min && number <= max)) throw new Error(`must be a whole number from ${min} to ${max}`)
    return number
  }
}

function share(text: string): number {
  const number = /^\d?\.?\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (!(number >= 0 && number <= 1)) throw new Error('must be a number from 0 to 1')
  return number
}

export function oneOf<T extends string>(allowed: readonly T[]): (text: string) => T {
  return (text) => {
    const found = allowed.find((one) => one === text)
    if (found === undefined) throw new Error(`must be one of ${allowed.join(', ')}`)
    return found
  }
}

function url(scheme: RegExp): (text: string) => string {
  return (text) => {
    if (!scheme.test(text) || !URL.canParse(text))
      throw new Error(`must be a URL that matches ${scheme.source}`)
    return text
  }
}

/** What `Authorization: Bearer` can carry; shorter ones can be guessed. */
function operatorToken(text: string): string {
  if (/^[A-Za-z0-9._~+/-]{16,255}=*$/.test(text)) return text
  throw new Error('must be 16 to 255 characters of A-Z a-z 0-9 . _ ~ + / -')
}

/** Paths are put behind it, so it ends with one. Credentials may be in it. */
function gatewayUrl(text: string): string {
  const parsed = /^https?:\/\//.test(text) && URL.canParse(text) ? new URL(text) : undefined
  if (parsed === undefined || parsed.search !== '' || parsed.hash !== '') {
    throw new Error('must be an http:// or https:// URL without query and fragment')
  }
  try {
    decodeURIComponent(`${parsed.username}${parsed.password}`)
  } catch {
    // Every charge would fail by it.
    throw new Error('must have percent-encoded credentials')
  }
  return text
}

function redisUrl(text: string): string {
  if (/^redis\+sentinel:\/\/[^/]+\/[^/]+$/.test(text)) return text
  for (const node of text.split(',')) {
    if (!/^rediss?:\/\//.test(node.trim()) || !URL.canParse(node.trim())) {
      throw new Error('must be redis://, rediss://, a comma list of them, or redis+sentinel://host:port/name')
    }
  }
  return text
}

function file(path: string): string {
  if (!existsSync(path)) throw new Error('there is no such file')
  return path
}

function workers(text: string): number {
  return text === 'auto' ? availableParallelism() : whole(1, 256)(text)
}

/** For commands that sign: a secret belongs in the environment or in a file rather than on a command line. */
export function secretFromEnv(name: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  return env[name] || undefined
}

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

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseSealKey } from '../../internal/signature/seal.ts'
import { type Config, ConfigError, isLoopback, readConfig, readStoreConfig } from '../../src/config.ts'
import { printConfig } from '../../src/print-config.ts'
import { parseDuration } from '../../src/setting-values.ts'

type Settings = Record<string, string>

function faultsOf(settings: Settings): readonly string[] {
  try {
    readConfig(settings)
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    for (const fault of error.faults) assert.ok(error.message.includes(fault), fault)
    return error.faults
  }
  return []
}

const HERE = fileURLToPath(import.meta.url)
const KEY = Buffer.alloc(32, 1).toString('base64')
const OLD_KEY = Buffer.alloc(32, 2).toString('base64')

const SERVERS = { DATABASE_URL: 'postgres://p', REDIS_URL: 'redis://r' }
const ON_SERVERS = {
  ...{ databaseUrl: 'postgres://p', redisUrl: 'redis://r' },
  idempotencyStore: 'redis' as const,
}

const DEFAULTS: Config = {
  production: false,
  host: '127.0.0.1',
  port: 8080,
  metricsPort: undefined,
  operatorToken: 'operator',
  databaseUrl: undefined,
  databaseDirectUrl: undefined,
  redisUrl: undefined,
  dataDir: '.oncekey',
  hmacSecret: 'super-secret-key',
  clientsFile: undefined,
  secretsKeys: [],
  apiKeys: [{ user: 'test-user', key: 'test-api-key' }],
  minScheme: 'v0',
  signatureToleranceMs: 300_000,
  signatureHints: false,
  idempotencyStore: 'postgres',
  idempotencyTtlMs: 86_400_000,
  idempotencyLeaseMs: 30_000,
  rateLimits: undefined,
  rateLimitOnOutage: 'local',
  gatewayUrl: undefined,
  gatewayTimeoutMs: 10_000,
  simulatedGateway: { delayMs: 50, declineRate: 0, failureRate: 0, seed: 1 },
  simulatedFailureRate: 0.3,
  maxBodyBytes: 65_536,
  maxResponseBytes: 1_048_576,
  trustProxy: 0,
  workers: 1,
  shutdownGraceMs: 25_000,
  tracing: false,
  logLevel: 'info',
  logFile: undefined,
}

test('without settings the defaults of the contract are in force', () => {
  assert.deepEqual(readConfig({}), DEFAULTS)
})

test('an empty setting is no setting', () => {
  const empty = Object.fromEntries(settingsRead().map((name) => [name, '']))
  assert.deepEqual(readConfig(empty), DEFAULTS)
})

/** Good values, and what is in force then. */
const GOOD: [settings: Settings, inForce: Partial<Config>][] = [
  [{ HOST: '::1' }, { host: '::1' }],
  [
    { HOST: '0.0.0.0', HMAC_SECRET: 'own', API_KEYS: 'none' },
    { host: '0.0.0.0', hmacSecret: 'own', apiKeys: [], operatorToken: undefined },
  ],
  [{ OPERATOR_TOKEN: 'sixteen-and-more' }, { operatorToken: 'sixteen-and-more' }],
  [
    { API_KEYS: 'ann:key-of-ann-1, ann:key-of-ann-2,bob:~./+_-AZ09==' },
    {
      apiKeys: [
        { user: 'ann', key: 'key-of-ann-1' },
        { user: 'ann', key: 'key-of-ann-2' },
        { user: 'bob', key: '~./+_-AZ09==' },
      ],
    },
  ],
  [{ PORT: '0' }, { port: 0 }],
  [{ PORT: '65535' }, { port: 65_535 }],
  [{ METRICS_PORT: '9100' }, { metricsPort: 9_100 }],
  [
    { PORT: '0', METRICS_PORT: '0' },
    { port: 0, metricsPort: 0 },
  ],
  [{ DATABASE_URL: 'postgres://u:p@db/x' }, { databaseUrl: 'postgres://u:p@db/x' }],
  [{ DATABASE_URL: 'postgresql:///x' }, { databaseUrl: 'postgresql:///x' }],
  [
    { DATABASE_URL: 'postgres://u:p@a:1,b:2/x?target_session_attrs=read-write' },
    { databaseUrl: 'postgres://u:p@a:1,b:2/x?target_session_attrs=read-write' },
  ],
  [{ DATABASE_DIRECT_URL: 'postgres://u:p@db/x' }, { databaseDirectUrl: 'postgres://u:p@db/x' }],
  [{ REDIS_URL: 'redis://r' }, { redisUrl: 'redis://r', idempotencyStore: 'redis' }],
  [{ REDIS_URL: 'rediss://:p@r:6380/1' }, { redisUrl: 'rediss://:p@r:6380/1', idempotencyStore: 'redis' }],
  [
    { REDIS_URL: 'redis://a:1, redis://b:2' },
    { redisUrl: 'redis://a:1, redis://b:2', idempotencyStore: 'redis' },
  ],
  [
    { REDIS_URL: 'redis+sentinel://a:1,b:2/main' },
    { redisUrl: 'redis+sentinel://a:1,b:2/main', idempotencyStore: 'redis' },
  ],
  [{ REDIS_URL: 'redis://r', IDEMPOTENCY_STORE: 'postgres' }, { redisUrl: 'redis://r' }],
  [{ IDEMPOTENCY_STORE: 'postgres' }, {}],
  [{ DATA_DIR: '/var/lib/a b' }, { dataDir: '/var/lib/a b' }],
  [{ HMAC_SECRET: 'own' }, { hmacSecret: 'own' }],
  [{ CLIENTS_FILE: HERE }, { clientsFile: HERE }],
  [{ SECRETS_KEY: KEY }, { secretsKeys: [parseSealKey(KEY)] }],
  [
    { SECRETS_KEY: KEY, SECRETS_KEY_OLD: OLD_KEY },
    { secretsKeys: [parseSealKey(KEY), parseSealKey(OLD_KEY)] },
  ],
  [{ MIN_SCHEME: 'rfc9421' }, { minScheme: 'rfc9421' }],
  [{ SIGNATURE_TOLERANCE: '5m' }, { signatureToleranceMs: 300_000 }],
  [{ SIGNATURE_HINTS: '1' }, { signatureHints: true }],
  [{ SIGNATURE_HINTS: '0' }, { signatureHints: false }],
  [{ IDEMPOTENCY_TTL: '576h' }, { idempotencyTtlMs: 576 * 3_600_000 }],
  [{ IDEMPOTENCY_LEASE: '300ms' }, { idempotencyLeaseMs: 300 }],
  [{ RATE_LIMITS: 'none' }, { rateLimits: [] }],
  [
    { RATE_LIMITS: 'client=10/1s:token-bucket:20' },
    {
      rateLimits: [
        { name: 'client', scope: 'client', quota: 10, windowMs: 1_000, algorithm: 'token-bucket', burst: 20 },
      ],
    },
  ],
  [{ RATE_LIMIT_ON_OUTAGE: 'closed' }, { rateLimitOnOutage: 'closed' }],
  [{ SIMULATED_FAILURE_RATE: '0' }, { simulatedFailureRate: 0 }],
  [{ SIMULATED_FAILURE_RATE: '.5' }, { simulatedFailureRate: 0.5 }],
  [{ SIMULATED_FAILURE_RATE: '1' }, { simulatedFailureRate: 1 }],
  [{ MAX_BODY_BYTES: '1' }, { maxBodyBytes: 1 }],
  [{ MAX_RESPONSE_BYTES: '0' }, { maxResponseBytes: 0 }],
  [{ TRUST_PROXY: '2' }, { trustProxy: 2 }],
  [{ WORKERS: '1' }, {}],
  [
    { ...SERVERS, WORKERS: '3' },
    { ...ON_SERVERS, workers: 3 },
  ],
  [
    { ...SERVERS, WORKERS: 'auto' },
    { ...ON_SERVERS, workers: availableParallelism() },
  ],
  [{ SHUTDOWN_GRACE: '0s' }, { shutdownGraceMs: 0 }],
  [{ TRACING: 'otel' }, { tracing: true }],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }, { tracing: true }],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c:4318' }, { tracing: true }],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318', TRACING: 'off' }, {}],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318', OTEL_SDK_DISABLED: 'true' }, {}],
  [{ LOG_LEVEL: 'silent' }, { logLevel: 'silent' }],
  [{ LOG_FILE: 'a.log' }, { logFile: 'a.log' }],
  [
    { NODE_ENV: 'production', HMAC_SECRET: 'own' },
    {
      production: true,
      host: '0.0.0.0',
      simulatedFailureRate: 0,
      operatorToken: undefined,
      hmacSecret: 'own',
      apiKeys: [],
    },
  ],
  [
    { NODE_ENV: 'production', CLIENTS_FILE: HERE },
    {
      production: true,
      host: '0.0.0.0',
      simulatedFailureRate: 0,
      operatorToken: undefined,
      hmacSecret: undefined,
      apiKeys: [],
      clientsFile: HERE,
    },
  ],
  [
    { NODE_ENV: 'production', SECRETS_KEY: KEY },
    {
      ...{
        production: true,
        host: '0.0.0.0',
        simulatedFailureRate: 0,
        operatorToken: undefined,
        hmacSecret: undefined,
        apiKeys: [],
      },
      secretsKeys: [parseSealKey(KEY)],
    },
  ],
  [
    { NODE_ENV: 'production', API_KEYS: 'ann:key-of-ann' },
    {
      ...{
        production: true,
        host: '0.0.0.0',
        simulatedFailureRate: 0,
        operatorToken: undefined,
        hmacSecret: undefined,
      },
      apiKeys: [{ user: 'ann', key: 'key-of-ann' }],
    },
  ],
  [
    { NODE_ENV: 'production', HMAC_SECRET: 'own', METRICS_PORT: '9100', OPERATOR_TOKEN: 'sixteen-and-more' },
    {
      ...{
        production: true,
        host: '0.0.0.0',
        simulatedFailureRate: 0,
        hmacSecret: 'own',
        apiKeys: [],
        metricsPort: 9_100,
      },
      operatorToken: 'sixteen-and-more',
    },
  ],
  [{ NODE_ENV: 'test' }, {}],
]

for (const [settings, inForce] of GOOD) {
  test(`${JSON.stringify(settings).replaceAll(HERE, 'a file')} is taken`, () => {
    assert.deepEqual(readConfig(settings), { ...DEFAULTS, ...inForce })
  })
}

/** Bad values, and the rule that the message names. */
const BAD: [name: string, values: string[], rule: RegExp][] = [
  [
    'PORT',
    ['-1', '65536', '80.5', 'http', '0x50', '1e3', ' 80', '99999999999'],
    /whole number from 0 to 65535/,
  ],
  ['METRICS_PORT', ['-1', '65536', 'no'], /whole number from 0 to 65535/],
  ['CLIENTS_FILE', ['/nowhere/clients.json'], /no such file/],
  ['MIN_SCHEME', ['v2', 'V1', 'none'], /one of v0, v1, rfc9421/],
  [
    'SIGNATURE_TOLERANCE',
    ['300', '5 m', '-5s', '1d', '1.5s', 's', 'Infinity'],
    /duration like 500ms, 30s, 10m/,
  ],
  ['SIGNATURE_HINTS', ['yes', 'true', '2'], /must be one of 0, 1/],
  ['SIGNATURE_TOLERANCE', ['0s', '999ms'], /at least 1000 ms/],
  ['SIGNATURE_TOLERANCE', ['600h', '999999999h'], /at most 24 days/],
  ['IDEMPOTENCY_STORE', ['memory', 'Redis'], /one of redis, postgres/],
  ['IDEMPOTENCY_TTL', ['86400', 'day'], /duration like/],
  ['IDEMPOTENCY_TTL', ['0h'], /at least 1000 ms/],
  ['IDEMPOTENCY_LEASE', ['299ms'], /at least 300 ms/],
  ['RATE_LIMITS', ['client=10', 'user=10/60s', 'client=0/60s', 'client=1/60s,'], /"/],
  ['RATE_LIMIT_ON_OUTAGE', ['ignore'], /one of local, open, closed/],
  ['SIMULATED_FAILURE_RATE', ['-1', '1.1', '2', 'half', '1e-1', ' 0'], /number from 0 to 1/],
  ['MAX_BODY_BYTES', ['0', '64k', '67108865'], /whole number from 1 to 67108864/],
  ['TRUST_PROXY', ['true', '17', '-1'], /whole number from 0 to 16/],
  ['WORKERS', ['0', 'all', '257'], /whole number from 1 to 256/],
  ['SHUTDOWN_GRACE', ['25', 'now'], /duration like/],
  ['TRACING', ['on', '1'], /one of off, otel/],
  ['LOG_LEVEL', ['verbose', 'INFO'], /one of trace, debug, info, warn, error, fatal, silent/],
]

for (const [name, values, rule] of BAD) {
  for (const value of values) {
    test(`${name}=${value} is refused with name, value and rule`, () => {
      const faults = faultsOf({ [name]: value })
      assert.equal(faults.length, 1, faults.join('\n'))
      assert.ok(faults[0]?.startsWith(`${name}=${value}: `), faults[0])
      assert.match(faults[0] ?? '', rule)
    })
  }
}

test('all faults are told at once', () => {
  const settings = {
    ...Object.fromEntries(BAD.map(([name, [value = '']]) => [name, value])),
    REDIS_URL: 'no',
  }
  const faults = faultsOf({ ...settings, DATABASE_URL: 'no', HOST: '0.0.0.0' })
  for (const name of [...Object.keys(settings), 'DATABASE_URL', 'HOST']) {
    assert.equal(faults.filter((fault) => fault.startsWith(name)).length, 1, `${name}:\n${faults.join('\n')}`)
  }
})

/** Settings that are fine by themselves and not together. */
const CLASHES: [settings: Settings, fault: RegExp][] = [
  [
    { NODE_ENV: 'production' },
    /^HMAC_SECRET, CLIENTS_FILE, SECRETS_KEY or API_KEYS must be set in production/,
  ],
  [
    { NODE_ENV: 'production', HMAC_SECRET: '', API_KEYS: '' },
    /^HMAC_SECRET, CLIENTS_FILE, SECRETS_KEY or API_KEYS/,
  ],
  [{ NODE_ENV: 'production', API_KEYS: 'none' }, /^HMAC_SECRET, CLIENTS_FILE, SECRETS_KEY or API_KEYS/],
  [
    { NODE_ENV: 'production', API_KEYS: 'own:test-api-key', HOST: '127.0.0.1' },
    /^API_KEYS is the published default/,
  ],
  [
    { NODE_ENV: 'production', HMAC_SECRET: 'super-secret-key', HOST: '127.0.0.1' },
    /^HMAC_SECRET is the published default/,
  ],
  // It may hold credentials: the value is not quoted.
  ...['ftp://pay', 'pay.example', 'http://pay/?a=b', 'http://pay/#a'].map((url): [Settings, RegExp] => [
    { GATEWAY_URL: url },
    /^GATEWAY_URL must be an http:\/\/ or https:\/\/ URL without query and fragment$/,
  ]),
  [{ GATEWAY_URL: 'http://me:100%@pay' }, /^GATEWAY_URL must have percent-encoded credentials$/],
  [{ GATEWAY_TIMEOUT: '99ms' }, /^GATEWAY_TIMEOUT=99ms: must be at least 100 ms$/],
  [{ GATEWAY_TIMEOUT: '121s' }, /^GATEWAY_TIMEOUT=121000ms: must be at most 120000 ms$/],
  [
    { GATEWAY_URL: 'http://pay', SIMULATED_GATEWAY: 'seed=2' },
    /^SIMULATED_GATEWAY: with GATEWAY_URL nothing is simulated/,
  ],
  [{ SECRETS_KEY_OLD: OLD_KEY }, /^SECRETS_KEY_OLD needs SECRETS_KEY/],
  [
    { HOST: '0.0.0.0' },
    /^HOST=0\.0\.0\.0: with the default secret and the default API key .* loopback only; set HMAC_SECRET and API_KEYS$/,
  ],
  [
    { HOST: '0.0.0.0', HMAC_SECRET: 'own' },
    /^HOST=0\.0\.0\.0: with the default API key .* loopback only; set API_KEYS$/,
  ],
  [{ HOST: '0.0.0.0', API_KEYS: 'ann:key-of-ann' }, /^HOST=.* with the default secret .*; set HMAC_SECRET$/],
  [{ HOST: '::' }, /^HOST=::: /],
  [{ HOST: '192.168.0.1' }, /^HOST=192\.168\.0\.1: /],
  [{ HOST: '127.0.0.1.example' }, /^HOST=127\.0\.0\.1\.example: /],
  [{ HOST: '0.0.0.0', HMAC_SECRET: 'super-secret-key' }, /^HOST=/],
  [{ IDEMPOTENCY_STORE: 'redis' }, /^IDEMPOTENCY_STORE=redis needs REDIS_URL/],
  [{ METRICS_PORT: '8080' }, /^METRICS_PORT=8080: it is the same as PORT/],
  [{ TRACING: 'otel', OTEL_SDK_DISABLED: 'true' }, /^TRACING=otel and OTEL_SDK_DISABLED=true/],
  [{ WORKERS: '2', DATABASE_URL: 'postgres://p' }, /^WORKERS=2 needs REDIS_URL/],
  [{ WORKERS: '2', REDIS_URL: 'redis://r' }, /^WORKERS=2 needs DATABASE_URL/],
  [
    { NODE_ENV: 'production', HMAC_SECRET: 'own', OPERATOR_TOKEN: 'sixteen-and-more' },
    /^OPERATOR_TOKEN needs METRICS_PORT/,
  ],
]

for (const [settings, fault] of CLASHES) {
  test(`${JSON.stringify(settings)} is refused: ${fault.source}`, () => {
    const faults = faultsOf(settings)
    assert.equal(faults.length, 1, faults.join('\n'))
    assert.match(faults[0] ?? '', fault)
  })
}

test('loopback is localhost, ::1 and 127.0.0.0/8, and nothing that looks like it', () => {
  for (const host of ['localhost', '::1', '127.0.0.1', '127.1.2.3']) assert.ok(isLoopback(host), host)
  for (const host of [
    '0.0.0.0',
    '::',
    '127.evil.example',
    '1127.0.0.1',
    'localhost.example',
    '::ffff:8.8.8.8',
  ]) {
    assert.ok(!isLoopback(host), host)
  }
})

test('durations are whole numbers of ms, s, m or h', () => {
  assert.deepEqual(
    ['0ms', '500ms', '30s', '10m', '24h'].map(parseDuration),
    [0, 500, 30_000, 600_000, 86_400_000],
  )
})

/** Every variable that readConfig asks for, but for those of OpenTelemetry, which documents them. */
function settingsRead(): string[] {
  const names = new Set<string>()
  readConfig(
    new Proxy<Settings>(
      {},
      {
        get(_, name) {
          names.add(String(name))
          return undefined
        },
      },
    ),
  )
  return [...names].filter((name) => !name.startsWith('OTEL_')).sort()
}

test('readConfig, serve --help and printConfig know the same settings', () => {
  const shown = printConfig(readConfig({})).trimEnd().split('\n')
  assert.deepEqual(shown.map((line) => line.split('=')[0]).sort(), settingsRead())

  const help = execFileSync(
    process.execPath,
    ['--import', 'tsx', fileURLToPath(new URL('../../src/main.ts', import.meta.url)), 'serve', '--help'],
    { encoding: 'utf8' },
  )
  const entries = [...help.matchAll(/^ {2}([A-Z][A-Z_]*(?:, [A-Z][A-Z_]*)*) {2,}\S/gm)]
  assert.deepEqual(entries.flatMap(([, names = '']) => names.split(', ')).sort(), settingsRead())
})

test('what printConfig shows can be set again to the same effect, but for the secrets', () => {
  for (const [settings] of GOOD) {
    const config = readConfig(settings)
    const shown = Object.fromEntries(
      printConfig(config)
        .trimEnd()
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    )
    const again = readConfig({
      ...shown,
      ...(shown.API_KEYS === 'none' ? {} : { API_KEYS: '' }),
      ...(shown.OPERATOR_TOKEN === '' ? {} : { OPERATOR_TOKEN: '' }),
      ...pick(settings, [
        ...['HMAC_SECRET', 'DATABASE_URL', 'REDIS_URL', 'SECRETS_KEY', 'SECRETS_KEY_OLD', 'API_KEYS'],
        ...['OPERATOR_TOKEN', 'DATABASE_DIRECT_URL'],
      ]),
    })
    assert.deepEqual({ ...again, hmacSecret: config.hmacSecret }, config)
  }
})

function pick(settings: Settings, names: string[]): Settings {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => names.includes(name)))
}

test('a command that only opens the stores needs no secret in production, and its settings are checked all the same', () => {
  const env = { NODE_ENV: 'production', HOST: '0.0.0.0', REDIS_URL: 'redis://127.0.0.1:1' }
  assert.equal(readStoreConfig(env).idempotencyStore, 'redis')
  assert.throws(() => readStoreConfig({ ...env, REDIS_URL: 'nowhere' }), ConfigError)
})

test('the embedded keys are those of the sidecar where one was started, else of the service', (t) => {
  const before = process.cwd()
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-config-'))
  t.after(() => {
    process.chdir(before)
    rmSync(directory, { recursive: true })
  })
  process.chdir(directory)
  assert.equal(readStoreConfig({}).dataDir, '.oncekey')
  mkdirSync('.oncekey-proxy')
  assert.equal(readStoreConfig({}).dataDir, '.oncekey-proxy')
  assert.equal(readStoreConfig({ DATA_DIR: 'elsewhere' }).dataDir, 'elsewhere')
})

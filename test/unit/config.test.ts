import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseSealKey } from '../../internal/signature/seal.ts'
import { readConfig, readSettings, type Values } from '../../src/config/config.ts'
import { DEFAULT_LIMITS } from '../../src/config/default-limits.ts'
import { isLoopback } from '../../src/config/demo.ts'
import { printConfig } from '../../src/config/describe-settings.ts'
import { ConfigError, isUsedBy } from '../../src/config/setting.ts'
import { parseDuration } from '../../src/config/setting-values.ts'
import { SETTINGS } from '../../src/config/settings.ts'
import { configFaults } from '../support/config-faults.ts'

type Settings = Record<string, string>

const faultsOf = (settings: Settings) => configFaults(() => readConfig('serve', settings))

const HERE = fileURLToPath(import.meta.url)
const KEY = Buffer.alloc(32, 1).toString('base64')
const OLD_KEY = Buffer.alloc(32, 2).toString('base64')

const OWN = 'a-secret-of-ours'
/** Without a payment gateway it must be said that payments are simulated. */
const PRODUCTION = { NODE_ENV: 'production', SIMULATED_GATEWAY: 'on' }
/** What is then in force beside the defaults. */
const IN_PRODUCTION = {
  production: true,
  host: '0.0.0.0',
  simulatedFailureRate: 0,
  operatorToken: undefined,
  hmacSecret: undefined,
  apiKeys: [],
}
const SERVERS = { DATABASE_URL: 'postgres://p', REDIS_URL: 'redis://r' }
const ON_SERVERS = {
  databaseUrl: 'postgres://p',
  redisUrl: 'redis://r',
  idempotencyStore: 'redis' as const,
}

const DEFAULTS: Values = {
  production: false,
  host: '127.0.0.1',
  port: 8080,
  metricsPort: undefined,
  operatorToken: 'operator',
  databaseUrl: undefined,
  databaseDirectUrl: undefined,
  redisUrl: undefined,
  redisTlsCa: undefined,
  redisTlsCert: undefined,
  redisTlsKey: undefined,
  redisPrefix: undefined,
  dataDir: '.oncekey',
  hmacSecret: 'super-secret-key',
  clientsFile: undefined,
  secretsKey: undefined,
  secretsKeyOld: undefined,
  apiKeys: [{ user: 'test-user', key: 'test-api-key' }],
  minScheme: 'v0',
  signatureToleranceMs: 300_000,
  strippedPrefix: undefined,
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
  allowedOrigins: [],
  workers: 1,
  shutdownGraceMs: 25_000,
  tracing: false,
  logLevel: 'info',
  logFile: undefined,
}

test('without settings the defaults of the contract are in force', () => {
  assert.deepEqual(readConfig('serve', {}), DEFAULTS)
})

test('an empty setting is no setting', () => {
  const empty = Object.fromEntries(settingNames().map((name) => [name, '']))
  assert.deepEqual(readConfig('serve', empty), DEFAULTS)
})

function settingNames(): string[] {
  return Object.values(SETTINGS).map(({ name }) => name)
}

/** Good values, and what is in force then. */
const GOOD: [settings: Settings, inForce: Partial<Values>][] = [
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
  [{ SECRETS_KEY: KEY }, { secretsKey: parseSealKey(KEY) }],
  [
    { SECRETS_KEY: KEY, SECRETS_KEY_OLD: OLD_KEY },
    { secretsKey: parseSealKey(KEY), secretsKeyOld: parseSealKey(OLD_KEY) },
  ],
  [{ MIN_SCHEME: 'rfc9421' }, { minScheme: 'rfc9421' }],
  [{ SIGNATURE_TOLERANCE: '5m' }, { signatureToleranceMs: 300_000 }],
  [{ STRIPPED_PREFIX: '/shop/v2.1' }, { strippedPrefix: '/shop/v2.1' }],
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
  [{ TRUST_PROXY: '2' }, { trustProxy: 2 }],
  [
    { ALLOWED_ORIGINS: 'https://Shop.example:443/, http://localhost:3000,capacitor://localhost' },
    { allowedOrigins: ['https://shop.example', 'http://localhost:3000', 'capacitor://localhost'] },
  ],
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
    { ...PRODUCTION, HMAC_SECRET: OWN },
    { ...IN_PRODUCTION, hmacSecret: OWN },
  ],
  [
    { ...PRODUCTION, CLIENTS_FILE: HERE },
    { ...IN_PRODUCTION, clientsFile: HERE },
  ],
  [
    { ...PRODUCTION, SECRETS_KEY: KEY },
    { ...IN_PRODUCTION, secretsKey: parseSealKey(KEY) },
  ],
  [
    { ...PRODUCTION, API_KEYS: 'ann:key-of-ann' },
    { ...IN_PRODUCTION, apiKeys: [{ user: 'ann', key: 'key-of-ann' }] },
  ],
  [
    { ...PRODUCTION, HMAC_SECRET: OWN, METRICS_PORT: '9100', OPERATOR_TOKEN: 'sixteen-and-more' },
    { ...IN_PRODUCTION, hmacSecret: OWN, metricsPort: 9_100, operatorToken: 'sixteen-and-more' },
  ],
  [{ NODE_ENV: 'test' }, {}],
]

for (const [settings, inForce] of GOOD) {
  test(`${JSON.stringify(settings).replaceAll(HERE, 'a file')} is taken`, () => {
    assert.deepEqual(readConfig('serve', settings), { ...DEFAULTS, ...inForce })
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
  ['CLIENTS_FILE', ['.'], /must be a file, and is a directory/],
  ['MIN_SCHEME', ['v2', 'V1', 'none'], /one of v0, v1, rfc9421/],
  [
    'SIGNATURE_TOLERANCE',
    ['300', '5 m', '-5s', '1d', '1.5s', 's', 'Infinity'],
    /duration like 500ms, 30s, 10m/,
  ],
  [
    'STRIPPED_PREFIX',
    ['shop', '/', '/shop/', '//a', '/a/../b', '/a b', '/a?b'],
    /must be a path like \/shop/,
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
  ['ALLOWED_ORIGINS', ['*', 'shop.example', 'https://a/b', 'https://*.a', 'https://a,'], /list of origins/],
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

test('all faults are reported in one error', () => {
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
  [{ ...PRODUCTION }, /^HMAC_SECRET, CLIENTS_FILE, SECRETS_KEY or API_KEYS must be set in production/],
  [{ ...PRODUCTION, HMAC_SECRET: '', API_KEYS: '' }, /^HMAC_SECRET, CLIENTS_FILE, SECRETS_KEY or API_KEYS/],
  [{ ...PRODUCTION, API_KEYS: 'none' }, /^HMAC_SECRET, CLIENTS_FILE, SECRETS_KEY or API_KEYS/],
  [{ ...PRODUCTION, API_KEYS: 'own:test-api-key', HOST: '127.0.0.1' }, /^API_KEYS is the published default/],
  [
    { ...PRODUCTION, HMAC_SECRET: 'super-secret-key', HOST: '127.0.0.1' },
    /^HMAC_SECRET is the published default/,
  ],
  // It may hold credentials: the value is not quoted.
  ...['ftp://pay', 'pay.example', 'http://pay/?a=b', 'http://pay/#a'].map((url): [Settings, RegExp] => [
    { GATEWAY_URL: url },
    /^GATEWAY_URL must be an http:\/\/ or https:\/\/ URL without query and fragment$/,
  ]),
  [{ GATEWAY_URL: 'http://me:100%@pay' }, /^GATEWAY_URL must have percent-encoded credentials$/],
  [{ GATEWAY_TIMEOUT: '99ms' }, /^GATEWAY_TIMEOUT=99ms: must be at least 100 ms$/],
  [{ GATEWAY_TIMEOUT: '121s' }, /^GATEWAY_TIMEOUT=121s: must be at most 120000 ms$/],
  [
    { GATEWAY_URL: 'http://pay', SIMULATED_GATEWAY: 'seed=2' },
    /^SIMULATED_GATEWAY: with GATEWAY_URL nothing is simulated/,
  ],
  [
    { NODE_ENV: 'production', HMAC_SECRET: OWN },
    /^GATEWAY_URL must be set in production; SIMULATED_GATEWAY=on/,
  ],
  [{ ...PRODUCTION, HMAC_SECRET: 'fifteen-letters' }, /^HMAC_SECRET must be at least 16 bytes in production/],
  ...['own\n', ' own', 'own\r', '\town', '\ufeffown'].map((secret): [Settings, RegExp] => [
    { HMAC_SECRET: secret },
    /^HMAC_SECRET must have no white space at its ends/,
  ]),
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
    { ...PRODUCTION, HMAC_SECRET: OWN, OPERATOR_TOKEN: 'sixteen-and-more' },
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

test('serve --help and --print-config show the settings of serve, and proxy --help those of the sidecar', () => {
  const names = (command: 'serve' | 'proxy --verify') =>
    printConfig(readSettings(command, {}))
      .split('\n')
      .filter((line) => /^[A-Z]/.test(line))
      .map((line) => line.split('=')[0])
      .sort()
  assert.deepEqual(helpOf('serve'), names('serve'))
  assert.deepEqual(helpOf('proxy'), names('proxy --verify'))
  const all = Object.values(SETTINGS).map(({ name }) => name)
  assert.deepEqual([...new Set([...names('serve'), ...names('proxy --verify')])].sort(), all.sort())
})

/** The settings that --help has an entry for. */
function helpOf(command: string): string[] {
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
  const help = execFileSync(process.execPath, ['--import', 'tsx', main, command, '--help'], {
    encoding: 'utf8',
  })
  for (const line of help.split('Settings are')[1]?.split('\n') ?? []) assert.ok(line.length < 120, line)
  return [...help.matchAll(/^ {2}([A-Z][A-Z_]*) +\S/gm)].map(([, name = '']) => name).sort()
}

test('a setting is read by no command that does not use it', () => {
  const env = Object.fromEntries(settingNames().map((name) => [name, 'not valid']))
  for (const command of ['proxy', 'clients', 'keys', 'audit', 'migrate'] as const) {
    const unused = Object.values(SETTINGS).filter((one) => !isUsedBy(one, command))
    assert.doesNotThrow(() =>
      readConfig(command, Object.fromEntries(unused.map(({ name }) => [name, env[name]]))),
    )
  }
})

test('--print-config shows the limits that are in force while RATE_LIMITS is not set', () => {
  const shown = printConfig(readSettings('serve', {}))
  for (const limits of Object.values(DEFAULT_LIMITS)) assert.ok(shown.includes(limits), limits)
  assert.match(shown, /\nRATE_LIMITS=\n/)
  assert.doesNotMatch(printConfig(readSettings('serve', { RATE_LIMITS: 'none' })), /#/)
  assert.match(printConfig(readSettings('proxy', {})), /\nRATE_LIMITS=none\n/)
})

test('--print-config shows what is in force and not only what was set', () => {
  const shown = printConfig(
    readSettings('serve', { ...SERVERS, WORKERS: 'auto', SIMULATED_GATEWAY: 'seed=7' }),
  )
  assert.match(shown, new RegExp(`^WORKERS=${availableParallelism()}$`, 'm'))
  assert.match(shown, /^SIMULATED_GATEWAY=delay=50ms,decline=0,failure=0,seed=7$/m)
  assert.match(shown, /^IDEMPOTENCY_STORE=redis$/m)
})

test('what --print-config shows can be set again to the same effect, but for the secrets', () => {
  for (const [settings] of GOOD) {
    const { values, given } = readSettings('serve', settings)
    const lines = printConfig({ values, given }).split('\n')
    const shown = Object.fromEntries(
      lines
        .filter((line) => /^[A-Z]/.test(line))
        .map((line) => [line.split('=')[0], line.replace(/^[^=]*=/, '')]),
    )
    for (const { name, secret } of Object.values(SETTINGS)) {
      if (secret) shown[name] = settings[name] ?? ''
    }
    assert.deepEqual(readConfig('serve', shown), values)
  }
})

test('a command that verifies no request needs no secret in production, and its settings are checked all the same', () => {
  const env = { NODE_ENV: 'production', HOST: '0.0.0.0', REDIS_URL: 'redis://127.0.0.1:1' }
  assert.equal(readConfig('keys', env).idempotencyStore, 'redis')
  assert.throws(() => readConfig('keys', { ...env, REDIS_URL: 'nowhere' }), ConfigError)
  for (const command of ['clients', 'audit', 'migrate'] as const) {
    assert.equal(readConfig(command, { ...env, DATABASE_URL: 'postgres://p' }).databaseUrl, 'postgres://p')
    assert.throws(() => readConfig(command, { ...env, DATABASE_URL: 'nowhere' }), ConfigError)
  }
})

test('the embedded keys are those of the sidecar where one was started, else of the service', (t) => {
  const before = process.cwd()
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-config-'))
  t.after(() => {
    process.chdir(before)
    rmSync(directory, { recursive: true })
  })
  process.chdir(directory)
  assert.equal(readConfig('keys', {}).dataDir, '.oncekey')
  mkdirSync('.oncekey-proxy')
  assert.equal(readConfig('keys', {}).dataDir, '.oncekey-proxy')
  assert.equal(readConfig('keys', { DATA_DIR: 'elsewhere' }).dataDir, 'elsewhere')
  assert.equal(readConfig('audit', {}).dataDir, '.oncekey')
})

import type { Values } from './config.ts'
import { demoCredentials, isLoopback } from './demo.ts'
import { type Given, isUsedBy } from './setting.ts'
import { MIN_SECRET_BYTES } from './setting-values.ts'
import { SETTINGS } from './settings.ts'

type Check = (values: Values, given: Given) => (string | false)[]

/** What is wrong with settings that are each valid by themselves. */
export function findClashes(values: Values, given: Given): string[] {
  const checks = [secretsKeys, credentials, stores, redisTls, listeners, processes, payments, tracing]
  return checks.flatMap((check) => check(values, given)).filter((fault) => fault !== false)
}

const secretsKeys: Check = (_, { text }) => [
  text('SECRETS_KEY_OLD') !== undefined &&
    text('SECRETS_KEY') === undefined &&
    'SECRETS_KEY_OLD needs SECRETS_KEY, the key that takes its place',
]

/** Signatures are verified, so at least one client must be able to make one, and not with a published secret. */
const credentials: Check = (values, { command, text }) => {
  if (command !== 'serve' && command !== 'proxy --verify') return []
  const { production, host, hmacSecret } = values
  const apiKeys = command === 'serve' ? values.apiKeys : []
  const others = command === 'serve' ? 'CLIENTS_FILE, SECRETS_KEY or API_KEYS' : 'CLIENTS_FILE or SECRETS_KEY'
  const hasCallers =
    hmacSecret !== undefined ||
    text('CLIENTS_FILE') !== undefined ||
    text('SECRETS_KEY') !== undefined ||
    apiKeys.length > 0
  const published = demoCredentials({ hmacSecret, apiKeys })
  const defaults = published.map(({ what }) => `the default ${what}`).join(' and ')
  const toSet = published.map(({ setting }) => setting).join(' and ')
  return [
    production &&
      hmacSecret !== undefined &&
      Buffer.byteLength(hmacSecret) < MIN_SECRET_BYTES &&
      `HMAC_SECRET must be at least ${MIN_SECRET_BYTES} bytes in production; openssl rand -hex 32 makes one`,
    production &&
      !hasCallers &&
      `HMAC_SECRET, ${others} must be set in production: no client could send a request`,
    ...published.map(
      ({ setting }) => production && `${setting} is the published default: choose another one in production`,
    ),
    published.length > 0 &&
      !isLoopback(host) &&
      `HOST=${host}: with ${defaults} the service listens on loopback only; set ${toSet}`,
  ]
}

const stores: Check = ({ idempotencyStore }, { command, text }) => [
  isUsedBy(SETTINGS.idempotencyStore, command) &&
    idempotencyStore === 'redis' &&
    text('REDIS_URL') === undefined &&
    'IDEMPOTENCY_STORE=redis needs REDIS_URL',
]

const redisTls: Check = (_, { command, text }) => {
  if (!isUsedBy(SETTINGS.redisTlsCa, command)) return []
  const isEncrypted = /^rediss/.test(text('REDIS_URL') ?? '')
  const set = ['REDIS_TLS_CA', 'REDIS_TLS_CERT', 'REDIS_TLS_KEY'].filter((name) => text(name) !== undefined)
  return [
    set.length > 0 && !isEncrypted && `${set.join(' and ')}: REDIS_URL must begin with rediss://`,
    set.includes('REDIS_TLS_CERT') !== set.includes('REDIS_TLS_KEY') &&
      'REDIS_TLS_CERT and REDIS_TLS_KEY go together: the certificate of a client and its key',
  ]
}

const listeners: Check = ({ production, port, metricsPort, operatorToken }, { command }) => {
  if (command !== 'serve') return []
  return [
    metricsPort !== undefined &&
      metricsPort !== 0 &&
      metricsPort === port &&
      `METRICS_PORT=${metricsPort}: it is the same as PORT; leave it out to share the port`,
    production &&
      operatorToken !== undefined &&
      metricsPort === undefined &&
      'OPERATOR_TOKEN needs METRICS_PORT in production: the console is on the private listener only',
  ]
}

const processes: Check = ({ workers, idempotencyStore }, { command, text }) => {
  if (workers < 2) return []
  const setting = `WORKERS=${text('WORKERS')}`
  const usesDatabase = command === 'serve' || idempotencyStore !== 'redis'
  return [
    text('REDIS_URL') === undefined &&
      `${setting} needs REDIS_URL: each process would count the rate limits for itself`,
    usesDatabase &&
      text('DATABASE_URL') === undefined &&
      `${setting} needs DATABASE_URL: the embedded database belongs to one process`,
  ]
}

const payments: Check = ({ production }, { command, text }) => {
  if (command !== 'serve') return []
  const isSimulated = text('SIMULATED_GATEWAY') !== undefined
  const hasGateway = text('GATEWAY_URL') !== undefined
  return [
    isSimulated &&
      hasGateway &&
      'SIMULATED_GATEWAY: with GATEWAY_URL nothing is simulated; leave one of them out',
    production &&
      !isSimulated &&
      !hasGateway &&
      'GATEWAY_URL must be set in production; SIMULATED_GATEWAY=on says that nothing is to be charged',
  ]
}

const tracing: Check = (values, { text }) => [
  values.tracing &&
    text('OTEL_SDK_DISABLED') === 'true' &&
    'TRACING=otel and OTEL_SDK_DISABLED=true: leave one of them out',
]

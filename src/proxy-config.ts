import { parseArgs } from 'node:util'
import type { On5xx } from '../internal/proxy/answer-meaning.ts'
import { parseTarget, type Target } from '../internal/proxy/target.ts'
import { type Config, ConfigError, environmentWith, readConfig, SIDECAR_DATA_DIR } from './config.ts'
import { duration, oneOf, whole } from './setting-values.ts'

export interface ProxyConfig {
  /** The settings that it shares with the other commands. */
  settings: Config
  target: Target
  adminPort: number | undefined
  /** Methods that are refused without a key. */
  requireKey: ReadonlySet<string>
  verify: boolean
  /** Tells callers apart, in lower case. */
  clientHeader: string | undefined
  /** Goes before the scope of every key: for several backends with one store. */
  name: string | undefined
  onUnknown: 'hold' | 'release'
  on5xx: On5xx
  lookupUrl: string | undefined
  maxDurationMs: number
  timeoutMs: number
  connectTimeoutMs: number
}

const OPTIONS = {
  target: { type: 'string' },
  host: { type: 'string' },
  port: { type: 'string' },
  'admin-port': { type: 'string' },
  'require-key': { type: 'string' },
  verify: { type: 'boolean' },
  'client-header': { type: 'string' },
  name: { type: 'string' },
  'on-unknown': { type: 'string' },
  'on-5xx': { type: 'string' },
  lookup: { type: 'string' },
  'max-duration': { type: 'string' },
  timeout: { type: 'string' },
  'connect-timeout': { type: 'string' },
} as const

/** What the longest keyed request may take: far beyond what people wait, short enough to end what hangs. */
const MAX_DURATION_MS = 600_000
/** On a network that works a connection is made within milliseconds, or after one or two lost packets. */
const CONNECT_TIMEOUT_MS = 5_000
const SHORTEST_MS = 100

/** Reads the options and the settings. Throws ConfigError with all faults at once. */
export function readProxyConfig(args: string[], given?: NodeJS.ProcessEnv): ProxyConfig {
  const { values } = parseArgs({ args, options: OPTIONS })
  const faults: string[] = []

  function read<T>(name: keyof typeof OPTIONS, fallback: T, parse: (text: string) => T): T {
    const text = values[name]
    if (typeof text !== 'string') return fallback
    try {
      return parse(text)
    } catch (error) {
      faults.push(`--${name} ${text}: ${error instanceof Error ? error.message : String(error)}`)
      return fallback
    }
  }

  if (values.target === undefined) faults.push('--target is missing: the URL of the backend')
  const verify = values.verify === true
  const maxDurationMs = read('max-duration', MAX_DURATION_MS, duration(SHORTEST_MS))
  const own = {
    target: read('target', { origin: '', basePath: '', host: '' }, parseTarget),
    adminPort: read<number | undefined>('admin-port', undefined, whole(1, 65_535)),
    requireKey: read<ReadonlySet<string>>('require-key', new Set(), methods),
    verify,
    clientHeader: read<string | undefined>('client-header', undefined, headerName),
    name: read<string | undefined>('name', undefined, plainName),
    onUnknown: read('on-unknown', 'hold', oneOf(['hold', 'release'] as const)),
    on5xx: read<On5xx>('on-5xx', 'replay', oneOf(['replay', 'hold', 'release'] as const)),
    lookupUrl: read<string | undefined>('lookup', undefined, lookupUrl),
    maxDurationMs,
    timeoutMs: read('timeout', maxDurationMs, duration(SHORTEST_MS)),
    connectTimeoutMs: read('connect-timeout', CONNECT_TIMEOUT_MS, duration(SHORTEST_MS)),
  }
  if (verify && own.clientHeader !== undefined) {
    faults.push('--client-header goes without --verify: a signature says who calls')
  }
  if (own.lookupUrl !== undefined && own.onUnknown === 'release') {
    faults.push('--lookup goes without --on-unknown release: nothing stays unknown')
  }
  let settings: Config | undefined
  try {
    const env = environmentWith({ HOST: values.host, PORT: values.port }, given)
    settings = readConfig(env, {
      verifies: verify,
      takesApiKeys: false,
      dataDir: SIDECAR_DATA_DIR,
      storeWithoutDatabase: 'redis',
    })
    faults.push(...clashes(settings, own))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    faults.push(...error.faults)
  }
  if (faults.length > 0 || settings === undefined) throw new ConfigError(faults)
  return { settings, ...own }
}

function clashes(settings: Config, { target, adminPort, verify }: Omit<ProxyConfig, 'settings'>): string[] {
  const faults: string[] = []
  const { port, host, metricsPort, secretsKeys, databaseUrl } = settings
  const itself = [`http://${host}:${port}`, `http://localhost:${port}`, `http://127.0.0.1:${port}`]
  if (port !== 0 && itself.includes(target.origin)) {
    faults.push(`--target ${target.origin}: that is the sidecar itself; give one of them another port`)
  }
  if (adminPort !== undefined && adminPort === port) {
    faults.push(
      `--admin-port ${adminPort}: it is the same as the port; leave it out for /.oncekey/ on the port`,
    )
  }
  if (metricsPort !== undefined) {
    faults.push('METRICS_PORT is for oncekey serve: the sidecar has --admin-port')
  }
  if (verify && secretsKeys.length > 0 && databaseUrl === undefined) {
    faults.push('SECRETS_KEY needs DATABASE_URL: the secrets it opens are in the database')
  }
  return faults
}

function methods(text: string): Set<string> {
  const names = text.split(',').map((name) => name.trim())
  if (!names.every((name) => /^[A-Z]{3,20}$/.test(name))) throw new Error('must be a list like POST,PATCH')
  return new Set(names)
}

function headerName(text: string): string {
  if (!/^[A-Za-z0-9-]{1,64}$/.test(text)) throw new Error('must be the name of a header')
  return text.toLowerCase()
}

function plainName(text: string): string {
  if (!/^[A-Za-z0-9.-]{1,64}$/.test(text))
    throw new Error('must be 1 to 64 letters, digits, dots and hyphens')
  return text
}

function lookupUrl(text: string): string {
  const sample = text.replaceAll('{key}', 'key')
  if (!/^https?:\/\//i.test(sample) || !URL.canParse(sample)) throw new Error('must be an http URL')
  return text
}

import { parseArgs } from 'node:util'
import { errorMessage } from '../../internal/core/error-message.ts'
import { type CallerSource, headerName, parseCallerSource } from '../../internal/proxy/caller-source.ts'
import { isForgeable } from '../../internal/proxy/forwarded-headers.ts'
import { lookupAddress } from '../../internal/proxy/lookup-address.ts'
import { ON_5XX, type On5xx } from '../../internal/proxy/response-meaning.ts'
import { parseTarget, type Target } from '../../internal/proxy/target.ts'
import { type ConfigOf, environmentWith, readSettings } from '../config/config.ts'
import { ConfigError } from '../config/setting.ts'
import { duration, matching, oneOf, whole } from '../config/setting-values.ts'

/** The prefix of health and metrics without --admin-port. */
export const ADMIN_PREFIX = '/.oncekey'

/** The settings of the sidecar; without --verify those for signatures have no effect. */
export type SidecarSettings = ConfigOf<'proxy --verify'>

export interface ProxyConfig {
  settings: SidecarSettings
  target: Target
  adminPort: number | undefined
  /** Methods that are refused without a key. */
  requireKey: ReadonlySet<string>
  verify: boolean
  /** Names the caller without signatures; undefined: there is one caller. */
  caller: CallerSource | undefined
  /** The backend gets the Host of the request instead of that of the target. */
  preserveHost: boolean
  /** false: a connection to the backend for each request. */
  keepAlive: boolean
  /** A prefix of all scopes, for several backends with one store. */
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
  caller: { type: 'string' },
  'client-header': { type: 'string' },
  'preserve-host': { type: 'boolean' },
  'no-keep-alive': { type: 'boolean' },
  name: { type: 'string' },
  'on-unknown': { type: 'string' },
  'on-5xx': { type: 'string' },
  lookup: { type: 'string' },
  'max-duration': { type: 'string' },
  timeout: { type: 'string' },
  'connect-timeout': { type: 'string' },
} as const

/** The longest time of a request with a key: longer than people wait, short enough to end what hangs. */
const MAX_DURATION_MS = 600_000
/** A working network connects within milliseconds, or after one or two lost packets. */
const CONNECT_TIMEOUT_MS = 5_000
const SHORTEST_MS = 100

/** Reads the options and the settings. Throws ConfigError with all faults at once. */
export function readProxyConfig(args: string[], outer?: NodeJS.ProcessEnv): ProxyConfig {
  const { values } = parseArgs({ args, options: OPTIONS })
  const faults: string[] = []

  function read<T>(name: keyof typeof OPTIONS, fallback: T, parse: (text: string) => T): T {
    const text = values[name]
    if (typeof text !== 'string') return fallback
    try {
      return parse(text)
    } catch (error) {
      faults.push(`--${name} ${text}: ${errorMessage(error)}`)
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
    caller:
      read<CallerSource | undefined>('caller', undefined, parseCallerSource) ??
      read<CallerSource | undefined>('client-header', undefined, (text) => ({
        kind: 'header',
        name: headerName(text),
      })),
    preserveHost: values['preserve-host'] === true,
    keepAlive: values['no-keep-alive'] !== true,
    name: read<string | undefined>('name', undefined, plainName),
    onUnknown: read('on-unknown', 'hold', oneOf(['hold', 'release'] as const)),
    on5xx: read<On5xx>('on-5xx', 'auto', oneOf(ON_5XX)),
    lookupUrl: read<string | undefined>('lookup', undefined, lookupUrl),
    maxDurationMs,
    timeoutMs: read('timeout', maxDurationMs, duration(SHORTEST_MS)),
    connectTimeoutMs: read('connect-timeout', CONNECT_TIMEOUT_MS, duration(SHORTEST_MS)),
  }
  if (verify && own.caller !== undefined)
    faults.push('--caller goes without --verify: a signature says who calls')
  if (values.caller !== undefined && values['client-header'] !== undefined)
    faults.push('--client-header NAME is the same as --caller header:NAME: leave one of them out')
  if (own.lookupUrl !== undefined && own.onUnknown === 'release')
    faults.push('--lookup goes without --on-unknown release: nothing stays unknown')
  let settings: SidecarSettings | undefined
  try {
    const env = environmentWith({ HOST: values.host, PORT: values.port }, outer)
    const shared = readSettings(verify ? 'proxy --verify' : 'proxy', env)
    settings = shared.values
    if (shared.given.text('METRICS_PORT') !== undefined)
      faults.push('METRICS_PORT is for oncekey serve: the sidecar has --admin-port')
    faults.push(...clashes(settings, own))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    faults.push(...error.faults)
  }
  if (faults.length > 0 || settings === undefined) throw new ConfigError(faults)
  return { settings, ...own }
}

function clashes(
  settings: SidecarSettings,
  { target, adminPort, verify, caller }: Omit<ProxyConfig, 'settings'>,
): string[] {
  const faults: string[] = []
  if (caller?.kind === 'header' && settings.trustProxy === 0 && isForgeable(caller.name)) {
    faults.push(
      `--caller header:${caller.name} needs TRUST_PROXY: without it this header is the client's own, and is dropped`,
    )
  }
  const { port, host, secretsKey, databaseUrl, production, operatorToken } = settings
  if (production && operatorToken !== undefined && adminPort === undefined)
    faults.push('OPERATOR_TOKEN needs --admin-port in production: the console is on that listener only')
  const itself = [`http://${host}:${port}`, `http://localhost:${port}`, `http://127.0.0.1:${port}`]
  if (port !== 0 && itself.includes(target.origin))
    faults.push(`--target ${target.origin}: that is the sidecar itself; give one of them another port`)
  if (adminPort !== undefined && adminPort === port) {
    faults.push(
      `--admin-port ${adminPort}: it is the same as the port; leave it out for /.oncekey/ on the port`,
    )
  }
  if (verify && secretsKey !== undefined && databaseUrl === undefined)
    faults.push('SECRETS_KEY needs DATABASE_URL: the secrets it opens are in the database')
  return faults
}

function methods(text: string): Set<string> {
  const names = text.split(',').map((name) => name.trim())
  if (!names.every((name) => /^[A-Z]{3,20}$/.test(name))) throw new Error('must be a list like POST,PATCH')
  return new Set(names)
}

const plainName = matching(/^[A-Za-z0-9.-]{1,64}$/, '1 to 64 letters, digits, dots and hyphens')

function lookupUrl(text: string): string {
  lookupAddress(text)
  return text
}

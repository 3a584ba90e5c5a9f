import { DEMO_SECRET } from '../../config/demo-credentials.ts'
import { secretFromEnv } from '../../config/secret-from-env.ts'
import { oneOf, parseDuration } from '../../config/setting-values.ts'

export const APIS = ['orders', 'pay', 'payments'] as const
export type Api = (typeof APIS)[number]

export interface Settings {
  url: string
  api: Api
  client: string
  secret: string
  clients: number
  /** Of each client. */
  requests: number
  /** Share of the requests that are sent twice, as by a double click. */
  duplicates: number
  /** Share of the attempts whose response is lost on purpose. */
  failure: number
  durationMs: number
  /** New requests a second, of all clients together; undefined: each client as fast as it gets a response. */
  rate: number | undefined
  seed: string
  plot: string | undefined
  json: boolean
}

/** As parseArgs() gives them. */
export type Given = Record<string, string | boolean | undefined>

const MAX_CLIENTS = 200
const MAX_REQUESTS = 100_000
/** With more of them lost, hardly any request would ever get its response. */
const MAX_FAILURE = 0.9
const MIN_RATE = 0.01
const MAX_RATE = 10_000
const MAX_DURATION_MS = 3_600_000

/** Throws Error for the operator, which names the option and the value (never the secret). */
export function readSettings(given: Given, newSeed: () => string): Settings {
  function read<T>(name: string, fallback: T, parse: (text: string) => T): T {
    const text = given[name]
    if (typeof text !== 'string') return fallback
    try {
      return parse(text)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new Error(name === 'secret' ? `--secret ${reason}` : `--${name} ${text}: ${reason}`)
    }
  }
  const settings: Settings = {
    url: read('url', 'http://127.0.0.1:8080', serviceUrl),
    api: read<Api>('api', 'orders', oneOf(APIS)),
    client: read(
      'client',
      'default',
      matching(/^[A-Za-z0-9._-]{1,64}$/, '1 to 64 characters of A-Z a-z 0-9 . _ -'),
    ),
    secret: read(
      'secret',
      secretFromEnv('ONCEKEY_SECRET') ?? DEMO_SECRET,
      matching(/./, 'a text that is not empty'),
    ),
    clients: read('clients', 3, number(1, MAX_CLIENTS, true)),
    requests: read('requests', 2, number(1, MAX_REQUESTS, true)),
    duplicates: read('duplicates', 0.2, number(0, 1)),
    failure: read('failure', 0.3, number(0, MAX_FAILURE)),
    durationMs: read('duration', 120_000, duration),
    rate: read<number | undefined>('rate', undefined, number(MIN_RATE, MAX_RATE)),
    seed: read(
      'seed',
      newSeed(),
      matching(/^[A-Za-z0-9._-]{1,32}$/, '1 to 32 characters of A-Z a-z 0-9 . _ -'),
    ),
    plot: read<string | undefined>(
      'plot',
      undefined,
      matching(/\.svg$/i, 'the name of a file that ends in .svg'),
    ),
    json: given.json === true,
  }
  if (settings.clients * settings.requests > MAX_REQUESTS) {
    const all = settings.clients * settings.requests
    throw new Error(
      `--requests ${settings.requests}: with --clients ${settings.clients} these are ${all} requests, at most ${MAX_REQUESTS} are allowed`,
    )
  }
  return settings
}

function serviceUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw new Error('must be an http or https URL')
  if (url.username !== '' || url.password !== '') throw new Error('must be a URL without user and password')
  return text
}

function matching(pattern: RegExp, rule: string): (text: string) => string {
  return (text) => {
    if (!pattern.test(text)) throw new Error(`must be ${rule}`)
    return text
  }
}

function number(min: number, max: number, whole = false): (text: string) => number {
  return (text) => {
    const value = (whole ? /^\d{1,9}$/ : /^\d{1,9}(\.\d{1,9})?$/).test(text) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max))
      throw new Error(`must be a ${whole ? 'whole ' : ''}number from ${min} to ${max}`)
    return value
  }
}

function duration(text: string): number {
  const ms = parseDuration(text)
  if (ms < 1 || ms > MAX_DURATION_MS) throw new Error('must be from 1ms to 1h')
  return ms
}

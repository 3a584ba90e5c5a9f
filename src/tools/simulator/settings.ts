import { DEMO_SECRET } from '../../config/demo.ts'
import { type Given, readOption } from '../../config/read-option.ts'
import { secretFromEnv } from '../../config/secret-from-env.ts'
import { matching, oneOf, parseDuration, seed, serviceUrl, text, whole } from '../../config/setting-values.ts'

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

const MAX_CLIENTS = 200
const MAX_REQUESTS = 100_000
/** With more losses hardly any request would get a response. */
const MAX_FAILURE = 0.9
const MIN_RATE = 0.01
const MAX_RATE = 10_000
const MAX_DURATION_MS = 3_600_000

/** Throws Error for the operator, which names the option and the value (never the secret). */
export function readSettings(given: Given, newSeed: () => string): Settings {
  const read = <T>(name: string, parse: (text: string) => T) => readOption(name, given[name], parse)
  if (given.secret === '') throw new Error('--secret must be a text that is not empty')
  const settings: Settings = {
    url: read('url', serviceUrl) ?? 'http://127.0.0.1:8080',
    api: read('api', oneOf(APIS)) ?? 'orders',
    client: read('client', client) ?? 'default',
    secret: read('secret', text) ?? secretFromEnv('ONCEKEY_SECRET') ?? DEMO_SECRET,
    clients: read('clients', whole(1, MAX_CLIENTS)) ?? 3,
    requests: read('requests', whole(1, MAX_REQUESTS)) ?? 2,
    duplicates: read('duplicates', number(0, 1)) ?? 0.2,
    failure: read('failure', number(0, MAX_FAILURE)) ?? 0.3,
    durationMs: read('duration', duration) ?? 120_000,
    rate: read('rate', number(MIN_RATE, MAX_RATE)),
    seed: read('seed', seed) ?? newSeed(),
    plot: read('plot', matching(/\.svg$/i, 'the name of a file that ends in .svg')),
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

const client = matching(/^[A-Za-z0-9._-]{1,64}$/, '1 to 64 characters of A-Z a-z 0-9 . _ -')

function number(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max)) throw new Error(`must be a number from ${min} to ${max}`)
    return value
  }
}

function duration(text: string): number {
  const ms = parseDuration(text)
  if (ms < 1 || ms > MAX_DURATION_MS) throw new Error('must be from 1ms to 1h')
  return ms
}

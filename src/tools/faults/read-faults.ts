import { type Given, readOption } from '../../config/read-option.ts'
import { oneOf, parseDuration, seed, share, whole } from '../../config/setting-values.ts'
import type { Direction, Directions, FaultPlan, Faults } from './faults.ts'

export interface FaultSettings {
  listen: { host: string; port: number }
  target: { host: string; port: number }
  faults: Faults
  plan: FaultPlan
  seed: string
}

/** Options that need one of others. */
const NEEDS = [
  ['cut-direction', 'cut-after', 'reset'],
  ['jitter', 'latency'],
  ['after', 'blackhole', 'half-close'],
  ['seed', 'probability'],
] as const

const MAX_MS = 600_000
const MAX_BYTES = 1_000_000_000_000

/** Throws Error for the operator, which names the option and the value. */
export function readFaults(given: Given, newSeed: () => string): FaultSettings {
  const read = <T>(name: string, parse: (text: string) => T) => readOption(name, given[name], parse)
  const needed = <T>(name: string, value: T | undefined): T => {
    if (value === undefined) throw new Error(`--${name} is needed; see --help`)
    return value
  }
  for (const [option, ...needs] of NEEDS) {
    if (given[option] !== undefined && needs.every((other) => given[other] === undefined))
      throw new Error(`--${option} says nothing without --${needs.join(' or --')}`)
  }
  if (given.every !== undefined && given.probability !== undefined)
    throw new Error('--every and --probability: choose one of them')

  const cutAfter = read('cut-after', bytes)
  const after = read('after', bytes) ?? 0
  const blackhole = read('blackhole', oneOf<Directions>(['up', 'down', 'both']))
  const halfClose = read('half-close', oneOf<Direction>(['up', 'down']))
  const latencyMs = read('latency', duration)
  const jitterMs = read('jitter', duration)
  const bytesPerSecond = read('limit-rate', whole(1, MAX_BYTES))
  const directions = read('cut-direction', oneOf<Directions>(['up', 'down', 'both'])) ?? 'both'
  const reset = given.reset === true
  const faults: Faults = {
    ...(latencyMs === undefined ? {} : { latencyMs }),
    ...(jitterMs === undefined ? {} : { jitterMs }),
    // --reset by itself: as soon as a byte comes.
    ...(cutAfter === undefined && !reset ? {} : { cut: { directions, afterBytes: cutAfter ?? 0, reset } }),
    ...(blackhole === undefined ? {} : { blackhole: { directions: blackhole, afterBytes: after } }),
    ...(halfClose === undefined ? {} : { halfClose: { direction: halfClose, afterBytes: after } }),
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
    ...(given.refuse === true ? { refuse: true } : {}),
  }
  const every = read('every', whole(1, 1_000_000)) ?? 1
  const probability = read('probability', share)
  return {
    listen: needed('listen', read('listen', address)),
    target: needed('target', read('target', targetAddress)),
    faults,
    plan: (n, random) => {
      const chosen = probability === undefined ? n % every === 0 : random() < probability
      return chosen ? faults : {}
    },
    seed: read('seed', seed) ?? newSeed(),
  }
}

function address(text: string): { host: string; port: number } {
  const [, host = '127.0.0.1', digits] = /^(?:(.+):)?(\d{1,5})$/.exec(text) ?? []
  const port = digits === undefined ? Number.NaN : Number(digits)
  if (!(port <= 65_535)) throw new Error('must be PORT or HOST:PORT')
  // A socket takes [::1] without the brackets of a URL.
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port }
}

function targetAddress(text: string): { host: string; port: number } {
  const target = address(text)
  if (target.port === 0) throw new Error('must be PORT or HOST:PORT, and 0 is no port to connect to')
  return target
}

const bytes = whole(0, MAX_BYTES)

function duration(text: string): number {
  const ms = parseDuration(text)
  if (ms > MAX_MS) throw new Error('must be at most 10m')
  return ms
}

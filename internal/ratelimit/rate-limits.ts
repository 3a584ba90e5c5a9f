import { errorMessage } from '../core/error-message.ts'

/** What a limit counts: everything, a client, an address, or a client on one route (`endpoint`). */
export const SCOPES = ['global', 'client', 'ip', 'endpoint'] as const
export type Scope = (typeof SCOPES)[number]

export const ALGORITHMS = ['sliding-window', 'token-bucket', 'fixed-window'] as const
export type Algorithm = (typeof ALGORITHMS)[number]

/** One limit of a rule set. */
export interface Limit {
  /** The policy name in headers, unique in its rule set: the scope, or `scope-window` if the scope has several limits. */
  readonly name: string
  readonly scope: Scope
  /** Admissions in `windowMs`; for a token bucket, the tokens that are added in that time. */
  readonly quota: number
  readonly windowMs: number
  readonly algorithm: Algorithm
  /** The capacity of a token bucket; equals `quota` for the other algorithms. */
  readonly burst: number
}

/** With `MAX_WINDOW_MS`, keeps every product of the arithmetic below 2^53, where a double is exact. */
const MAX_COUNT = 1_000_000
/** 31 days: longer windows are for billing, not for rate limits. */
const MAX_WINDOW_MS = 31 * 24 * 3_600_000
const UNITS_MS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** Like `parseRateLimits`, for one client: accepts only the scopes `client` and `endpoint`. */
export function parseClientLimits(text: string): readonly Limit[] {
  const limits = parseRateLimits(text)
  const other = limits.find(({ scope }) => scope !== 'client' && scope !== 'endpoint')
  if (other === undefined) return limits
  throw new Error(
    `"${text}": the limits of one client have the scopes client and endpoint, not ${other.scope}`,
  )
}

interface Item extends Omit<Limit, 'name'> {
  text: string
  window: string
}

/**
 * Parses `RATE_LIMITS`: a comma-separated list of `scope=quota/window[:algorithm[:burst]]`, or `none`.
 *
 * @throws One Error that lists every fault with the item, the rule and the value.
 * @example const limits = parseRateLimits('client=600/60s,endpoint=100/10s:token-bucket:20')
 */
export function parseRateLimits(text: string): readonly Limit[] {
  if (text.trim() === 'none') return []
  const faults: string[] = []
  const items: Item[] = []
  for (const part of text.split(',')) {
    try {
      items.push(parseItem(part.trim()))
    } catch (error) {
      faults.push(errorMessage(error))
    }
  }
  items.forEach((item, index) => {
    const twin = items.findIndex((other) => other.scope === item.scope && other.windowMs === item.windowMs)
    if (twin !== index)
      faults.push(
        `"${item.text}": a scope may have one limit for each window, but there is also "${items[twin]?.text}"`,
      )
  })
  if (faults.length > 0) throw new Error(faults.join('; '))
  return items.map((item) => {
    const { text: _text, window, ...rest } = item
    const alone = items.filter((other) => other.scope === item.scope).length === 1
    return { name: alone ? item.scope : `${item.scope}-${window}`, ...rest }
  })
}

function parseItem(text: string): Item {
  const shape = /^([^=]*)=([^/]*)\/([^:]*)(?::([^:]*)(?::([^:]*))?)?$/.exec(text)
  if (!shape) throw new Error(`"${text}": a limit is written scope=quota/window[:algorithm[:burst]]`)
  const [, scopeText = '', quotaText = '', window = '', algorithmText, burstText] = shape
  const scope = oneOf(SCOPES, scopeText, text, 'scope')
  const quota = count(quotaText, text, 'quota')
  const windowMs = duration(window, text)
  const algorithm =
    algorithmText === undefined ? 'sliding-window' : oneOf(ALGORITHMS, algorithmText, text, 'algorithm')
  if (burstText !== undefined && algorithm !== 'token-bucket')
    throw new Error(`"${text}": only token-bucket has a burst, got "${burstText}" for ${algorithm}`)
  const burst = burstText === undefined ? quota : count(burstText, text, 'burst')
  return { text, scope, quota, window, windowMs, algorithm, burst }
}

function oneOf<T extends string>(known: readonly T[], value: string, item: string, what: string): T {
  const found = known.find((one) => one === value)
  if (found === undefined) throw new Error(`"${item}": ${what} is one of ${known.join(', ')}, got "${value}"`)
  return found
}

function count(value: string, item: string, what: string): number {
  const number = /^[0-9]{1,7}$/.test(value) ? Number(value) : 0
  if (number < 1 || number > MAX_COUNT)
    throw new Error(`"${item}": ${what} is a whole number from 1 to ${MAX_COUNT}, got "${value}"`)
  return number
}

function duration(value: string, item: string): number {
  const [, digits = '', unit = ''] = /^([0-9]{1,10})(ms|s|m|h)$/.exec(value) ?? []
  const ms = Number(digits) * (UNITS_MS[unit] ?? 0)
  if (ms < 1 || ms > MAX_WINDOW_MS)
    throw new Error(`"${item}": window is a duration like 500ms, 30s, 10m, 24h up to 744h, got "${value}"`)
  return ms
}

/** The client's own limits; undefined: the limits of the service apply. Called for each request, synchronously. */
export type OwnLimits = (client: string) => readonly Limit[] | undefined

/**
 * Returns a function that gives the value for a client. The client's own limits replace the limits of scope `client` and
 * `endpoint`. `make` is called once for the limits of the service and once for each array of `ownLimits`, which must
 * return the same array for the same limits.
 */
export function limitsByClient<T>(
  limits: readonly Limit[],
  ownLimits: OwnLimits | undefined,
  make: (limits: readonly Limit[]) => T,
): (client: string) => T {
  const common = make(limits)
  if (ownLimits === undefined) return () => common
  const shared = limits.filter(({ scope }) => scope === 'global' || scope === 'ip')
  const made = new WeakMap<readonly Limit[], { value: T }>()
  return (client) => {
    const own = ownLimits(client)
    if (own === undefined) return common
    const known = made.get(own)
    if (known !== undefined) return known.value
    const value = make([...shared, ...own])
    made.set(own, { value })
    return value
  }
}

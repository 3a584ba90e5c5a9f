import { existsSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'

/* What a setting may be: each takes the text of a variable or option and throws an Error that says the rule. */

/** 24 days: a longer setTimeout() would fire at once. */
const MAX_INT32 = 2_147_483_647

/** In production: a shorter HMAC key can be guessed from one signed request. */
export const MIN_SECRET_BYTES = 16

/** `500ms`, `30s`, `10m`, `24h` in milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d{1,9})(ms|s|m|h)$/.exec(text)
  if (match === null) throw new Error('must be a duration like 500ms, 30s, 10m or 24h')
  const unit = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[match[2] ?? ''] ?? Number.NaN
  return Number(match[1]) * unit
}

export function duration(minMs: number, maxMs?: number): (text: string) => number {
  return (text) => {
    const ms = parseDuration(text)
    if (ms < minMs) throw new Error(`must be at least ${minMs} ms`)
    if (maxMs !== undefined && ms > maxMs) throw new Error(`must be at most ${maxMs} ms`)
    if (ms > MAX_INT32) throw new Error('must be at most 24 days')
    return ms
  }
}

export function text(value: string): string {
  return value
}

/** A secret. A copied line end would become part of every signature. */
export function unpadded(value: string): string {
  if (value.trim() !== value)
    throw new Error('must have no white space at its ends: a line end or a space was probably copied with it')
  return value
}

export function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,13}$/.test(text) ? Number(text) : Number.NaN
    if (!(number >= min && number <= max)) throw new Error(`must be a whole number from ${min} to ${max}`)
    return number
  }
}

export function share(text: string): number {
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

export function matching(pattern: RegExp, rule: string): (text: string) => string {
  return (text) => {
    if (!pattern.test(text)) throw new Error(`must be ${rule}`)
    return text
  }
}

export const seed = matching(/^[A-Za-z0-9._-]{1,32}$/, '1 to 32 characters of A-Z a-z 0-9 . _ -')

/** The URL of a service. */
export function serviceUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw new Error('must be an http or https URL')
  if (url.username !== '' || url.password !== '') throw new Error('must be a URL without user and password')
  return text
}

/** In each node everything before the last @, and the query, may be a credential. */
export function maskUrl(url: string): string {
  return url
    .split(/,(?=\s*rediss?:\/\/)/)
    .map((node) => node.replace(/\/\/[\s\S]*@/, '//********@').replace(/\?[\s\S]*/, '?********'))
    .join(',')
}

/** A bearer token; shorter ones can be guessed. */
export const operatorToken = matching(
  /^[A-Za-z0-9._~+/-]{16,255}=*$/,
  '16 to 255 characters of A-Z a-z 0-9 . _ ~ + / -',
)

/** The beginning of a path, of characters that no client escapes. */
export const pathPrefix = matching(
  /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]{1,64}){1,8}$/,
  'a path like /shop, of A-Z a-z 0-9 . _ ~ - and without a slash at its end',
)

/** Paths are appended to it. It may hold credentials. */
export function gatewayUrl(text: string): string {
  const parsed = /^https?:\/\//.test(text) && URL.canParse(text) ? new URL(text) : undefined
  if (parsed === undefined || parsed.search !== '' || parsed.hash !== '')
    throw new Error('must be an http:// or https:// URL without query and fragment')
  try {
    decodeURIComponent(`${parsed.username}${parsed.password}`)
  } catch {
    // Otherwise every charge would fail.
    throw new Error('must have percent-encoded credentials')
  }
  return text
}

export function redisUrl(text: string): string {
  if (/^rediss?\+sentinel:\/\/[^/]+\/[^/]+$/.test(text)) return text
  for (const node of text.split(',')) {
    if (!/^rediss?:\/\//.test(node.trim()) || !URL.canParse(node.trim()))
      throw new Error('must be redis://, rediss://, a comma list of them, or redis+sentinel://host:port/name')
  }
  return text
}

/** Of an app in a browser, or in the web view of a phone (`capacitor://localhost`). A path of `/` is left out. */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/?#@\s*]+\/?$/i

export function origins(text: string): readonly string[] {
  if (text === 'none') return []
  return text.split(',').map((part) => {
    const one = part.trim()
    if (!ORIGIN.test(one) || !URL.canParse(one)) {
      throw new Error(
        'must be a list of origins like https://shop.example,http://localhost:3000; * is none of them',
      )
    }
    const { origin } = new URL(one)
    return origin === 'null' ? one.replace(/\/$/, '').toLowerCase() : origin
  })
}

/** No characters of glob patterns and hash tags. */
export const redisPrefix = matching(/^[A-Za-z0-9._:-]{1,64}$/, '1 to 64 of A-Z a-z 0-9 . _ : -')

export function file(path: string): string {
  if (!existsSync(path)) throw new Error('there is no such file')
  // As Docker makes one in place of a file that it was to mount.
  if (statSync(path).isDirectory()) throw new Error('must be a file, and is a directory')
  return path
}

export function workers(text: string): number {
  return text === 'auto' ? availableParallelism() : whole(1, 256)(text)
}

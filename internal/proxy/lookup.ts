import { request } from 'undici'
import { type HeaderLines, isRecorded, responseHeaders } from './response-headers.ts'
import { meaningOf } from './response-meaning.ts'

export interface LookupOptions {
  /** The address for a key; undefined: the key cannot be looked up. See lookupAddress. */
  addressOf: (key: string) => string | undefined
  maxResponseBytes: number
  maxDurationMs: number
}

/** A key with an unknown outcome. */
export interface UnknownKey {
  client: string
  scope: string
  key: string
  reason: string
  sinceMs: number
}

export interface FoundResponse {
  status: number
  headers: Record<string, string | string[]>
  body: Buffer
}

/** Other keys are sent in quotes. */
const BARE = /^[!#-+\--:<-[\]-~]+$/

/**
 * Asks the backend what became of a key: 200 is the response to the request, with its status in `Idempotency-Status`
 * (200 without); `Idempotency-Outcome: none` says that the request has taken no effect and will take none. 404 is taken
 * as the same, but for a request that may still be at work: it has `maxDurationMs`, unless it has begun to respond.
 * Whatever else comes leaves the outcome unknown, also a status that is no final response to a request with a key, such
 * as 503. Rejects where nothing comes, and for a key that cannot be asked about.
 */
export async function lookUp(
  options: LookupOptions,
  id: UnknownKey,
  signal: AbortSignal,
): Promise<FoundResponse | 'not_executed' | 'unknown'> {
  const url = options.addressOf(id.key)
  if (url === undefined)
    throw new Error('the key would change the address of the lookup: it was not asked about')
  const key = BARE.test(id.key) ? id.key : `"${id.key.replace(/(["\\])/g, '\\$1')}"`
  const { statusCode, headers, body } = await request(url, {
    headers: { 'Idempotency-Key': key, 'Idempotency-Client': id.client, 'Idempotency-Scope': id.scope },
    signal,
  })
  const bytes = await collect(body, options.maxResponseBytes)
  if (one(headers['idempotency-outcome'])?.trim().toLowerCase() === 'none') return 'not_executed'
  if (statusCode === 404) return mayBeAtWork(id, options) ? 'unknown' : 'not_executed'
  const status = statusOf(one(headers['idempotency-status']))
  if (statusCode !== 200 || bytes === undefined) return 'unknown'
  if (status === undefined || meaningOf(status, undefined, 'replay') !== 'completed') return 'unknown'
  return { status, headers: recorded(status, headers), body: bytes }
}

/** A backend that has begun to respond has acted. After a lost connection it may still be at work. */
const HAS_ANSWERED = new Set(['backend_error', 'answer_truncated', 'answer_malformed'])

function mayBeAtWork({ reason, sinceMs }: UnknownKey, { maxDurationMs }: LookupOptions): boolean {
  return !HAS_ANSWERED.has(reason) && sinceMs < maxDurationMs
}

async function collect(body: AsyncIterable<Buffer>, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > maxBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}

function statusOf(text: string | undefined): number | undefined {
  if (text === undefined) return 200
  return /^[2-5]\d\d$/.test(text.trim()) ? Number(text) : undefined
}

/** By the rules of forwarded responses. */
function recorded(
  status: number,
  headers: Record<string, string | string[] | undefined>,
): FoundResponse['headers'] {
  const lines: HeaderLines = Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().flatMap((line) => [name, line]),
  )
  // Without a prototype: a header may have any name.
  const found: FoundResponse['headers'] = Object.create(null)
  const kept = responseHeaders(status, lines)
  for (let i = 0; i + 1 < kept.length; i += 2) {
    const name = kept[i] ?? ''
    const value = kept[i + 1] ?? ''
    if (!isRecorded(name)) continue
    const before = found[name]
    if (before === undefined) found[name] = value
    // The first of several types, as in forwarded responses.
    else if (name !== 'content-type') found[name] = [before, value].flat()
  }
  return found
}

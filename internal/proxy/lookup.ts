import { request } from 'undici'
import { answerHeaders, type HeaderLines, isRecorded } from './answer-headers.ts'

export interface LookupOptions {
  /** `{key}` in it stands for the key, percent-encoded. */
  url: string
  maxResponseBytes: number
}

export interface LookupKey {
  client: string
  scope: string
  key: string
}

export interface FoundAnswer {
  status: number
  headers: Record<string, string | string[]>
  body: Buffer
}

/** A client waits meanwhile; who does not know by then is asked again with the next retry. */
const DEADLINE_MS = 5_000
/** As one item of a list, or part of a string, a key would be another one. */
const BARE = /^[!#-+\--:<-[\]-~]+$/

/**
 * Asks the backend what became of a key: 200 is the answer to the request, with its status in `Idempotency-Status`
 * (200 without); 404, or `Idempotency-Outcome: none`, says that the request never took effect. Whatever else comes, or
 * does not come, leaves the outcome unknown. Never rejects.
 */
export async function lookUp(
  options: LookupOptions,
  id: LookupKey,
): Promise<FoundAnswer | 'nothing happened' | 'unknown'> {
  const url = options.url.replaceAll('{key}', encodeURIComponent(id.key))
  const key = BARE.test(id.key) ? id.key : `"${id.key.replace(/(["\\])/g, '\\$1')}"`
  try {
    const signal = AbortSignal.timeout(DEADLINE_MS)
    const { statusCode, headers, body } = await request(url, {
      headers: { 'Idempotency-Key': key, 'Idempotency-Client': id.client, 'Idempotency-Scope': id.scope },
      signal,
    })
    const bytes = await collect(body, options.maxResponseBytes)
    if (statusCode === 404 || one(headers['idempotency-outcome'])?.trim().toLowerCase() === 'none') {
      return 'nothing happened'
    }
    const status = statusOf(one(headers['idempotency-status']))
    if (statusCode !== 200 || status === undefined || bytes === undefined) return 'unknown'
    return { status, headers: recorded(headers), body: bytes }
  } catch {
    return 'unknown'
  }
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

/** By the same rules as those of an answer to a forwarded request. */
function recorded(headers: Record<string, string | string[] | undefined>): FoundAnswer['headers'] {
  const lines: HeaderLines = Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().flatMap((line) => [name, line]),
  )
  const found: FoundAnswer['headers'] = {}
  const kept = answerHeaders(lines)
  for (let i = 0; i + 1 < kept.length; i += 2) {
    const name = kept[i] ?? ''
    const value = kept[i + 1] ?? ''
    if (!isRecorded(name)) continue
    const before = found[name]
    found[name] = before === undefined ? value : [before, value].flat()
  }
  return found
}

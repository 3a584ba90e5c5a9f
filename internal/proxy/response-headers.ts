import { bySpelling } from '../core/header-values.ts'
import { isHopByHop } from './connection-headers.ts'

/** Headers of a response: name and value by turns, in the order and spelling of the backend. */
export type HeaderLines = string[]

/** For the sidecar, not for its clients. */
const FOR_US = new Set(['idempotency-outcome'])
/** Set by this service. */
const OURS = new Set(['x-request-id'])

/** 'connection' and 'coding' are dropped too, after a check. */
const kindOf = bySpelling((name): 'connection' | 'coding' | 'dropped' | 'kept' => {
  if (name === 'connection') return 'connection'
  if (name === 'transfer-encoding') return 'coding'
  return isHopByHop(name) || FOR_US.has(name) || OURS.has(name) ? 'dropped' : 'kept'
})

/**
 * The raw headers that undici gives with a response. Throws for a status beyond 599 (RFC 9110, 15) and for a transfer
 * coding that was not asked for; the parser takes both.
 */
export function checkedHeaders(status: number, raw: unknown): HeaderLines {
  if (status > 599) throw Object.assign(new Error(`${status} is no status`), { code: 'HPE_INVALID_STATUS' })
  if (!Array.isArray(raw)) return []
  const lines = raw.map((part: unknown) => (part instanceof Buffer ? part.toString('latin1') : String(part)))
  for (let i = 0; i + 1 < lines.length; i += 2) {
    if (kindOf(lines[i] ?? '') !== 'coding' || lines[i + 1]?.toLowerCase() === 'chunked') continue
    throw Object.assign(new Error('a transfer coding that was not asked for'), { code: 'HPE_UNKNOWN_CODING' })
  }
  return lines
}

/** Not allowed in a 204 (RFC 9110, 8.6): a client might wait for the bytes. */
const NOT_OF_204 = 'content-length'

/** The headers for the client: all but those of the connection. */
export function responseHeaders(status: number, lines: readonly string[]): HeaderLines {
  let dropped = status === 204 ? new Set([NOT_OF_204]) : undefined
  const kept: HeaderLines = []
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const name = lines[i] ?? ''
    const value = lines[i + 1] ?? ''
    const kind = kindOf(name)
    if (kind === 'connection' && !/^(?:close|keep-alive)$/i.test(value)) {
      dropped ??= new Set()
      for (const option of value.toLowerCase().split(',')) dropped.add(option.trim())
    }
    if (kind === 'kept') kept.push(name, value)
  }
  return dropped === undefined ? kept : without(kept, dropped)
}

function without(lines: HeaderLines, names: ReadonlySet<string>): HeaderLines {
  return lines.filter((_, i) => !names.has((lines[i - (i % 2)] ?? '').toLowerCase()))
}

/** A 304 may declare the length of the response that it stands for, for which undici would wait in vain. */
export function hasNoBody(status: number): boolean {
  return status === 204 || status === 304
}

/** The first value of a header. `name` in lower case. */
export function headerOf(lines: readonly string[], name: string): string | undefined {
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const spelled = lines[i]
    if (spelled?.length === name.length && spelled.toLowerCase() === name) return lines[i + 1]
  }
  return undefined
}

/** Headers of one delivery and not of the response itself: time, session, length, and what this service adds. */
const NOT_RECORDED =
  /^(?:set-cookie2?|date|age|content-length|x-request-id|(?:x-)?ratelimit.*|x-secret-expires|idempotent-replayed|idempotency-(?:outcome|status))$/

/** Whether a header of a backend's response is stored and replayed. */
export const isRecorded = bySpelling((name) => !NOT_RECORDED.test(name) && !isHopByHop(name))

import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, writeFileSync } from 'node:fs'

/*
 * What all programs of this folder do, whatever language they are in. The ledger is the file LEDGER: a line `run KEY USER
 * ID` before a response begins, and a line `half KEY` when one has stopped in its middle, where it stays for a minute.
 *
 *   charge        201, {"key","user","id","bytes"}: bytes of the request body that arrived
 *   chunked       200, the same in three pieces and without a length
 *   flaky         503 for the first request with a key, which takes no effect, then as charge
 *   empty         200 without a body            no-content     204
 *   not-modified  304                           interim        103, then as charge
 *   trailers      as chunked, with a trailer    events         three events of text/event-stream
 *   large         100 MiB of x                  wait           nothing for a minute
 *   half-length, half-chunked, half-events, half-large: the first part of such a response
 */
export const LARGE = 100 * 1024 * 1024
export const BLOCK = Buffer.alloc(65_536, 'x')
const LEDGER = process.env.LEDGER ?? 'ledger'

/** The request took effect. */
export function run(headers, bytes) {
  const key = headers['idempotency-key'] ?? '-'
  const user = headers['x-user'] ?? '-'
  const id = randomUUID()
  appendFileSync(LEDGER, `run ${key} ${user} ${id}\n`)
  return JSON.stringify({ key, user, id, bytes })
}

export function half(headers) {
  appendFileSync(LEDGER, `half ${headers['idempotency-key'] ?? '-'}\n`)
}

/** Whether this is the first request with its key. */
export function isFirst(headers) {
  try {
    writeFileSync(`${LEDGER}.${headers['idempotency-key']}`, '', { flag: 'wx' })
    return true
  } catch {
    return false
  }
}

/** How long a response stands still in its middle. */
export const STILL_MS = 60_000

/** In three pieces. */
export function pieces(text) {
  return [text.slice(0, 10), text.slice(10, 20), text.slice(20)]
}

/** Writes all of the large body, as fast as it is read. */
export async function writeLarge(res) {
  const closed = once(res, 'close')
  for (let sent = 0; sent < LARGE; sent += BLOCK.length) {
    if (res.destroyed) return
    if (!res.write(BLOCK)) await Promise.race([once(res, 'drain'), closed])
  }
  res.end()
}

/** The responses that are written piece by piece, on a response of node:http. */
export async function stream(name, res, headers, text) {
  const type = name.endsWith('events') ? 'text/event-stream' : 'application/octet-stream'
  res.statusCode = 200
  res.setHeader('Content-Type', type)
  if (name === 'half-length') res.setHeader('Content-Length', 1_000)
  if (name === 'half-large' || name === 'large') res.setHeader('Content-Length', LARGE)
  // A client of HTTP/1.0 gets no chunks, and no trailers behind them.
  const hasTrailers = name === 'trailers' && res.req.httpVersionMinor > 0
  if (hasTrailers) res.setHeader('Trailer', 'X-Checksum')
  switch (name) {
    case 'large':
      return await writeLarge(res)
    case 'chunked':
    case 'trailers':
      for (const piece of pieces(text)) await new Promise((resolve) => res.write(piece, resolve))
      if (hasTrailers) res.addTrailers({ 'X-Checksum': 'abc' })
      return res.end()
    case 'events':
      for (const n of [1, 2, 3]) await new Promise((resolve) => res.write(`data: ${n}\n\n`, resolve))
      return res.end()
    default: {
      const first = name === 'half-events' ? 'data: 1\n\n' : BLOCK.subarray(0, 500)
      await new Promise((resolve) => res.write(first, resolve))
      half(headers)
      setTimeout(() => res.end(), STILL_MS)
    }
  }
}

export const STREAMED = new Set([
  ...['large', 'chunked', 'trailers', 'events'],
  ...['half-length', 'half-large', 'half-chunked', 'half-events'],
])

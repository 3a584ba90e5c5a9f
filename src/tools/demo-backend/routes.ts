import { setTimeout as sleep } from 'node:timers/promises'
import { type Call, numberOf } from './call.ts'
import type { Outcome } from './run-ledger.ts'

/** A counted call. */
export interface Run {
  call: Call
  run: number
  at: string
  /** Aborted when the backend stops. */
  signal: AbortSignal
  /** To be called with the response before it is sent, for `/_outcome`. */
  settle: (outcome: Outcome) => void
}

/** Reads the query first, so that an invalid one is refused before the call counts. */
export type Route = (query: URLSearchParams) => (run: Run) => Promise<void>

/** Longer than a lease of 30 s: a job that outlives its lock. */
const SLOW_MS = 45_000
const MAX_MS = 600_000
const MIB = 1024 * 1024
const MAX_BYTES = 1024 * MIB
const MAX_EVENTS = 10_000
/** More than is kept, so that a longer stream is never reported as complete. */
const KEPT_EVENTS = 1_000
const BLOCK = Buffer.alloc(65_536, 'oncekey ')
const JSON_TYPE = 'application/json'

/** Any path that is not one of these is treated as '/'. */
export const ROUTES: Record<string, Route | undefined> = {
  '/': () => async (run) => respond(run, 200),

  '/slow': (query) => {
    const ms = numberOf(query, 'ms', SLOW_MS, MAX_MS)
    return async (run) => {
      await sleep(ms, undefined, { signal: run.signal })
      respond(run, 200)
    }
  },

  '/fail': (query) => {
    const status = numberOf(query, 'status', 500, 599, 400)
    return async (run) => respond(run, status)
  },

  /** Half of a response, then a lost connection. */
  '/cut': () => async (run) => {
    const { response } = run.call
    const body = settled(run, 200)
    response.writeHead(200, { 'Content-Type': JSON_TYPE, 'Content-Length': body.length })
    response.write(body.subarray(0, body.length / 2), () => response.destroy())
  },

  '/big': (query) => {
    const bytes = numberOf(query, 'bytes', 10 * MIB, MAX_BYTES)
    return async (run) => {
      const { response } = run.call
      const contentType = 'application/octet-stream'
      run.settle({ status: 200, contentType, body: BLOCK.subarray(0, bytes) })
      response.writeHead(200, { 'Content-Type': contentType, 'Content-Length': bytes })
      for (let left = bytes; left > 0 && !response.destroyed; left -= BLOCK.length) {
        if (!response.write(BLOCK.subarray(0, left))) await room(run)
      }
      response.end()
    }
  },

  '/sse': (query) => {
    const events = numberOf(query, 'events', 5, MAX_EVENTS)
    const everyMs = numberOf(query, 'ms', 1_000, MAX_MS)
    return async (run) => {
      const { response } = run.call
      const contentType = 'text/event-stream'
      const text = (n: number) => `id: ${n}\ndata: ${JSON.stringify(description(run, { event: n }))}\n\n`
      const all = Array.from({ length: Math.min(events, KEPT_EVENTS) }, (_, n) => text(n + 1)).join('')
      run.settle({ status: 200, contentType, body: Buffer.from(all) })
      response.writeHead(200, { 'Content-Type': contentType, 'Cache-Control': 'no-store' })
      for (let n = 1; n <= events && !response.destroyed; n++) {
        if (n > 1) await sleep(everyMs, undefined, { signal: run.signal })
        response.write(text(n))
      }
      response.end()
    }
  },

  '/redirect': () => async (run) => respond(run, 302, { Location: '/' }),
}

function respond(run: Run, status: number, headers: Record<string, string> = {}): void {
  const body = settled(run, status)
  run.call.response
    .writeHead(status, { 'Content-Type': JSON_TYPE, 'Content-Length': body.length, ...headers })
    .end(body)
}

function settled(run: Run, status: number): Buffer {
  const body = Buffer.from(`${JSON.stringify(description(run))}\n`)
  run.settle({ status, contentType: JSON_TYPE, body })
  return body
}

function description({ call: { path, method, key }, run, at }: Run, more: object = {}): object {
  return { path, method, key: key ?? null, run, at, ...more }
}

/** Resolves when more can be written, or the client has left. */
async function room({ call: { response } }: Run): Promise<void> {
  await new Promise<void>((resolve) => {
    const go = () => {
      response.off('drain', go).off('close', go)
      resolve()
    }
    response.on('drain', go).on('close', go)
  })
}

import { Connection } from './connection.ts'

export interface LoadOptions {
  port: number
  connections: number
  durationMs: number
  /** The whole bytes of the next request; undefined: there are no more, which ends the load. */
  next: () => Buffer | undefined
  /** The status of every response. */
  expected: number
  /**
   * Open loop: so many requests a second, however fast the responses come; a latency then counts from when a request was
   * due. Without it each connection sends its next request when a response has come whole.
   */
  ratePerS?: number | undefined
}

export interface LoadResult {
  /** Responses within the duration, per second. */
  rate: number
  /** All, also those that came later; for what a request costs. */
  responses: number
  /** Responses with another status than expected, by status. */
  unexpected: Map<number, number>
  /** In ms, of the responses within the duration, sorted. */
  latencies: Float64Array
}

/** After the end of a load; a service gives up on a request much sooner. */
const STALLED_MS = 30_000
/** The finest that timers have. */
const TICK_MS = 1

/** Ready-made bytes over raw sockets. Connecting is not counted. Rejects when a connection is lost or a response does not come. */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const { port, connections, durationMs, next, expected, ratePerS } = options
  const latencies: number[] = []
  const unexpected = new Map<number, number>()
  let responses = 0
  let sent = 0
  let over = false
  const lines = await Promise.all(
    Array.from({ length: connections }, () => Connection.open(port, onResponse)),
  )
  const idle = [...lines]
  const startedMs = performance.now()
  let lastMs = startedMs

  function onResponse(connection: Connection, status: number): void {
    const nowMs = performance.now()
    responses++
    if (status !== expected) unexpected.set(status, (unexpected.get(status) ?? 0) + 1)
    if (nowMs - startedMs > durationMs) over = true
    if (!over) {
      latencies.push(nowMs - connection.dueMs)
      lastMs = nowMs
    }
    idle.push(connection)
    sendDue(nowMs)
  }

  function sendDue(nowMs: number): void {
    while (idle.length > 0) {
      const dueMs = ratePerS === undefined ? nowMs : startedMs + (sent * 1_000) / ratePerS
      if (!over && dueMs > nowMs) return
      // The load of connections that go on without the others would be another one.
      const request = over ? undefined : next()
      if (request === undefined) over = true
      const connection = idle.pop()
      if (request === undefined) connection?.close()
      else connection?.send(request, dueMs)
      sent++
    }
  }

  sendDue(startedMs)
  const timer = setInterval(() => {
    const nowMs = performance.now()
    if (nowMs - startedMs > durationMs) over = true
    sendDue(nowMs)
  }, TICK_MS)
  if (ratePerS === undefined) clearInterval(timer)
  const stalled = setTimeout(() => {
    for (const line of lines) line.abandon(`no response for ${STALLED_MS} ms`)
  }, durationMs + STALLED_MS)
  try {
    await Promise.all(lines.map(({ closed }) => closed))
  } finally {
    clearInterval(timer)
    clearTimeout(stalled)
  }
  const seconds = (lastMs - startedMs) / 1_000
  return {
    rate: seconds === 0 ? 0 : latencies.length / seconds,
    responses,
    unexpected,
    latencies: Float64Array.from(latencies).sort(),
  }
}

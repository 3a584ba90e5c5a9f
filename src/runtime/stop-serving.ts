import type { Server } from 'node:http'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import type { Drain } from '../../internal/http/drain.ts'
import type { Logger } from '../../internal/telemetry/logger.ts'

/** Between the last response and the closing of the port: under load each kept connection gets a 503 in this time. */
const FAREWELL_MS = 500
/** The longest time for connections that wait at the port. */
const TAKE_MS = 2_000
/** After the last response: time for it to reach the client. */
const FLUSH_MS = 1_000

/** Finishes what is in flight, within `graceMs`, and refuses new requests. */
export async function finishRequests(drain: Drain, graceMs: number, logger: Logger): Promise<void> {
  const finished = await drain.stop(graceMs)
  // Clients with kept connections get a 503 with Connection: close, and no reset.
  await sleep(Math.min(FAREWELL_MS, graceMs))
  if (!finished) logger.warn({ in_flight: drain.inFlight }, 'SHUTDOWN_GRACE is over, requests are cut off')
}

export async function closeServers(...servers: (Server | undefined)[]): Promise<void> {
  await Promise.all(servers.map((server) => (server === undefined ? undefined : closeServer(server))))
}

async function closeServer(server: Server): Promise<void> {
  await takeWaiting(server)
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), FLUSH_MS)
  await closed
  clearTimeout(timer)
}

/**
 * Accepts the connections that wait at the port: closing it would reset them. Node.js accepts one in a turn of the event loop
 * (libuv 1.46), so that a busy process has a backlog. After two turns without one none is left.
 */
async function takeWaiting(server: Server): Promise<void> {
  const untilMs = performance.now() + TAKE_MS
  let taken = 0
  const count = () => {
    taken++
  }
  server.on('connection', count)
  for (let before = -1; before !== taken && performance.now() < untilMs; ) {
    before = taken
    await turn()
    await turn()
  }
  server.off('connection', count)
}

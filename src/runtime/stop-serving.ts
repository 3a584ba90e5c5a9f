import type { Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Drain } from '../../internal/http/drain.ts'
import type { Logger } from '../../internal/telemetry/logger.ts'

/** Between the last response and the closing of the port: under load each kept connection sees a 503 in this time. */
const FAREWELL_MS = 500
/** After the last response: time for it to reach the client. */
const FLUSH_MS = 1_000

/** Lets what is in flight finish, within `graceMs`, and turns away what is new. */
export async function finishRequests(drain: Drain, graceMs: number, logger: Logger): Promise<void> {
  const finished = await drain.stop(graceMs)
  // Clients that keep their connections learn from a 503 with Connection: close, not from a reset.
  await sleep(Math.min(FAREWELL_MS, graceMs))
  if (!finished) logger.warn({ in_flight: drain.inFlight }, 'SHUTDOWN_GRACE is over, requests are cut off')
}

export async function closeServers(...servers: (Server | undefined)[]): Promise<void> {
  await Promise.all(servers.map((server) => (server === undefined ? undefined : closeServer(server))))
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), FLUSH_MS)
  await closed
  clearTimeout(timer)
}

import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { parseDatabaseUrl } from './database-url.ts'
import { findPrimary } from './find-primary.ts'
import { driverOptions } from './pool.ts'

export interface Listener {
  close(): Promise<void>
}

export interface Trial {
  /** Notifies on the channel from another connection. */
  notify: () => Promise<unknown>
  /** Told once that nothing arrived. */
  onSilence: () => void
}

/** The connection comes back by itself; each try may take this long, and the next one follows after a fifth of a second. */
const CONNECT_TIMEOUT_S = 2.5
const RECONNECT_MS = 200
/** A notification takes a millisecond. */
const SILENCE_MS = 5_000

/**
 * Listens on a channel of PostgreSQL, over a connection of its own that is made anew, to the host that takes writes,
 * whenever it is lost. `wake` is called for each notification and each time listening has begun, since what was told in
 * between is lost. It tells sooner, it does not replace looking: a connection that died in silence, and a pooler in
 * transaction mode (PgBouncer), bring nothing. `trial` finds that out.
 */
export function listen(url: string, channel: string, wake: () => void, trial?: Trial): Listener {
  const servers = parseDatabaseUrl(url)
  let closed = false
  let heard = false
  let sql: postgres.Sql | undefined
  let silence: NodeJS.Timeout | undefined
  const hear = () => {
    heard = true
    if (!closed) wake()
  }

  const listenOnce = async (): Promise<void> => {
    const server = servers.length === 1 ? servers[0] : await findPrimary(servers)
    if (closed || server === undefined) return
    const lost = new Promise<void>((resolve) => {
      const connection = Object.assign(driverOptions(server), {
        max: 1,
        fetch_types: false,
        max_lifetime: null,
        connect_timeout: CONNECT_TIMEOUT_S,
        onnotice: () => {},
        onnotify: hear,
        onclose: () => resolve(),
      })
      sql = postgres(connection)
    })
    try {
      await sql?.unsafe(`LISTEN ${channel}`)
      if (!closed) wake()
      expectOne()
      await lost
    } finally {
      await sql?.end({ timeout: 0 })
    }
  }
  /** That listening was accepted says nothing: a pooler may give the connection that listens to another client. */
  const expectOne = () => {
    if (heard || trial === undefined || silence !== undefined) return
    silence = setTimeout(() => {
      if (!heard && !closed) trial.onSilence()
    }, SILENCE_MS).unref()
    // Where it fails the next listening tries again.
    trial.notify().catch(() => {
      clearTimeout(silence)
      silence = undefined
    })
  }
  const run = async () => {
    while (!closed) {
      await listenOnce().catch(() => {})
      await sleep(RECONNECT_MS, undefined, { ref: false })
    }
  }
  void run()
  return {
    async close() {
      closed = true
      clearTimeout(silence)
      await sql?.end({ timeout: 0 })
    },
  }
}

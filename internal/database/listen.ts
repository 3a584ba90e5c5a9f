import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { parseDatabaseUrl } from './database-url.ts'
import { findPrimary } from './find-primary.ts'
import { driverOptions } from './pool.ts'

export interface Listener {
  close(): Promise<void>
}

export interface Trial {
  /** Sends a notification on the channel from another connection. */
  notify: () => Promise<unknown>
  /** Called once if it does not arrive. */
  onSilence: () => void
}

/** The timeout of each try to connect. The next try follows after RECONNECT_MS. */
const CONNECT_TIMEOUT_S = 2.5
const RECONNECT_MS = 200
/** A notification usually takes a millisecond. */
const SILENCE_MS = 5_000

/**
 * Listens on a channel of PostgreSQL, over a separate connection to the host that accepts writes. A lost connection is
 * opened again. `wake` is called for each notification, and each time listening starts, because notifications in between
 * are lost. Callers must still poll: a dead connection, or a pooler in transaction mode (PgBouncer), delivers nothing.
 * `trial` detects that.
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
      startTrial()
      await lost
    } finally {
      await sql?.end({ timeout: 0 })
    }
  }
  /** Sends a notification and expects it: a pooler accepts LISTEN, but may give the connection to another client. */
  const startTrial = () => {
    if (heard || trial === undefined || silence !== undefined) return
    silence = setTimeout(() => {
      if (!heard && !closed) trial.onSilence()
    }, SILENCE_MS).unref()
    // If this fails, the trial is repeated when listening starts again.
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

import postgres from 'postgres'

export interface Listener {
  close(): Promise<void>
}

/** The connection comes back by itself; each try may take this long, and the next one follows after a fifth of a second. */
const CONNECT_TIMEOUT_S = 2.5
const RECONNECT_S = 0.2

/**
 * Listens on a channel of PostgreSQL, over a connection of its own that is made anew whenever it is lost. `wake` is
 * called for each notification and each time listening has begun, since what was told in between is lost. It tells
 * sooner, it does not replace looking: a connection that died in silence, and a pooler in transaction mode (PgBouncer),
 * bring nothing.
 */
export function listen(url: string, channel: string, wake: () => void): Listener {
  const sql = postgres(url, {
    max: 1,
    fetch_types: false,
    onnotice: () => {},
    backoff: () => RECONNECT_S,
    connect_timeout: CONNECT_TIMEOUT_S,
    connection: { application_name: 'oncekey' },
  })
  let closed = false
  const tell = () => {
    if (!closed) wake()
  }
  // The driver goes on trying after the first failure, as after every later one.
  sql.listen(channel, tell, tell).catch(() => {})
  return {
    async close() {
      closed = true
      await sql.end({ timeout: 0 })
    },
  }
}

import type { Duplex } from 'node:stream'
import postgres from 'postgres'

export type Sql = postgres.Sql

export interface PoolOptions {
  connectTimeoutMs: number
  maxConnections: number
  /** Not with a pooler that gives each transaction another connection, unless it knows prepared statements. */
  prepare?: boolean
  /** The wire of the embedded database, instead of a TCP connection to `url`. */
  socket?: (() => Duplex) | undefined
}

export interface Pool {
  readonly sql: Sql
  /**
   * How often PostgreSQL has said that it gave up waiting for its synchronous standby: the statement then seems to
   * succeed, and what it committed is lost if the standby is promoted. The warning arrives before the success does,
   * but does not say which of the statements under way it belongs to.
   */
  doubts(): number
}

export function createPool(url: string | undefined, options: PoolOptions): Pool {
  const { connectTimeoutMs, maxConnections, prepare = true, socket } = options
  let doubts = 0
  const common = {
    fetch_types: false,
    onnotice(notice: postgres.Notice) {
      // The text is in the language of the server; the routine is not.
      if (notice.routine === 'SyncRepWaitForLSN') doubts++
    },
    // The driver's own backoff grows to 20 s: an outage would go on for us after it is over.
    backoff: () => 0.2,
    connect_timeout: connectTimeoutMs / 1000,
  }
  if (socket !== undefined) {
    // One process, one session: the embedded database has no second connection to give.
    const embedded = { ...common, socket, max: 1, max_lifetime: null, user: 'postgres', database: 'postgres' }
    return { sql: postgres(embedded), doubts: () => doubts }
  }
  if (url === undefined) throw new Error('a database needs a URL or a socket')
  const sql = postgres(url, {
    ...common,
    // Left out where nothing forbids them: the URL may say prepare=false.
    ...(prepare ? {} : { prepare }),
    max: maxConnections,
    // Nothing else: PgBouncer refuses connections that ask for settings it does not know.
    connection: { application_name: 'oncekey' },
  })
  return { sql, doubts: () => doubts }
}

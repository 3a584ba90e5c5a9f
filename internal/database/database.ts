import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkNumber, MAX_TIMER_MS } from '../core/check-option.ts'
import { ServiceError } from '../core/service-error.ts'
import { parseDatabaseUrl } from './database-url.ts'
import { storeUnavailable, withDeadline } from './deadline.ts'
import { findPrimary } from './find-primary.ts'
import { codeOf, isOutage, losesHost, nothingHappened } from './outage.ts'
import { createPool, type Pool, type Sql } from './pool.ts'
import type { Shards } from './shards.ts'

export { isRowFault } from './outage.ts'
export type { Sql } from './pool.ts'

export interface Database {
  /**
   * Runs one autocommit statement. Rejects within the deadline with ServiceError `store_unavailable` if the database is
   * unreachable or hangs; its `effect` is 'unknown' if the statement may have been committed. Errors that the statement
   * itself causes (bad data, constraints) are those of postgres.js.
   */
  run<T>(statement: (sql: Sql) => PromiseLike<T>, deadlineMs?: number): Promise<T>
  /** When a statement takes longer, the calls that wait for it are refused. */
  readonly stallMs: number
  /** Resolves if the database responds within the deadline. */
  ping(): Promise<void>
  /** The clock of the database, in Unix milliseconds. Rejects like `run`. */
  clockMs(): Promise<number>
  /** The number of statements in flight, including those that wait for a connection, and the size of the pool. */
  load(): { inFlight: number; connections: number }
  close(): Promise<void>
  /** Set by `migrate` if the tables are distributed over several servers. */
  shards?: Shards
}

export interface DatabaseOptions {
  /** A statement without a response for this long fails, and all connections are replaced. */
  deadlineMs?: number
  /** The size of the pool. Group commit uses two connections; the others are for single reads and health checks. */
  maxConnections?: number
  /** Opens a stream to the embedded database, instead of a TCP connection to `url`. */
  socket?: () => Duplex
}

const MAX_CONNECTIONS = 6
/** An fsync on a busy disk can take a second. A client waits for at most two of these deadlines. */
const DEADLINE_MS = 2_500

/** The fraction of the deadline after which a statement has stalled. A disk that is busy for a second is not stalled. */
const STALLED = 0.6
/** How long a statement waits for the database to respond again after a missed deadline. */
const GRACE_MS = 500
/** The wait between two checks whether the database responds again. */
const PROBE_EVERY_MS = 200
/** The time for statements in flight when the service ends. */
const CLOSE_S = 2
const NOT_REPLICATED = 'PostgreSQL stopped waiting for the synchronous standby, which may lack the commit'
/** The SQLSTATE of a write on a read-only server. */
const READ_ONLY = '25006'
/** The minimum time between two new pools after READ_ONLY. */
const RECONNECT_MS = 1_000

/**
 * A pool of postgres.js connections that cannot hang. In the driver, queries behind a dead connection wait for ever; here
 * each statement ends within its deadline, and after a missed deadline the whole pool is replaced. Until the new pool has
 * responded, no other statement is sent, so that deadlines do not add up.
 *
 * `url` may name several hosts: all connections go to the one that accepts writes, which is searched again after it is
 * lost.
 *
 * @throws Error for an invalid URL. Connections are opened later: `run` rejects with `store_unavailable`.
 * @example const database = openDatabase('postgres://user:password@127.0.0.1:5432/database')
 */
export function openDatabase(url: string | undefined, options: DatabaseOptions = {}): Database {
  const usualDeadlineMs = options.deadlineMs ?? DEADLINE_MS
  const maxConnections = options.socket === undefined ? (options.maxConnections ?? MAX_CONNECTIONS) : 1
  checkNumber('deadlineMs', usualDeadlineMs, 1, MAX_TIMER_MS)
  checkNumber('maxConnections', maxConnections, 1, Number.POSITIVE_INFINITY)
  const servers = url === undefined ? [] : parseDatabaseUrl(url)
  let current = servers[0]
  let prepare = true
  const connect = () => {
    const target = options.socket ?? current
    if (target === undefined) throw new Error('a database needs a URL or a socket')
    return createPool(target, { connectTimeoutMs: usualDeadlineMs, maxConnections, prepare })
  }
  let pool = connect()
  let closed = false
  let inFlight = 0
  let replacedMs = Number.NEGATIVE_INFINITY

  /** 'drain': statements in flight continue, each within its deadline. */
  const replace = (used: Pool, how: 'at once' | 'drain' = 'at once') => {
    if (used !== pool || closed) return
    pool = connect()
    replacedMs = performance.now()
    void used.sql.end(how === 'drain' ? {} : { timeout: 0 }).catch(() => {})
  }
  const waitForResponse = async () => {
    while (!closed) {
      const used = pool
      try {
        if (servers.length > 1) await followPrimary()
        const stuck = await withDeadline(whyStuck(pool.sql, usualDeadlineMs), usualDeadlineMs, 'database')
        if (stuck === undefined) break
        lastFailure = Object.assign(new Error(stuck), { code: 'STUCK' })
      } catch (error) {
        lastFailure = error
        // Only this pool: a newer one may work.
        replace(used)
      }
      await sleep(PROBE_EVERY_MS, undefined, { ref: false })
    }
    recovery = undefined
    graceMs = GRACE_MS
  }
  const followPrimary = async () => {
    const primary = await findPrimary(servers)
    if (primary === current) return
    current = primary
    replace(pool)
  }
  /** The last failure, while there is no response. */
  let lastFailure: unknown
  /** Set after a missed deadline and while the primary is searched: resolves when the database responds again. */
  let recovery: Promise<void> | undefined = servers.length > 1 ? waitForResponse() : undefined
  /** The first search for the primary may take longer. */
  let graceMs = recovery === undefined ? GRACE_MS : usualDeadlineMs

  const recovered = async () => {
    try {
      if (recovery !== undefined) await withDeadline(recovery, graceMs, 'database', 'none')
    } catch (error) {
      throw storeUnavailable(lastFailure ?? error, 'none')
    }
  }

  /** Replaces connections, or searches the primary, if the error of a statement requires it. */
  const handleFailure = (used: Pool, error: unknown) => {
    const code = codeOf(error)
    if (error instanceof ServiceError || code === 'CONNECT_TIMEOUT') {
      replace(used)
      recovery ??= waitForResponse()
    } else if (servers.length > 1 && losesHost(code)) {
      recovery ??= waitForResponse()
    } else if (code === READ_ONLY && performance.now() - replacedMs > RECONNECT_MS) {
      // The host name or a proxy may lead to another server now.
      replace(used, 'drain')
    }
  }

  /** With a pooler, statements are not prepared: the next one may run on a server connection without it. */
  const detectPooler = async () => {
    const used = pool
    try {
      if (!(await isPooled(used.sql))) return
      prepare = false
      replace(used, 'drain')
    } catch {
      isPoolerChecked = false
    }
  }
  let isPoolerChecked = servers.every((one) => one.prepare !== undefined)

  const run = async <T>(
    statement: (sql: Sql) => PromiseLike<T>,
    deadlineMs: number = usualDeadlineMs,
  ): Promise<T> => {
    if (recovery !== undefined) await recovered()
    const used = pool
    const warningsBefore = used.syncWarnings()
    let result: T
    inFlight++
    try {
      const work = Promise.resolve(statement(used.sql))
      result = withoutHoles(await withDeadline(work, deadlineMs, 'database'))
    } catch (error) {
      handleFailure(used, error)
      if (error instanceof ServiceError) throw error
      throw isOutage(error) ? storeUnavailable(error, nothingHappened(error) ? 'none' : 'unknown') : error
    } finally {
      inFlight--
    }
    if (used.syncWarnings() !== warningsBefore) throw storeUnavailable(new Error(NOT_REPLICATED), 'unknown')
    if (!isPoolerChecked) {
      isPoolerChecked = true
      void detectPooler()
    }
    return result
  }

  return {
    run,
    stallMs: usualDeadlineMs * STALLED,
    async ping() {
      await run((sql) => sql`SELECT 1`)
    },
    async clockMs() {
      const [row] = await run((sql) => sql`SELECT extract(epoch FROM clock_timestamp()) * 1000 AS ms`)
      return Number(row?.ms)
    },
    load: () => ({
      inFlight,
      connections: maxConnections,
    }),
    async close() {
      closed = true
      await pool.sql.end({ timeout: CLOSE_S })
    },
  }
}

/**
 * Why a database that responds cannot complete statements; undefined if it can. Without its synchronous standby each
 * commit waits for ever, and so does each statement on a locked table. Statements that missed their deadline still wait
 * in the server: without this check each new statement would occupy one more connection there.
 */
async function whyStuck(sql: Sql, deadlineMs: number): Promise<string | undefined> {
  const [row] = await sql`
    SELECT wait_event_type FROM pg_stat_activity
    WHERE usename = current_user AND (
      wait_event = 'SyncRep' AND query_start < clock_timestamp() - interval '1 second'
      OR application_name = 'oncekey' AND wait_event_type = 'Lock' AND wait_event <> 'advisory'
        AND query_start < clock_timestamp() - make_interval(secs => ${deadlineMs / 1000}))
    LIMIT 1`
  if (row === undefined) return undefined
  return row.wait_event_type === 'Lock'
    ? 'statements that missed their deadline still wait for a lock'
    : 'commits wait for the synchronous standby'
}

/** Whether there is a pooler: then the process id from the start of the connection is not that of the server process. */
async function isPooled(sql: Sql): Promise<boolean> {
  const rows = await sql`SELECT pg_backend_pid() AS pid`
  return rows[0]?.pid !== rows.state.pid
}

/**
 * Removes empty elements before the first row. After a statement that failed after some rows, postgres.js 3.4.9 puts the
 * rows of the next result on that connection after as many empty elements.
 */
function withoutHoles<T>(result: T): T {
  if (Array.isArray(result) && result.length > 0 && !(0 in result)) {
    result.splice(0, result.length, ...result.filter(() => true))
  }
  return result
}

import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
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
   * Runs one autocommit statement. Rejects with ServiceError `store_unavailable` within the deadline when the
   * database is away or hangs; its `effect` is 'unknown' if the statement may have been committed. Errors that
   * the statement itself caused (bad data, constraints) come through as postgres.js gives them.
   */
  run<T>(statement: (sql: Sql) => PromiseLike<T>, deadlineMs?: number): Promise<T>
  /** What waits for a statement that has taken this long is refused. */
  readonly stallMs: number
  /** Resolves when the database responds within the deadline. */
  ping(): Promise<void>
  /** The clock of the database, in Unix milliseconds. Rejects as `run` does. */
  clockMs(): Promise<number>
  /** Statements in flight, those that wait for a connection among them, and how many connections there are. */
  load(): { inFlight: number; connections: number }
  close(): Promise<void>
  /** Set by `migrate` where the tables are distributed over several servers. */
  shards?: Shards
}

export interface DatabaseOptions {
  /** A statement without a response for this long fails and all connections are replaced. */
  deadlineMs?: number
  /** Connections at most. Group commit keeps two busy; the others serve single reads and the health checks. */
  maxConnections?: number
  /** The wire of the embedded database, instead of a TCP connection to `url`. */
  socket?: () => Duplex
}

const MAX_CONNECTIONS = 6
/** An fsync on a busy disk can take a second; a client waits for two of these at most. */
const DEADLINE_MS = 2_500

/** Of its deadline. A disk that is busy for a second refuses nothing. */
const STALLED = 0.6
/** How long a statement waits for a database that has just missed a deadline: long enough for one that only stumbled. */
const GRACE_MS = 500
/** Between two questions whether the database responds again. */
const PROBE_EVERY_MS = 200
/** To statements in flight when the service ends. */
const CLOSE_S = 2
const NOT_REPLICATED =
  'PostgreSQL gave up waiting for the synchronous standby: it may lack what was committed'
/** Of a statement that writes, on a server that only reads. */
const READ_ONLY = '25006'
/** Between two new pools in search of a server that takes writes again. */
const RECONNECT_MS = 1_000

/**
 * A pool of postgres.js connections that cannot hang: whatever goes on inside the driver (queries queued behind a
 * dead connection wait there for ever), each statement gets a response within its deadline, and after a missed
 * deadline the whole pool is thrown away for a new one. Until that one has responded, nothing else is sent:
 * statements that wait for each other would add up their deadlines.
 *
 * `url` may name several hosts: all connections go to the one that takes writes, which is looked for again whenever
 * it is lost.
 *
 * @throws Error for a URL that cannot be understood. Connections are made later: `run` rejects with
 *   `store_unavailable`.
 * @example const database = openDatabase('postgres://user:password@127.0.0.1:5432/database')
 */
export function openDatabase(url: string | undefined, options: DatabaseOptions = {}): Database {
  const usualDeadlineMs = options.deadlineMs ?? DEADLINE_MS
  const maxConnections = options.socket === undefined ? (options.maxConnections ?? MAX_CONNECTIONS) : 1
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

  /** 'gently': statements in flight go on to their end, each within its own deadline. */
  const replace = (used: Pool, how: 'at once' | 'gently' = 'at once') => {
    if (used !== pool || closed) return
    pool = connect()
    replacedMs = performance.now()
    void used.sql.end(how === 'gently' ? {} : { timeout: 0 }).catch(() => {})
  }
  const revive = async () => {
    while (!closed) {
      const used = pool
      try {
        if (servers.length > 1) await followPrimary()
        const stuck = await withDeadline(whyStuck(pool.sql, usualDeadlineMs), usualDeadlineMs, 'database')
        if (stuck === undefined) break
        whyNot = Object.assign(new Error(stuck), { code: 'STUCK' })
      } catch (error) {
        whyNot = error
        // One that was made meanwhile is not at fault.
        replace(used)
      }
      await sleep(PROBE_EVERY_MS, undefined, { ref: false })
    }
    revival = undefined
    graceMs = GRACE_MS
  }
  const followPrimary = async () => {
    const primary = await findPrimary(servers)
    if (primary === current) return
    current = primary
    replace(pool)
  }
  /** Why the search goes on. */
  let whyNot: unknown
  /** Since a missed deadline, and while the primary is looked for: resolves when the database has responded again. */
  let revival: Promise<void> | undefined = servers.length > 1 ? revive() : undefined
  /** To find the primary for the first time may take longer. */
  let graceMs = revival === undefined ? GRACE_MS : usualDeadlineMs

  const revived = async () => {
    try {
      if (revival !== undefined) await withDeadline(revival, graceMs, 'database', 'none')
    } catch (error) {
      throw storeUnavailable(whyNot ?? error, 'none')
    }
  }

  /** What a failed statement says about its connection, or its host. */
  const learn = (used: Pool, error: unknown) => {
    const code = codeOf(error)
    if (error instanceof ServiceError || code === 'CONNECT_TIMEOUT') {
      replace(used)
      revival ??= revive()
    } else if (servers.length > 1 && losesHost(code)) {
      revival ??= revive()
    } else if (code === READ_ONLY && performance.now() - replacedMs > RECONNECT_MS) {
      // The name of the host, or a proxy, may lead elsewhere by now.
      replace(used, 'gently')
    }
  }

  /** Behind a pooler a statement that was prepared may be asked of a connection that has never heard of it. */
  const unlessPooled = async () => {
    const used = pool
    try {
      if (!(await isPooled(used.sql))) return
      prepare = false
      replace(used, 'gently')
    } catch {
      looked = false
    }
  }
  let looked = servers.every((one) => one.prepare !== undefined)

  const run = async <T>(
    statement: (sql: Sql) => PromiseLike<T>,
    deadlineMs: number = usualDeadlineMs,
  ): Promise<T> => {
    if (revival !== undefined) await revived()
    const used = pool
    const doubts = used.doubts()
    let result: T
    inFlight++
    try {
      const work = Promise.resolve(statement(used.sql))
      result = withoutHoles(await withDeadline(work, deadlineMs, 'database'))
    } catch (error) {
      learn(used, error)
      if (error instanceof ServiceError) throw error
      throw isOutage(error) ? storeUnavailable(error, nothingHappened(error) ? 'none' : 'unknown') : error
    } finally {
      inFlight--
    }
    if (used.doubts() !== doubts) throw storeUnavailable(new Error(NOT_REPLICATED), 'unknown')
    if (!looked) {
      looked = true
      void unlessPooled()
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
 * Why the database, which responds, takes no statements; undefined: it takes them. While its synchronous standby is away
 * each commit waits for ever, and so does each statement on a table that is locked. Those that were given up on are
 * still seen waiting: without asking for them every new statement would cost the server another connection that is not
 * free again before the standby is back, or the lock is gone.
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
    ? 'statements that were given up on still wait for a lock'
    : 'commits wait for the synchronous standby'
}

/** A pooler responds in place of the server: the process number that a connection gets at its start is not that of a server process. */
async function isPooled(sql: Sql): Promise<boolean> {
  const rows = await sql`SELECT pg_backend_pid() AS pid`
  return rows[0]?.pid !== rows.state.pid
}

/**
 * postgres.js 3.4.9 goes on counting where a statement that failed after its first rows had stopped: on that connection
 * the rows of the next result come after as many holes, so that its first row would seem not to be there.
 */
function withoutHoles<T>(result: T): T {
  if (Array.isArray(result) && result.length > 0 && !(0 in result)) {
    result.splice(0, result.length, ...result.filter(() => true))
  }
  return result
}

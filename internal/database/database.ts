import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { ServiceError } from '../service-error.ts'
import { storeUnavailable, withDeadline } from './deadline.ts'

export type Sql = postgres.Sql

export interface Database {
  /**
   * Runs one autocommit statement. Rejects with ServiceError `store_unavailable` within the deadline when the
   * database is away or hangs; its `effect` is 'unknown' if the statement may have been committed. Errors that
   * the statement itself caused (bad data, constraints) come through as postgres.js gives them.
   */
  run<T>(statement: (sql: Sql) => PromiseLike<T>, deadlineMs?: number): Promise<T>
  /** Resolves when the database answers within the deadline. */
  ping(): Promise<void>
  /** The clock of the database, in Unix milliseconds. Rejects as `run` does. */
  clockMs(): Promise<number>
  /** Statements under way, those that wait for a connection among them, and how many connections there are. */
  load(): { underWay: number; connections: number }
  close(): Promise<void>
}

export interface DatabaseOptions {
  /** A statement without an answer for this long fails and all connections are replaced. */
  deadlineMs?: number
  /** Connections at most. Group commit keeps two busy; the others serve single reads and the health checks. */
  maxConnections?: number
  /** The wire of the embedded database, instead of a TCP connection to `url`. */
  socket?: () => Duplex
}

const MAX_CONNECTIONS = 6
/** An fsync on a busy disk can take a second; a partner should have an answer within three. */
const DEADLINE_MS = 2_500

/** How long a statement waits for a database that has just missed a deadline: long enough for one that only stumbled. */
const GRACE_MS = 500
/** Between two questions whether the database answers again. */
const PROBE_EVERY_MS = 200

/**
 * A pool of postgres.js connections that cannot hang: whatever goes on inside the driver (queries queued behind a
 * dead connection wait there for ever), each statement is answered within its deadline, and after a missed
 * deadline the whole pool is thrown away for a new one. Until that one has answered, nothing else is sent:
 * statements that wait for each other would add up their deadlines.
 */
export function openDatabase(url: string | undefined, options: DatabaseOptions = {}): Database {
  const usualDeadlineMs = options.deadlineMs ?? DEADLINE_MS
  const connect = () => createPool(url, usualDeadlineMs, options)
  let pool = connect()
  let closed = false
  let underWay = 0
  /** Since a missed deadline: resolves when the database has answered again. */
  let revival: Promise<void> | undefined

  const replace = (used: Sql) => {
    if (used !== pool || closed) return
    pool = connect()
    void used.end({ timeout: 0 }).catch(() => {})
  }
  const revive = async () => {
    while (!closed) {
      const used = pool
      try {
        await withDeadline(Promise.resolve(used`SELECT 1`), usualDeadlineMs, 'database')
        break
      } catch {
        replace(used)
        await sleep(PROBE_EVERY_MS, undefined, { ref: false })
      }
    }
    revival = undefined
  }

  const run = async <T>(
    statement: (sql: Sql) => PromiseLike<T>,
    deadlineMs: number = usualDeadlineMs,
  ): Promise<T> => {
    if (revival !== undefined) await withDeadline(revival, GRACE_MS, 'database', 'none')
    const used = pool
    underWay++
    try {
      return withoutHoles(await withDeadline(Promise.resolve(statement(used)), deadlineMs, 'database'))
    } catch (error) {
      if (error instanceof ServiceError || codeOf(error) === 'CONNECT_TIMEOUT') {
        replace(used)
        revival ??= revive()
      }
      if (error instanceof ServiceError) throw error
      throw isOutage(error) ? storeUnavailable(error, nothingHappened(error) ? 'none' : 'unknown') : error
    } finally {
      underWay--
    }
  }

  return {
    run,
    async ping() {
      await run((sql) => sql`SELECT 1`)
    },
    async clockMs() {
      const [row] = await run((sql) => sql`SELECT extract(epoch FROM clock_timestamp()) * 1000 AS ms`)
      return Number(row?.ms)
    },
    load: () => ({
      underWay,
      connections: options.socket === undefined ? (options.maxConnections ?? MAX_CONNECTIONS) : 1,
    }),
    async close() {
      closed = true
      await pool.end({ timeout: 2 })
    },
  }
}

function createPool(url: string | undefined, deadlineMs: number, options: DatabaseOptions): Sql {
  const common = {
    fetch_types: false,
    onnotice: () => {},
    // The driver's own backoff grows to 20 s: an outage would go on for us after it is over.
    backoff: () => 0.2,
    connect_timeout: deadlineMs / 1000,
  }
  if (options.socket !== undefined) {
    const { socket } = options
    // One process, one session: the embedded database has no second connection to give.
    const embedded = { ...common, socket, max: 1, max_lifetime: null, user: 'postgres', database: 'postgres' }
    return postgres(embedded)
  }
  if (url === undefined) throw new Error('a database needs a URL or a socket')
  return postgres(url, {
    ...common,
    max: options.maxConnections ?? MAX_CONNECTIONS,
    // Nothing else: PgBouncer refuses connections that ask for settings it does not know.
    connection: { application_name: 'oncekey' },
  })
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

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/** SQLSTATE classes 22 and 23: what the data of a row can cause. The statement has changed nothing. */
export function isRowFault(error: unknown): boolean {
  return /^(22|23)...$/.test(codeOf(error))
}

/** There was no connection to send it on, PostgreSQL refused the connection, or it rolled the statement back. */
const NOTHING_HAPPENED =
  /^(57P03|53300|40001|40P01|28...|3D000|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ENOENT|EACCES|CONNECT_TIMEOUT)$/
/** Connection lost or terminated, shutdown, no resources, a primary that became a replica: these pass. */
const OUTAGE =
  /^(08...|53...|57...|40...|25006|CONNECTION_.*|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ECONNABORTED)$/

function isOutage(error: unknown): boolean {
  return nothingHappened(error) || OUTAGE.test(codeOf(error))
}

function nothingHappened(error: unknown): boolean {
  return NOTHING_HAPPENED.test(codeOf(error))
}

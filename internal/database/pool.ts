import type { Duplex } from 'node:stream'
import postgres from 'postgres'
import type { DatabaseServer } from './database-url.ts'
import { ServerSocket } from './server-socket.ts'
import { parseBytes, parseTime } from './value-texts.ts'

export type Sql = postgres.Sql

type Options = postgres.Options<Record<string, postgres.PostgresType>>

export interface PoolOptions {
  connectTimeoutMs: number
  maxConnections: number
  /** Not with a pooler that gives each transaction another connection, unless it knows prepared statements. */
  prepare?: boolean
}

export interface Pool {
  readonly sql: Sql
  /**
   * How often PostgreSQL has said that it gave up waiting for its synchronous standby: the statement then seems to
   * succeed, and what it committed is lost if the standby is promoted. The warning arrives before the success does,
   * but does not say which of the statements in flight it belongs to.
   */
  doubts(): number
}

/** Statements are about bytes and times: their text depends on settings of the database, the role and the session. */
const TYPES = {
  bytea: {
    to: 17,
    from: [17],
    serialize: (bytes: Uint8Array) => `\\x${Buffer.from(bytes).toString('hex')}`,
    parse: parseBytes,
  },
  date: {
    to: 1184,
    from: [1082, 1114, 1184],
    serialize: (time: Date) => time.toISOString(),
    parse: parseTime,
  },
}

/** These win over what ALTER DATABASE and ALTER ROLE say. PgBouncer refuses connections that ask for others. */
const SESSION = {
  application_name: 'oncekey',
  DateStyle: 'ISO',
  TimeZone: 'UTC',
  standard_conforming_strings: 'on',
}

/** In Citus, of all that a worker says; its own routine is lost. Our functions warn of nothing. */
const FROM_WORKER = 'DefaultCitusNoticeReceiver'

/** Connections to the server of a URL, or over the wire of the embedded database. */
export function createPool(server: DatabaseServer | (() => Duplex), options: PoolOptions): Pool {
  let doubts = 0
  const onnotice = (notice: postgres.Notice) => {
    // The text is in the language of the server; the routine is not.
    const { routine, severity } = notice
    if (routine === 'SyncRepWaitForLSN' || (routine === FROM_WORKER && severity === 'WARNING')) doubts++
  }
  const common = { fetch_types: false, onnotice, types: TYPES }
  if (typeof server === 'function') {
    // One process, one session: the embedded database has no second connection to give.
    const own = { socket: server, max: 1, max_lifetime: null, user: 'postgres', database: 'postgres' }
    const embedded: Options = { ...common, ...own, connection: SESSION }
    return { sql: postgres(embedded), doubts: () => doubts }
  }
  const { connectTimeoutMs, maxConnections, prepare = true } = options
  const limits = { max: maxConnections, connect_timeout: connectTimeoutMs / 1000 }
  return {
    sql: postgres(Object.assign(driverOptions(server, prepare), common, limits)),
    doubts: () => doubts,
  }
}

/** What the driver is told of a server, for each kind of connection. */
export function driverOptions(server: DatabaseServer, prepare = true): Options {
  const { host, port, user, database, password } = server
  const socket = () => new ServerSocket(server)
  const options: Options & { socket: () => Duplex } = {
    socket,
    host,
    port,
    user,
    database,
    prepare: prepare && (server.prepare ?? true),
    // The socket encrypts.
    ssl: false,
    // The driver's own backoff grows to 20 s: an outage would go on for us after it is over.
    backoff: () => 0.2,
    connection: { ...server.parameters, ...SESSION },
  }
  if (password !== undefined) options.password = password
  return options
}

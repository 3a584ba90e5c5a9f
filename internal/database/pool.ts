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
  /** Whether to prepare statements; not with a pooler in transaction mode without support for them. */
  prepare?: boolean
}

export interface Pool {
  readonly sql: Sql
  /**
   * How many times PostgreSQL has warned that it stopped waiting for its synchronous standby. The statement then seems to
   * succeed, but its commit is lost if the standby is promoted. The warning arrives before the success, but does not say
   * to which statement in flight it belongs.
   */
  syncWarnings(): number
}

/** bytea and times are parsed here, because their text depends on settings of database, role and session. */
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

/** Override the settings of ALTER DATABASE and ALTER ROLE. PgBouncer refuses connections with other parameters. */
const SESSION = {
  application_name: 'oncekey',
  DateStyle: 'ISO',
  TimeZone: 'UTC',
  standard_conforming_strings: 'on',
}

/** The routine of every notice that Citus forwards from a worker. Our functions raise no warnings. */
const FROM_WORKER = 'DefaultCitusNoticeReceiver'

/** Connections to a server, or to the embedded database by its stream. */
export function createPool(server: DatabaseServer | (() => Duplex), options: PoolOptions): Pool {
  let syncWarnings = 0
  const onnotice = (notice: postgres.Notice) => {
    // Checks the routine, because the text is in the language of the server.
    const { routine, severity } = notice
    if (routine === 'SyncRepWaitForLSN' || (routine === FROM_WORKER && severity === 'WARNING')) syncWarnings++
  }
  const common = { fetch_types: false, onnotice, types: TYPES }
  if (typeof server === 'function') {
    // The embedded database has only one session.
    const own = { socket: server, max: 1, max_lifetime: null, user: 'postgres', database: 'postgres' }
    const embedded: Options = { ...common, ...own, connection: SESSION }
    return { sql: postgres(embedded), syncWarnings: () => syncWarnings }
  }
  const { connectTimeoutMs, maxConnections, prepare = true } = options
  const limits = { max: maxConnections, connect_timeout: connectTimeoutMs / 1000 }
  return {
    sql: postgres(Object.assign(driverOptions(server, prepare), common, limits)),
    syncWarnings: () => syncWarnings,
  }
}

/** The options of the driver for a server, for each kind of connection. */
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
    // ServerSocket does the encryption.
    ssl: false,
    // The default backoff of the driver grows to 20 s, which would extend an outage.
    backoff: () => 0.2,
    connection: { ...server.parameters, ...SESSION },
  }
  if (password !== undefined) options.password = password
  return options
}

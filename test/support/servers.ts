import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
} from 'node:fs'
import { connect, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { errorMessage } from '../../internal/core/error-message.ts'
import { addNodes, distribute, dropOnWorkers } from './distributed-database.ts'
import { inPath } from './programs.ts'
import { endProcessesIn, type ServerCommand, ServerProcess, type User } from './server-process.ts'

/** The shared servers: test.sh starts them and sets the variables. */
export const redisUrl = process.env.TEST_REDIS_URL ?? 'redis://127.0.0.1:6379'
/** What new databases on the shared server are copies of: empty ones, unless a run of tests is to meet another schema. */
const template = process.env.TEST_TEMPLATE ?? 'template0'
/** Workers of the shared server, which then is a coordinator of Citus: new databases are distributed over them. */
const citusWorkers = (process.env.TEST_CITUS_WORKERS ?? '').split(',').filter((url) => url !== '')
/** The shared server is a coordinator of Citus: some things are there in another way. */
export const onCitus = citusWorkers.length > 0
export const databaseUrl = process.env.TEST_DATABASE_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres'

/** A server of one test's own. Whatever is not stopped ends with the test process. */
export interface ThrowawayServer {
  readonly url: string
  /** Changes with restart(). */
  readonly pid: number
  /** As an operator stops it: connections are closed. */
  stop(): Promise<void>
  /** SIGSTOP: connections stay open and nothing responds. */
  pause(): void
  resume(): void
  /** SIGKILL. */
  kill(): Promise<void>
  /**
   * After stop() or kill(): on the same port. PostgreSQL has kept its data, Redis has lost them. A start that fails is
   * tried again; rejects with ServerDownError when the server is still down after most of a minute.
   */
  restart(): Promise<void>
  /** What the server has logged so far. */
  log(): string
}

/** A server of a test does not start again. The test cannot go on, and says nothing about the product. */
export class ServerDownError extends Error {}

const PROBE_MS = 1_000

/** `settings`: what it is given besides, as on its command line; for nodes of a cluster, and replicas. */
export async function startRedis({
  port = undefined as number | undefined,
  settings = [] as readonly string[],
  env = undefined as Record<string, string> | undefined,
} = {}): Promise<ThrowawayServer> {
  const args = (directory: string, at: number) => [
    ...['--port', `${at}`, '--bind', '127.0.0.1', '--dir', directory],
    ...['--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction', ...settings],
  ]
  return await startRedisProgram(port ?? (await freePort()), args, env)
}

/** The program with these arguments, which make it listen on `port`. It may write to the directory. */
export async function startRedisProgram(
  port: number,
  args: (directory: string, port: number) => string[],
  env?: Record<string, string>,
): Promise<ThrowawayServer> {
  const program = redisProgram()
  const directory = temporaryDirectory()
  const command: ServerCommand = {
    program,
    args: args(directory, port),
    log: join(directory, 'redis.log'),
    user: undefined,
    stopSignal: 'SIGTERM',
    probe: () => answersPing(port),
    ...(env === undefined ? {} : { env }),
  }
  return await throwaway(`redis://127.0.0.1:${port}`, command)
}

export interface PostgresOptions {
  /** Lines of postgresql.conf, which win over those of every test. */
  settings?: readonly string[]
  /** An existing directory for the data in place of a temporary one, such as the root of a small file system. */
  directory?: string
  env?: Record<string, string>
}

/** `own`: the settings alone. */
export async function startPostgres(own: readonly string[] | PostgresOptions = []): Promise<ThrowawayServer> {
  const options = 'length' in own ? { settings: own } : own
  return await runPostgres(options, (data, user) => {
    const initdb = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
    // Segments of 1 MiB: a small file system gets through many of them.
    if (options.directory !== undefined) initdb.push('--wal-segsize=1')
    execFileSync(join(postgresDirectory(), 'initdb'), initdb, { stdio: 'pipe', cwd: '/', ...user })
  })
}

/** Not after the next checkpoint, which may be minutes away. */
const FAST = ['-c', 'fast']

/** A standby of that server, which it does not wait for unless told to. */
export async function startStandby(of: ThrowawayServer): Promise<ThrowawayServer> {
  const { port } = new URL(of.url)
  return await runPostgres({}, (data, user) => {
    const from = ['-h', '127.0.0.1', '-p', port, '-U', 'postgres', '-D', data, '-R', '--no-sync', ...FAST]
    execFileSync(besideInitdb('pg_basebackup'), from, { stdio: 'pipe', cwd: '/', ...user })
  })
}

/** `fill` makes what is in the directory, which is there and belongs to the user. */
async function runPostgres(
  { settings: own = [], directory: given, env }: PostgresOptions,
  fill: (data: string, user: User | undefined) => void,
): Promise<ThrowawayServer> {
  const directory = temporaryDirectory()
  const data = join(given ?? directory, 'postgres')
  const user = unprivileged()
  mkdirSync(data, { mode: 0o700 })
  if (user) chownSync(data, user.uid, user.gid)
  fill(data, user)
  const port = await freePort()
  const settings = [
    `port = ${port}`,
    "listen_addresses = '127.0.0.1'",
    `unix_socket_directories = '${data}'`,
    'max_connections = 200',
    // A kill -9 of the server loses nothing even so; only a power cut would.
    'fsync = off',
    ...own,
  ]
  appendFileSync(join(data, 'postgresql.conf'), `${settings.join('\n')}\n`)
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  const command: ServerCommand = {
    program: join(postgresDirectory(), 'postgres'),
    args: ['-D', data],
    log: join(directory, 'postgres.log'),
    user,
    // Fast shutdown: SIGTERM would wait for the clients to leave.
    stopSignal: 'SIGINT',
    probe: () => query(url, async (sql) => void (await sql`SELECT 1`)),
    ...(env === undefined ? {} : { env }),
  }
  return await throwaway(url, command, () => endProcessesIn(data))
}

export interface TestDatabase {
  readonly url: string
  drop(): Promise<void>
}

/**
 * An empty database on the shared server; on Citus it has its tables, unless it is not to be `distributed`. Dropped with drop(),
 * and what was forgotten when the tests are over. On a server of the test's own it simply goes with that server.
 */
export async function createDatabase(
  server: string = databaseUrl,
  { distributed = true } = {},
): Promise<TestDatabase> {
  const name = `oncekey_test_${randomBytes(8).toString('hex')}`
  // No client is connected to the template: several may be created at once.
  const like = server === databaseUrl ? template : 'template0'
  await query(server, (sql) => sql`CREATE DATABASE ${sql(name)} TEMPLATE ${sql(like)}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  const drop = async () => {
    if (!forgotten.delete(drop)) return
    await query(server, (sql) => sql`DROP DATABASE IF EXISTS ${sql(name)} WITH (FORCE)`)
    if (server === databaseUrl) await dropOnWorkers(citusWorkers, name)
  }
  if (server === databaseUrl && onCitus) {
    await addNodes(url.href, citusWorkers)
    if (distributed) await distribute(url.href)
  }
  if (server === databaseUrl) forgotten.add(drop)
  return { url: url.href, drop }
}

/** A port on 127.0.0.1 without a listener at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port')
  return address.port
}

const forgotten = new Set<() => Promise<void>>()
process.on('beforeExit', () => {
  for (const drop of forgotten) void drop().catch((error: unknown) => console.error(error))
})

const directories: string[] = []
// Registered after the one that ends the servers, which therefore runs first.
process.on('exit', () => {
  for (const directory of directories) {
    removeSharedMemory(join(directory, 'postgres/postmaster.pid'))
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  }
})

/** A PostgreSQL that was killed leaves a System V segment for its next start; macOS has only 32 of them. */
function removeSharedMemory(pidFile: string): void {
  if (!existsSync(pidFile)) return
  const [, id] = readFileSync(pidFile, 'utf8').split('\n')[6]?.trim().split(/\s+/) ?? []
  if (id !== undefined) spawnSync('ipcrm', ['-m', id], { stdio: 'ignore' })
}

/** Under /tmp, since the path of a unix socket may have about 100 characters; other users may enter. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync('/tmp/oncekey-test-')
  chmodSync(directory, 0o711)
  directories.push(directory)
  return directory
}

/** Beyond it no other start is tried; one that hangs ends by itself after 30 s more. */
const RESTARTS_MS = 15_000
const BETWEEN_STARTS_MS = 300

/** `clear` removes what a killed server left behind, where that may keep the next start from succeeding. */
async function throwaway(
  url: string,
  command: ServerCommand,
  clear: () => void = () => {},
): Promise<ThrowawayServer> {
  let server = await ServerProcess.start(command)
  return {
    url,
    get pid() {
      return server.pid
    },
    stop: () => server.stop(),
    pause: () => server.pause(),
    resume: () => server.resume(),
    kill: () => server.kill(),
    async restart() {
      await server.stop()
      server = await startAgain(command, clear)
    },
    log: () => readFileSync(command.log, 'utf8'),
  }
}

async function startAgain(command: ServerCommand, clear: () => void): Promise<ServerProcess> {
  const untilMs = performance.now() + RESTARTS_MS
  for (;;) {
    try {
      return await ServerProcess.start(command)
    } catch (error) {
      if (performance.now() > untilMs) {
        throw new ServerDownError(errorMessage(error), { cause: error })
      }
      clear()
      await sleep(BETWEEN_STARTS_MS)
    }
  }
}

/** One statement over a connection of its own. */
export async function query<T>(url: string, statement: (sql: postgres.Sql) => PromiseLike<T>): Promise<T> {
  const sql = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => {} })
  try {
    return await statement(sql)
  } finally {
    await sql.end({ timeout: 1 })
  }
}

async function answersPing(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  try {
    const signal = AbortSignal.timeout(PROBE_MS)
    socket.write('PING\r\n')
    const [reply] = await once(socket, 'data', { signal })
    if (!String(reply).startsWith('+PONG')) throw new Error(`Redis returns ${String(reply)}`)
  } finally {
    socket.destroy()
  }
}

function redisProgram(): string {
  const program = process.env.TEST_REDIS_SERVER ?? inPath('redis-server') ?? inPath('valkey-server')
  if (program === undefined)
    throw new Error(
      'this test needs the program redis-server: apt-get install redis-server, brew install redis',
    )
  return program
}

export function postgresDirectory(): string {
  const directory =
    process.env.TEST_POSTGRES_BIN ?? inPath('initdb')?.slice(0, -'/initdb'.length) ?? debianPostgres()
  if (directory === undefined)
    throw new Error(
      'this test needs the programs of PostgreSQL 14 or newer: apt-get install postgresql, brew install postgresql@16; ' +
        'where initdb is not in PATH, set TEST_POSTGRES_BIN to its directory',
    )
  return directory
}

/** A program of the same version, which a package of clients may have brought: initdb itself may be a link. */
export function besideInitdb(program: string): string {
  const initdb = realpathSync(join(postgresDirectory(), 'initdb'))
  const found = join(dirname(initdb), program)
  if (existsSync(found)) return found
  throw new Error(
    `this test needs the program ${found}: apt-get install postgresql, brew install postgresql@16`,
  )
}

/** Debian and Ubuntu keep the server programs out of PATH. */
function debianPostgres(): string | undefined {
  const versions = '/usr/lib/postgresql'
  if (!existsSync(versions)) return undefined
  const [newest] = readdirSync(versions).sort((a, b) => Number(b) - Number(a))
  return newest === undefined ? undefined : join(versions, newest, 'bin')
}

/** PostgreSQL refuses to run as root. */
export function unprivileged(): User | undefined {
  if (process.getuid?.() !== 0) return undefined
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (what: string) =>
        Number(execFileSync('id', [what, name], { encoding: 'utf8', stdio: 'pipe' }))
      return { uid: id('-u'), gid: id('-g') }
    } catch {
      // There is no such user.
    }
  }
  throw new Error('PostgreSQL does not run as root, and there is neither a user postgres nor nobody')
}

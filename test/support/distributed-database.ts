import postgres from 'postgres'
import { openDatabase } from '../../internal/database/database.ts'
import { distributeByClient } from '../../internal/database/distribute.ts'
import { migrate } from '../../internal/database/migrate.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'

/** Enough for several on each worker. */
const SHARDS = 8

/** Gives a new database of a coordinator of Citus these workers. */
export async function addNodes(url: string, workers: readonly string[]): Promise<void> {
  const { hostname, port } = new URL(url)
  await on(url, (sql) => sql`CREATE EXTENSION citus`)
  await on(url, (sql) => sql`SELECT citus_set_coordinator_host(${hostname}, ${Number(port)}::integer)`)
  for (const worker of workers) await addNode(url, worker)
}

/** Migrates such a database, and distributes it over its workers. */
export async function distribute(url: string): Promise<void> {
  const database = openDatabase(url, { maxConnections: 1 })
  try {
    await database.run((sql) => sql.unsafe(`SET citus.shard_count = ${SHARDS}`))
    await migrate(database, SQL_DIRECTORY)
    await distributeByClient(database, SQL_DIRECTORY)
  } finally {
    await database.close()
  }
}

/** A worker more for a database of a coordinator, without shards so far. */
export async function addNode(url: string, worker: string): Promise<void> {
  const { pathname } = new URL(url)
  await on(worker, (sql) => sql`CREATE DATABASE ${sql(pathname.slice(1))} TEMPLATE template0`)
  await on(new URL(pathname, worker).href, (sql) => sql`CREATE EXTENSION citus`)
  const { hostname, port } = new URL(worker)
  await on(url, (sql) => sql`SELECT citus_add_node(${hostname}, ${Number(port)}::integer)`)
}

export async function dropOnWorkers(workers: readonly string[], name: string): Promise<void> {
  for (const worker of workers)
    await on(worker, (sql) => sql`DROP DATABASE IF EXISTS ${sql(name)} WITH (FORCE)`)
}

async function on(url: string, statement: (sql: postgres.Sql) => PromiseLike<unknown>): Promise<void> {
  const sql = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => {} })
  try {
    await statement(sql)
  } finally {
    await sql.end({ timeout: 1 })
  }
}

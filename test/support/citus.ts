import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { addNode, addNodes, distribute } from './distributed-database.ts'
import { besideInitdb, createDatabase, query, startPostgres, type ThrowawayServer } from './servers.ts'

/** A coordinator and workers of Citus, each a PostgreSQL server of its own. */
export interface CitusCluster {
  readonly coordinator: ThrowawayServer
  readonly workers: readonly ThrowawayServer[]
  /** A database on all of them, migrated and distributed. */
  createDatabase(): Promise<string>
  /** Another server, as a node of that database. */
  addWorker(database: string): Promise<ThrowawayServer>
  /** The shard of a client in a table, the port of its worker, and that of another one. */
  placeOf(
    database: string,
    client: string,
    table: string,
  ): Promise<{ shard: string; from: number; to: number }>
  move(database: string, shard: string, from: number, to: number): Promise<void>
  stop(): Promise<void>
}

const SETTINGS = [
  "shared_preload_libraries = 'citus'",
  'wal_level = logical',
  'max_prepared_transactions = 200',
  'max_worker_processes = 32',
  "citus.node_conninfo = 'sslmode=prefer'",
]

/** One line; undefined: the PostgreSQL of the tests has Citus. */
export function whatCitusLacks(): string | undefined {
  const directory = execFileSync(besideInitdb('pg_config'), ['--sharedir'], { encoding: 'utf8' }).trim()
  if (existsSync(join(directory, 'extension', 'citus.control'))) return undefined
  return `npm run test:citus needs Citus 13 in ${directory}: run it in the image citusdata/citus, or name the programs of a PostgreSQL that has it in TEST_POSTGRES_BIN`
}

export async function startCitus(): Promise<CitusCluster> {
  const coordinator = await startPostgres(SETTINGS)
  const workers = [await startPostgres(SETTINGS), await startPostgres(SETTINGS)]
  return {
    coordinator,
    workers,
    async createDatabase() {
      const { url } = await createDatabase(coordinator.url)
      await addNodes(
        url,
        workers.map((worker) => worker.url),
      )
      await distribute(url)
      return url
    },
    async addWorker(database) {
      const worker = await startPostgres(SETTINGS)
      workers.push(worker)
      await addNode(database, worker.url)
      return worker
    },
    async placeOf(database, client, table) {
      const [row] = await query(
        database,
        (sql) => sql`
          SELECT s.shardid::text AS shard, s.nodeport AS at FROM citus_shards AS s
          WHERE s.shardid = get_shard_id_for_distribution_column(${table}::text::regclass, ${client}::text)`,
      )
      const from = Number(row?.at)
      const to = workers.map((worker) => Number(new URL(worker.url).port)).find((port) => port !== from)
      return { shard: String(row?.shard), from, to: to ?? 0 }
    },
    async move(database, shard, from, to) {
      await query(
        database,
        (sql) => sql`
          SELECT citus_move_shard_placement(${shard}::text::bigint, '127.0.0.1', ${from}::integer, '127.0.0.1', ${to}::integer)`,
      )
    },
    async stop() {
      await Promise.all([coordinator, ...workers].map((server) => server.stop()))
    },
  }
}

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { addNode, distribute } from './distributed-database.ts'
import { besideInitdb, createDatabase, startPostgres, type ThrowawayServer } from './servers.ts'

/** A coordinator and workers of Citus, each a PostgreSQL server of its own. */
export interface CitusCluster {
  readonly coordinator: ThrowawayServer
  readonly workers: readonly ThrowawayServer[]
  /** A database on all of them, migrated and distributed. */
  createDatabase(): Promise<string>
  /** Another server, as a node of that database. */
  addWorker(database: string): Promise<ThrowawayServer>
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
      const urls = workers.map((worker) => worker.url)
      await distribute(url, urls)
      return url
    },
    async addWorker(database) {
      const worker = await startPostgres(SETTINGS)
      workers.push(worker)
      await addNode(database, worker.url)
      return worker
    },
    async stop() {
      await Promise.all([coordinator, ...workers].map((server) => server.stop()))
    },
  }
}

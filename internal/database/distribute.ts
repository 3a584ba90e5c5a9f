import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Database } from './database.ts'
import { ADVISORY_LOCK, migrate } from './migrate.ts'
import { partitionedTables } from './partition.ts'
import { DISTRIBUTED } from './schema-files.ts'

/** Each row is copied to its worker, and every index is rebuilt. */
const DEADLINE_MS = 86_400_000

/**
 * Distributes the growing tables by client over the workers of a Citus cluster; see `distributing/by_client.sql` in
 * `directory`. This cannot be undone. A repeated call adds what is missing, for instance after an upgrade.
 *
 * @throws Error if the server has no Citus, has no worker, or has partitioned tables.
 */
export async function distributeByClient(database: Database, directory: string): Promise<void> {
  const fault = await lastFailureDistributable(database)
  if (fault !== undefined) throw new Error(`the tables cannot be distributed: the database ${fault}`)
  const text = readFileSync(join(directory, 'distributing', 'by_client.sql'), 'utf8')
  // PostgreSQL runs a simple query as one transaction.
  const statements = `
    SELECT pg_advisory_xact_lock(${ADVISORY_LOCK});
    INSERT INTO schema_migrations (name) VALUES ('${DISTRIBUTED}') ON CONFLICT DO NOTHING;
    ${text}`
  await database.run((sql) => sql.unsafe(statements), DEADLINE_MS)
  await migrate(database, directory)
}

/** The reason, as a predicate for "the database ..."; undefined if the tables can be distributed. */
async function lastFailureDistributable(database: Database): Promise<string | undefined> {
  const nodes = await clusterNodes(database)
  if (nodes === undefined) {
    return 'has no extension citus; --distribute needs the coordinator of a Citus cluster: CREATE EXTENSION citus on each of its servers'
  }
  if (nodes.every(({ holdsShards }) => !holdsShards))
    return 'has no worker: add each with SELECT citus_add_node(host, port)'
  if ((await partitionedTables(database)).length > 0)
    return 'has partitions (migrate --partition), which are not distributed'
  return undefined
}

/** A server of the cluster. */
export interface ClusterNode {
  name: string
  isActive: boolean
  holdsShards: boolean
  /** The number of its shards of `orders`. */
  shards: number
}

/** The servers of the Citus cluster of this coordinator; undefined without Citus. */
export async function clusterNodes(database: Database): Promise<ClusterNode[] | undefined> {
  const [extension] = await database.run(
    (sql) => sql`SELECT extversion FROM pg_extension WHERE extname = 'citus'`,
  )
  if (extension === undefined) return undefined
  const rows = await database.run(
    (sql) => sql`
      SELECT nodename || ':' || nodeport AS name, isactive, shouldhaveshards,
        (SELECT count(*) FROM pg_dist_placement AS p JOIN pg_dist_shard AS s USING (shardid)
          WHERE p.groupid = n.groupid AND s.logicalrelid = to_regclass('orders'))::integer AS shards
      FROM pg_dist_node AS n WHERE noderole = 'primary' ORDER BY nodename, nodeport`,
  )
  return rows.map((row) => ({
    name: String(row.name),
    isActive: row.isactive === true,
    holdsShards: row.shouldhaveshards === true,
    shards: Number(row.shards),
  }))
}

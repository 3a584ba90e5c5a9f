import { LRUCache } from 'lru-cache'
import type { Database } from './database.ts'

/** The shards of the clients in a database that is distributed by client (Citus). */
export interface Shards {
  /**
   * The group of a client: rows of one group are on one server, so one statement for them is fast. It is the shard, or the
   * client while its shard is unknown. If the shard was split since, the statement is slower but still correct.
   */
  groupOf(client: string): unknown
}

/** The statements in flight of each group commit, so that those of different shards do not wait for each other. */
const IN_FLIGHT = 3
/** The clients in the cache: about 10 MB. */
const MAX_CLIENTS = 100_000

/**
 * The options of groupCommit for items that belong to a client. In a database that is not distributed there is one
 * group.
 */
export function groupedByShard<Item>(database: Database, clientOf: (item: Item) => string) {
  const groupOf = (item: Item) => database.shards?.groupOf(clientOf(item))
  return { groupOf, inFlight: database.shards === undefined ? 1 : IN_FLIGHT }
}

export function openShards(database: Database): Shards {
  const shards = new LRUCache<string, number>({ max: MAX_CLIENTS })
  const unknown = new Set<string>()
  const lookUp = async () => {
    const clients = [...unknown]
    unknown.clear()
    const rows = await database.run(
      (sql) => sql`
        SELECT client, get_shard_id_for_distribution_column('orders', client)::float8 AS shard
        FROM json_array_elements_text(${JSON.stringify(clients)}::text::json) AS asked(client)`,
    )
    for (const { client, shard } of rows) shards.set(String(client), Number(shard))
  }
  return {
    groupOf(client) {
      const shard = shards.get(client)
      if (shard !== undefined) return shard
      unknown.add(client)
      // After a failure the shard is requested again with the next item.
      if (unknown.size === 1) setImmediate(() => void lookUp().catch(() => {}))
      return client
    },
  }
}

import { LRUCache } from 'lru-cache'
import type { Database } from './database.ts'

/** Where the rows of clients are in a database that is distributed by client (Citus). */
export interface Shards {
  /**
   * What the rows of one statement have in common, so that one server does all of it: their shard, or their client as long
   * as its shard is not known. A shard that was split since makes such a statement slower, and not wrong.
   */
  groupOf(client: string): unknown
}

/** Statements at once for each kind of group: those of different shards do not wait for each other. */
const IN_FLIGHT = 3
/** Clients whose shard is remembered: some 10 MB. */
const MAX_CLIENTS = 100_000

/** Options of groupCommit for items of a client each. Of a database that is not distributed all items are one group. */
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
      // One that fails is asked for again with the next item.
      if (unknown.size === 1) setImmediate(() => void lookUp().catch(() => {}))
      return client
    },
  }
}

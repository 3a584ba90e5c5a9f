import { parseJson } from '../core/parse-json.ts'
import type { Database } from '../database/database.ts'
import { PLAIN_PREFIX } from '../database/deployment.ts'
import type { RedisConnection } from '../database/redis.ts'
import { loadScript } from '../database/redis-script.ts'
import { type NodeKind, type NodeReport, nodeReport } from './node-report.ts'

export interface SeenNode {
  id: string
  /** Since its last report. */
  silentMs: number
  /** undefined: the report of another version cannot be read. */
  report: NodeReport | undefined
}

/** Reports of the processes of one kind. All methods reject with `store_unavailable`. */
export interface NodeBoard {
  /** Replaces the last report of this id, and deletes those that are older than ten minutes. */
  write(id: string, report: NodeReport): Promise<void>
  /** Those of the last ten minutes. */
  read(): Promise<SeenNode[]>
  /** Waits for `deadlineMs` at most. */
  remove(id: string, deadlineMs: number): Promise<void>
}

/** One page does not show more. */
const MAX_NODES = 200

/** In the table `nodes`, which service and sidecar may share. */
export function postgresBoard(database: Database, kind: NodeKind): NodeBoard {
  return {
    async write(id, report) {
      const text = JSON.stringify({ ...report, kind })
      await database.run(
        (sql) => sql`
          WITH gone AS (
            DELETE FROM nodes WHERE id IN (
              SELECT id FROM nodes WHERE seen_at < now() - interval '10 minutes' AND id <> ${id}
              LIMIT 100 FOR UPDATE SKIP LOCKED))
          INSERT INTO nodes (id, seen_at, report) VALUES (${id}, clock_timestamp(), ${text})
          ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, report = excluded.report`,
      )
    },
    async read() {
      const rows = await database.run(
        (sql) => sql`
          SELECT id, greatest(0, extract(epoch FROM now() - seen_at) * 1000)::float8 AS silent_ms, report FROM nodes
          WHERE seen_at > now() - interval '10 minutes' ORDER BY id LIMIT ${MAX_NODES}`,
      )
      return rows
        .map((row) => seen(String(row.id), Number(row.silent_ms), String(row.report)))
        .filter(({ report }) => report === undefined || report.kind === kind)
    },
    async remove(id, deadlineMs) {
      await database.run((sql) => sql`DELETE FROM nodes WHERE id = ${id}`, deadlineMs)
    },
  }
}

const WRITE = loadScript(new URL('./write-node.lua', import.meta.url))
const READ = loadScript(new URL('./read-nodes.lua', import.meta.url))
const REMOVE = loadScript(new URL('./remove-node.lua', import.meta.url))

/** In two hashes of Redis: for sidecars without a database. */
export function redisBoard(redis: RedisConnection, prefix = PLAIN_PREFIX): NodeBoard {
  const keys = [`${prefix}:nodes:{nodes}:seen`, `${prefix}:nodes:{nodes}:reports`]
  return {
    async write(id, report) {
      await redis.run(WRITE, keys, [id, JSON.stringify(report)])
    },
    async read() {
      const found = await redis.run(READ, keys, [MAX_NODES])
      const texts = Array.isArray(found) ? found.map(String) : []
      const nodes: SeenNode[] = []
      for (let at = 0; at + 2 < texts.length; at += 3) {
        nodes.push(seen(texts[at] ?? '', Number(texts[at + 1]), texts[at + 2] ?? ''))
      }
      return nodes.sort((a, b) => (a.id < b.id ? -1 : 1))
    },
    async remove(id) {
      await redis.run(REMOVE, keys, [id])
    },
  }
}

function seen(id: string, silentMs: number, text: string): SeenNode {
  return { id, silentMs: Math.round(silentMs), report: nodeReport.safeParse(parseJson(text)).data }
}

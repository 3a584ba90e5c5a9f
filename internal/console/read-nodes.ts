import type { Database } from '../database/database.ts'
import { type NodeReport, nodeReport } from './node-report.ts'

export interface SeenNode {
  id: string
  /** Since its last report. */
  silentMs: number
  /** undefined: another version wrote what this one cannot read. */
  report: NodeReport | undefined
}

/** More than that, one page does not show. */
const MAX_NODES = 200

/** The processes that were heard of in the last ten minutes. */
export async function readNodes(database: Database): Promise<SeenNode[]> {
  const rows = await database.run(
    (sql) => sql`
      SELECT id, greatest(0, extract(epoch FROM now() - seen_at) * 1000)::float8 AS silent_ms, report FROM nodes
      WHERE seen_at > now() - interval '10 minutes' ORDER BY id LIMIT ${MAX_NODES}`,
  )
  return rows.map((row) => ({
    id: String(row.id),
    silentMs: Math.round(Number(row.silent_ms)),
    report: nodeReport.safeParse(JSON.parse(String(row.report))).data,
  }))
}

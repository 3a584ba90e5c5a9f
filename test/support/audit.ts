import { randomBytes } from 'node:crypto'
import type { Head } from '../../internal/audit/chain.ts'
import { type ChainReport, type NotedHeads, verifyDatabase } from '../../internal/audit/verify-chains.ts'
import type { Database } from '../../internal/database/database.ts'

export function newClient(): string {
  return `audited-${randomBytes(6).toString('hex')}`
}

/** What verify says of every client. */
export async function audit(database: Database, noted: NotedHeads): Promise<ChainReport[]> {
  const reports: ChainReport[] = []
  for await (const report of verifyDatabase(database, { noted })) reports.push(report)
  return reports
}

/** What verify says of one client; undefined: it has no entries. */
export async function reportOf(
  database: Database,
  client: string,
  heads: readonly Head[] = [],
): Promise<ChainReport | undefined> {
  const noted = new Map(heads.length === 0 ? [] : [[client, heads]])
  for await (const report of verifyDatabase(database, { client, noted })) return report
  return undefined
}

const TRIGGERS = [
  ['audit_log', 'audit_log_append_only'],
  ['audit_heads', 'audit_heads_stay'],
  ['audit_heads', 'audit_heads_move_on'],
]

/** Runs a statement as an owner of the database who has taken the triggers away, and looks at what came of it. */
export async function tampered<T>(database: Database, statement: string, look: () => Promise<T>): Promise<T> {
  const alter = (how: string) =>
    database.run((sql) =>
      sql.unsafe(TRIGGERS.map(([table, name]) => `ALTER TABLE ${table} ${how} TRIGGER ${name};`).join('\n')),
    )
  await alter('DISABLE')
  try {
    await database.run((sql) => sql.unsafe(statement))
    return await look()
  } finally {
    await alter('ENABLE ALWAYS')
  }
}

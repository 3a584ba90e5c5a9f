import postgres from 'postgres'
import { z } from 'zod'
import type { Database } from '../../internal/database/database.ts'

interface Node {
  'Node Type': string
  'Relation Name'?: string | undefined
  'Actual Loops'?: number | undefined
  'Shared Hit Blocks'?: number | undefined
  'Shared Read Blocks'?: number | undefined
  Plans?: Node[] | undefined
}

const node: z.ZodType<Node> = z.lazy(() =>
  z.object({
    'Node Type': z.string(),
    'Relation Name': z.string().optional(),
    'Actual Loops': z.number().optional(),
    'Shared Hit Blocks': z.number().optional(),
    'Shared Read Blocks': z.number().optional(),
    Plans: z.array(node).optional(),
  }),
)
const logged = z.object({ 'Query Text': z.string(), Plan: node })

/** A statement that the server ran, those inside of functions too, and the tables that its plan really touched. */
export interface Executed {
  query: string
  touched: string[]
  /** How many blocks of tables and indexes it has read, one that it has read again included. */
  blocks: number
}

/** Like `database`, with whatever it runs explained by the server itself (its module auto_explain). */
export async function explained(url: string, database: Database) {
  const executed: Executed[] = []
  const sql = postgres(url, {
    max: 1,
    fetch_types: false,
    onnotice({ message = '' }) {
      const json = message.slice(message.indexOf('{'))
      if (!/^duration: [\d.]+ ms {2}plan:/.test(message)) return
      const { 'Query Text': query, Plan } = logged.parse(JSON.parse(json))
      executed.push({ query, touched: touchedBy(Plan), blocks: blocksOf(Plan) })
    },
  })
  await sql`LOAD 'auto_explain'`
  await sql`
    SELECT set_config(name, value, false) FROM (VALUES
      ('auto_explain.log_min_duration', '0'), ('auto_explain.log_nested_statements', 'on'),
      ('auto_explain.log_analyze', 'on'), ('auto_explain.log_timing', 'off'), ('auto_explain.log_buffers', 'on'),
      ('auto_explain.log_format', 'json'), ('client_min_messages', 'log')) AS s(name, value)`
  const watched: Database = { ...database, run: (statement) => Promise.resolve(statement(sql)) }
  return { watched, executed, close: () => sql.end({ timeout: 1 }) }
}

function touchedBy(plan: Node): string[] {
  const own = plan['Relation Name'] === undefined || plan['Actual Loops'] === 0 ? [] : [plan['Relation Name']]
  return [...own, ...(plan.Plans ?? []).flatMap(touchedBy)]
}

/** A node counts those below it. */
function blocksOf({ 'Shared Hit Blocks': hit = 0, 'Shared Read Blocks': read = 0 }: Node): number {
  return hit + read
}

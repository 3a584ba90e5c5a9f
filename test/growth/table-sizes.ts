import type postgres from 'postgres'

export interface TableSize {
  name: string
  bytes: number
  /** For each row of its table. */
  bytesEach: number
}

/** Of each table and of each of its indexes. `rows`: how many there are in each table. */
export async function tableSizes(
  sql: postgres.Sql,
  rows: Readonly<Record<string, number>>,
): Promise<TableSize[]> {
  const sizes: TableSize[] = []
  for (const [table, count] of Object.entries(rows)) {
    const found = await sql<{ name: string; bytes: string }[]>`
      SELECT ${table} AS name, pg_table_size(${table}::regclass) AS bytes
      UNION ALL
      SELECT indexrelid::regclass::text, pg_relation_size(indexrelid) FROM pg_index WHERE indrelid = ${table}::regclass`
    for (const { name, bytes } of found) {
      sizes.push({ name, bytes: Number(bytes), bytesEach: Number(bytes) / count })
    }
  }
  return sizes
}

import type { ListedClient } from '../../internal/signature/list-clients.ts'

/** The list for a person: a line for each secret, in columns. */
export function clientsTable(clients: readonly ListedClient[]): string {
  if (clients.length === 0) return 'no clients in the database; "oncekey clients add NAME" adds one\n'
  const rows = [['CLIENT', 'MIN_SCHEME', 'LIMITS', 'SECRET', 'STATE', 'SINCE', 'UNTIL']]
  for (const { client, min_scheme, limits, created_at, secrets } of clients) {
    const start = [client, min_scheme ?? '-', limits ?? '-']
    if (secrets.length === 0) rows.push([...start, '-', '-', created_at, '-'])
    for (const { secret_id, state, created_at: since, expires_at, revoked_at } of secrets) {
      rows.push([...start, secret_id, state, since, revoked_at ?? expires_at ?? '-'])
    }
  }
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0))) ?? []
  const line = (row: string[]) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('')
}

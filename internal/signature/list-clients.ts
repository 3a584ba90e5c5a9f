import type { Database } from '../database/database.ts'
import { knownWord } from '../database/known-word.ts'
import { SCHEMES, type Scheme } from './client-registry.ts'

export type SecretState = 'active' | 'retiring' | 'revoked'

/** A client as shown to an operator; times in RFC 3339. Holds no secret. */
export interface ListedClient {
  client: string
  min_scheme: Scheme | null
  /** Its rate limits; null: the limits of the service. */
  limits: string | null
  created_at: string
  secrets: {
    secret_id: string
    /** A retiring secret that has ended is shown as revoked. */
    state: SecretState
    created_at: string
    expires_at: string | null
    revoked_at: string | null
    key_id: string
  }[]
}

/** Without a name, lists all clients. Secrets are ordered newest first; at the same time active, retiring, revoked. */
export async function listClients(database: Database, name?: string): Promise<ListedClient[]> {
  const rows = await database.run(
    (sql) => sql`
      SELECT c.id AS client, c.min_scheme, c.limits, c.created_at AS client_created_at, s.id AS secret_id, s.key_id,
        CASE WHEN s.state = 'retiring' AND s.expires_at <= clock_timestamp() THEN 'revoked' ELSE s.state END AS state,
        s.created_at, s.expires_at,
        CASE WHEN s.state = 'retiring' AND s.expires_at <= clock_timestamp() THEN s.expires_at ELSE s.revoked_at END
          AS revoked_at
      FROM clients c LEFT JOIN client_secrets s ON s.client = c.id
      WHERE ${name ?? null}::text IS NULL OR c.id = ${name ?? null}
      ORDER BY c.id, s.created_at DESC, state, s.id`,
  )
  const clients = new Map<string, ListedClient>()
  for (const row of rows) {
    const id = String(row.client)
    const client = clients.get(id) ?? {
      client: id,
      min_scheme: SCHEMES.find((scheme) => scheme === row.min_scheme) ?? null,
      limits: typeof row.limits === 'string' ? row.limits : null,
      created_at: timeOf(row.client_created_at) ?? '',
      secrets: [],
    }
    clients.set(id, client)
    if (row.secret_id === null) continue
    client.secrets.push({
      secret_id: String(row.secret_id),
      state: knownWord(row.state, ['active', 'retiring', 'revoked'] as const),
      created_at: timeOf(row.created_at) ?? '',
      expires_at: timeOf(row.expires_at),
      revoked_at: timeOf(row.revoked_at),
      key_id: String(row.key_id),
    })
  }
  return [...clients.values()]
}

function timeOf(value: unknown): string | null {
  return value instanceof Date ? value.toISOString() : null
}

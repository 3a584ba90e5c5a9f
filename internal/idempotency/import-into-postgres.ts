import { randomHex } from '../core/ids.ts'
import type { Database } from '../database/database.ts'
import { batchJson, resultsByNumber } from '../database/group-commit.ts'
import {
  type ImportedKey,
  type ImportOptions,
  type ImportOutcome,
  parseImportOutcome,
} from './key-records.ts'
import { boundedScope } from './store.ts'

interface Options extends ImportOptions {
  /** Of a response without an end of its own. */
  ttlMs: number
}

/** Hundreds of rows with their bodies, on a disk that may be busy. */
const STEP_MS = 10_000

/**
 * Writes and reads in one statement. A record counts as absent as it does for a claim: when it is over, and no lease holds
 * it. What is committed by another process meanwhile is not written over, and is 'other'.
 */
export async function importIntoPostgres(
  database: Database,
  keys: readonly ImportedKey[],
  { by, dryRun, ttlMs }: Options,
): Promise<ImportOutcome[]> {
  const rows = rowsOf(keys)
  const results = await database.run(
    (sql) =>
      database.shards !== undefined
        ? sql`SELECT * FROM oncekey_import_all(${rows}, ${by}, ${ttlMs}::bigint, ${dryRun}::boolean)`
        : sql`
      WITH given AS MATERIALIZED (
        SELECT n, client, scope, key, decode(fingerprint, 'hex') AS fingerprint, decode(token, 'hex') AS token, status,
          headers, decode(body, 'base64') AS body,
          coalesce(expires_at, now() + make_interval(secs => ${ttlMs}::bigint / 1000.0)) AS expires_at
        FROM json_to_recordset(${rows}::text::json) AS r(n integer, client text, scope text, key text, fingerprint text,
          token text, status smallint, headers text, body text, expires_at timestamptz)),
      written AS (
        INSERT INTO idempotency_keys AS k (client, scope, key, fingerprint, state, token, attempt, lease_until, lease_ms,
          expires_at, status, headers, body, resolved_by)
        SELECT client, scope, key, fingerprint, 'completed', token, 1, now(), 0, expires_at, status, headers, body,
          ${by}::text
        FROM given WHERE expires_at > now() AND NOT ${dryRun}::boolean
        ON CONFLICT (client, scope, key) DO UPDATE
          SET fingerprint = excluded.fingerprint, state = 'completed', token = excluded.token, attempt = 1,
            lease_until = excluded.lease_until, lease_ms = 0, expires_at = excluded.expires_at, status = excluded.status,
            headers = excluded.headers, body = excluded.body, dispatched_at = NULL, unknown_at = NULL, reason = NULL,
            resolved_by = excluded.resolved_by
          WHERE k.expires_at <= now() AND (k.state <> 'in_progress' OR k.lease_until <= now())
        RETURNING client, scope, key)
      SELECT given.n, CASE
          WHEN w.key IS NOT NULL THEN 'imported'
          WHEN k.state = 'completed' AND k.fingerprint = given.fingerprint AND k.status = given.status
            AND k.headers = given.headers AND k.body = given.body THEN 'same'
          WHEN k.key IS NOT NULL THEN 'other'
          WHEN given.expires_at <= now() THEN 'expired'
          WHEN ${dryRun}::boolean THEN 'imported'
          ELSE 'other' END AS outcome
      FROM given
      LEFT JOIN written AS w ON w.client = given.client AND w.scope = given.scope AND w.key = given.key
      LEFT JOIN idempotency_keys AS k ON k.client = given.client AND k.scope = given.scope AND k.key = given.key
        AND (k.expires_at > now() OR (k.state = 'in_progress' AND k.lease_until > now()))
      ORDER BY given.n`,
    STEP_MS,
  )
  return resultsByNumber(results, keys.length, (row) => parseImportOutcome(row.outcome))
}

function rowsOf(keys: readonly ImportedKey[]): string {
  return batchJson(
    keys,
    ({ id: { client, scope, key } }) => `${client}\n${scope}\n${key}`,
    ({ id: { client, scope, key }, fingerprint, response, expiresAtMs }, n) => ({
      n,
      client,
      scope: boundedScope(scope),
      key,
      fingerprint,
      token: randomHex(16),
      status: response.status,
      headers: JSON.stringify(response.headers),
      body: response.body.toString('base64'),
      expires_at: expiresAtMs === undefined ? null : new Date(expiresAtMs).toISOString(),
    }),
  )
}

import { checkMethod, checkNumber } from '../core/check-option.ts'
import { type Database, isRowFault } from '../database/database.ts'
import { batchJson, groupCommit, type Row, resultsByNumber } from '../database/group-commit.ts'
import { groupedByShard } from '../database/shards.ts'
import { resolutionEntry } from './key-records.ts'
import { parseHeaders } from './response-headers.ts'
import {
  boundedScope,
  type Claim,
  DEFAULT_TTL_MS,
  type IdempotencyStore,
  type KeyId,
  MAX_TTL_MS,
  parseReason,
  type StoredResponse,
} from './store.ts'

export interface PostgresStoreOptions {
  /** How long a response is replayed, and how long an abandoned claim is remembered; 24 h by default. */
  ttlMs?: number
  /** Told how many items of a verb share each statement. */
  onBatch?: (verb: 'claim' | 'dispatch' | 'complete', items: number) => void
}

interface ClaimItem {
  id: KeyId
  fingerprint: string
  token: string
  leaseMs: number
}

interface DispatchItem {
  id: KeyId
  token: string
}

interface CompleteItem {
  id: KeyId
  token: string
  response: StoredResponse
}

/**
 * The store in PostgreSQL: one function of `sql/functions/key_*.sql` for each verb. Claims, dispatches and completions
 * that arrive while one statement is in flight share the next one. A replay writes nothing.
 *
 * @throws Nothing; each verb rejects with ServiceError `store_unavailable` when the database is away.
 * @example const store = postgresStore(openDatabase(url))
 */
export function postgresStore(database: Database, options: PostgresStoreOptions = {}): IdempotencyStore {
  const { ttlMs = DEFAULT_TTL_MS, onBatch } = options
  checkNumber('ttlMs', ttlMs, 1, MAX_TTL_MS)
  checkMethod('database', database, 'run')
  const { groupOf, inFlight } = groupedByShard(database, ({ id }: { id: KeyId }) => id.client)
  const claim = groupCommit(
    async (items: readonly ClaimItem[]): Promise<Claim[]> => {
      const rows = inKeyOrder(items, ({ fingerprint, token, leaseMs }) => ({
        fingerprint,
        token,
        lease_ms: leaseMs,
      }))
      const responses = await database.run((sql) =>
        database.shards !== undefined
          ? sql`SELECT * FROM oncekey_claim_all(${clientOf(items)}, ${rows}, ${ttlMs}::bigint)`
          : sql`
        SELECT r.n, c.*
        FROM json_to_recordset(${rows}::text::json)
          AS r(n integer, client text, scope text, key text, fingerprint text, token text, lease_ms integer)
        CROSS JOIN LATERAL oncekey_claim(r.client, r.scope, r.key, decode(r.fingerprint, 'hex'),
          decode(r.token, 'hex'), r.lease_ms, ${ttlMs}::bigint) AS c`,
      )
      return resultsByNumber(responses, items.length, parseClaim)
    },
    {
      stallMs: database.stallMs,
      isItemFault: isRowFault,
      onBatch: (items) => onBatch?.('claim', items),
      groupOf,
      inFlight,
    },
  )

  const dispatch = groupCommit(
    async (items: readonly DispatchItem[]): Promise<boolean[]> => {
      const rows = inKeyOrder(items, ({ token }) => ({ token }))
      const responses = await database.run((sql) =>
        database.shards !== undefined
          ? sql`SELECT * FROM oncekey_dispatch_all(${clientOf(items)}, ${rows})`
          : sql`
        SELECT r.n, oncekey_dispatch(r.client, r.scope, r.key, decode(r.token, 'hex')) AS done
        FROM json_to_recordset(${rows}::text::json) AS r(n integer, client text, scope text, key text, token text)`,
      )
      return resultsByNumber(responses, items.length, (row) => row.done === true)
    },
    {
      stallMs: database.stallMs,
      isItemFault: isRowFault,
      onBatch: (items) => onBatch?.('dispatch', items),
      groupOf,
      inFlight,
    },
  )

  const complete = groupCommit(
    async (items: readonly CompleteItem[]): Promise<boolean[]> => {
      const rows = inKeyOrder(items, ({ token, response }) => ({
        token,
        status: response.status,
        headers: JSON.stringify(response.headers),
        body: response.body.toString('base64'),
      }))
      const responses = await database.run((sql) =>
        database.shards !== undefined
          ? sql`SELECT * FROM oncekey_complete_all(${clientOf(items)}, ${rows}, ${ttlMs}::bigint)`
          : sql`
        SELECT r.n, oncekey_complete(r.client, r.scope, r.key, decode(r.token, 'hex'), r.status, r.headers,
          decode(r.body, 'base64'), ${ttlMs}::bigint) AS done
        FROM json_to_recordset(${rows}::text::json)
          AS r(n integer, client text, scope text, key text, token text, status smallint, headers text, body text)`,
      )
      return resultsByNumber(responses, items.length, (row) => row.done === true)
    },
    {
      isItemFault: isRowFault,
      bytesOf: ({ response }) => response.body.length,
      onBatch: (items) => onBatch?.('complete', items),
      groupOf,
      inFlight,
    },
  )

  return {
    claim: (id, fingerprint, token, leaseMs) => claim({ id, fingerprint, token, leaseMs }),
    dispatch: (id, token) => dispatch({ id, token }),
    complete: (id, token, response) => complete({ id, token, response }),
    async renew(id, token, leaseMs) {
      const scope = boundedScope(id.scope)
      const [row] = await database.run(
        (sql) => sql`
          SELECT oncekey_renew(${id.client}, ${scope}, ${id.key}, decode(${token}, 'hex'), ${leaseMs}::integer) AS done`,
      )
      return row?.done === true
    },
    async release(id, token, outcome) {
      const [word, reason] = outcome === 'not_executed' ? ['not_executed', ''] : ['unknown', outcome.unknown]
      const scope = boundedScope(id.scope)
      const [row] = await database.run(
        (sql) => sql`
          SELECT oncekey_release(${id.client}, ${scope}, ${id.key}, decode(${token}, 'hex'), ${word}, ${reason}) AS done`,
      )
      return row?.done === true
    },
    async resolve(id, held, outcome, resolver) {
      const scope = boundedScope(id.scope)
      const { event, entry } = resolutionEntry(id, outcome, resolver)
      const [status, headers, body] =
        outcome === 'not_executed'
          ? [null, null, null]
          : [outcome.status, JSON.stringify(outcome.headers), outcome.body.toString('base64')]
      const [row] = await database.run(
        (sql) => sql`
          SELECT oncekey_resolve(${id.client}, ${scope}, ${id.key}, decode(${held}, 'hex'), ${status}::smallint,
            ${headers}::text, decode(${body}::text, 'base64'), ${ttlMs}::bigint, ${resolver.by}, ${event}, ${entry}) AS outcome`,
      )
      return row?.outcome === 'resolved'
    },
  }
}

/** Of any of them: where they are distributed, they are of one shard. */
const clientOf = (items: readonly { id: KeyId }[]) => items[0]?.id.client ?? ''

function inKeyOrder<Item extends { id: KeyId }>(items: readonly Item[], row: (item: Item) => object): string {
  return batchJson(
    items,
    ({ id: { client, scope, key } }) => `${client}\n${scope}\n${key}`,
    (item, n) => {
      const { client, scope, key } = item.id
      return Object.assign({ n, client, scope: boundedScope(scope), key }, row(item))
    },
  )
}

function parseClaim(row: Row): Claim {
  switch (row.outcome) {
    case 'acquired':
      return { outcome: 'acquired', attempt: Number(row.attempt) }
    case 'replay':
      if (!(row.body instanceof Buffer)) throw new Error('a completed record has no body')
      return {
        outcome: 'replay',
        response: { status: Number(row.status), headers: parseHeaders(String(row.headers)), body: row.body },
      }
    case 'mismatch':
      return {
        outcome: 'mismatch',
        // The function of a version before does not give it.
        fingerprint: row.held instanceof Buffer ? row.held.toString('hex') : undefined,
        isCompleted: row.status !== null,
      }
    case 'in_progress':
      return { outcome: 'in_progress', retryAfterMs: Number(row.wait_ms) }
    case 'unknown':
      if (!(row.held instanceof Buffer)) throw new Error('an unknown record has no token')
      return {
        outcome: 'unknown',
        reason: parseReason(String(row.reason)),
        sinceMs: Number(row.since_ms),
        held: row.held.toString('hex'),
      }
    default:
      throw new Error(`oncekey_claim returned ${String(row.outcome)}`)
  }
}

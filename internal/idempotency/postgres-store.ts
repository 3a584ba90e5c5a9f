import { type Database, isRowFault } from '../database/database.ts'
import { groupCommit } from '../database/group-commit.ts'
import { parseHeaders } from './answer-headers.ts'
import { boundedScope } from './bounded-scope.ts'
import { resolutionEntry } from './key-records.ts'
import { type Answer, type Claim, type IdempotencyStore, type KeyId, parseReason } from './store.ts'

export interface PostgresStoreOptions {
  /** How long an answer is replayed, and how long an abandoned claim is remembered. */
  ttlMs: number
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
  answer: Answer
}

/**
 * The store in Postgres: one function of `sql/002_idempotency_keys.sql` or `sql/006_dispatched_keys.sql` for each
 * verb. Claims, dispatches, and completions, that arrive while one statement is under way share the next one. A
 * replay writes nothing.
 */
export function postgresStore(database: Database, options: PostgresStoreOptions): IdempotencyStore {
  const { ttlMs, onBatch } = options
  const claim = groupCommit(
    async (items: readonly ClaimItem[]): Promise<Claim[]> => {
      const rows = inKeyOrder(items, ({ fingerprint, token, leaseMs }) => ({
        fingerprint,
        token,
        lease_ms: leaseMs,
      }))
      const answers = await database.run(
        (sql) => sql`
        SELECT r.n, c.*
        FROM json_to_recordset(${rows}::text::json)
          AS r(n integer, client text, scope text, key text, fingerprint text, token text, lease_ms integer)
        CROSS JOIN LATERAL oncekey_claim_key(r.client, r.scope, r.key, decode(r.fingerprint, 'hex'),
          decode(r.token, 'hex'), r.lease_ms, ${ttlMs}::bigint) AS c`,
      )
      return inOrder(answers, items.length, parseClaim)
    },
    { isItemFault: isRowFault, onBatch: (items) => onBatch?.('claim', items) },
  )

  const dispatch = groupCommit(
    async (items: readonly DispatchItem[]): Promise<boolean[]> => {
      const rows = inKeyOrder(items, ({ token }) => ({ token }))
      const answers = await database.run(
        (sql) => sql`
        SELECT r.n, oncekey_dispatch(r.client, r.scope, r.key, decode(r.token, 'hex')) AS done
        FROM json_to_recordset(${rows}::text::json) AS r(n integer, client text, scope text, key text, token text)`,
      )
      return inOrder(answers, items.length, (row) => row.done === true)
    },
    { isItemFault: isRowFault, onBatch: (items) => onBatch?.('dispatch', items) },
  )

  const complete = groupCommit(
    async (items: readonly CompleteItem[]): Promise<boolean[]> => {
      const rows = inKeyOrder(items, ({ token, answer }) => ({
        token,
        status: answer.status,
        headers: JSON.stringify(answer.headers),
        body: answer.body.toString('base64'),
      }))
      const answers = await database.run(
        (sql) => sql`
        SELECT r.n, oncekey_complete(r.client, r.scope, r.key, decode(r.token, 'hex'), r.status, r.headers,
          decode(r.body, 'base64'), ${ttlMs}::bigint) AS done
        FROM json_to_recordset(${rows}::text::json)
          AS r(n integer, client text, scope text, key text, token text, status smallint, headers text, body text)`,
      )
      return inOrder(answers, items.length, (row) => row.done === true)
    },
    {
      isItemFault: isRowFault,
      bytesOf: ({ answer }) => answer.body.length,
      onBatch: (items) => onBatch?.('complete', items),
    },
  )

  return {
    claim: (id, fingerprint, token, leaseMs) => claim({ id, fingerprint, token, leaseMs }),
    dispatch: (id, token) => dispatch({ id, token }),
    complete: (id, token, answer) => complete({ id, token, answer }),
    async renew(id, token, leaseMs) {
      const scope = boundedScope(id.scope)
      const [row] = await database.run(
        (sql) => sql`
          SELECT oncekey_renew(${id.client}, ${scope}, ${id.key}, decode(${token}, 'hex'), ${leaseMs}::integer) AS done`,
      )
      return row?.done === true
    },
    async release(id, token, outcome, reason = 'not_told') {
      const scope = boundedScope(id.scope)
      const [row] = await database.run(
        (sql) => sql`
          SELECT oncekey_release(${id.client}, ${scope}, ${id.key}, decode(${token}, 'hex'), ${outcome}, ${reason}) AS done`,
      )
      return row?.done === true
    },
    async resolve(id, held, outcome, resolver) {
      const scope = boundedScope(id.scope)
      const { event, entry } = resolutionEntry(id, outcome, resolver)
      const [status, headers, body] =
        outcome === 'nothing happened'
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

/**
 * The items as JSON, each with its place. Sorted by key: two statements that wait for each other's rows always
 * take them in the same order, so they cannot deadlock.
 */
function inKeyOrder<Item extends { id: KeyId }>(items: readonly Item[], row: (item: Item) => object): string {
  const order = (id: KeyId) => `${id.client}\n${id.scope}\n${id.key}`
  return JSON.stringify(
    items
      .map((item, n) => {
        const { client, key } = item.id
        const scope = boundedScope(item.id.scope)
        const named = { n, client, scope, key }
        return { sort: order(named), row: Object.assign(named, row(item)) }
      })
      .sort((a, b) => (a.sort < b.sort ? -1 : a.sort > b.sort ? 1 : 0))
      .map((entry) => entry.row),
  )
}

type Row = Record<string, unknown>

function inOrder<Answer>(rows: readonly Row[], count: number, parse: (row: Row) => Answer): Answer[] {
  const answers = new Array<Answer>(count)
  for (const row of rows) answers[Number(row.n)] = parse(row)
  return answers
}

function parseClaim(row: Row): Claim {
  switch (row.outcome) {
    case 'acquired':
      return { outcome: 'acquired', attempt: Number(row.attempt) }
    case 'replay':
      if (!(row.body instanceof Buffer)) throw new Error('a completed record has no body')
      return {
        outcome: 'replay',
        answer: { status: Number(row.status), headers: parseHeaders(String(row.headers)), body: row.body },
      }
    case 'mismatch':
      return { outcome: 'mismatch' }
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
      throw new Error(`oncekey_claim_key answered ${String(row.outcome)}`)
  }
}

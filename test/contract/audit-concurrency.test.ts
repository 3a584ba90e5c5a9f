import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import postgres from 'postgres'
import { auditLog } from '../../internal/audit/audit-log.ts'
import { type Database, openDatabase } from '../../internal/database/database.ts'
import { distributeByClient } from '../../internal/database/distribute.ts'
import { migrate } from '../../internal/database/migrate.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { newClient, reportOf } from '../support/audit.ts'
import { createDatabase, databaseUrl, onCitus, type TestDatabase } from '../support/servers.ts'

/** Hundreds of entries of one client wait for each other; on Citus each has several round trips to its worker. */
const DEADLINE_MS = 60_000
/** Of all servers. */
const ACTIVITY = onCitus ? 'citus_stat_activity' : 'pg_stat_activity'

let created: TestDatabase
let one: Database
let two: Database
before(async () => {
  created = await createDatabase()
  one = openDatabase(created.url, { deadlineMs: DEADLINE_MS })
  two = openDatabase(created.url, { deadlineMs: DEADLINE_MS })
  await migrate(one, SQL_DIRECTORY)
})
after(async () => {
  await Promise.all([one.close(), two.close()])
  await created.drop()
})

const entryOf = (client: string) => ({
  client,
  eventType: 'payment.refused',
  entry: `{"id":"${randomUUID()}"}`,
})

test('two nodes and SQL by itself append to the chain of one client without a gap or a fork', async () => {
  const client = newClient()
  const nodes = [auditLog(one), auditLog(two)]
  const appended = Array.from({ length: 600 }, (_, n) =>
    n % 3 === 2
      ? one.run((sql) => sql`SELECT oncekey_audit(${client}, 'payment.completed', '{}') AS seq`)
      : nodes[n % 3]?.append(entryOf(client)),
  )
  const numbers = (await Promise.all(appended)).map((one) => (typeof one === 'number' ? one : one?.[0]?.seq))
  assert.deepEqual(
    numbers.map(Number).sort((a, b) => a - b),
    appended.map((_, n) => n + 1),
  )
  const report = await reportOf(two, client)
  assert.deepEqual([report?.entries, report?.fault], [600, null])
  const [row] = await one.run(
    (sql) => sql`
      SELECT count(*)::int AS n FROM audit_log a JOIN audit_log b ON b.client = a.client AND b.seq = a.seq + 1
      WHERE a.client = ${client} AND b.at < a.at`,
  )
  assert.equal(row?.n, 0, 'no entry is older than the one before it')
})

test('groups that meet the same clients in opposite orders do not deadlock', async () => {
  const clients = Array.from({ length: 40 }, newClient)
  const [forth, back] = [auditLog(one), auditLog(two)]
  for (let round = 0; round < 15; round++) {
    await Promise.all([
      ...clients.map((client) => forth.append(entryOf(client))),
      ...clients.toReversed().map((client) => back.append(entryOf(client))),
    ])
  }
  for (const client of clients) {
    const report = await reportOf(one, client)
    assert.deepEqual([report?.entries, report?.fault], [30, null])
  }
})

test('a first entry that two nodes write at once is the first only once', async () => {
  for (let round = 0; round < 30; round++) {
    const client = newClient()
    const seqs = await Promise.all([one, two].map((database) => auditLog(database).append(entryOf(client))))
    assert.deepEqual(seqs.sort(), [1, 2])
    assert.equal((await reportOf(one, client))?.fault, null)
  }
})

test('a writing that is still in flight is waited for, not doubled', async () => {
  const client = newClient()
  const entry = entryOf(client)
  const sql = postgres(created.url, { max: 1, onnotice: () => {} })
  try {
    let again: Promise<number> | undefined
    await sql.begin(async (slow) => {
      await slow`SELECT oncekey_audit(${client}, ${entry.eventType}, ${entry.entry})`
      again = auditLog(one).append({ ...entry, again: true })
      // Until it waits for the lock that this transaction holds.
      for (let waiting = 0; waiting === 0; ) {
        const [row] = await two.run(
          (other) => other`
            SELECT count(*)::int AS n FROM ${other(ACTIVITY)}
            WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%oncekey_audit_a%'`,
        )
        waiting = Number(row?.n)
      }
    })
    assert.equal(await again, 1)
    assert.equal((await reportOf(one, client))?.entries, 1)
  } finally {
    await sql.end({ timeout: 1 })
  }
})

test('the role that owns the tables may append and read, and nothing else', async () => {
  const role = `oncekey_owner_${randomBytes(6).toString('hex')}`
  const database = await createDatabase(databaseUrl, { distributed: false })
  const admin = postgres(database.url, { max: 1, onnotice: () => {} })
  let own: Database | undefined
  try {
    await admin.unsafe(`CREATE ROLE ${role} LOGIN; GRANT ALL ON SCHEMA public TO ${role}`)
    const url = new URL(database.url)
    url.username = role
    own = openDatabase(url.href)
    await migrate(own, SQL_DIRECTORY)
    if (onCitus) await distributeByClient(own, SQL_DIRECTORY)
    const client = newClient()
    assert.equal(await auditLog(own).append(entryOf(client)), 1)
    assert.equal((await auditLog(own).list(client, { limit: 1 })).length, 1)
    for (const statement of [
      "UPDATE audit_log SET entry = '{}'",
      'DELETE FROM audit_log',
      'TRUNCATE audit_log',
      'DELETE FROM audit_heads',
      'TRUNCATE audit_heads',
    ]) {
      const used = own
      await assert.rejects(
        used.run((sql) => sql.unsafe(statement)),
        (error: Error) => error.cause instanceof Error && /permission denied/.test(error.cause.message),
        statement,
      )
    }
  } finally {
    await own?.close()
    await admin.unsafe(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
    await admin.end({ timeout: 1 })
    await database.drop()
  }
})

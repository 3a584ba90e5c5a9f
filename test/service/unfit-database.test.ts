import assert from 'node:assert/strict'
import { test } from 'node:test'
import postgres from 'postgres'
import { asPostgres13 } from '../support/older-postgres.ts'
import { oncekey } from '../support/run-command.ts'
import { createDatabase } from '../support/servers.ts'
import { startService } from '../support/service.ts'
import { until } from '../support/until.ts'
import { lines } from '../support/workers.ts'

test('a PostgreSQL that is too old is refused at once by serve, migrate and doctor', async (t) => {
  const database = await createDatabase()
  t.after(() => database.drop())
  const settings = { DATABASE_URL: await asPostgres13(t, database.url), PORT: '0' }
  for (const command of ['serve', 'migrate']) {
    const { code, stderr, stdout } = await oncekey([command], settings)
    assert.equal(code, 1)
    assert.match(
      stderr,
      new RegExp(
        `^oncekey ${command}: the database of DATABASE_URL is PostgreSQL 13\\..*: 14 or newer is needed\\n$`,
      ),
    )
    assert.equal(stdout, '')
  }
  const doctor = await oncekey(['doctor'], settings)
  assert.equal(doctor.code, 1)
  assert.match(doctor.stdout, /^FAULT database: PostgreSQL 13\..*, 14 or newer is needed$/m)
})

test('a newer migration is a warning, one that breaks this version is refused', async (t) => {
  const database = await createDatabase()
  const sql = postgres(database.url, { max: 1, onnotice: () => {} })
  t.after(async () => {
    await sql.end()
    await database.drop()
  })
  const settings = { DATABASE_URL: database.url, PORT: '0' }
  assert.equal((await oncekey(['migrate'], settings)).code, 0)
  await sql`INSERT INTO schema_migrations (name) VALUES ('998_more.sql')`
  const service = await startService(settings)
  const warned = () => lines(service).filter(({ newer }) => newer !== undefined)
  await until('it is warned of', () => warned().length === 1)
  assert.deepEqual(warned()[0]?.newer, ['998_more.sql'])
  assert.equal(warned()[0]?.level, 'warn')
  await service.stop()
  const doctor = await oncekey(['doctor'], settings)
  assert.equal(doctor.code, 0)
  assert.match(
    doctor.stdout,
    /^ok {4}migrations: all applied, and by a newer version 998_more\.sql: upgrade/m,
  )

  await sql`INSERT INTO schema_migrations (name) VALUES ('999_less_breaking.sql')`
  const refused = await oncekey(['serve'], settings)
  assert.equal(refused.code, 1)
  assert.match(
    refused.stderr,
    /^oncekey serve: the database is newer than this program, .*999_less_breaking\.sql/,
  )
  assert.match(
    (await oncekey(['doctor'], settings)).stdout,
    /^FAULT migrations: .*too new for this version$/m,
  )
})

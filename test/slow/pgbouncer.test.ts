import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkOrders, readOrdersAt } from '../support/check-orders.ts'
import { newKey } from '../support/clients.ts'
import { met, startLoad, summary } from '../support/order-load.ts'
import { startPgBouncer } from '../support/pgbouncer.ts'
import { oncekey } from '../support/run-command.ts'
import { createDatabase, databaseUrl, query } from '../support/servers.ts'
import { startService } from '../support/service.ts'
import { until } from '../support/until.ts'
import { lines } from '../support/workers.ts'

/** Far below the 30 s of looking now and then. */
const AT_ONCE_MS = 10_000

test('a service under load through PgBouncer in transaction mode: each order once, and no statement prepared', async (t) => {
  const [bouncer, database] = await Promise.all([startPgBouncer(databaseUrl), createDatabase()])
  const through = bouncer.through(database.url)
  const service = await startService({ DATABASE_URL: through, RATE_LIMITS: 'none', LOG_LEVEL: 'warn' })
  t.after(async () => {
    await service.kill()
    await bouncer.stop()
    await database.drop()
  })
  const load = startLoad({ urls: [service.url] })
  await load.more(300)
  // Of every connection of the pooler that is free at this moment.
  const left = await Promise.all(
    Array.from({ length: 8 }, () =>
      query(through, (sql) =>
        sql.unsafe("SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%orders%'"),
      ),
    ),
  )
  const history = await load.finish()
  checkOrders(await readOrdersAt(database.url), history.sent)
  assert.equal(met(history, '503 store_unavailable'), 0)
  assert.deepEqual(
    left.flat().map(({ statement }) => String(statement)),
    [],
  )
  t.diagnostic(summary(history))
})

test('through PgBouncer a change of clients comes late, and the log says which setting helps', async (t) => {
  const [bouncer, database] = await Promise.all([startPgBouncer(databaseUrl), createDatabase()])
  const settings = {
    DATABASE_URL: bouncer.through(database.url),
    SECRETS_KEY: newKey().text,
    LOG_LEVEL: 'info',
  }
  const service = await startService(settings)
  const direct = await startService({ ...settings, DATABASE_DIRECT_URL: database.url })
  t.after(async () => {
    await Promise.all([service.kill(), direct.kill()])
    await bouncer.stop()
    await database.drop()
  })
  const complaints = (of: typeof service) =>
    lines(of).filter(({ msg }) =>
      String(msg).includes('set DATABASE_DIRECT_URL to the server behind the pooler'),
    )
  await until('it says what is missing', () => complaints(service).length === 1)
  assert.equal(complaints(direct).length, 0)

  const added = await oncekey(['clients', 'add', 'acme'], settings)
  assert.equal(added.code, 0, added.stderr)
  const fromMs = performance.now()
  await until('the change is known', () => lines(direct).some(({ msg }) => msg === 'client added'))
  assert.ok(performance.now() - fromMs < AT_ONCE_MS)
})

test('with disable_pqexec migrate says what to do, and a migrated database is served', async (t) => {
  const [bouncer, database] = await Promise.all([
    startPgBouncer(databaseUrl, ['disable_pqexec = 1', 'client_idle_timeout = 2', 'server_lifetime = 1']),
    createDatabase(),
  ])
  t.after(async () => {
    await bouncer.stop()
    await database.drop()
  })
  const through = { DATABASE_URL: bouncer.through(database.url) }
  const refused = await oncekey(['migrate'], through)
  assert.equal(refused.code, 1)
  assert.match(
    refused.stderr,
    /PQexec disallowed: disable_pqexec of PgBouncer accepts no migrations: run oncekey migrate/,
  )

  const migrated = await oncekey(['migrate'], { DATABASE_URL: database.url })
  assert.equal(migrated.code, 0, migrated.stderr)
  const service = await startService({
    ...through,
    DATABASE_DIRECT_URL: database.url,
    RATE_LIMITS: 'none',
    LOG_LEVEL: 'warn',
  })
  t.after(() => service.kill())
  const load = startLoad({ urls: [service.url] })
  await load.more(200)
  const history = await load.finish()
  checkOrders(await readOrdersAt(database.url), history.sent)
  assert.doesNotMatch(service.log(), /PQexec/)
})

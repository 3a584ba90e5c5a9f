import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import type { Database } from '../../internal/database/database.ts'
import { postgresStore } from '../../internal/idempotency/postgres-store.ts'
import type { UnknownReason } from '../../internal/idempotency/store.ts'
import { Sweeper, sweepExpired } from '../../internal/idempotency/sweeper.ts'
import { openMigrated } from '../support/migrated-database.ts'
import { onCitus } from '../support/servers.ts'

const { database, url, close } = await openMigrated('server')
after(close)
beforeEach(() => database.run((sql) => sql`DELETE FROM idempotency_keys`))

const token = () => randomBytes(16).toString('hex')
const id = (key: string) => ({ client: 'acme', scope: 's', key })
const FINGERPRINT = 'a'.repeat(64)
const keys = async () =>
  (await database.run((sql) => sql`SELECT key FROM idempotency_keys ORDER BY key`)).map(({ key }) => key)

async function expired(count: number): Promise<void> {
  await database.run(
    (sql) => sql`
      INSERT INTO idempotency_keys (client, scope, key, fingerprint, state, token, attempt, lease_until, expires_at)
      SELECT 'acme', 's', 'over ' || n, decode(repeat('00', 32), 'hex'), 'in_progress', decode(repeat('00', 16), 'hex'),
        1, now() - interval '1 hour', now() - interval '1 minute'
      FROM generate_series(1, ${count}::integer) AS n`,
  )
}

test('a sweep removes what is over and nothing else', async () => {
  const short = postgresStore(database, { ttlMs: 1 })
  const long = postgresStore(database, { ttlMs: 86_400_000 })
  const claim = async (key: string, store = short, leaseMs = 0) => {
    const mine = token()
    await store.claim(id(key), FINGERPRINT, mine, leaseMs)
    return mine
  }
  await claim('over')
  await claim('over but held', short, 60_000)
  await claim('young', long)
  await short.dispatch(id('dispatched'), await claim('dispatched'))
  const reason: UnknownReason = 'backend_timeout'
  await short.release(id('unknown'), await claim('unknown'), { unknown: reason })
  const answered = await claim('dispatched and answered')
  await short.dispatch(id('dispatched and answered'), answered)
  const response = { status: 200, headers: {}, body: Buffer.from('x') }
  await short.complete(id('dispatched and answered'), answered, response)
  await sleep(20)
  assert.equal(await sweepExpired(database), 2)
  assert.deepEqual(await keys(), ['dispatched', 'over but held', 'unknown', 'young'])
})

test('the database itself refuses a dispatched or unknown record that would be forgotten', async () => {
  await postgresStore(database, { ttlMs: 60_000 }).claim(id('k'), FINGERPRINT, token(), 0)
  for (const change of ["state = 'unknown'", 'dispatched_at = now()']) {
    await assert.rejects(
      database.run((sql) => sql.unsafe(`UPDATE idempotency_keys SET ${change}`)),
      /idempotency_keys_kept/,
    )
  }
})

test('two sweeps at once remove each row once', async () => {
  await expired(300)
  let removed = 0
  const sweep = async () => {
    for (let n = await sweepExpired(database, 60); n > 0; n = await sweepExpired(database, 60)) removed += n
  }
  await Promise.all([sweep(), sweep()])
  assert.equal(removed, 300)
})

// Citus locks no rows over shards: there they wait, and look at the same rows.
if (!onCitus)
  test('two sweeps at once do not wait for each other', async () => {
    await expired(300)
    const other = postgres(url, { max: 1 })
    let release = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    // Another process in the middle of its sweep: it has taken a hundred rows.
    const taken = new Promise<void>((resolve, reject) => {
      other
        .begin(async (held) => {
          await held`SELECT FROM idempotency_keys ORDER BY expires_at, key LIMIT 100 FOR UPDATE`
          resolve()
          await released
        })
        .catch(reject)
    })
    await taken
    assert.equal(await sweepExpired(database, 1_000), 200)
    release()
    await other.end()
    const [one, two] = await Promise.all([sweepExpired(database, 60), sweepExpired(database, 60)])
    assert.equal((one ?? 0) + (two ?? 0), 100)
  })

test('the sweeper goes on in small batches until nothing is left, then waits', async (t) => {
  await expired(1_050)
  const told: number[] = []
  const sweeper = new Sweeper(database, {
    everyMs: 50,
    batch: 100,
    pauseMs: 1,
    onRemoved: (removed) => told.push(removed),
  })
  t.after(() => sweeper.stop())
  // The sweeper does not keep a process alive.
  const deadline = Date.now() + 30_000
  while ((await keys()).length > 0 || told.length === 0) {
    assert.ok(Date.now() < deadline, 'it stopped before all was removed')
    await sleep(20)
  }
  assert.deepEqual(told, [1_050])
  await expired(1)
  while (told.length < 2) {
    assert.ok(Date.now() < deadline, 'it did not begin again')
    await sleep(20)
  }
})

test('stopped, the sweeper ends the batch in flight and begins no other', async () => {
  await expired(500)
  let inFlight = 0
  const slow: Database = {
    ...database,
    async run(statement, deadlineMs) {
      inFlight++
      await sleep(30)
      return await database.run(statement, deadlineMs).finally(() => inFlight--)
    },
  }
  const sweeper = new Sweeper(slow, { everyMs: 1, batch: 10, pauseMs: 1 })
  const deadline = Date.now() + 30_000
  while (inFlight === 0) {
    assert.ok(Date.now() < deadline, 'it never began')
    await sleep(1)
  }
  await sweeper.stop()
  assert.equal(inFlight, 0)
  const { length } = await keys()
  assert.ok(length > 0, 'it had not ended by itself')
  await sleep(100)
  assert.equal((await keys()).length, length)
})

test('a database that is away is told, and swept when it is back', async (t) => {
  const errors: unknown[] = []
  let away = true
  const flaky: Database = {
    ...database,
    run: (statement, deadlineMs) =>
      away ? Promise.reject(new Error('away')) : database.run(statement, deadlineMs),
  }
  await expired(5)
  const sweeper = new Sweeper(flaky, { everyMs: 10, onError: (error) => errors.push(error) })
  t.after(() => sweeper.stop())
  const deadline = Date.now() + 30_000
  while (errors.length === 0) {
    assert.ok(Date.now() < deadline, 'nobody was told')
    await sleep(5)
  }
  away = false
  while ((await keys()).length > 0) {
    assert.ok(Date.now() < deadline, 'it never came back')
    await sleep(20)
  }
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { pipeline } from 'node:stream'
import { after, before, test } from 'node:test'
import postgres from 'postgres'
import type { ServiceError } from '../../internal/core/service-error.ts'
import { type Database, openDatabase } from '../../internal/database/database.ts'
import { createDatabase, freePort, type TestDatabase } from '../support/servers.ts'

let created: TestDatabase
let database: Database
before(async () => {
  created = await createDatabase()
  database = openDatabase(created.url, { maxConnections: 1 })
})
after(async () => {
  await database.close()
  await created.drop()
})

test('a statement that fails after its first rows does not shift the rows of the next one', async () => {
  const numbers = async (until: number) => {
    const rows = await database.run(
      (sql) => sql`SELECT n, 60 / (6 - n) AS x FROM generate_series(1, ${until}::int) AS n`,
    )
    return rows.map(({ n, x }) => [n, x])
  }
  await assert.rejects(numbers(9), { code: '22012' })
  assert.deepEqual(await numbers(3), [
    [1, 12],
    [2, 15],
    [3, 20],
  ])
  await assert.rejects(numbers(9), { code: '22012' })
  const [first, ...more] = await database.run((sql) => sql`SELECT 1 AS one`)
  assert.deepEqual([first?.one, more.length], [1, 0])
  await assert.rejects(numbers(9), { code: '22012' })
  const none = await database.run((sql) => sql`SELECT 1 AS one WHERE false`)
  assert.equal(none.length, 0)
})

test('a read-only server is an outage with effect none, and the connection is replaced', async () => {
  await database.run((sql) => sql`CREATE TABLE written (n int)`)
  const write = () => database.run((sql) => sql`INSERT INTO written VALUES (1)`)
  // Like a connection to the former primary after a failover.
  await database.run((sql) => sql`SET default_transaction_read_only = on`)
  await assert.rejects(write(), { code: 'store_unavailable', effect: 'none' })
  await write()
})

test('a statement that a limit, a timeout or missing rights ended is an outage with effect none', async () => {
  for (const code of ['55P03', '25P04', '54000', '42501', '42P01', '42883', '40001']) {
    const failed = database.run((sql) =>
      sql.unsafe(`DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '${code}'; END $$`),
    )
    await assert.rejects(failed, { code: 'store_unavailable', effect: 'none', retryAfterMs: 1_000 }, code)
  }
  await database.run((sql) => sql`CREATE TABLE locked (n int)`)
  const holder = postgres(created.url, { max: 1 })
  try {
    await holder.begin(async (sql) => {
      await sql`LOCK TABLE locked`
      await database.run((one) => one`SET lock_timeout = '10ms'`)
      const waits = database.run((one) => one`INSERT INTO locked VALUES (1)`)
      await assert.rejects(waits, { code: 'store_unavailable', effect: 'none' })
    })
  } finally {
    await holder.end()
  }
})

test('a database that was unreachable responds on every connection as soon as it is back', async (t) => {
  const port = await freePort()
  const url = new URL(created.url)
  const { hostname, port: serverPort } = url
  url.port = String(port)
  const away = openDatabase(url.href, { deadlineMs: 10_000, maxConnections: 4 })
  t.after(() => away.close())
  const ask = async () => {
    // The driver writes to each connection in the turn in which the connection is refused.
    const asked = Array.from({ length: 4 }, () => away.run((sql) => sql`SELECT 1`))
    return await Promise.allSettled(asked)
  }
  for (let round = 0; round < 5; round++) {
    for (const { status } of await ask()) assert.equal(status, 'rejected')
  }
  const front = createServer((socket) => {
    const server = connect({ host: hostname, port: Number(serverPort) })
    pipeline(socket, server, socket, () => {})
  })
  t.after(() => front.close())
  await once(front.listen(port, '127.0.0.1'), 'listening')
  const startedMs = performance.now()
  for (const { status } of await ask()) assert.equal(status, 'fulfilled')
  // Less than the deadline, which a statement that was never sent would reach.
  assert.ok(performance.now() - startedMs < 9_000)
})

test('a proxy that closes each connection, because its server is down, does not get hundreds of connections a second', async (t) => {
  const { hostname, port } = new URL(created.url)
  for (const close of ['end', 'destroy', 'resetAndDestroy'] as const) {
    let connections = 0
    let isAway = true
    const front = createServer((socket) => {
      connections++
      socket.on('error', () => {})
      if (isAway) socket[close]()
      else pipeline(socket, connect({ host: hostname, port: Number(port) }), socket, () => {})
    })
    t.after(() => front.close())
    const url = new URL(created.url)
    url.port = String(await freePort())
    url.hostname = '127.0.0.1'
    await once(front.listen(Number(url.port), '127.0.0.1'), 'listening')
    const away = openDatabase(url.href, { deadlineMs: 10_000, maxConnections: 1 })
    t.after(() => away.close())
    const select = () => away.run((sql) => sql`SELECT 1`)
    for (let n = 0; n < 3; n++) await assert.rejects(select(), { code: 'store_unavailable' }, close)
    // It rejects long before its deadline, with the reason.
    if (close === 'end') {
      await assert.rejects(select(), (error: ServiceError) => {
        assert.match(String(error.cause), /before the server sent anything/)
        return error.effect === 'none'
      })
    }
    assert.ok(connections <= 8, `${connections} connections`)
    isAway = false
    await select()
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { newKey, orderBody, postOrder, send } from '../support/order-client.ts'
import { createDatabase } from '../support/servers.ts'
import { startService } from '../support/service.ts'
import { until } from '../support/until.ts'

/** The connections that waited at the first missed deadline, plus those of the pool that replaced them. */
const MOST_CONNECTIONS = 13
/** Orders of as many clients: enough for many missed deadlines, if each waited for its own. */
const REFUSED = 60
const RESPONSE_MS = 6_000

test('while a table is locked orders are refused soon, and the service does not occupy all connections of the server', async (t) => {
  const database = await createDatabase()
  const service = await startService({ DATABASE_URL: database.url, RATE_LIMITS: 'none' })
  const control = postgres(database.url, { max: 1, onnotice: () => {} })
  const watch = postgres(database.url, { max: 1 })
  t.after(async () => {
    await service.kill()
    await Promise.all([control.end({ timeout: 0 }), watch.end({ timeout: 0 })])
    await database.drop()
  })
  const connections = async () => {
    const [row] = await watch`
      SELECT count(*)::int AS n FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'oncekey'`
    return Number(row?.n)
  }
  const keys: string[] = []
  let most = 0
  await control.begin(async (sql) => {
    await sql`LOCK TABLE orders IN ACCESS EXCLUSIVE MODE`
    const caller = async () => {
      while (keys.length < REFUSED) {
        const key = newKey()
        keys.push(key)
        const reply = await postOrder(service.url, key, orderBody())
        assert.deepEqual([reply.status, reply.code], [503, 'store_unavailable'])
        assert.ok(reply.headers['retry-after'])
        assert.ok(reply.ms < RESPONSE_MS, `a response took ${reply.ms} ms`)
        most = Math.max(most, await connections())
        await sleep(100)
      }
    }
    await Promise.all(Array.from({ length: 6 }, caller))
    assert.match(
      (await send(`${service.url}/readyz`)).body.toString(),
      /Not ready: database (keeps statements waiting|does not respond)/,
    )
  })
  t.diagnostic(`${most} connections at most`)
  assert.ok(most <= MOST_CONNECTIONS, `${most} connections`)
  const placed = async (key: string) => (await postOrder(service.url, key, orderBody())).status === 201
  await until('orders are placed again', () => placed(keys[0] ?? ''))
  for (const key of keys) assert.ok(await placed(key))
  const [row] = await watch`SELECT count(*)::int AS n FROM orders`
  assert.equal(row?.n, keys.length)
})

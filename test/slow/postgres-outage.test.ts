import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { checkOrders, readOrdersAt } from '../support/check-orders.ts'
import { newKey, orderBody, postOrder, send } from '../support/order-client.ts'
import { met, startLoad, summary } from '../support/order-load.ts'
import { createDatabase, startPostgres, type ThrowawayServer } from '../support/servers.ts'
import { PLACES_OF_KEYS, serviceAt } from '../support/service-at.ts'
import { until } from '../support/until.ts'
import { untilPlaced, wordOf } from '../support/until-placed.ts'

/** A statement and the one that reads its outcome, 2.5 s each, and some time for the response. */
const RESPONSE_MS = 6_000
/** After the outage, without a restart; far below the lease of 30 s. */
const RECOVERY_MS = 5_000
const KEYS = 20
/** Together longer than a deadline: the first requests reach it, the last find it missed. */
const SPREAD_MS = 150
const TERMINATIONS = 8

const outages = {
  hangs: {
    begin: async (server: ThrowawayServer) => server.pause(),
    end: async (server: ThrowawayServer) => server.resume(),
  },
  'is killed and started again': {
    begin: (server: ThrowawayServer) => server.kill(),
    end: (server: ThrowawayServer) => server.restart(),
  },
}

let server: ThrowawayServer
before(async () => {
  server = await startPostgres()
})
after(() => server.stop())

for (const [where, settings] of Object.entries(PLACES_OF_KEYS)) {
  describe(`with the ${where}`, () => {
    test('connections that PostgreSQL terminates under load lose no order and place none twice', async (t) => {
      const database = await createDatabase()
      const service = await serviceAt(t, database.url, settings)
      t.after(() => database.drop())
      const control = postgres(database.url, { max: 1 })
      t.after(() => control.end({ timeout: 1 }))
      const load = startLoad({ urls: [service.url] })
      let terminated = 0
      for (let round = 0; round < TERMINATIONS; round++) {
        await load.more(50)
        const gone = await control`
          SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND pid <> pg_backend_pid()`
        terminated += gone.length
      }
      const history = await load.finish()
      checkOrders(await readOrdersAt(database.url), history.sent)
      assert.ok(terminated >= TERMINATIONS, `only ${terminated} connections were terminated`)
      assert.ok(history.slowestMs < RESPONSE_MS, `a response took ${history.slowestMs} ms`)
      t.diagnostic(`${summary(history)}; ${terminated} connections terminated`)
    })

    for (const [how, { begin, end }] of Object.entries(outages)) {
      test(`a Postgres that ${how} under load: a response within 6 s, the order once when it is back`, async (t) => {
        const database = await createDatabase(server.url)
        const service = await serviceAt(t, database.url, settings)
        const load = startLoad({ urls: [service.url] })
        await load.more(150)
        await begin(server)
        // New keys during the outage; for some of them the statement is sent and has no response.
        const keys = Array.from({ length: KEYS }, newKey)
        const replies = await Promise.all(
          keys.map(async (key, n) => {
            await sleep(n * SPREAD_MS)
            return await postOrder(service.url, key, orderBody())
          }),
        )
        const ready = await send(`${service.url}/readyz`)
        assert.equal(`${ready.status} ${ready.code}`, '503 store_unavailable')
        for (const reply of replies) {
          assert.equal(wordOf(reply), '503 store_unavailable')
          assert.match(String(reply.headers['retry-after']), /^[1-9]\d*$/)
        }
        const slowest = Math.max(load.history.slowestMs, ...replies.map(({ ms }) => ms))
        assert.ok(slowest < RESPONSE_MS, `a response took ${slowest} ms`)

        await end(server)
        const endedMs = Date.now()
        const placed = await Promise.all(
          keys.map((key) => untilPlaced(service.url, key, endedMs + RECOVERY_MS)),
        )
        const recoveredMs = Date.now() - endedMs
        // When a statement from before the outage misses its deadline, the connections of the others are replaced too.
        await until('it is ready again', async () => (await send(`${service.url}/readyz`)).status === 200)
        await load.more(150)
        const history = await load.finish()
        const rows = await readOrdersAt(database.url)
        const mine = new Set(keys)
        const others = rows.filter((row) => !mine.has(row.idempotency_key))
        assert.equal(rows.length - others.length, KEYS)
        for (const { body } of placed) assert.ok(rows.some(({ response_body }) => response_body.equals(body)))
        checkOrders(others, history.sent)
        assert.ok(met(history, '503 store_unavailable') > 0, 'no request of the load met the outage')
        t.diagnostic(
          `${summary(history)}; new keys refused within ${Math.round(slowest)} ms, placed ${recoveredMs} ms after`,
        )
      })
    }
  })
}

import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkOrders, readOrdersAt } from '../support/check-orders.ts'
import { newKey, orderBody, postOrder } from '../support/order-client.ts'
import { met, startLoad, summary } from '../support/order-load.ts'
import { type PostgresPair, startPostgresPair } from '../support/postgres-pair.ts'
import { query } from '../support/servers.ts'
import type { Service } from '../support/service.ts'
import { PLACES_OF_KEYS, serviceAt } from '../support/service-at.ts'
import { until } from '../support/until.ts'

const DATABASE = 'postgres'
/** The time after which a failover manager takes the primary for dead. */
const NOTICE_MS = 1_000
/** After the promotion, on a busy machine. */
const RECOVERY_MS = 5_000
/** The time to cancel waits for the standby, on a busy machine. */
const ENOUGH = 20
const CUTTING_MS = 30_000
/** Some statements are in flight when the first misses its deadline, and some more are sent before the next one does. */
const MOST_WAITING = 14

for (const [where, settings] of Object.entries(PLACES_OF_KEYS)) {
  describe(`with a synchronous standby and the ${where}`, () => {
    test('the primary is killed and the standby promoted: no acknowledged order is lost, none is placed twice', async (t) => {
      const pair = await startPair(t)
      const service = await serviceAt(t, pair.urlOf(DATABASE), settings)
      const load = startLoad({ urls: [service.url] })
      await load.more(200)
      assert.equal(met(load.history, '503 store_unavailable'), 0, 'refused before the outage')

      await pair.primary.kill()
      const killedMs = performance.now()
      await sleep(NOTICE_MS)
      await pair.promote()
      const promotedMs = performance.now()
      await untilOrdersArePlaced(service, RECOVERY_MS)
      const placedMs = performance.now()
      await load.more(50)
      const refused = met(load.history, '503 store_unavailable')
      assert.ok(refused > 0, 'no request met the outage')
      await load.more(200)
      assert.equal(met(load.history, '503 store_unavailable'), refused, 'refused after the outage')

      // The old primary accepts writes too, but has an older timeline: no service connects to it.
      await pair.primary.restart()
      await load.more(50)
      const another = await serviceAt(t, pair.urlOf(DATABASE), settings)
      await untilOrdersArePlaced(another, RECOVERY_MS)
      const history = await load.finish()
      const mine = history.sent.map(({ key }) => key)
      const rows = await readOrdersAt(pair.on(pair.standby, DATABASE))
      checkOrders(
        rows.filter((row) => mine.includes(row.idempotency_key)),
        history.sent,
      )
      assert.equal(rows.length, mine.length + 2)
      t.diagnostic(
        `${summary(history)}; no primary for ${Math.round(promotedMs - killedMs)} ms, ` +
          `an order ${Math.round(placedMs - promotedMs)} ms after the promotion`,
      )

      // A service with only the old primary gets no acknowledgement, because it has no standby.
      const stranded = await serviceAt(t, pair.on(pair.primary, DATABASE), settings)
      const refusal = await postOrder(stranded.url, newKey(), orderBody())
      assert.equal(`${refusal.status} ${refusal.code}`, '503 store_unavailable')
    })

    test('a commit whose wait for the standby is cancelled is not acknowledged', async (t) => {
      const pair = await startPair(t)
      const service = await serviceAt(t, pair.urlOf(DATABASE), settings)
      const load = startLoad({ urls: [service.url] })
      await load.more(100)
      await pair.standby.kill()
      // Each of them commits only on the primary, with at most a warning, and can be read there afterwards.
      let cut = 0
      for (
        const endMs = performance.now() + CUTTING_MS;
        cut < ENOUGH && performance.now() < endMs;
        await sleep(20)
      ) {
        const how = cut % 2 === 0 ? 'pg_cancel_backend' : 'pg_terminate_backend'
        const waiting = await query(
          pair.primary.url,
          (sql) => sql`SELECT ${sql(how)}(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`,
        )
        cut += waiting.length
      }
      const committed = (await readOrdersAt(pair.on(pair.primary, DATABASE))).length
      await pair.primary.kill()
      await pair.standby.restart()
      const replicated = (await readOrdersAt(pair.on(pair.standby, DATABASE))).length
      await pair.promote()
      await load.more(100)
      const history = await load.finish()
      checkOrders(await readOrdersAt(pair.on(pair.standby, DATABASE)), history.sent)
      assert.ok(cut >= ENOUGH, `only ${cut} waits were cut short`)
      if (where === 'keys in Redis') assert.ok(committed > replicated, 'no order was on the primary alone')
      t.diagnostic(
        `${summary(history)}; ${cut} waits cut short, ${committed - replicated} orders lost, none of them acknowledged`,
      )
    })
  })
}

test('without the synchronous standby few connections wait for it, and orders are placed when it is back', async (t) => {
  const pair = await startPair(t)
  const service = await serviceAt(t, pair.urlOf(DATABASE), {})
  const load = startLoad({ urls: [service.url] })
  await load.more(50)
  await pair.standby.kill()
  await sleep(8_000)
  const waiting = await query(
    pair.primary.url,
    (sql) => sql`SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'`,
  )
  assert.ok(waiting.length > 0 && waiting.length <= MOST_WAITING, `${waiting.length} connections wait`)
  await pair.standby.restart()
  const backMs = performance.now()
  await untilOrdersArePlaced(service, RECOVERY_MS)
  const placedMs = performance.now()
  const history = await load.finish()
  const mine = history.sent.map(({ key }) => key)
  const rows = await readOrdersAt(pair.on(pair.primary, DATABASE))
  checkOrders(
    rows.filter((row) => mine.includes(row.idempotency_key)),
    history.sent,
  )
  t.diagnostic(
    `${summary(history)}; ${waiting.length} waited, placed ${Math.round(placedMs - backMs)} ms after it was back`,
  )
})

async function startPair(t: TestContext): Promise<PostgresPair> {
  const pair = await startPostgresPair()
  t.after(() => pair.stop())
  return pair
}

/** Like a partner: repeats the request with the same key while it is refused. */
async function untilOrdersArePlaced(service: Service, patienceMs: number): Promise<void> {
  const key = newKey()
  const endMs = performance.now() + patienceMs
  await until('an order is placed', async () => {
    const { status, code } = await postOrder(service.url, key, orderBody())
    assert.ok(status === 201 || performance.now() < endMs, `not within ${patienceMs} ms: ${status} ${code}`)
    return status === 201
  })
}

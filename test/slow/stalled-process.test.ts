import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkOrders, readOrdersAt } from '../support/check-orders.ts'
import { holdOrders } from '../support/hold-orders.ts'
import type { Reply } from '../support/order-client.ts'
import { newSent, placeAt, startLoad, summary } from '../support/order-load.ts'
import { createDatabase, startRedis } from '../support/servers.ts'
import { startService } from '../support/service.ts'

const LEASE_MS = 1_000
/** From the moment when the lease has run out. */
const TAKEOVER_MS = 1_500
const KEYS = 20

describe('a process that is stalled past its lease in the middle of a load', () => {
  for (const store of ['redis', 'postgres']) {
    test(`loses its keys in ${store} to another one, and both give the same response for one order`, async (t) => {
      const [redis, database] = await Promise.all([startRedis(), createDatabase()])
      const settings = {
        DATABASE_URL: database.url,
        REDIS_URL: redis.url,
        IDEMPOTENCY_STORE: store,
        IDEMPOTENCY_LEASE: `${LEASE_MS}ms`,
        RATE_LIMITS: 'none',
        LOG_LEVEL: 'warn',
      }
      const [stalled, other] = await Promise.all([startService(settings), startService(settings)])
      t.after(async () => {
        await Promise.all([stalled.kill(), other.kill()])
        await Promise.all([redis.stop(), database.drop()])
      })
      const load = startLoad({ urls: [stalled.url, other.url] })
      const { history } = load
      await load.more(200)

      // Its keys are claimed; the statement of the first half is sent, the others wait for the next one. Then it stalls.
      const lock = await holdOrders(database.url)
      const held = Array.from({ length: KEYS }, () => newSent(history))
      const late = held.map(async (sent, n) => {
        await sleep(n < KEYS / 2 ? 0 : 100)
        return await placeAt([stalled.url], sent, history)
      })
      await sleep(400)
      stalled.pause()
      await lock.release()
      const stalledAt = Date.now()

      const taken = await Promise.all(held.map((sent) => placeAt([other.url], sent, history)))
      const takenMs = Date.now() - stalledAt
      assert.ok(takenMs < LEASE_MS + TAKEOVER_MS, `taking over took ${takenMs} ms`)
      stalled.resume()
      const own = await Promise.all(late)
      const resumedMs = Date.now() - stalledAt

      const executedByOther = taken.filter(isFirst).length
      assert.ok(executedByOther > 0, 'no key was held without its order when the process was stalled')
      for (const [n, reply] of own.entries()) {
        const [mine, theirs]: (Reply | undefined)[] = [reply, taken[n]]
        assert.ok(mine && theirs)
        assert.equal(mine.body.toString(), theirs.body.toString())
        assert.notEqual(isFirst(mine), isFirst(theirs), 'exactly one of the two placed the order')
      }
      await load.more(200)
      await load.finish()
      checkOrders(await readOrdersAt(database.url), history.sent)
      t.diagnostic(
        `${KEYS} held keys taken over within ${takenMs} ms, ${executedByOther} of them without an order yet; ` +
          `the stalled process responded after ${resumedMs} ms; load: ${summary(history)}`,
      )
    })
  }
})

function isFirst({ headers }: Reply): boolean {
  return headers['idempotent-replayed'] === undefined
}

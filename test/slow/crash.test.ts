import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { openEmbedded } from '../../internal/database/embedded.ts'
import { checkOrders, type OrderRow, readOrders, readOrdersAt } from '../support/check-orders.ts'
import { type History, met, startLoad, summary } from '../support/order-load.ts'
import { createDatabase, startRedis } from '../support/servers.ts'
import { type Service, startService } from '../support/service.ts'

const KILLS = 4
/** Final responses between two kills; three for each key. */
const PEACE = 300
const MIN_KEYS = 200
/** A killed process leaves its keys held for this long. */
const COMMON = { RATE_LIMITS: 'none', LOG_LEVEL: 'warn', IDEMPOTENCY_LEASE: '1s' }

describe('kill -9 in the middle of a load loses nothing that was acknowledged and orders nothing twice', () => {
  for (const store of ['redis', 'postgres']) {
    test(`with the keys in ${store}, and Redis flushed again and again`, async (t) => {
      const [redis, database] = await Promise.all([startRedis(), createDatabase()])
      const control = new Redis(redis.url)
      const settings = {
        ...COMMON,
        DATABASE_URL: database.url,
        REDIS_URL: redis.url,
        IDEMPOTENCY_STORE: store,
        // Limits that no client reaches, so that there is something in Redis to lose.
        RATE_LIMITS: 'client=1000000/60s',
      }
      const services = await Promise.all([startService(settings), startService(settings)])
      try {
        const load = startLoad({ urls: services.map(({ url }) => url) })
        let flushed = 0
        for (let kill = 0; kill < KILLS; kill++) {
          await load.more(PEACE)
          flushed += await flush(control)
          await killAndRestart(services[kill % services.length])
          flushed += await flush(control)
        }
        await load.more(PEACE)
        check(await load.finish(), await readOrdersAt(database.url))
        assert.ok(flushed > (store === 'redis' ? 100 : 0), `only ${flushed} records were flushed`)
        t.diagnostic(`${summary(load.history)}; ${KILLS} kills, ${flushed} records flushed from Redis`)
      } finally {
        control.disconnect()
        await Promise.all(services.map((service) => service.kill()))
        await Promise.all([redis.stop(), database.drop()])
      }
    })
  }

  test('with the embedded database, opened again by the next process', async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'oncekey-crash-'))
    const service = await startService({ ...COMMON, DATA_DIR: directory })
    try {
      const load = startLoad({ urls: [service.url] })
      for (let kill = 0; kill < 2; kill++) {
        await load.more(PEACE)
        await killAndRestart(service)
      }
      await load.more(PEACE)
      const history = await load.finish()
      await service.kill()
      const database = await openEmbedded(directory)
      const rows = await readOrders(database).finally(() => database.close())
      check(history, rows)
      t.diagnostic(`${summary(history)}; 2 kills`)
    } finally {
      await service.kill()
      await rm(directory, { recursive: true, force: true })
    }
  })
})

function check(history: History, rows: OrderRow[]): void {
  checkOrders(rows, history.sent)
  assert.ok(history.sent.length >= MIN_KEYS, `only ${history.sent.length} keys`)
  // Connections lost with requests on them, and a port without a listener.
  assert.ok(met(history, 'ECONNRESET', 'EPIPE') > 0, 'no request was in flight when a process was killed')
  assert.ok(met(history, 'ECONNREFUSED') > 0, 'no request found the process gone')
}

async function killAndRestart(service: Service | undefined): Promise<void> {
  assert.ok(service)
  await service.kill()
  await service.restart()
}

/** How many records were lost. */
async function flush(redis: Redis): Promise<number> {
  const records = await redis.dbsize()
  await redis.flushall()
  return records
}

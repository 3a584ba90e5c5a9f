import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CitusCluster } from '../support/citus.ts'
import { type Load, met, summary } from '../support/order-load.ts'
import { endPatientLoad, startPatientLoad } from '../support/patient-load.ts'
import { query, startRedis, type ThrowawayServer } from '../support/servers.ts'
import { type Service, startService } from '../support/service.ts'
import { until } from '../support/until.ts'

/** Of the load: that of the demo mode. */
const CLIENT = 'default'
const SOME = 200
/** What a statement gets depends on what it is doing just then. */
const KILLS = 8
/** Longer than the deadlines of several statements. */
const HANG_MS = 15_000
/** Of two services to the coordinator: they have 14, and leave one to a statement that hangs about once a second. */
const MAX_CONNECTIONS = 40

/** Two services on this cluster under load, with the keys in Redis and in PostgreSQL, while servers are lost and shards move. */
export function underLoad(cluster: () => CitusCluster): void {
  for (const keys of ['redis', 'postgres'] as const) {
    describe(`under load, keys in ${keys}`, () => {
      let redis: ThrowawayServer
      let url: string
      let nodes: Service[] = []
      before(async () => {
        redis = await startRedis()
        url = await cluster().createDatabase()
        const settings = {
          DATABASE_URL: url,
          RATE_LIMITS: 'none',
          LOG_LEVEL: 'error',
          ...(keys === 'redis' ? { REDIS_URL: redis.url } : {}),
        }
        nodes = [await startService(settings), await startService(settings)]
      })
      after(async () => {
        await Promise.all(nodes.map((node) => node.kill()))
        await redis?.stop()
      })

      const start = () => startPatientLoad(nodes)
      const check = (load: Load) => endPatientLoad(load, () => url)

      const workerOf = async (client: string) => {
        const { from } = await cluster().placeOf(url, client, 'orders')
        const worker = cluster().workers.find((one) => Number(new URL(one.url).port) === from)
        assert.ok(worker)
        return worker
      }
      const outage = (load: Load, before = 0) =>
        until('a request met the outage', () => met(load.history, '503 store_unavailable') > before)

      test('a worker gets SIGKILL: 503 until it is back, and nothing is lost or done twice', async (t) => {
        const worker = await workerOf(CLIENT)
        const load = start()
        await load.more(SOME)
        await worker.kill()
        await outage(load)
        // The clients of the other worker are served.
        for (const node of nodes) assert.equal((await fetch(`${node.url}/readyz`)).status, 200)
        await worker.restart()
        await load.more(SOME)
        t.diagnostic(summary(await check(load)))
      })

      test('a worker hangs: 503 until it goes on, and nothing is lost or done twice', async (t) => {
        const worker = await workerOf(CLIENT)
        const load = start()
        await load.more(SOME)
        worker.pause()
        await sleep(HANG_MS)
        const [row] = await query(
          cluster().coordinator.url,
          (sql) => sql`SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'oncekey'`,
        )
        const refused = met(load.history, '503 store_unavailable')
        worker.resume()
        const resumedMs = performance.now()
        await load.more(SOME)
        const backMs = Math.round(performance.now() - resumedMs)
        const history = await check(load)
        assert.ok(refused > 0, 'no request met the outage')
        const connections = Number(row?.n)
        assert.ok(connections < MAX_CONNECTIONS, `${connections} connections to the coordinator`)
        t.diagnostic(
          `${summary(history)}; ${connections} connections meanwhile; ${SOME} more within ${backMs} ms`,
        )
      })

      test('the coordinator gets SIGKILL several times: 503 until it is back, and nothing is lost or done twice', async (t) => {
        const { coordinator } = cluster()
        const load = start()
        let backMs = 0
        for (let kill = 0; kill < KILLS; kill++) {
          await load.more(SOME / 2)
          const refused = met(load.history, '503 store_unavailable')
          await coordinator.kill()
          await outage(load, refused)
          await coordinator.restart()
          const restartedMs = performance.now()
          await load.more(SOME / 2)
          backMs = Math.max(backMs, performance.now() - restartedMs)
        }
        t.diagnostic(`${summary(await check(load))}; ${SOME / 2} more within ${Math.round(backMs)} ms`)
      })

      test('a shard is moved to the other worker and back: nothing is lost or done twice', async (t) => {
        const load = start()
        await load.more(SOME)
        const { shard, from, to } = await cluster().placeOf(url, CLIENT, 'orders')
        await cluster().move(url, shard, from, to)
        assert.equal((await cluster().placeOf(url, CLIENT, 'orders')).from, to)
        await load.more(SOME)
        await cluster().move(url, shard, to, from)
        await load.more(SOME)
        t.diagnostic(summary(await check(load)))
      })

      test('a worker is added and gets the shard: nothing is lost or done twice', async (t) => {
        const load = start()
        await load.more(SOME)
        const added = await cluster().addWorker(url)
        const { shard, from } = await cluster().placeOf(url, CLIENT, 'orders')
        const to = Number(new URL(added.url).port)
        await cluster().move(url, shard, from, to)
        await load.more(SOME)
        t.diagnostic(summary(await check(load)))
        await cluster().move(url, shard, to, from)
      })
    })
  }
}

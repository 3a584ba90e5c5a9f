/*
 * npm run test:patroni: the service on two members of PostgreSQL that Patroni leads with one etcd, under load, with the keys in
 * Redis and in PostgreSQL: a switchover, SIGKILL to the leader, and etcd away; the first two also with HAProxy in front of the
 * members. Needs patroni, etcd-server, haproxy and PostgreSQL of Debian (apt-get install patroni python3-etcd etcd-server haproxy
 * postgresql). Takes eight minutes. docs/engines.md has the results.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Load, met, summary } from '../support/order-load.ts'
import { endPatientLoad, startPatientLoad } from '../support/patient-load.ts'
import { type PatroniCluster, startPatroni } from '../support/patroni.ts'
import { startRedis, type ThrowawayServer } from '../support/servers.ts'
import { type Service, startService } from '../support/service.ts'

/** Longer than the ttl and a retry: a leader that is to give up has given up. */
const AWAY_MS = 40_000
const SOME = 300

/** How the services reach the leader, and where their keys are. */
const DIRECT = [
  ['both members in DATABASE_URL', 'redis'],
  ['both members in DATABASE_URL', 'postgres'],
] as const
const BY_HAPROXY = [
  ['HAProxy', 'redis'],
  ['HAProxy', 'postgres'],
] as const

let redis: ThrowawayServer
before(async () => {
  redis = await startRedis()
})
after(() => redis.stop())

for (const failsafe of [true, false]) {
  describe(`failsafe_mode ${failsafe ? 'on' : 'off'}`, () => {
    let cluster: PatroniCluster
    before(async () => {
      cluster = await startPatroni({ failsafe })
    })
    after(() => cluster?.stop())

    for (const [by, keys] of failsafe ? [...DIRECT, ...BY_HAPROXY] : DIRECT) {
      describe(`${by}, keys in ${keys}`, () => {
        const name = `orders_${by === 'HAProxy' ? 'haproxy_' : ''}${keys}`
        let nodes: [Service, Service]
        before(async () => {
          const members = await cluster.createDatabase(name)
          const settings = {
            DATABASE_URL: by === 'HAProxy' ? await cluster.behindHaproxy(name) : members,
            RATE_LIMITS: 'none',
            LOG_LEVEL: 'error',
            ...(keys === 'redis'
              ? { REDIS_URL: redis.url, REDIS_PREFIX: `${failsafe}${by === 'HAProxy'}` }
              : {}),
          }
          const first = await startService(settings)
          nodes = [first, await startService(settings)]
        })
        after(() => Promise.all((nodes ?? []).map((node) => node.kill())))

        const start = () => startPatientLoad(nodes)
        /** On the member that leads now. */
        const check = (load: Load) => endPatientLoad(load, () => cluster.onLeader(name))

        if (failsafe) {
          test('a switchover: nothing acknowledged is lost, nothing done twice', async (t) => {
            const load = start()
            await load.more(SOME)
            await cluster.switchOver()
            const back = Date.now()
            await load.more(SOME)
            const history = await check(load)
            t.diagnostic(`${summary(history)}; ${SOME} more within ${Date.now() - back} ms afterwards`)
          })

          test('SIGKILL to the leader: the synchronous standby has every order that was acknowledged', async (t) => {
            const load = start()
            await load.more(SOME)
            const killedMs = performance.now()
            const startAgain = await cluster.killLeader()
            await load.more(SOME)
            const awayMs = performance.now() - killedMs
            assert.ok(met(load.history, '503 store_unavailable') > 0, 'no request met the outage')
            await startAgain()
            await load.more(SOME)
            const history = await check(load)
            t.diagnostic(`${summary(history)}; ${SOME} more within ${Math.round(awayMs)} ms of the kill`)
          })
        }

        if (by === 'HAProxy') return
        test(`etcd away: ${failsafe ? 'the leader goes on' : 'the leader gives up, and leads again when it is back'}`, async (t) => {
          const load = start()
          await load.more(SOME)
          await cluster.etcd.stop()
          await sleep(AWAY_MS)
          const leaders = await cluster.leaders()
          const refused = met(load.history, '503 store_unavailable')
          await cluster.etcd.start()
          await load.more(SOME)
          const history = await check(load)
          if (failsafe) assert.deepEqual([leaders.length, refused], [1, 0])
          else assert.ok(leaders.length === 0 && refused > 0, `${leaders.length} leaders, ${refused} refused`)
          t.diagnostic(`${summary(history)}; ${refused} refused while etcd was away`)
        })
      })
    }
  })
}

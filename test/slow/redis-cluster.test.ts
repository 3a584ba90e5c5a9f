import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { ServiceError } from '../../internal/core/service-error.ts'
import { keySlot } from '../../internal/database/key-slot.ts'
import { connectRedis } from '../../internal/database/redis.ts'
import { redisRecords } from '../../internal/idempotency/redis-records.ts'
import { redisStore } from '../../internal/idempotency/redis-store.ts'
import { parseRateLimits } from '../../internal/ratelimit/rate-limits.ts'
import { RedisLimiter } from '../../internal/ratelimit/redis-limiter.ts'
import { checkRedis } from '../../src/cli/check-redis.ts'
import { onRedis } from '../support/on-redis.ts'
import { portOf, slotOf, startRedisCluster } from '../support/redis-cluster.ts'
import { connected } from '../support/redis-ready.ts'
import type { ThrowawayServer } from '../support/servers.ts'
import { until } from '../support/until.ts'

const cluster = await startRedisCluster({ masters: 3 })
const redis = await connected(connectRedis(cluster.url))
after(async () => {
  await redis.close()
  await cluster.stop()
})
const store = redisStore(redis, { ttlMs: 60_000 })
const records = redisRecords(redis, { ttlMs: 60_000 })
const limiter = new RedisLimiter(redis)
const FINGERPRINT = 'a'.repeat(64)
const TOKEN = '0'.repeat(32)
const RESPONSE = { status: 201, headers: {}, body: Buffer.from('{}') }
/** Enough keys that every master, and most of the slots, have some of them. */
const CLIENTS = 2_000

const settingsOf = (redisUrl: string) => ({
  redisUrl,
  redisPrefix: 'test-doctor',
  databaseUrl: undefined,
  dataDir: '',
})

test('the slot of a key is the one that Redis computes', async () => {
  for (const key of ['', 'a', '{}b', '{a}b', 'x{a}{b}', 'a{b', 'a}b{', '{{a}}', 'é{ü}', 'k'.repeat(300)]) {
    assert.equal(keySlot(key), await slotOf(cluster.masters, key), key)
  }
})

test('the doctor checks every master and the slots', async () => {
  const findings = await checkRedis(settingsOf(cluster.url))
  assert.deepEqual(
    findings.filter(({ ok }) => !ok),
    [],
  )
  const lines = findings.map(({ check, detail }) => `${check}: ${detail}`)
  for (const { url } of cluster.masters) {
    const { host } = new URL(url)
    assert.ok(lines.includes(`redis maxmemory-policy: ${host}: noeviction`), lines.join('\n'))
  }
  assert.ok(lines.includes('redis cluster: state ok, 3 masters of 3 nodes, 16384 of 16384 slots served'))
})

test('the keys of every verb, of the log of an operator and of every limit of a client are in one slot', async () => {
  const everyScope = parseRateLimits('global=9000/60s,client=9/60s,ip=9000/60s,endpoint=9/60s')
  const perClient = parseRateLimits('client=9/60s,client=9/1s:token-bucket,endpoint=9/60s:fixed-window')
  let next = 0
  const worker = async () => {
    for (let n = next++; n < CLIENTS; n = next++) {
      const client = `client.${n}-${n % 7}_x`
      const id = { client, scope: 'POST /orders/{id}', key: `{k}:${n}` }
      assert.equal((await store.claim(id, FINGERPRINT, TOKEN, 0)).outcome, 'acquired')
      assert.equal(await store.renew(id, TOKEN, 0), true)
      assert.equal(await store.dispatch(id, TOKEN), true)
      assert.equal(await store.resolve(id, TOKEN, RESPONSE, { by: 'jane' }), true)
      assert.equal((await store.claim(id, FINGERPRINT, TOKEN, 0)).outcome, 'replay')
      const who = { client, ip: `2001:db8::${n}`, route: 'POST /orders', group: 'v1' }
      assert.equal((await limiter.decide(everyScope, who)).allowed, true)
      assert.equal((await limiter.decide(perClient, who)).allowed, true)
    }
  }
  await Promise.all(Array.from({ length: 50 }, worker))
  for (const { url } of cluster.masters) {
    const keys = Number(await onRedis(url, 'DBSIZE'))
    assert.ok(keys > CLIENTS / 2, `a master has ${keys} keys: the work is not spread`)
  }
  const listed = new Set<string>()
  for await (const { id } of records.list({ state: 'completed' })) listed.add(id.client)
  assert.equal(listed.size, CLIENTS)
  const resolved = new Set<string>()
  for await (const { client } of records.log(undefined)) resolved.add(client)
  assert.equal(resolved.size, CLIENTS)
})

/** Claims, replays and rate limits of one client in the slot that moves, and of many other clients. */
async function work(clients: readonly string[], until: () => boolean): Promise<number> {
  const limits = parseRateLimits('client=1000000/600s,client=1000000/900s')
  let done = 0
  const worker = async (client: string) => {
    for (let n = 0; !until() || n < 3; n++) {
      const id = { client, scope: 'POST /orders', key: `moving-${n % 50}` }
      const claim = await store.claim(id, FINGERPRINT, TOKEN, 60_000)
      if (claim.outcome === 'acquired') assert.equal(await store.complete(id, TOKEN, RESPONSE), true)
      const who = { client, ip: '::1', route: 'POST /orders', group: 'orders' }
      const { statuses } = await limiter.decide(limits, who)
      assert.deepEqual(
        statuses.map(({ remaining }) => remaining),
        [1_000_000 - n - 1, 1_000_000 - n - 1],
        `${client}: each request counts once`,
      )
      done++
      await turn()
    }
  }
  await Promise.all(clients.map(worker))
  return done
}

const idOf = async ({ url }: ThrowawayServer) => String(await onRedis(url, 'CLUSTER', 'MYID'))

async function beginToMove(slot: string, from: ThrowawayServer, to: ThrowawayServer): Promise<void> {
  await onRedis(to.url, 'CLUSTER', 'SETSLOT', slot, 'IMPORTING', await idOf(from))
  await onRedis(from.url, 'CLUSTER', 'SETSLOT', slot, 'MIGRATING', await idOf(to))
}

async function moveSlot(slot: string, from: ThrowawayServer, to: ThrowawayServer): Promise<void> {
  await beginToMove(slot, from, to)
  for (;;) {
    // One at a time, so that some keys of a decision are on each node.
    const keys = await onRedis(from.url, 'CLUSTER', 'GETKEYSINSLOT', slot, '1')
    if (!Array.isArray(keys) || keys.length === 0) break
    await onRedis(from.url, 'MIGRATE', '127.0.0.1', portOf(to), '', '0', '5000', 'KEYS', ...keys.map(String))
  }
  for (const { url } of [to, from, ...cluster.masters]) {
    await onRedis(url, 'CLUSTER', 'SETSLOT', slot, 'NODE', await idOf(to))
  }
}

test('while a slot moves to another master, requests continue on both, and each takes effect once', async () => {
  const clients = ['mover', ...Array.from({ length: 40 }, (_, n) => `stays-${n}`)]
  const slot = String(await slotOf(cluster.masters, '{mover}'))
  const home = await cluster.masterOf('{mover}')
  const [other] = cluster.masters.filter((master) => master !== home)
  assert.ok(other)
  let moved = false
  const working = work(clients, () => moved)
  for (const [from, to] of [
    [home, other],
    [other, home],
    [home, other],
  ] as const) {
    await moveSlot(slot, from, to)
  }
  moved = true
  assert.ok((await working) > clients.length * 3)
})

/** The number of TRYAGAIN responses of the nodes. */
async function tryAgains(): Promise<number> {
  const texts = await Promise.all(cluster.masters.map(({ url }) => onRedis(url, 'INFO', 'errorstats')))
  const counts = texts.map((text) => Number(/errorstat_TRYAGAIN:count=(\d+)/.exec(String(text))?.[1] ?? 0))
  return counts.reduce((sum, count) => sum + count, 0)
}

test('while a slot moves, new keys of its clients are claimed, and a command with several keys waits for its end', async () => {
  const client = 'newcomer'
  const slot = String(await slotOf(cluster.masters, `{${client}}`))
  const home = await cluster.masterOf(`{${client}}`)
  const [other] = cluster.masters.filter((master) => master !== home)
  assert.ok(other)
  await beginToMove(slot, home, other)
  // None of these keys exists: they are in one command, which both nodes refuse.
  const claims = await Promise.all(
    Array.from({ length: 8 }, (_, n) =>
      store.claim({ client, scope: 's', key: `k-${n}` }, FINGERPRINT, TOKEN, 60_000),
    ),
  )
  assert.deepEqual(new Set(claims.map(({ outcome }) => outcome)), new Set(['acquired']))
  const before = await tryAgains()
  assert.ok(before > 0, 'the claims came in one command')

  const limits = parseRateLimits('client=10/600s,client=10/900s')
  const decision = limiter.decide(limits, { client, ip: '::1', route: 'POST /orders', group: 'orders' })
  await until('it has been tried again many times', async () => (await tryAgains()) > before + 12)
  await moveSlot(slot, home, other)
  assert.equal((await decision).allowed, true)
})

test('after the wall clock is set back, no command continues after its deadline', async (t) => {
  const client = 'held-up'
  const slot = String(await slotOf(cluster.masters, `{${client}}`))
  const home = await cluster.masterOf(`{${client}}`)
  const [other] = cluster.masters.filter((master) => master !== home)
  assert.ok(other)
  await beginToMove(slot, home, other)
  const before = await tryAgains()
  const limits = parseRateLimits('client=10/600s,client=10/900s')
  const decision = limiter.decide(limits, { client, ip: '::1', route: 'POST /orders', group: 'orders' })
  const refused = assert.rejects(decision, ServiceError)
  await until('it has been tried again', async () => (await tryAgains()) > before)
  const real = Date.now
  t.mock.method(Date, 'now', () => real() - 3_600_000)
  await refused
  await sleep(500)
  const after = await tryAgains()
  await sleep(500)
  assert.equal(await tryAgains(), after)
  await moveSlot(slot, home, other)
})

test('without full coverage a dead master is an outage only for its clients, and a list of keys is never incomplete', async () => {
  const [gone, ...others] = cluster.masters
  for (const { url } of cluster.masters)
    await onRedis(url, 'CONFIG', 'SET', 'cluster-require-full-coverage', 'no')
  const clients = Array.from({ length: 30 }, (_, n) => ({ client: `c-${n}`, scope: 's', key: 'k' }))
  const homes = await Promise.all(clients.map(({ client }) => cluster.masterOf(`{${client}}`)))
  await gone?.kill()
  const isAway = (error: unknown) => error instanceof ServiceError && error.code === 'store_unavailable'
  const claimAll = async () => {
    const startedMs = Date.now()
    const claims = await Promise.allSettled(clients.map((id) => store.claim(id, FINGERPRINT, TOKEN, 0)))
    assert.ok(Date.now() - startedMs < 2_000)
    for (const [n, claim] of claims.entries()) {
      if (homes[n] !== gone) assert.equal(claim.status, 'fulfilled', `${clients[n]?.client}`)
      else assert.ok(claim.status === 'rejected' && isAway(claim.reason), JSON.stringify(claim))
    }
  }
  await claimAll()
  const deadline = Date.now() + 30_000
  while (!String(await onRedis(others[0]?.url ?? '', 'CLUSTER', 'INFO')).includes('cluster_slots_fail:546')) {
    assert.ok(Date.now() < deadline, 'the cluster does not miss its master')
    await sleep(50)
  }
  await claimAll()
  await assert.rejects(async () => {
    for await (const record of records.list({})) assert.ok(record)
  }, isAway)
  const faults = (await checkRedis(settingsOf(cluster.url))).filter(({ ok }) => !ok)
  assert.deepEqual(faults.map(({ check }) => check).sort(), ['redis', 'redis cluster'])
})

import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { redisNames } from '../../internal/idempotency/redis-names.ts'
import { redisRecords } from '../../internal/idempotency/redis-records.ts'
import { redisStore } from '../../internal/idempotency/redis-store.ts'
import type { KeyId, StoredResponse } from '../../internal/idempotency/store.ts'
import { startOwnRedis } from '../support/own-redis.ts'

const { redis, raw } = await startOwnRedis()
const options = { ttlMs: 86_400_000 }
const store = redisStore(redis, options)
const records = redisRecords(redis, options)
const token = () => randomBytes(16).toString('hex')
const idOf = (client: string): KeyId => ({ client, scope: 'POST /orders', key: randomUUID() })
const BYTES_BESIDES = 400

test(`an answered key takes at most ${BYTES_BESIDES} bytes of Redis besides its response`, async () => {
  const response: StoredResponse = {
    status: 201,
    headers: { 'Content-Type': 'application/json; charset=utf-8', Location: `/orders/${randomUUID()}` },
    body: randomBytes(250),
  }
  const used = async () => Number(/^used_memory:(\d+)/m.exec(await raw.info('memory'))?.[1])
  const place = async (n: number) => {
    const id = idOf(`partner-${n % 500}`)
    const mine = token()
    await store.claim(id, randomBytes(32).toString('hex'), mine, 30_000)
    assert.equal(await store.complete(id, mine, response), true)
  }
  // What the first one brings, scripts and buffers, is none of its server.
  await Promise.all(Array.from({ length: 50 }, (_, n) => place(n)))
  const before = await used()
  // The tables of Redis double: a number of keys at which they are as empty as they can be would do it no justice.
  const keys = 6_000
  for (let n = 0; n < keys; n += 50) await Promise.all(Array.from({ length: 50 }, (_, i) => place(n + i)))
  const responseBytes = response.body.length + JSON.stringify(response.headers).length
  const besides = ((await used()) - before) / keys - responseBytes
  assert.ok(besides <= BYTES_BESIDES, `${besides.toFixed(0)} bytes`)
})

test('a response that the version before recorded is replayed and shown, and stays what it is', async () => {
  const id = idOf('acme')
  const name = redisNames().record(id)
  const [mine, fingerprint] = [token(), 'a'.repeat(64)]
  const response = { status: 201, headers: { Location: '/orders/1' }, body: Buffer.from([0, 255, 10]) }
  await raw.hset(name, {
    fingerprint,
    state: 'completed',
    token: mine,
    attempt: 2,
    status: 201,
    body: response.body,
    headers: JSON.stringify(response.headers),
  })
  await raw.pexpire(name, options.ttlMs)
  assert.deepEqual(await store.claim(id, fingerprint, token(), 1_000), { outcome: 'replay', response })
  const mismatch = { outcome: 'mismatch', fingerprint, isCompleted: false }
  assert.deepEqual(await store.claim(id, 'b'.repeat(64), token(), 1_000), mismatch)
  assert.equal(await store.renew(id, mine, 1_000), false)
  assert.equal(await store.complete(id, mine, { ...response, status: 200 }), true, 'as it was')
  assert.deepEqual(await records.response(id), response)
  const shown = await records.show(id)
  assert.deepEqual([shown?.state, shown?.status, shown?.attempt], ['completed', 201, 2])
})

test('what the version before holds can be completed by a node of this one', async () => {
  const id = idOf('acme')
  const [mine, fingerprint] = [token(), 'a'.repeat(64)]
  const held = {
    fingerprint,
    state: 'in_progress',
    token: mine,
    attempt: 1,
    lease_until: Date.now() + 60_000,
  }
  await raw.hset(redisNames().record(id), held)
  assert.equal((await store.claim(id, fingerprint, token(), 1_000)).outcome, 'in_progress')
  const response = { status: 201, headers: {}, body: Buffer.from('{}') }
  assert.equal(await store.complete(id, mine, response), true)
  assert.deepEqual(await store.claim(id, fingerprint, token(), 1_000), { outcome: 'replay', response })
})

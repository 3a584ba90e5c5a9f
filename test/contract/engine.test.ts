import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ServiceError } from '../../internal/core/service-error.ts'
import {
  type EngineOptions,
  type HandlerResult,
  type HeldKey,
  IdempotencyEngine,
  type Outcome,
} from '../../internal/idempotency/engine.ts'
import { redisStore } from '../../internal/idempotency/redis-store.ts'
import type { IdempotencyStore, KeyId } from '../../internal/idempotency/store.ts'
import { newKeyId } from '../support/key-id.ts'
import { startOwnRedis } from '../support/own-redis.ts'
import { connected } from '../support/redis-ready.ts'

const { server, redis, raw } = await startOwnRedis({ deadlineMs: 300 })
const store = redisStore(redis, { ttlMs: 60_000, prefix: 'engine' })

const FINGERPRINT = 'a'.repeat(64)

function engineWith(options: Partial<EngineOptions> = {}) {
  const outcomes: Outcome[] = []
  const troubles: string[] = []
  const engine = new IdempotencyEngine({
    store,
    leaseMs: 3_000,
    maxAgeMs: 60_000,
    onUnknown: 'takeover',
    onOutcome: (outcome) => outcomes.push(outcome),
    onTrouble: (verb) => troubles.push(verb),
    ...options,
  })
  return { engine, outcomes, troubles }
}

const answered = (text: string, outcome: HandlerResult['outcome'] = 'completed'): HandlerResult => ({
  response: { status: 201, headers: {}, body: Buffer.from(text) },
  outcome,
  replayed: false,
})

const refusedWith = (code: string) => (error: unknown) => error instanceof ServiceError && error.code === code

test('of 30 concurrent runs one handles and the others replay or are told to wait', async () => {
  const { engine } = engineWith()
  const id = newKeyId()
  let handled = 0
  const runs = Array.from({ length: 30 }, () =>
    engine.run(id, FINGERPRINT, async () => {
      handled++
      await sleep(30)
      return answered('once')
    }),
  )
  const settled = await Promise.allSettled(runs)
  assert.equal(handled, 1)
  for (const result of settled) {
    if (result.status === 'fulfilled') assert.equal(result.value.response.body.toString(), 'once')
    else assert.ok(refusedWith('request_in_progress')(result.reason))
  }
  assert.equal(settled.filter((result) => result.status === 'fulfilled').length, 1)
})

test('a run after the first is a replay and does not handle again', async () => {
  const { engine, outcomes } = engineWith()
  const id = newKeyId()
  await engine.run(id, FINGERPRINT, async () => answered('first'))
  const again = await engine.run(id, FINGERPRINT, () => assert.fail('handled twice'))
  assert.deepEqual([again.replayed, again.response.body.toString()], [true, 'first'])
  assert.deepEqual(outcomes, ['fresh', 'replay'])
})

test('another fingerprint is refused as a reused key, before and after completion', async () => {
  const { engine } = engineWith()
  const id = newKeyId()
  await engine.run(id, FINGERPRINT, async () => {
    await assert.rejects(
      engine.run(id, 'b'.repeat(64), () => assert.fail('handled')),
      refusedWith('idempotency_key_reused'),
    )
    return answered('first')
  })
  await assert.rejects(
    engine.run(id, 'b'.repeat(64), () => assert.fail('handled')),
    refusedWith('idempotency_key_reused'),
  )
})

test('the heartbeat keeps a lease for a handler that works several times as long', async () => {
  const { engine } = engineWith({ leaseMs: 300 })
  const id = newKeyId()
  const first = engine.run(id, FINGERPRINT, async () => {
    await sleep(1_000)
    return answered('slow')
  })
  for (let i = 0; i < 8; i++) {
    await sleep(100)
    await assert.rejects(
      engine.run(id, FINGERPRINT, () => assert.fail('taken over')),
      refusedWith('request_in_progress'),
    )
  }
  assert.equal((await first).response.body.toString(), 'slow')
  assert.equal((await engine.run(id, FINGERPRINT, () => assert.fail('again'))).replayed, true)
})

test('a handler older than the maximum age is aborted, loses its key and cannot complete', async () => {
  const { engine, troubles } = engineWith({ leaseMs: 200, maxAgeMs: 400 })
  const id = newKeyId()
  let signal: AbortSignal | undefined
  const stuck = engine.run(id, FINGERPRINT, async (holding) => {
    signal = holding.signal
    await sleep(1_200)
    return answered('too late')
  })
  await sleep(900)
  assert.equal(signal?.aborted, true)
  assert.match(String(signal?.reason), /400 ms, the longest/)
  const second = await engine.run(id, FINGERPRINT, async (holding) => answered(`attempt ${holding.attempt}`))
  assert.equal(second.response.body.toString(), 'attempt 2')
  await stuck
  assert.deepEqual(troubles, ['complete'])
  const replay = await engine.run(id, FINGERPRINT, () => assert.fail('again'))
  assert.equal(replay.response.body.toString(), 'attempt 2')
})

test('a lease lost to another attempt aborts the handler', { timeout: 10_000 }, async () => {
  const { engine } = engineWith({ leaseMs: 150 })
  const id = newKeyId()
  await engine.run(id, FINGERPRINT, async (holding) => {
    const aborted = new Promise((resolve) => holding.signal.addEventListener('abort', resolve))
    // As a flush, or a failover to a replica that never heard of the lock, would do it.
    await flush()
    await aborted
    return answered('late')
  })
})

test('a response after which nothing happened frees the key for another request', async () => {
  const { engine } = engineWith()
  const id = newKeyId()
  await engine.run(id, FINGERPRINT, async () => answered('bad', 'not_executed'))
  const next = await engine.run(id, 'b'.repeat(64), async () => answered('good'))
  assert.deepEqual([next.replayed, next.response.body.toString()], [false, 'good'])
})

test('after an unknown outcome the next run takes over at once and is told so', async () => {
  const { engine, outcomes } = engineWith()
  const id = newKeyId()
  await engine.run(id, FINGERPRINT, async () => answered('?', { unknown: 'not_told' }))
  const next = await engine.run(id, FINGERPRINT, async (holding: HeldKey) => {
    assert.equal(holding.attempt, 2)
    return { ...answered('found'), replayed: true }
  })
  assert.deepEqual([next.replayed, next.response.body.toString()], [true, 'found'])
  assert.deepEqual(outcomes, ['fresh', 'replay'])
})

test('what a handler throws counts as unknown: the next run is told that it is the second', async () => {
  const { engine, outcomes } = engineWith()
  const id = newKeyId()
  await assert.rejects(
    engine.run(id, FINGERPRINT, () => Promise.reject(new Error('defect'))),
    /defect/,
  )
  await engine.run(id, FINGERPRINT, async (holding) => {
    assert.equal(holding.attempt, 2)
    return answered('mended')
  })
  assert.deepEqual(outcomes, ['takeover'])
})

test('with hold, an unknown outcome is never run again', async () => {
  const { engine } = engineWith({ onUnknown: 'hold', leaseMs: 100 })
  const id = newKeyId()
  await engine.run(id, FINGERPRINT, async () => answered('?', { unknown: 'not_told' }))
  await sleep(200)
  await assert.rejects(
    engine.run(id, FINGERPRINT, () => assert.fail('ran again')),
    refusedWith('outcome_unknown'),
  )
})

test('a store that is away while the handler works does not cost the response', async () => {
  const { engine, troubles } = engineWith()
  const id = newKeyId()
  const result = await engine.run(id, FINGERPRINT, async () => {
    server.pause()
    return answered('kept')
  })
  assert.equal(result.response.body.toString(), 'kept')
  assert.deepEqual(troubles, ['complete'])
  server.resume()
  await connected(redis)
  await eventuallyReplayed(engine, id, 'kept')
})

test('a store that throws at once, or returns what is no promise, does not cost the response', async () => {
  for (const [complete, told] of [
    [() => assert.fail('at once'), ['complete']],
    [() => JSON.parse('true'), []],
    [() => JSON.parse('false'), ['complete']],
  ] as const) {
    const { engine, troubles } = engineWith({ store: { ...store, complete } })
    const { response } = await engine.run(newKeyId(), FINGERPRINT, async () => answered('done'))
    assert.equal(response.body.toString(), 'done')
    assert.deepEqual(troubles, told)
  }
})

test('a completion that the store never got is tried again in the background', async () => {
  const id = newKeyId()
  let refused = 0
  const refusing: IdempotencyStore = {
    ...store,
    async complete(...args) {
      if (refused++ > 0) return await store.complete(...args)
      throw new ServiceError('store_unavailable', 'there is no connection')
    },
  }
  const { engine } = engineWith({ store: refusing })
  await engine.run(id, FINGERPRINT, async () => answered('kept'))
  await eventuallyReplayed(engine, id, 'kept')
})

async function eventuallyReplayed(engine: IdempotencyEngine, id: KeyId, text: string): Promise<void> {
  const deadline = Date.now() + 2_900
  for (;;) {
    const replay = await engine.run(id, FINGERPRINT, () => assert.fail('ran again')).catch(() => undefined)
    if (replay !== undefined) {
      assert.equal(replay.response.body.toString(), text)
      return
    }
    assert.ok(Date.now() < deadline, 'the response was never recorded')
    await sleep(100)
  }
}

test('a claim that the store took without responding is let go of when the store is back', async () => {
  const { engine } = engineWith({ leaseMs: 20_000 })
  const id = newKeyId()
  server.pause()
  await assert.rejects(
    engine.run(id, FINGERPRINT, () => assert.fail('handled without a claim')),
    refusedWith('store_unavailable'),
  )
  server.resume()
  await connected(redis)
  const deadline = Date.now() + 5_000
  for (;;) {
    const done = await engine.run(id, FINGERPRINT, async () => answered('free')).catch(() => undefined)
    if (done !== undefined) break
    assert.ok(Date.now() < deadline, 'the key stayed locked for a request that was refused')
    await sleep(100)
  }
})

test('a claim whose reply was lost is asked again and acquired once', async () => {
  const id = newKeyId()
  let lost = 0
  const lossy: IdempotencyStore = {
    ...store,
    async claim(...args) {
      const claim = await store.claim(...args)
      if (lost++ > 0) return claim
      throw new ServiceError('store_unavailable', 'the reply was lost', { effect: 'unknown' })
    },
  }
  const { engine } = engineWith({ store: lossy })
  const result = await engine.run(id, FINGERPRINT, async (holding) => answered(`attempt ${holding.attempt}`))
  assert.equal(result.response.body.toString(), 'attempt 1')
})

async function flush(): Promise<void> {
  await raw.flushall()
}

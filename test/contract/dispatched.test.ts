import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ServiceError } from '../../internal/core/service-error.ts'
import {
  type EngineOptions,
  type HandlerResult,
  IdempotencyEngine,
} from '../../internal/idempotency/engine.ts'
import type { Lookup } from '../../internal/idempotency/lookups.ts'
import { redisStore } from '../../internal/idempotency/redis-store.ts'
import type { IdempotencyStore, StoredResponse, UnknownReason } from '../../internal/idempotency/store.ts'
import { newKeyId } from '../support/key-id.ts'
import { startOwnRedis } from '../support/own-redis.ts'
import { connected } from '../support/redis-ready.ts'
import { until } from '../support/until.ts'

const { server, redis, raw } = await startOwnRedis({ deadlineMs: 300 })
const store = redisStore(redis, { ttlMs: 60_000, prefix: 'dispatched' })

const FINGERPRINT = 'a'.repeat(64)
const RESPONSE: StoredResponse = { status: 201, headers: {}, body: Buffer.from('found') }

function engineWith(options: Partial<EngineOptions> = {}) {
  const troubles: string[] = []
  const engine = new IdempotencyEngine({
    store,
    leaseMs: 3_000,
    maxAgeMs: 60_000,
    onUnknown: 'hold',
    onTrouble: (verb) => troubles.push(verb),
    ...options,
  })
  return { engine, troubles }
}

const answered = (outcome: HandlerResult['outcome'] = 'completed'): HandlerResult => ({
  response: { status: 201, headers: {}, body: Buffer.from('sent') },
  outcome,
  replayed: false,
})
const runAgain = () => assert.fail('it was run again')
const refusedWith = (code: string, detail?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ServiceError, String(error))
  assert.equal(error.code, code)
  if (detail !== undefined) assert.match(error.message, detail)
  return true
}
/** A key that was sent and whose outcome is unknown. */
async function unknownKey(reason: UnknownReason = 'connection_lost') {
  const id = newKeyId('POST /charge')
  const { engine } = engineWith()
  await engine.run(id, FINGERPRINT, async (holding) => {
    await holding.dispatched()
    return answered({ unknown: reason })
  })
  return id
}

test('a dispatched request whose process dies is never run again', async () => {
  const id = newKeyId('POST /charge')
  // Of a process that is gone nothing comes any more: neither a renewal nor an end.
  const dead: IdempotencyStore = { ...store, renew: () => new Promise(() => {}) }
  const { engine } = engineWith({ store: dead, leaseMs: 200 })
  await new Promise<void>((sent) => {
    void engine.run(id, FINGERPRINT, async (holding) => {
      await holding.dispatched()
      sent()
      return await new Promise<never>(() => {})
    })
  })
  await sleep(400)
  await assert.rejects(engineWith().engine.run(id, FINGERPRINT, runAgain), refusedWith('outcome_unknown'))
})

test('with takeover nothing is recorded: the next attempt may run it again', async () => {
  const id = newKeyId('POST /charge')
  const { engine } = engineWith({ onUnknown: 'takeover' })
  await engine.run(id, FINGERPRINT, async (holding) => {
    await holding.dispatched()
    return answered({ unknown: 'backend_timeout' })
  })
  const next = await engine.run(id, FINGERPRINT, async (holding) => {
    assert.equal(holding.attempt, 2)
    return answered()
  })
  assert.equal(next.replayed, false)
})

test('what got a response and cannot be replayed is never run again, whatever is done to unknown outcomes', async () => {
  for (const onUnknown of ['hold', 'takeover'] as const) {
    for (const reason of ['answer_too_large', 'answer_streamed'] as const) {
      const id = newKeyId('POST /charge')
      let asked = 0
      const { engine } = engineWith({
        onUnknown,
        async lookup() {
          asked++
          return 'not_executed'
        },
      })
      await engine.run(id, FINGERPRINT, async (holding) => {
        await holding.dispatched()
        return answered({ unknown: reason })
      })
      await assert.rejects(
        engine.run(id, FINGERPRINT, runAgain),
        refusedWith('outcome_unknown', /took effect and got a response/),
      )
      assert.equal(asked, 0, 'there is nothing to find out')
    }
  }
})

test('while the store is away nothing is sent, and the key is free when it is back', async () => {
  // Longer than it is waited for: its end would free the key as well.
  const { engine } = engineWith({ leaseMs: 60_000 })
  const id = newKeyId('POST /charge')
  let sent = false
  const run = engine.run(id, FINGERPRINT, async (holding) => {
    server.pause()
    await holding.dispatched()
    sent = true
    return answered()
  })
  await assert.rejects(run, refusedWith('store_unavailable'))
  await assert.rejects(run, (error) => error instanceof ServiceError && error.effect === 'none')
  server.resume()
  await connected(redis)
  assert.equal(sent, false)
  await until('the key of a request that was never sent is free', async () => {
    const next = await engine.run(id, FINGERPRINT, async () => answered()).catch(() => undefined)
    return next !== undefined
  })
})

test('a dispatch whose reply was lost is asked again', async () => {
  const id = newKeyId('POST /charge')
  let lost = 0
  const lossy: IdempotencyStore = {
    ...store,
    async dispatch(...args) {
      const done = await store.dispatch(...args)
      if (lost++ > 0) return done
      throw new ServiceError('store_unavailable', 'the reply was lost', { effect: 'unknown' })
    },
  }
  const { engine } = engineWith({ store: lossy })
  await engine.run(id, FINGERPRINT, async (holding) => {
    await holding.dispatched()
    return answered()
  })
  assert.equal(lost, 2)
})

test('a handler that has lost its key is told before it sends, and frees nothing of the next one', async () => {
  const id = newKeyId('POST /charge')
  const { engine, troubles } = engineWith()
  const run = engine.run(id, FINGERPRINT, async (holding) => {
    await redisStoreEndsLease(id)
    await engine.run(id, FINGERPRINT, async () => answered())
    await holding.dispatched()
    return assert.fail('it was sent')
  })
  await assert.rejects(run, refusedWith('request_in_progress'))
  assert.deepEqual(troubles, ['release'])
  assert.equal((await engine.run(id, FINGERPRINT, runAgain)).replayed, true)
})

/** As a flush, or a failover to a replica that never heard of the claim, would do it. */
async function redisStoreEndsLease(id: { client: string; scope: string; key: string }): Promise<void> {
  await raw.del(`dispatched:key:{${id.client}}:${id.scope}:${id.key}`)
}

test('a process that was stopped for longer than its lease does not send', async () => {
  const id = newKeyId('POST /charge')
  let nowMs = 0
  const stopped: IdempotencyStore = {
    ...store,
    async dispatch(...args) {
      const done = await store.dispatch(...args)
      nowMs += 3_000
      return done
    },
  }
  const { engine } = engineWith({ store: stopped, now: () => nowMs })
  const run = engine.run(id, FINGERPRINT, async (holding) => {
    await holding.dispatched()
    return assert.fail('it was sent')
  })
  await assert.rejects(run, refusedWith('store_unavailable', /held up/))
  assert.equal((await engineWith().engine.run(id, FINGERPRINT, async () => answered())).replayed, false)
})

test('what a handler throws after it dispatched holds the key', async () => {
  const id = newKeyId('POST /charge')
  const { engine } = engineWith()
  const run = engine.run(id, FINGERPRINT, async (holding) => {
    await holding.dispatched()
    throw new Error('defect')
  })
  await assert.rejects(run, /defect/)
  await assert.rejects(engine.run(id, FINGERPRINT, runAgain), refusedWith('outcome_unknown'))
  const claim = await store.claim(id, FINGERPRINT, 'c'.repeat(32), 1_000)
  assert.ok(claim.outcome === 'unknown' && claim.reason === 'handler_failed')
})

test('a response that is found is recorded and replayed', async () => {
  const id = await unknownKey('backend_timeout')
  const asked: unknown[] = []
  const { engine } = engineWith({
    async lookup(what, { reason, sinceMs }) {
      asked.push([what, reason, sinceMs >= 0])
      return RESPONSE
    },
  })
  for (let retry = 0; retry < 3; retry++) {
    const { response, replayed } = await engine.run(id, FINGERPRINT, runAgain)
    assert.deepEqual([response, replayed], [RESPONSE, true])
  }
  assert.deepEqual(asked, [[id, 'backend_timeout', true]])
})

test('where nothing happened the request is run, once', async () => {
  const id = await unknownKey()
  const { engine } = engineWith({ lookup: async () => 'not_executed' })
  let runs = 0
  const settled = await Promise.allSettled(
    Array.from({ length: 20 }, () =>
      engine.run(id, FINGERPRINT, async (holding) => {
        runs++
        await holding.dispatched()
        return answered()
      }),
    ),
  )
  assert.equal(runs, 1)
  assert.ok(settled.some(({ status }) => status === 'fulfilled'))
})

test('what was found of one attempt is never taken for the next one', async () => {
  const id = await unknownKey()
  const found: (StoredResponse | 'not_executed' | 'unknown')[] = ['not_executed', 'unknown']
  const { engine } = engineWith({ lookup: async () => found.shift() ?? 'unknown' })
  await engine.run(id, FINGERPRINT, async (holding) => {
    await holding.dispatched()
    return answered({ unknown: 'connection_lost' })
  })
  for (let retry = 0; retry < 5; retry++) {
    await assert.rejects(engine.run(id, FINGERPRINT, runAgain), refusedWith('outcome_unknown'))
  }
})

test('a herd of retries asks once, and again no sooner than after a second', async () => {
  const id = await unknownKey()
  let asked = 0
  let nowMs = 0
  const lookup: Lookup = async () => {
    asked++
    await sleep(20)
    return 'unknown'
  }
  const { engine } = engineWith({ lookup, now: () => nowMs })
  const herd = async () => {
    const settled = await Promise.allSettled(
      Array.from({ length: 30 }, () => engine.run(id, FINGERPRINT, runAgain)),
    )
    for (const one of settled)
      assert.ok(one.status === 'rejected' && refusedWith('outcome_unknown')(one.reason))
  }
  await herd()
  await herd()
  assert.equal(asked, 1)
  nowMs += 1_000
  await herd()
  assert.equal(asked, 2)
})

test('a lookup that fails, or does not end, leaves the outcome unknown', { timeout: 30_000 }, async () => {
  const id = await unknownKey()
  const failing = engineWith({ lookup: () => Promise.reject(new Error('connection refused')) })
  await assert.rejects(failing.engine.run(id, FINGERPRINT, runAgain), refusedWith('outcome_unknown'))
  let aborted = false
  const silent = engineWith({
    lookup(_id, _unknown, signal) {
      signal.addEventListener('abort', () => {
        aborted = true
      })
      return new Promise(() => {})
    },
  })
  // A timer that keeps this process alive: the deadline itself does not.
  const alive = setTimeout(() => {}, 20_000)
  await assert.rejects(silent.engine.run(id, FINGERPRINT, runAgain), refusedWith('outcome_unknown'))
  clearTimeout(alive)
  assert.equal(aborted, true)
  assert.deepEqual([failing.troubles, silent.troubles], [['lookup'], ['lookup']])
})

test('a response that arrives while the store is away for longer than a lease is recorded when it is back', async () => {
  const id = newKeyId('POST /charge')
  const { engine } = engineWith({ leaseMs: 600 })
  const run = engine.run(id, FINGERPRINT, async (holding) => {
    await holding.dispatched()
    server.pause()
    await sleep(2_000)
    assert.equal(holding.signal.aborted, false)
    server.resume()
    return answered()
  })
  assert.equal((await run).response.body.toString(), 'sent')
  await connected(redis)
  await until('the response is recorded', async () => {
    const replay = await engine.run(id, FINGERPRINT, runAgain).catch(() => undefined)
    return replay?.response.body.toString() === 'sent'
  })
})

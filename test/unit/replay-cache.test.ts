import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IdempotencyEngine } from '../../internal/idempotency/engine.ts'
import { ReplayCache, type ReplayCacheOptions } from '../../internal/idempotency/replay-cache.ts'
import type { Claim, IdempotencyStore, KeyId, StoredResponse } from '../../internal/idempotency/store.ts'

const ID = { client: 'acme', scope: 'POST /orders', key: 'k-1' }
const FINGERPRINT = 'a'.repeat(64)
const OTHER_FINGERPRINT = 'b'.repeat(64)
const TOKEN = '0'.repeat(32)
const RESPONSE: StoredResponse = {
  status: 201,
  headers: { Location: '/orders/1' },
  body: Buffer.from('{"order":1}'),
}
const DAY_MS = 86_400_000

/** Runs requests whose handler has a response of its own, over a store that is told here what it responds to a claim. */
function cached(says: () => Claim, options: ReplayCacheOptions) {
  let claims = 0
  const store: IdempotencyStore = {
    async claim() {
      claims++
      return says()
    },
    dispatch: async () => assert.fail('nothing is dispatched here'),
    renew: async () => true,
    complete: async () => true,
    release: async () => true,
    resolve: async () => assert.fail('nothing is resolved here'),
  }
  const engine = new IdempotencyEngine({ store, replays: new ReplayCache(options), onUnknown: 'hold' })
  const handled = async () => ({ response: RESPONSE, outcome: 'completed', replayed: false }) as const
  return {
    run: (id: KeyId = ID, fingerprint = FINGERPRINT) => engine.run(id, fingerprint, handled),
    claims: () => claims,
  }
}

const replay = (): Claim => ({ outcome: 'replay', response: RESPONSE })
const REPLAYED = { response: RESPONSE, replayed: true }

test('a response that was replayed is known, for its own client, scope and key', async () => {
  const { run, claims } = cached(replay, { ttlMs: DAY_MS })
  for (let i = 0; i < 3; i++) assert.deepEqual(await run(), REPLAYED)
  assert.equal(claims(), 1)
  for (const other of [{ client: 'other' }, { scope: 'POST /pay' }, { key: 'k-2' }])
    await run({ ...ID, ...other })
  assert.equal(claims(), 4)
})

test('another request with the key of a known response is refused, and the store is not asked', async () => {
  const { run, claims } = cached(replay, { ttlMs: DAY_MS })
  await run()
  await assert.rejects(run(ID, OTHER_FINGERPRINT), { code: 'idempotency_key_reused' })
  assert.equal(claims(), 1)
})

test('another request with the key of a completed request is refused, and the store is asked once', async () => {
  let claim: Claim = { outcome: 'mismatch', fingerprint: OTHER_FINGERPRINT, isCompleted: true }
  const { run, claims } = cached(() => claim, { ttlMs: DAY_MS })
  for (let i = 0; i < 3; i++) await assert.rejects(run(), { code: 'idempotency_key_reused' })
  assert.equal(claims(), 1)
  claim = replay()
  for (let i = 0; i < 2; i++) assert.deepEqual(await run(ID, OTHER_FINGERPRINT), REPLAYED)
  assert.equal(claims(), 2, 'only its fingerprint was known')
  await assert.rejects(run(), { code: 'idempotency_key_reused' })
  assert.equal(claims(), 2)
})

test('what is not finished is asked each time', async () => {
  const unfinished: [Claim, string][] = [
    [{ outcome: 'in_progress', retryAfterMs: 1 }, 'request_in_progress'],
    [{ outcome: 'mismatch', fingerprint: OTHER_FINGERPRINT }, 'idempotency_key_reused'],
    [{ outcome: 'unknown', reason: 'not_told', sinceMs: 1, held: TOKEN }, 'outcome_unknown'],
  ]
  for (const [claim, code] of unfinished) {
    const { run, claims } = cached(() => claim, { ttlMs: DAY_MS })
    for (let i = 0; i < 2; i++) await assert.rejects(run(), { code })
    assert.equal(claims(), 2, claim.outcome)
  }
  const { run, claims } = cached(() => ({ outcome: 'acquired', attempt: 1 }), { ttlMs: DAY_MS })
  for (let i = 0; i < 2; i++) assert.equal((await run()).replayed, false)
  assert.equal(claims(), 2)
})

test('it is known for a hundredth of its time, a minute at most', async () => {
  for (const [ttlMs, keptMs] of [
    [DAY_MS, 60_000],
    [10_000, 100],
  ] as const) {
    let now = 1_000
    const { run, claims } = cached(replay, { ttlMs, now: () => now })
    await run()
    now += keptMs
    await run()
    assert.equal(claims(), 1)
    now += 1
    await run()
    assert.equal(claims(), 2)
  }
})

test('it takes no more than its share of memory, and the longest unused goes first', async () => {
  const { run, claims } = cached(replay, { ttlMs: DAY_MS, maxBytes: 2_000 })
  const ask = (key: string) => run({ ...ID, key })
  for (const key of ['a', 'b', 'a', 'c']) await ask(key)
  assert.equal(claims(), 3)
  await ask('a')
  assert.equal(claims(), 3)
  await ask('b')
  assert.equal(claims(), 4)
})

test('a large response is not kept, and what the driver does with its bytes later changes no response', async () => {
  const large = cached(() => ({ outcome: 'replay', response: { ...RESPONSE, body: Buffer.alloc(70_000) } }), {
    ttlMs: DAY_MS,
  })
  for (let i = 0; i < 2; i++) await large.run()
  assert.equal(large.claims(), 2)

  const body = Buffer.from('{"order":1}')
  const known = cached(() => ({ outcome: 'replay', response: { ...RESPONSE, body } }), { ttlMs: DAY_MS })
  await known.run()
  body.fill('x')
  assert.deepEqual(await known.run(), REPLAYED)
})

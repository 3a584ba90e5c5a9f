import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ReplayCache,
  type ReplayCacheOptions,
  withReplayCache,
} from '../../internal/idempotency/replay-cache.ts'
import type { Claim, IdempotencyStore, StoredResponse } from '../../internal/idempotency/store.ts'

const ID = { client: 'acme', scope: 'POST /orders', key: 'k-1' }
const FINGERPRINT = 'a'.repeat(64)
const TOKEN = '0'.repeat(32)
const RESPONSE: StoredResponse = {
  status: 201,
  headers: { Location: '/orders/1' },
  body: Buffer.from('{"order":1}'),
}
const DAY_MS = 86_400_000

const cached = (store: IdempotencyStore, options: ReplayCacheOptions) =>
  withReplayCache(store, new ReplayCache(options))

/** Counts its claims, each responded with what is said here; the other verbs are not called in these tests. */
function store(says: () => Claim) {
  let claims = 0
  const unexpected = async () => assert.fail('only claims are asked here')
  const asked: IdempotencyStore = {
    async claim() {
      claims++
      return says()
    },
    dispatch: unexpected,
    renew: unexpected,
    complete: unexpected,
    release: unexpected,
    resolve: unexpected,
  }
  return { asked, claims: () => claims }
}

const replay = (): Claim => ({ outcome: 'replay', response: RESPONSE })

test('a response that was replayed is known, for its own client, scope and key', async () => {
  const { asked, claims } = store(replay)
  const known = cached(asked, { ttlMs: DAY_MS })
  for (let i = 0; i < 3; i++)
    assert.deepEqual(await known.claim(ID, FINGERPRINT, TOKEN, 1), { outcome: 'replay', response: RESPONSE })
  assert.equal(claims(), 1)
  for (const other of [{ client: 'other' }, { scope: 'POST /pay' }, { key: 'k-2' }])
    await known.claim({ ...ID, ...other }, FINGERPRINT, TOKEN, 1)
  assert.equal(claims(), 4)
})

test('another request with the key of a known response is a mismatch', async () => {
  const known = cached(store(replay).asked, { ttlMs: DAY_MS })
  await known.claim(ID, FINGERPRINT, TOKEN, 1)
  const mismatch = { outcome: 'mismatch', fingerprint: FINGERPRINT }
  assert.deepEqual(await known.claim(ID, 'b'.repeat(64), TOKEN, 1), mismatch)
})

test('what is not finished is asked each time', async () => {
  const unfinished: Claim[] = [
    { outcome: 'acquired', attempt: 1 },
    { outcome: 'in_progress', retryAfterMs: 1 },
    { outcome: 'mismatch', fingerprint: FINGERPRINT },
    { outcome: 'unknown', reason: 'not_told', sinceMs: 1, held: TOKEN },
  ]
  for (const claim of unfinished) {
    const { asked, claims } = store(() => claim)
    const known = cached(asked, { ttlMs: DAY_MS })
    for (let i = 0; i < 2; i++) assert.deepEqual(await known.claim(ID, FINGERPRINT, TOKEN, 1), claim)
    assert.equal(claims(), 2, claim.outcome)
  }
})

test('it is known for a hundredth of its time, a minute at most', async () => {
  for (const [ttlMs, keptMs] of [
    [DAY_MS, 60_000],
    [10_000, 100],
  ] as const) {
    let now = 1_000
    const { asked, claims } = store(replay)
    const known = cached(asked, { ttlMs, now: () => now })
    await known.claim(ID, FINGERPRINT, TOKEN, 1)
    now += keptMs
    await known.claim(ID, FINGERPRINT, TOKEN, 1)
    assert.equal(claims(), 1)
    now += 1
    await known.claim(ID, FINGERPRINT, TOKEN, 1)
    assert.equal(claims(), 2)
  }
})

test('it takes no more than its share of memory, and the longest unused goes first', async () => {
  const { asked, claims } = store(replay)
  const known = cached(asked, { ttlMs: DAY_MS, maxBytes: 2_000 })
  const claim = (key: string) => known.claim({ ...ID, key }, FINGERPRINT, TOKEN, 1)
  for (const key of ['a', 'b', 'a', 'c']) await claim(key)
  assert.equal(claims(), 3)
  await claim('a')
  assert.equal(claims(), 3)
  await claim('b')
  assert.equal(claims(), 4)
})

test('a large response is not kept, and what the driver does with its bytes later changes no response', async () => {
  const large = store(() => ({ outcome: 'replay', response: { ...RESPONSE, body: Buffer.alloc(70_000) } }))
  const asked = cached(large.asked, { ttlMs: DAY_MS })
  for (let i = 0; i < 2; i++) await asked.claim(ID, FINGERPRINT, TOKEN, 1)
  assert.equal(large.claims(), 2)

  const body = Buffer.from('{"order":1}')
  const known = cached(store(() => ({ outcome: 'replay', response: { ...RESPONSE, body } })).asked, {
    ttlMs: DAY_MS,
  })
  await known.claim(ID, FINGERPRINT, TOKEN, 1)
  body.fill('x')
  assert.deepEqual(await known.claim(ID, FINGERPRINT, TOKEN, 1), { outcome: 'replay', response: RESPONSE })
})

import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer, IdempotencyStore, KeyId } from '../../internal/idempotency/store.ts'

export interface Subject {
  store: IdempotencyStore
  /** The same store with answers and records that live for `ttlMs`. */
  withTtl(ttlMs: number): IdempotencyStore
  close(): Promise<void>
}

const FINGERPRINT = 'a'.repeat(64)
const OTHER = 'b'.repeat(64)
/** Shorter than any test takes to notice, longer than a slow machine takes between two calls. */
const LEASE_MS = 5_000

const token = () => randomBytes(16).toString('hex')
const newId = (): KeyId => ({ client: 'acme', scope: 'POST /orders', key: randomUUID() })
const ANSWER: Answer = {
  status: 201,
  headers: { 'Content-Type': 'application/octet-stream', Location: '/orders/ä' },
  body: Buffer.from([0, 255, 10, 13, 34, 92, 0xc3, 0x28, 0]),
}

/** What every idempotency store must keep, on a real server. */
export function idempotencyStoreContract(name: string, open: () => Promise<Subject>): void {
  describe(name, () => contract(open))
}

function contract(open: () => Promise<Subject>): void {
  let store: IdempotencyStore
  let subject: Subject
  before(async () => {
    subject = await open()
    store = subject.store
  })
  after(() => subject.close())
  const acquire = async (id: KeyId, leaseMs = LEASE_MS) => {
    const mine = token()
    assert.deepEqual(await store.claim(id, FINGERPRINT, mine, leaseMs), { outcome: 'acquired', attempt: 1 })
    return mine
  }

  test('of 50 concurrent claims exactly one is acquired', async () => {
    const id = newId()
    const claims = await Promise.all(
      Array.from({ length: 50 }, () => store.claim(id, FINGERPRINT, token(), LEASE_MS)),
    )
    const outcomes = claims.map((claim) => claim.outcome)
    assert.equal(outcomes.filter((outcome) => outcome === 'acquired').length, 1)
    assert.equal(outcomes.filter((outcome) => outcome === 'in_progress').length, 49)
  })

  test('a claim under way tells how long its lease still holds', async () => {
    const id = newId()
    await acquire(id)
    const claim = await store.claim(id, FINGERPRINT, token(), LEASE_MS)
    assert.equal(claim.outcome, 'in_progress')
    assert.ok(claim.outcome === 'in_progress' && claim.retryAfterMs > 0 && claim.retryAfterMs <= LEASE_MS)
  })

  test('the same claim asked again gets the same answer', async () => {
    const id = newId()
    const mine = await acquire(id)
    assert.deepEqual(await store.claim(id, FINGERPRINT, mine, LEASE_MS), { outcome: 'acquired', attempt: 1 })
  })

  test('a completed answer is replayed byte for byte', async () => {
    const id = newId()
    const mine = await acquire(id)
    assert.equal(await store.complete(id, mine, ANSWER), true)
    assert.deepEqual(await store.claim(id, FINGERPRINT, token(), LEASE_MS), {
      outcome: 'replay',
      answer: ANSWER,
    })
  })

  test('an empty body is replayed as an empty body', async () => {
    const id = newId()
    const answer: Answer = { status: 204, headers: {}, body: Buffer.alloc(0) }
    await store.complete(id, await acquire(id), answer)
    assert.deepEqual(await store.claim(id, FINGERPRINT, token(), LEASE_MS), { outcome: 'replay', answer })
  })

  test('completing twice with the same token is completing once', async () => {
    const id = newId()
    const mine = await acquire(id)
    assert.equal(await store.complete(id, mine, ANSWER), true)
    assert.equal(await store.complete(id, mine, ANSWER), true)
  })

  test('another fingerprint is a mismatch while the first is under way, completed or unknown', async () => {
    const id = newId()
    const mine = await acquire(id)
    assert.deepEqual(await store.claim(id, OTHER, token(), LEASE_MS), { outcome: 'mismatch' })
    await store.complete(id, mine, ANSWER)
    assert.deepEqual(await store.claim(id, OTHER, token(), LEASE_MS), { outcome: 'mismatch' })
    const held = newId()
    await store.release(held, await acquire(held), 'unknown')
    assert.deepEqual(await store.claim(held, OTHER, token(), LEASE_MS), { outcome: 'mismatch' })
  })

  test('a mismatch is told even after the lease has run out', async () => {
    const id = newId()
    await acquire(id, 0)
    assert.deepEqual(await store.claim(id, OTHER, token(), LEASE_MS), { outcome: 'mismatch' })
  })

  test('a lease that ran out is taken over once, as the next attempt', async () => {
    const id = newId()
    await acquire(id, 0)
    const claims = await Promise.all(
      Array.from({ length: 20 }, () => store.claim(id, FINGERPRINT, token(), LEASE_MS)),
    )
    const acquired = claims.filter((claim) => claim.outcome === 'acquired')
    assert.deepEqual(acquired, [{ outcome: 'acquired', attempt: 2 }])
  })

  test('a stale token can neither renew, complete nor release', async () => {
    const id = newId()
    const stale = await acquire(id, 0)
    const current = token()
    await store.claim(id, FINGERPRINT, current, LEASE_MS)
    assert.equal(await store.renew(id, stale, LEASE_MS), false)
    assert.equal(await store.complete(id, stale, { ...ANSWER, status: 500 }), false)
    assert.equal(await store.release(id, stale, 'nothing happened'), false)
    assert.equal(await store.release(id, stale, 'unknown'), false)
    assert.equal(await store.complete(id, current, ANSWER), true)
    assert.equal(await store.complete(id, stale, { ...ANSWER, status: 500 }), false)
    assert.deepEqual(await store.claim(id, FINGERPRINT, token(), LEASE_MS), {
      outcome: 'replay',
      answer: ANSWER,
    })
  })

  test('an unknown token changes nothing', async () => {
    const id = newId()
    const mine = await acquire(id)
    assert.equal(await store.complete(id, token(), ANSWER), false)
    assert.equal(await store.release(id, token(), 'nothing happened'), false)
    assert.equal(await store.renew(id, mine, LEASE_MS), true)
  })

  test('renewing makes the lease end later, or now', async () => {
    const id = newId()
    const mine = await acquire(id, 0)
    assert.equal(await store.renew(id, mine, LEASE_MS), true)
    assert.equal((await store.claim(id, FINGERPRINT, token(), LEASE_MS)).outcome, 'in_progress')
    assert.equal(await store.renew(id, mine, 0), true)
    const claim = await store.claim(id, FINGERPRINT, token(), LEASE_MS)
    assert.deepEqual(claim, { outcome: 'acquired', attempt: 2 })
  })

  test('a lease runs out on the clock of the store', async () => {
    const id = newId()
    await acquire(id, 60)
    assert.equal((await store.claim(id, FINGERPRINT, token(), LEASE_MS)).outcome, 'in_progress')
    await sleep(100)
    assert.equal((await store.claim(id, FINGERPRINT, token(), LEASE_MS)).outcome, 'acquired')
  })

  test('a completed key can no longer be renewed or released', async () => {
    const id = newId()
    const mine = await acquire(id)
    await store.complete(id, mine, ANSWER)
    assert.equal(await store.renew(id, mine, 0), false)
    assert.equal(await store.release(id, mine, 'nothing happened'), false)
    assert.equal((await store.claim(id, FINGERPRINT, token(), LEASE_MS)).outcome, 'replay')
  })

  test('released after nothing happened, the key is free for any request', async () => {
    const id = newId()
    assert.equal(await store.release(id, await acquire(id), 'nothing happened'), true)
    assert.deepEqual(await store.claim(id, OTHER, token(), LEASE_MS), { outcome: 'acquired', attempt: 1 })
  })

  test('released as unknown, the key is held, also after its lease', async () => {
    const id = newId()
    const mine = await acquire(id, 0)
    assert.equal(await store.release(id, mine, 'unknown'), true)
    assert.deepEqual(await store.claim(id, FINGERPRINT, token(), LEASE_MS), { outcome: 'unknown' })
    assert.equal(await store.complete(id, mine, ANSWER), false)
  })

  test('clients and scopes never see each other', async () => {
    const id = newId()
    await acquire(id)
    await acquire({ ...id, client: 'other' })
    await acquire({ ...id, scope: 'POST /payments' })
    await acquire({ ...id, key: `${id.key} ` })
  })

  test('keys may hold every printable character', async () => {
    const key = `${String.fromCharCode(...Array.from({ length: 95 }, (_, i) => 32 + i))}${randomUUID()}`
    const id = { ...newId(), key }
    await store.complete(id, await acquire(id), ANSWER)
    assert.equal((await store.claim(id, FINGERPRINT, token(), LEASE_MS)).outcome, 'replay')
  })

  test('after its time an answer is forgotten', async () => {
    const short = subject.withTtl(150)
    const id = newId()
    const mine = token()
    await short.claim(id, FINGERPRINT, mine, 50)
    await short.complete(id, mine, ANSWER)
    assert.equal((await short.claim(id, FINGERPRINT, token(), 50)).outcome, 'replay')
    await sleep(250)
    assert.deepEqual(await short.claim(id, OTHER, token(), 50), { outcome: 'acquired', attempt: 1 })
  })

  test('many keys at once are each settled by themselves', async () => {
    const ids = Array.from({ length: 300 }, newId)
    const tokens = await Promise.all(ids.map((id) => acquire(id)))
    const answers = ids.map(
      (id, i): Answer => ({ status: 201, headers: {}, body: Buffer.from(`${i} ${id.key}`) }),
    )
    const done = await Promise.all(
      ids.map((id, i) => store.complete(id, tokens[i] ?? '', answers[i] ?? ANSWER)),
    )
    assert.ok(done.every(Boolean))
    const claims = await Promise.all(ids.map((id) => store.claim(id, FINGERPRINT, token(), LEASE_MS)))
    assert.deepEqual(
      claims,
      answers.map((answer) => ({ outcome: 'replay', answer })),
    )
  })
}

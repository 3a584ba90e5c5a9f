import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { IdempotencyEngine } from '../../internal/idempotency/engine.ts'
import type { KeyRecord, KeyRecords } from '../../internal/idempotency/key-records.ts'
import type { Answer, IdempotencyStore, KeyId } from '../../internal/idempotency/store.ts'

export interface Subject {
  store: IdempotencyStore
  /** The same store with answers and records that live for `ttlMs`. */
  withTtl(ttlMs: number): IdempotencyStore
  records: KeyRecords
  close(): Promise<void>
}

const FINGERPRINT = 'a'.repeat(64)
const OTHER = 'b'.repeat(64)
/** Shorter than any test takes to notice, longer than a slow machine takes between two calls. */
const LEASE_MS = 5_000
/** Where a whole server is looked through. */
const HOUR_MS = 3_600_000

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
  let records: KeyRecords
  let subject: Subject
  before(async () => {
    subject = await open()
    store = subject.store
    records = subject.records
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
    await acquire(id, 600)
    assert.equal((await store.claim(id, FINGERPRINT, token(), LEASE_MS)).outcome, 'in_progress')
    await sleep(700)
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
    await isUnknown(id, 'not_told')
    assert.equal(await store.complete(id, mine, ANSWER), false)
  })

  /** The token that the claim shows as the one of the holder. */
  const isUnknown = async (id: KeyId, reason: string, within = store): Promise<string> => {
    const claim = await within.claim(id, FINGERPRINT, token(), LEASE_MS)
    assert.ok(claim.outcome === 'unknown', claim.outcome)
    assert.equal(claim.reason, reason)
    assert.ok(claim.sinceMs >= 0 && claim.sinceMs < 60_000, `${claim.sinceMs}`)
    return claim.held
  }
  const shown = async (id: KeyId): Promise<KeyRecord> => {
    const record = await records.show(id)
    assert.ok(record !== undefined, 'there is no record')
    return record
  }
  const unknown = async (): Promise<{ id: KeyId; held: string }> => {
    const id = newId()
    const mine = await acquire(id)
    await store.dispatch(id, mine)
    await store.release(id, mine, 'unknown', 'connection_lost')
    return { id, held: mine }
  }
  const JANE = { by: 'jane', reason: 'seen in the ledger' }

  test('a dispatched key is under way while its lease holds, and unknown after it, never taken over', async () => {
    const id = newId()
    const mine = await acquire(id)
    assert.equal(await store.dispatch(id, mine), true)
    assert.equal((await store.claim(id, FINGERPRINT, token(), LEASE_MS)).outcome, 'in_progress')
    assert.equal(await store.renew(id, mine, 0), true)
    assert.equal(await isUnknown(id, 'lease_lost'), mine)
    assert.deepEqual(await store.claim(id, OTHER, token(), LEASE_MS), { outcome: 'mismatch' })
  })

  test('of concurrent claims after the lease of a dispatched key none is acquired', async () => {
    const id = newId()
    await store.dispatch(id, await acquire(id, 0))
    const claims = await Promise.all(
      Array.from({ length: 20 }, () => store.claim(id, FINGERPRINT, token(), LEASE_MS)),
    )
    assert.deepEqual(
      claims.map(({ outcome }) => outcome),
      claims.map(() => 'unknown'),
    )
  })

  test('dispatched twice with the same token is dispatched once', async () => {
    const id = newId()
    const mine = await acquire(id)
    assert.equal(await store.dispatch(id, mine), true)
    await sleep(30)
    assert.equal(await store.dispatch(id, mine), true)
    const { sinceMs = 0 } = await shown(id)
    assert.ok(sinceMs >= 30, `it counts from the first: ${sinceMs}`)
  })

  test('a stale token, and one of a settled key, cannot dispatch', async () => {
    const id = newId()
    const stale = await acquire(id, 0)
    const current = token()
    await store.claim(id, FINGERPRINT, current, LEASE_MS)
    assert.equal(await store.dispatch(id, stale), false)
    assert.equal((await shown(id)).sinceMs, undefined, 'it is not dispatched')
    await store.complete(id, current, ANSWER)
    assert.equal(await store.dispatch(id, current), false)
    assert.equal(await store.dispatch(newId(), current), false)
  })

  test('the holder of a dispatched key may be late: its answer counts after the lease, too', async () => {
    const id = newId()
    const mine = await acquire(id, 0)
    await store.dispatch(id, mine)
    await isUnknown(id, 'lease_lost')
    assert.equal(await store.renew(id, mine, LEASE_MS), true)
    assert.equal((await store.claim(id, FINGERPRINT, token(), LEASE_MS)).outcome, 'in_progress')
    await store.renew(id, mine, 0)
    assert.equal(await store.complete(id, mine, ANSWER), true)
    assert.equal((await store.claim(id, FINGERPRINT, token(), LEASE_MS)).outcome, 'replay')
  })

  test('a dispatched key of which nothing was sent is free again', async () => {
    const id = newId()
    const mine = await acquire(id)
    await store.dispatch(id, mine)
    assert.equal(await store.release(id, mine, 'nothing happened'), true)
    assert.deepEqual(await store.claim(id, OTHER, token(), LEASE_MS), { outcome: 'acquired', attempt: 1 })
  })

  test('the reason of an unknown outcome is told to whoever claims', async () => {
    for (const reason of ['backend_timeout', 'answer_too_large', 'lease_lost'] as const) {
      const id = newId()
      const mine = await acquire(id)
      await store.dispatch(id, mine)
      assert.equal(await store.release(id, mine, 'unknown', reason), true)
      assert.equal(await isUnknown(id, reason), mine)
    }
  })

  test('what is dispatched or unknown has no time to live, and an answer gets one again', async () => {
    const hour = subject.withTtl(3_600_000)
    const ids = [newId(), newId(), newId()] as const
    const [lost, held, answered] = ids
    const mine = token()
    for (const id of ids) {
      await hour.claim(id, FINGERPRINT, mine, 0)
      assert.ok((await shown(id)).expiresMs !== undefined)
      if (id !== held) await hour.dispatch(id, mine)
    }
    await hour.release(held, mine, 'unknown', 'handler_failed')
    await isUnknown(lost, 'lease_lost')
    await isUnknown(held, 'handler_failed')
    for (const id of [lost, held]) assert.equal((await shown(id)).expiresMs, undefined)
    assert.equal(await hour.complete(answered, mine, ANSWER), true)
    const { expiresMs = 0 } = await shown(answered)
    assert.ok(expiresMs > 3_500_000 && expiresMs <= 3_600_000, `${expiresMs}`)
  })

  test('an unknown key that is resolved replays the answer, and only for its time', async () => {
    const { id, held } = await unknown()
    assert.equal(await subject.withTtl(3_600_000).resolve(id, held, ANSWER, JANE), true)
    assert.deepEqual(await store.claim(id, FINGERPRINT, token(), LEASE_MS), {
      outcome: 'replay',
      answer: ANSWER,
    })
    const { expiresMs = 0 } = await shown(id)
    assert.ok(expiresMs > 3_500_000 && expiresMs <= 3_600_000, `${expiresMs}`)
  })

  test('a resolved key says who resolved it; its holder, coming late, is told that it lost', async () => {
    const id = newId()
    const mine = await acquire(id, 0)
    await store.dispatch(id, mine)
    assert.equal(await store.resolve(id, mine, ANSWER, JANE), true)
    assert.equal(await store.complete(id, mine, { ...ANSWER, status: 200 }), false)
    const { state, status, resolvedBy, reason, sinceMs } = await shown(id)
    assert.deepEqual(
      [state, status, resolvedBy, reason, sinceMs],
      ['completed', 201, 'jane', undefined, undefined],
    )
  })

  test('a released key is free for the next attempt, and its holder cannot complete', async () => {
    const { id, held } = await unknown()
    assert.equal(await store.resolve(id, held, 'nothing happened', JANE), true)
    assert.equal(await store.complete(id, held, ANSWER), false)
    assert.equal(await records.show(id), undefined)
    assert.deepEqual(await store.claim(id, FINGERPRINT, token(), LEASE_MS), {
      outcome: 'acquired',
      attempt: 1,
    })
  })

  test('an operator sees the answer that is replayed, byte for byte, and none before there is one', async () => {
    const id = newId()
    const mine = await acquire(id)
    assert.equal(await records.answer(id), undefined)
    const answer = {
      status: 201,
      headers: { 'Set-Cookie': ['a', 'b'] },
      body: Buffer.from([0, 255, 13, 10, 128]),
    }
    await store.complete(id, mine, answer)
    assert.deepEqual(await records.answer(id), answer)
    assert.equal(await records.answer({ ...id, client: 'other' }), undefined)
  })

  test('nobody resolves or releases what is under way, completed, or another attempt by now', async () => {
    const open = newId()
    const mine = await acquire(open)
    const refused = async (id: KeyId, held: string) => {
      assert.equal(await store.resolve(id, held, ANSWER, JANE), false)
      assert.equal(await store.resolve(id, held, 'nothing happened', JANE), false)
    }
    await refused(open, mine)
    await store.dispatch(open, mine)
    await refused(open, mine)
    await store.complete(open, mine, ANSWER)
    await refused(open, mine)
    assert.equal((await store.claim(open, FINGERPRINT, token(), LEASE_MS)).outcome, 'replay')

    const idle = newId()
    await refused(idle, await acquire(idle, 0))
    assert.equal((await store.claim(idle, FINGERPRINT, token(), LEASE_MS)).outcome, 'acquired')

    const { id, held } = await unknown()
    await refused(id, token())
    assert.equal(await store.resolve(id, held, 'nothing happened', JANE), true)
    const next = token()
    await store.claim(id, FINGERPRINT, next, LEASE_MS)
    await store.dispatch(id, next)
    await store.release(id, next, 'unknown', 'backend_timeout')
    await refused(id, held)
    assert.equal(await isUnknown(id, 'backend_timeout'), next)
  })

  test('of 20 who resolve one key at once, one does, and the log has one entry', async () => {
    const { id, held } = await unknown()
    const answers = Array.from({ length: 20 }, (_, i) => ({ ...ANSWER, body: Buffer.from(`${i}`) }))
    const done = await Promise.all(
      answers.map((answer, i) => store.resolve(id, held, answer, { by: `operator ${i}` })),
    )
    assert.equal(done.filter(Boolean).length, 1)
    const winner = done.indexOf(true)
    const claim = await store.claim(id, FINGERPRINT, token(), LEASE_MS)
    assert.deepEqual(claim, { outcome: 'replay', answer: answers[winner] })
    const entries = (await logOf('acme')).filter(({ key }) => key === id.key)
    assert.deepEqual(
      entries.map(({ by }) => by),
      [`operator ${winner}`],
    )
  })

  const logOf = async (client: string | undefined) => {
    const entries = []
    for await (const entry of records.log(client)) entries.push(entry)
    return entries
  }

  test('the log tells who said what, when and why, of one client or of all', async () => {
    const client = `log-${randomUUID()}`
    const made = []
    for (const outcome of [ANSWER, 'nothing happened'] as const) {
      const id = { ...newId(), client }
      const mine = await acquire(id, 0)
      await store.dispatch(id, mine)
      assert.equal(await store.resolve(id, mine, outcome, JANE), true)
      assert.equal(await store.resolve(id, mine, outcome, JANE), false, 'it is noted once')
      made.push(id)
    }
    const entries = await logOf(client)
    const { scope } = newId()
    const expected = { client, by: 'jane', reason: 'seen in the ledger', scope }
    assert.deepEqual(
      entries.map(({ at: _, ...rest }) => rest),
      [
        { ...expected, event: 'key.resolved', key: made[0]?.key, status: 201 },
        { ...expected, event: 'key.released', key: made[1]?.key },
      ],
    )
    for (const { at } of entries) assert.ok(Math.abs(Date.parse(at) - Date.now()) < 60_000, at)
    const all = await logOf(undefined)
    assert.equal(all.filter((entry) => entry.client === client).length, 2)
    assert.deepEqual(await logOf(`${client}-no`), [])
  })

  test('every record of a client is listed once, in every state, over many pages', async () => {
    const client = `list-${randomUUID()}`
    const ids = Array.from(
      { length: 600 },
      (_, i): KeyId => ({ client, scope: `POST /a:b%3A/${i % 7}`, key: `${i}:*` }),
    )
    await acquire({ ...newId(), client: `${client}x` })
    const settle = async (id: KeyId, i: number) => {
      const mine = await acquire(id, HOUR_MS)
      if (i % 4 === 1) await store.complete(id, mine, ANSWER)
      if (i % 4 >= 2) await store.dispatch(id, mine)
      if (i % 4 === 3) await store.release(id, mine, 'unknown', 'answer_truncated')
    }
    // Not all at once: on a busy machine they would miss the deadline of the store.
    for (let i = 0; i < ids.length; i += 50) {
      await Promise.all(ids.slice(i, i + 50).map((id, n) => settle(id, i + n)))
    }
    const lost = { client, scope: 'POST /lost', key: 'k' }
    await store.dispatch(lost, await acquire(lost, 0))
    const names = async (state?: KeyRecord['state']) => {
      const seen = new Set<string>()
      for await (const record of records.list({ client, state })) {
        assert.ok(state === undefined || record.state === state)
        seen.add(`${record.id.scope} ${record.id.key}`)
      }
      return seen
    }
    const all = await names()
    assert.equal(all.size, 601)
    for (const { scope, key } of ids) assert.ok(all.has(`${scope} ${key}`), `${scope} ${key}`)
    assert.equal((await names('completed')).size, 150)
    assert.equal((await names('in_progress')).size, 300)
    const open = await names('unknown')
    assert.equal(open.size, 151)
    assert.ok(open.has('POST /lost k'), 'a dispatched key whose lease ran out is unknown')
  })

  test('a record is shown as it is, with its times', async () => {
    const id = newId()
    assert.equal(await records.show(id), undefined)
    const mine = await acquire(id)
    const open = await shown(id)
    assert.deepEqual([open.id, open.state, open.attempt, open.held], [id, 'in_progress', 1, mine])
    assert.ok(open.leaseMs !== undefined && open.leaseMs > 0 && open.leaseMs <= LEASE_MS)
    assert.ok(open.expiresMs !== undefined && open.expiresMs > 80_000_000)
    assert.deepEqual([open.sinceMs, open.reason, open.status], [undefined, undefined, undefined])
    await store.dispatch(id, mine)
    const sent = await shown(id)
    assert.deepEqual([sent.state, sent.expiresMs], ['in_progress', undefined])
    assert.ok(sent.sinceMs !== undefined && sent.leaseMs !== undefined)
    await store.renew(id, mine, 0)
    const lost = await shown(id)
    assert.deepEqual([lost.state, lost.reason, lost.leaseMs], ['unknown', 'lease_lost', undefined])
    await store.complete(id, mine, ANSWER)
    const done = await shown(id)
    assert.deepEqual(
      [done.state, done.status, done.resolvedBy, done.leaseMs],
      ['completed', 201, undefined, undefined],
    )
    assert.ok(done.expiresMs !== undefined && done.expiresMs > 80_000_000)
  })

  test('two nodes that look up different things agree on one answer', async () => {
    const { id } = await unknown()
    const node = (name: string) =>
      new IdempotencyEngine({
        store,
        leaseMs: LEASE_MS,
        maxAgeMs: 60_000,
        onUnknown: 'hold',
        lookup: async () => {
          await sleep(20)
          return { ...ANSWER, body: Buffer.from(name) }
        },
      })
    const nodes = [node('one'), node('two')]
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        nodes[i % 2]?.run(id, FINGERPRINT, () => assert.fail('it was run again')),
      ),
    )
    const bodies = new Set(answers.map((one) => one?.answer.body.toString()))
    assert.equal(bodies.size, 1)
    assert.ok(answers.every((one) => one?.replayed))
    assert.equal((await shown(id)).resolvedBy, 'lookup')
  })

  test('a scope of 16 KiB is one scope, and another one that ends differently is another', async () => {
    const path = `POST /${'ä/'.repeat(8_000)}`
    const id = { ...newId(), scope: `${path}1` }
    await store.complete(id, await acquire(id), ANSWER)
    assert.equal((await store.claim(id, FINGERPRINT, token(), LEASE_MS)).outcome, 'replay')
    assert.equal((await shown(id)).state, 'completed')
    await acquire({ ...id, scope: `${path}2` })
  })

  test('scopes and keys with separators in them never meet', async () => {
    const { client, key } = newId()
    for (const [scope, rest] of [
      ['POST /a', `b:${key}`],
      ['POST /a:b', key],
      ['POST /a%3Ab', key],
      ['POST /a}:b', key],
    ] as const) {
      await acquire({ client, scope, key: rest })
    }
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
    const short = subject.withTtl(800)
    const id = newId()
    const mine = token()
    await short.claim(id, FINGERPRINT, mine, 50)
    await short.complete(id, mine, ANSWER)
    assert.equal((await short.claim(id, FINGERPRINT, token(), 50)).outcome, 'replay')
    await sleep(900)
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

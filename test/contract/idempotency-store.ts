import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { IdempotencyEngine } from '../../internal/idempotency/engine.ts'
import type { ImportedKey, KeyRecord, KeyRecords } from '../../internal/idempotency/key-records.ts'
import type { IdempotencyStore, KeyId, StoredResponse } from '../../internal/idempotency/store.ts'
import { newKeyId } from '../support/key-id.ts'
import { until } from '../support/until.ts'

export interface Subject {
  store: IdempotencyStore
  /** The same store with responses and records that live for `ttlMs`. */
  withTtl(ttlMs: number): IdempotencyStore
  records: KeyRecords
  close(): Promise<void>
}

const FINGERPRINT = 'a'.repeat(64)
const OTHER = 'b'.repeat(64)
const MISMATCH = { outcome: 'mismatch', fingerprint: FINGERPRINT, isCompleted: false }
const COMPLETED_MISMATCH = { outcome: 'mismatch', fingerprint: FINGERPRINT, isCompleted: true }
/** Shorter than any test takes to notice, longer than a slow machine takes between two calls. */
const LEASE_MS = 5_000
/** Where a whole server is looked through. */
const HOUR_MS = 3_600_000

const token = () => randomBytes(16).toString('hex')
const RESPONSE: StoredResponse = {
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
    const id = newKeyId()
    const claims = await Promise.all(
      Array.from({ length: 50 }, () => store.claim(id, FINGERPRINT, token(), LEASE_MS)),
    )
    const outcomes = claims.map((claim) => claim.outcome)
    assert.equal(outcomes.filter((outcome) => outcome === 'acquired').length, 1)
    assert.equal(outcomes.filter((outcome) => outcome === 'in_progress').length, 49)
  })

  test('a claim in flight tells how long its lease still holds', async () => {
    const id = newKeyId()
    await acquire(id)
    const claim = await store.claim(id, FINGERPRINT, token(), LEASE_MS)
    assert.equal(claim.outcome, 'in_progress')
    assert.ok(claim.outcome === 'in_progress' && claim.retryAfterMs > 0 && claim.retryAfterMs <= LEASE_MS)
  })

  test('the same claim asked again gets the same response', async () => {
    const id = newKeyId()
    const mine = await acquire(id)
    assert.deepEqual(await store.claim(id, FINGERPRINT, mine, LEASE_MS), { outcome: 'acquired', attempt: 1 })
  })

  test('a completed response is replayed byte for byte', async () => {
    const id = newKeyId()
    const mine = await acquire(id)
    assert.equal(await store.complete(id, mine, RESPONSE), true)
    assert.deepEqual(await store.claim(id, FINGERPRINT, token(), LEASE_MS), {
      outcome: 'replay',
      response: RESPONSE,
    })
  })

  test('an empty body is replayed as an empty body', async () => {
    const id = newKeyId()
    const response: StoredResponse = { status: 204, headers: {}, body: Buffer.alloc(0) }
    await store.complete(id, await acquire(id), response)
    assert.deepEqual(await store.claim(id, FINGERPRINT, token(), LEASE_MS), { outcome: 'replay', response })
  })

  test('completing twice with the same token is completing once', async () => {
    const id = newKeyId()
    const mine = await acquire(id)
    assert.equal(await store.complete(id, mine, RESPONSE), true)
    assert.equal(await store.complete(id, mine, RESPONSE), true)
  })

  test('another fingerprint is a mismatch while the first is in flight, completed or unknown', async () => {
    const id = newKeyId()
    const mine = await acquire(id)
    assert.deepEqual(await store.claim(id, OTHER, token(), LEASE_MS), MISMATCH)
    await store.complete(id, mine, RESPONSE)
    assert.deepEqual(await store.claim(id, OTHER, token(), LEASE_MS), COMPLETED_MISMATCH)
    const held = newKeyId()
    await store.release(held, await acquire(held), { unknown: 'not_told' })
    assert.deepEqual(await store.claim(held, OTHER, token(), LEASE_MS), MISMATCH)
  })

  test('a mismatch is told even after the lease has run out', async () => {
    const id = newKeyId()
    await acquire(id, 0)
    assert.deepEqual(await store.claim(id, OTHER, token(), LEASE_MS), MISMATCH)
  })

  test('a lease that ran out is taken over once, as the next attempt', async () => {
    const id = newKeyId()
    await acquire(id, 0)
    const claims = await Promise.all(
      Array.from({ length: 20 }, () => store.claim(id, FINGERPRINT, token(), LEASE_MS)),
    )
    const acquired = claims.filter((claim) => claim.outcome === 'acquired')
    assert.deepEqual(acquired, [{ outcome: 'acquired', attempt: 2 }])
  })

  test('a stale token can neither renew, complete nor release', async () => {
    const id = newKeyId()
    const stale = await acquire(id, 0)
    const current = token()
    await store.claim(id, FINGERPRINT, current, LEASE_MS)
    assert.equal(await store.renew(id, stale, LEASE_MS), false)
    assert.equal(await store.complete(id, stale, { ...RESPONSE, status: 500 }), false)
    assert.equal(await store.release(id, stale, 'not_executed'), false)
    assert.equal(await store.release(id, stale, { unknown: 'not_told' }), false)
    assert.equal(await store.complete(id, current, RESPONSE), true)
    assert.equal(await store.complete(id, stale, { ...RESPONSE, status: 500 }), false)
    assert.deepEqual(await store.claim(id, FINGERPRINT, token(), LEASE_MS), {
      outcome: 'replay',
      response: RESPONSE,
    })
  })

  test('an unknown token changes nothing', async () => {
    const id = newKeyId()
    const mine = await acquire(id)
    assert.equal(await store.complete(id, token(), RESPONSE), false)
    assert.equal(await store.release(id, token(), 'not_executed'), false)
    assert.equal(await store.renew(id, mine, LEASE_MS), true)
  })

  test('renewing makes the lease end later, or now', async () => {
    const id = newKeyId()
    const mine = await acquire(id, 0)
    assert.equal(await store.renew(id, mine, LEASE_MS), true)
    assert.equal((await store.claim(id, FINGERPRINT, token(), LEASE_MS)).outcome, 'in_progress')
    assert.equal(await store.renew(id, mine, 0), true)
    const claim = await store.claim(id, FINGERPRINT, token(), LEASE_MS)
    assert.deepEqual(claim, { outcome: 'acquired', attempt: 2 })
  })

  test('a record does not expire while its holder renews it, however short its time to live', async () => {
    const short = subject.withTtl(1_000)
    const id = newKeyId()
    const mine = token()
    await short.claim(id, FINGERPRINT, mine, 500)
    assert.equal(await short.renew(id, mine, LEASE_MS), true)
    await sleep(1_200)
    assert.equal((await short.claim(id, FINGERPRINT, token(), LEASE_MS)).outcome, 'in_progress')
    assert.equal(await short.renew(id, mine, 500), true)
    assert.equal(await short.complete(id, mine, RESPONSE), true)
  })

  test('a lease runs out on the clock of the store', async () => {
    const id = newKeyId()
    await acquire(id, 600)
    assert.equal((await store.claim(id, FINGERPRINT, token(), LEASE_MS)).outcome, 'in_progress')
    await sleep(700)
    assert.equal((await store.claim(id, FINGERPRINT, token(), LEASE_MS)).outcome, 'acquired')
  })

  test('a completed key can no longer be renewed or released', async () => {
    const id = newKeyId()
    const mine = await acquire(id)
    await store.complete(id, mine, RESPONSE)
    assert.equal(await store.renew(id, mine, 0), false)
    assert.equal(await store.release(id, mine, 'not_executed'), false)
    assert.equal((await store.claim(id, FINGERPRINT, token(), LEASE_MS)).outcome, 'replay')
  })

  test('released after nothing happened, the key is free for any request', async () => {
    const id = newKeyId()
    assert.equal(await store.release(id, await acquire(id), 'not_executed'), true)
    assert.deepEqual(await store.claim(id, OTHER, token(), LEASE_MS), { outcome: 'acquired', attempt: 1 })
  })

  test('released as unknown, the key is held, also after its lease', async () => {
    const id = newKeyId()
    const mine = await acquire(id, 0)
    assert.equal(await store.release(id, mine, { unknown: 'not_told' }), true)
    await isUnknown(id, 'not_told')
    assert.equal(await store.complete(id, mine, RESPONSE), false)
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
    const id = newKeyId()
    const mine = await acquire(id)
    await store.dispatch(id, mine)
    await store.release(id, mine, { unknown: 'connection_lost' })
    return { id, held: mine }
  }
  const JANE = { by: 'jane', reason: 'seen in the ledger' }

  test('a dispatched key is in flight while its lease holds, and unknown after it, never taken over', async () => {
    const id = newKeyId()
    const mine = await acquire(id)
    assert.equal(await store.dispatch(id, mine), true)
    assert.equal((await store.claim(id, FINGERPRINT, token(), LEASE_MS)).outcome, 'in_progress')
    assert.equal(await store.renew(id, mine, 0), true)
    assert.equal(await isUnknown(id, 'lease_lost'), mine)
    assert.deepEqual(await store.claim(id, OTHER, token(), LEASE_MS), MISMATCH)
  })

  test('of concurrent claims after the lease of a dispatched key none is acquired', async () => {
    const id = newKeyId()
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
    const id = newKeyId()
    const mine = await acquire(id)
    assert.equal(await store.dispatch(id, mine), true)
    await sleep(30)
    assert.equal(await store.dispatch(id, mine), true)
    const { sinceMs = 0 } = await shown(id)
    assert.ok(sinceMs >= 30, `it counts from the first: ${sinceMs}`)
  })

  test('a stale token, and one of a settled key, cannot dispatch', async () => {
    const id = newKeyId()
    const stale = await acquire(id, 0)
    const current = token()
    await store.claim(id, FINGERPRINT, current, LEASE_MS)
    assert.equal(await store.dispatch(id, stale), false)
    assert.equal((await shown(id)).sinceMs, undefined, 'it is not dispatched')
    await store.complete(id, current, RESPONSE)
    assert.equal(await store.dispatch(id, current), false)
    assert.equal(await store.dispatch(newKeyId(), current), false)
  })

  test('the holder of a dispatched key may be late: its response counts after the lease, too', async () => {
    const id = newKeyId()
    const mine = await acquire(id, 0)
    await store.dispatch(id, mine)
    await isUnknown(id, 'lease_lost')
    assert.equal(await store.renew(id, mine, LEASE_MS), true)
    assert.equal((await store.claim(id, FINGERPRINT, token(), LEASE_MS)).outcome, 'in_progress')
    await store.renew(id, mine, 0)
    assert.equal(await store.complete(id, mine, RESPONSE), true)
    assert.equal((await store.claim(id, FINGERPRINT, token(), LEASE_MS)).outcome, 'replay')
  })

  test('a dispatched key of which nothing was sent is free again', async () => {
    const id = newKeyId()
    const mine = await acquire(id)
    await store.dispatch(id, mine)
    assert.equal(await store.release(id, mine, 'not_executed'), true)
    assert.deepEqual(await store.claim(id, OTHER, token(), LEASE_MS), { outcome: 'acquired', attempt: 1 })
  })

  test('the reason of an unknown outcome is told to whoever claims', async () => {
    for (const reason of ['backend_timeout', 'answer_too_large', 'lease_lost'] as const) {
      const id = newKeyId()
      const mine = await acquire(id)
      await store.dispatch(id, mine)
      assert.equal(await store.release(id, mine, { unknown: reason }), true)
      assert.equal(await isUnknown(id, reason), mine)
    }
  })

  test('what is dispatched or unknown has no time to live, and a response gets one again', async () => {
    const hour = subject.withTtl(3_600_000)
    const ids = [newKeyId(), newKeyId(), newKeyId()] as const
    const [lost, held, answered] = ids
    const mine = token()
    for (const id of ids) {
      await hour.claim(id, FINGERPRINT, mine, 0)
      assert.ok((await shown(id)).expiresMs !== undefined)
      if (id !== held) await hour.dispatch(id, mine)
    }
    await hour.release(held, mine, { unknown: 'handler_failed' })
    await isUnknown(lost, 'lease_lost')
    await isUnknown(held, 'handler_failed')
    for (const id of [lost, held]) assert.equal((await shown(id)).expiresMs, undefined)
    assert.equal(await hour.complete(answered, mine, RESPONSE), true)
    const { expiresMs = 0 } = await shown(answered)
    assert.ok(expiresMs > 3_500_000 && expiresMs <= 3_600_000, `${expiresMs}`)
  })

  test('an unknown key that is resolved replays the response, and only for its time', async () => {
    const { id, held } = await unknown()
    assert.equal(await subject.withTtl(3_600_000).resolve(id, held, RESPONSE, JANE), true)
    assert.deepEqual(await store.claim(id, FINGERPRINT, token(), LEASE_MS), {
      outcome: 'replay',
      response: RESPONSE,
    })
    const { expiresMs = 0 } = await shown(id)
    assert.ok(expiresMs > 3_500_000 && expiresMs <= 3_600_000, `${expiresMs}`)
  })

  test('a resolved key says who resolved it; its holder, coming late, is told that it lost', async () => {
    const id = newKeyId()
    const mine = await acquire(id, 0)
    await store.dispatch(id, mine)
    assert.equal(await store.resolve(id, mine, RESPONSE, JANE), true)
    assert.equal(await store.complete(id, mine, { ...RESPONSE, status: 200 }), false)
    const { state, status, resolvedBy, reason, sinceMs } = await shown(id)
    assert.deepEqual(
      [state, status, resolvedBy, reason, sinceMs],
      ['completed', 201, 'jane', undefined, undefined],
    )
  })

  test('a released key is free for the next attempt, and its holder cannot complete', async () => {
    const { id, held } = await unknown()
    assert.equal(await store.resolve(id, held, 'not_executed', JANE), true)
    assert.equal(await store.complete(id, held, RESPONSE), false)
    assert.equal(await records.show(id), undefined)
    assert.deepEqual(await store.claim(id, FINGERPRINT, token(), LEASE_MS), {
      outcome: 'acquired',
      attempt: 1,
    })
  })

  test('an operator sees the response that is replayed, byte for byte, and none before there is one', async () => {
    const id = newKeyId()
    const mine = await acquire(id)
    assert.equal(await records.response(id), undefined)
    const response = {
      status: 201,
      headers: { 'Set-Cookie': ['a', 'b'] },
      body: Buffer.from([0, 255, 13, 10, 128]),
    }
    await store.complete(id, mine, response)
    assert.deepEqual(await records.response(id), response)
    assert.equal(await records.response({ ...id, client: 'other' }), undefined)
  })

  test('nobody resolves or releases what is in flight, completed, or another attempt by now', async () => {
    const open = newKeyId()
    const mine = await acquire(open)
    const refused = async (id: KeyId, held: string) => {
      assert.equal(await store.resolve(id, held, RESPONSE, JANE), false)
      assert.equal(await store.resolve(id, held, 'not_executed', JANE), false)
    }
    await refused(open, mine)
    await store.dispatch(open, mine)
    await refused(open, mine)
    await store.complete(open, mine, RESPONSE)
    await refused(open, mine)
    assert.equal((await store.claim(open, FINGERPRINT, token(), LEASE_MS)).outcome, 'replay')

    const idle = newKeyId()
    await refused(idle, await acquire(idle, 0))
    assert.equal((await store.claim(idle, FINGERPRINT, token(), LEASE_MS)).outcome, 'acquired')

    const { id, held } = await unknown()
    await refused(id, token())
    assert.equal(await store.resolve(id, held, 'not_executed', JANE), true)
    const next = token()
    await store.claim(id, FINGERPRINT, next, LEASE_MS)
    await store.dispatch(id, next)
    await store.release(id, next, { unknown: 'backend_timeout' })
    await refused(id, held)
    assert.equal(await isUnknown(id, 'backend_timeout'), next)
  })

  const imported = (id: KeyId, response = RESPONSE, expiresAtMs?: number) => ({
    id,
    fingerprint: FINGERPRINT,
    response,
    expiresAtMs,
  })
  const importAll = (keys: ImportedKey[], dryRun = false) => records.importAll(keys, { by: 'jane', dryRun })
  const replay = { outcome: 'replay', response: RESPONSE }

  test('an imported response is replayed byte for byte, and another request gets a mismatch', async () => {
    const ids = [newKeyId(), newKeyId()]
    const keys = ids.map((id) => imported(id))
    assert.deepEqual(await importAll(keys, true), ['imported', 'imported'])
    for (const id of ids) assert.equal(await records.show(id), undefined, 'a dry run stores nothing')
    assert.deepEqual(await importAll(keys), ['imported', 'imported'])
    for (const id of ids) {
      assert.deepEqual(await store.claim(id, FINGERPRINT, token(), LEASE_MS), replay)
      assert.deepEqual(await store.claim(id, OTHER, token(), LEASE_MS), COMPLETED_MISMATCH)
      const { state, status, resolvedBy, expiresMs = 0 } = await shown(id)
      assert.deepEqual([state, status, resolvedBy], ['completed', 201, 'jane'])
      assert.ok(expiresMs > 0 && expiresMs <= 86_400_000, `${expiresMs}`)
    }
    assert.deepEqual(await importAll(keys), ['same', 'same'])
  })

  test('an import leaves every record that is there as it is', async () => {
    const [held, lapsed, done, open, same] = [newKeyId(), newKeyId(), newKeyId(), newKeyId(), newKeyId()]
    const mine = await acquire(held)
    await acquire(lapsed, 0)
    const given = { ...RESPONSE, body: Buffer.from('of this service') }
    assert.equal(await store.complete(done, await acquire(done), given), true)
    const sent = await acquire(open)
    await store.release(open, sent, { unknown: 'connection_lost' })
    assert.equal(await store.complete(same, await acquire(same), RESPONSE), true)
    const ids = [held, lapsed, done, open, same]
    const keys = ids.map((id) => imported(id))
    for (const dryRun of [true, false])
      assert.deepEqual(await importAll(keys, dryRun), ['other', 'other', 'other', 'other', 'same'])
    assert.deepEqual(await importAll([{ ...imported(same), fingerprint: OTHER }]), ['other'])
    assert.equal(await store.complete(held, mine, given), true)
    for (const id of [held, done]) {
      const claim = await store.claim(id, FINGERPRINT, token(), LEASE_MS)
      assert.deepEqual(claim, { outcome: 'replay', response: given })
    }
    assert.equal((await shown(lapsed)).attempt, 1)
    assert.equal((await shown(open)).state, 'unknown')
  })

  test('an import takes the place of a record that is over, and ends when it says', async () => {
    const id = newKeyId()
    const brief = subject.withTtl(1)
    const mine = token()
    await brief.claim(id, OTHER, mine, 0)
    await until('the record is over', async () => (await records.show(id)) === undefined)
    const now = Date.now()
    const keys = [imported(id, RESPONSE, now + HOUR_MS), imported(newKeyId(), RESPONSE, now - HOUR_MS)]
    assert.deepEqual(await importAll(keys, true), ['imported', 'expired'])
    assert.deepEqual(await importAll(keys), ['imported', 'expired'])
    assert.deepEqual(await store.claim(id, FINGERPRINT, token(), LEASE_MS), replay)
    assert.equal(await store.complete(id, mine, RESPONSE), false)
    const { expiresMs = 0 } = await shown(id)
    assert.ok(expiresMs > HOUR_MS - 600_000 && expiresMs <= HOUR_MS + 1_000, `${expiresMs}`)
  })

  test('of an import and a claim of one key at once, one has it', async () => {
    const ids = Array.from({ length: 30 }, newKeyId)
    const [claims, outcomes] = await Promise.all([
      Promise.all(ids.map((id) => store.claim(id, FINGERPRINT, token(), LEASE_MS))),
      Promise.all(ids.map((id) => importAll([imported(id)]))),
    ])
    for (const [i, claim] of claims.entries()) {
      const expected = claim.outcome === 'acquired' ? 'other' : 'imported'
      assert.deepEqual(outcomes[i], [expected], claim.outcome)
    }
  })

  test('of 20 who resolve one key at once, one does, and the log has one entry', async () => {
    const { id, held } = await unknown()
    const responses = Array.from({ length: 20 }, (_, i) => ({ ...RESPONSE, body: Buffer.from(`${i}`) }))
    const done = await Promise.all(
      responses.map((response, i) => store.resolve(id, held, response, { by: `operator ${i}` })),
    )
    assert.equal(done.filter(Boolean).length, 1)
    const winner = done.indexOf(true)
    const claim = await store.claim(id, FINGERPRINT, token(), LEASE_MS)
    assert.deepEqual(claim, { outcome: 'replay', response: responses[winner] })
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
    for (const outcome of [RESPONSE, 'not_executed'] as const) {
      const id = { ...newKeyId(), client }
      const mine = await acquire(id, 0)
      await store.dispatch(id, mine)
      assert.equal(await store.resolve(id, mine, outcome, JANE), true)
      assert.equal(await store.resolve(id, mine, outcome, JANE), false, 'it is noted once')
      made.push(id)
    }
    const entries = await logOf(client)
    const { scope } = newKeyId()
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
    await acquire({ ...newKeyId(), client: `${client}x` })
    const settle = async (id: KeyId, i: number) => {
      const mine = await acquire(id, HOUR_MS)
      if (i % 4 === 1) await store.complete(id, mine, RESPONSE)
      if (i % 4 >= 2) await store.dispatch(id, mine)
      if (i % 4 === 3) await store.release(id, mine, { unknown: 'answer_truncated' })
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
    const id = newKeyId()
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
    await store.complete(id, mine, RESPONSE)
    const done = await shown(id)
    assert.deepEqual(
      [done.state, done.status, done.resolvedBy, done.leaseMs],
      ['completed', 201, undefined, undefined],
    )
    assert.ok(done.expiresMs !== undefined && done.expiresMs > 80_000_000)
  })

  test('two nodes that look up different things agree on one response', async () => {
    const { id } = await unknown()
    const node = (name: string) =>
      new IdempotencyEngine({
        store,
        leaseMs: LEASE_MS,
        maxAgeMs: 60_000,
        onUnknown: 'hold',
        lookup: async () => {
          await sleep(20)
          return { ...RESPONSE, body: Buffer.from(name) }
        },
      })
    const nodes = [node('one'), node('two')]
    const responses = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        nodes[i % 2]?.run(id, FINGERPRINT, () => assert.fail('it was run again')),
      ),
    )
    const bodies = new Set(responses.map((one) => one?.response.body.toString()))
    assert.equal(bodies.size, 1)
    assert.ok(responses.every((one) => one?.replayed))
    assert.equal((await shown(id)).resolvedBy, 'lookup')
  })

  test('a scope of 16 KiB is one scope, and another one that ends differently is another', async () => {
    const path = `POST /${'ä/'.repeat(8_000)}`
    const id = { ...newKeyId(), scope: `${path}1` }
    await store.complete(id, await acquire(id), RESPONSE)
    assert.equal((await store.claim(id, FINGERPRINT, token(), LEASE_MS)).outcome, 'replay')
    assert.equal((await shown(id)).state, 'completed')
    await acquire({ ...id, scope: `${path}2` })
  })

  test('scopes and keys with separators in them never meet', async () => {
    const { client, key } = newKeyId()
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
    const id = newKeyId()
    await acquire(id)
    await acquire({ ...id, client: 'other' })
    await acquire({ ...id, scope: 'POST /payments' })
    await acquire({ ...id, key: `${id.key} ` })
  })

  test('keys may hold every printable character', async () => {
    const key = `${String.fromCharCode(...Array.from({ length: 95 }, (_, i) => 32 + i))}${randomUUID()}`
    const id = { ...newKeyId(), key }
    await store.complete(id, await acquire(id), RESPONSE)
    assert.equal((await store.claim(id, FINGERPRINT, token(), LEASE_MS)).outcome, 'replay')
  })

  test('after its time a response is forgotten', async () => {
    const short = subject.withTtl(800)
    const id = newKeyId()
    const mine = token()
    await short.claim(id, FINGERPRINT, mine, 50)
    await short.complete(id, mine, RESPONSE)
    assert.equal((await short.claim(id, FINGERPRINT, token(), 50)).outcome, 'replay')
    await sleep(900)
    assert.deepEqual(await short.claim(id, OTHER, token(), 50), { outcome: 'acquired', attempt: 1 })
  })

  test('many keys at once are each settled by themselves', async () => {
    const ids = Array.from({ length: 300 }, newKeyId)
    const tokens = await Promise.all(ids.map((id) => acquire(id)))
    const responses = ids.map(
      (id, i): StoredResponse => ({ status: 201, headers: {}, body: Buffer.from(`${i} ${id.key}`) }),
    )
    const done = await Promise.all(
      ids.map((id, i) => store.complete(id, tokens[i] ?? '', responses[i] ?? RESPONSE)),
    )
    assert.ok(done.every(Boolean))
    const claims = await Promise.all(ids.map((id) => store.claim(id, FINGERPRINT, token(), LEASE_MS)))
    assert.deepEqual(
      claims,
      responses.map((response) => ({ outcome: 'replay', response })),
    )
  })
}

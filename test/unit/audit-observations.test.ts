import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import type { NewEntry } from '../../internal/audit/audit-log.ts'
import type { AuditObservation } from '../../internal/audit/observation.ts'
import { Observations } from '../../internal/audit/observations.ts'
import { ServiceError } from '../../internal/core/service-error.ts'

const REFUSED: AuditObservation = {
  client: 'acme',
  eventType: 'payment.refused',
  requestId: 'request-1',
  route: 'POST /pay',
  status: 429,
  code: 'rate_limited',
  key: 'key-1',
}

const member = z.strictObject({
  id: z.string(),
  request_id: z.string(),
  route: z.string(),
  http_status: z.number(),
  code: z.string().optional(),
  idempotency_key: z.string().optional(),
  count: z.number(),
  observed_at: z.string(),
})

/** What the database says to each writing of an entry, and what came through. */
function world() {
  const written: NewEntry[] = []
  const lost: [count: number, why: string][] = []
  const state = {
    nowMs: Date.parse('2026-01-01T00:00:00Z'),
    tries: 0,
    response: (_: NewEntry): Promise<unknown> => Promise.resolve(),
  }
  let ids = 0
  const observations = new Observations({
    async append(entry) {
      state.tries++
      await state.response(entry)
      return written.push(entry)
    },
    now: () => state.nowMs,
    newId: () => `id-${++ids}`,
    onLost: (count, why) => lost.push([count, why]),
  })
  const entries = () =>
    written.map(({ client, eventType, entry }) => ({ client, eventType, ...member.parse(JSON.parse(entry)) }))
  return { observations, written, lost, state, entries }
}

const away = (effect: 'none' | 'unknown') => () =>
  Promise.reject(new ServiceError('store_unavailable', 'away', { effect }))
const total = (entries: { count: number }[]) => entries.reduce((sum, { count }) => sum + count, 0)

test('an observation becomes an entry, with the time at which it was seen', async () => {
  const { observations, entries, state } = world()
  observations.add(REFUSED)
  state.nowMs += 60_000
  await observations.write()
  assert.deepEqual(entries(), [
    {
      client: 'acme',
      eventType: 'payment.refused',
      id: 'id-1',
      request_id: 'request-1',
      route: 'POST /pay',
      http_status: 429,
      code: 'rate_limited',
      idempotency_key: 'key-1',
      count: 1,
      observed_at: '2026-01-01T00:00:00.000Z',
    },
  ])
})

test('equal observations of one write become one entry with a count, others do not', async () => {
  const { observations, entries } = world()
  for (let n = 0; n < 1_000; n++) observations.add(REFUSED)
  const others: Partial<AuditObservation>[] = [
    { client: 'other' },
    { eventType: 'payment.conflict', code: 'idempotency_key_reused', status: 409 },
    { route: 'POST /api/v1/payments' },
    { code: 'circuit_open', status: 503 },
    { status: 430 },
    { key: 'key-2' },
    { key: undefined },
  ]
  for (const other of others) observations.add({ ...REFUSED, ...other })
  await observations.write()
  assert.deepEqual(
    entries().map(({ count }) => count),
    [1_000, ...others.map(() => 1)],
  )
  observations.add(REFUSED)
  await observations.write()
  assert.equal(entries().length, others.length + 2)
})

test('a flood with a new key each time is six entries, and every one of it is counted', async () => {
  const { observations, entries } = world()
  for (let n = 0; n < 10_000; n++) observations.add({ ...REFUSED, key: `key-${n}` })
  // A key that has its own entry already still counts there.
  observations.add({ ...REFUSED, key: 'key-0' })
  await observations.write()
  assert.deepEqual(
    entries().map(({ idempotency_key, count }) => [idempotency_key, count]),
    [
      ['key-0', 2],
      ['key-1', 1],
      ['key-2', 1],
      ['key-3', 1],
      ['key-4', 1],
      [undefined, 9_995],
    ],
  )
})

for (const [effect, again] of [
  ['none', false],
  ['unknown', true],
] as const) {
  test(`while the database is away (${effect}) nothing is lost, doubled or reordered`, async () => {
    const { observations, entries, written, lost, state } = world()
    const add = (key: string) => observations.add({ ...REFUSED, key, client: key })
    add('a')
    add('b')
    state.response = away(effect)
    await observations.write()
    await observations.write()
    add('c')
    await observations.write()
    assert.deepEqual([written.length, lost.length], [0, 0])
    state.response = () => Promise.resolve()
    await observations.write()
    assert.deepEqual(
      entries().map(({ client, id }) => [client, id]),
      [
        ['a', 'id-1'],
        ['b', 'id-2'],
        ['c', 'id-3'],
      ],
    )
    assert.deepEqual(
      written.map((entry) => entry.again ?? false),
      [again, again, false],
    )
  })
}

test('an entry that may be written stays so after a later write that certainly failed', async () => {
  const { observations, written, state } = world()
  observations.add(REFUSED)
  state.response = away('unknown')
  await observations.write()
  state.response = away('none')
  await observations.write()
  state.response = () => Promise.resolve()
  await observations.write()
  assert.deepEqual(
    written.map(({ again }) => again),
    [true],
  )
})

test('observations during an outage are folded over the whole outage', async () => {
  const { observations, entries, state } = world()
  observations.add(REFUSED)
  state.response = away('none')
  await observations.write()
  for (let second = 0; second < 100; second++) {
    for (let n = 0; n < 50; n++) observations.add({ ...REFUSED, key: `key-${second}-${n}` })
    await observations.write()
  }
  state.response = () => Promise.resolve()
  await observations.write()
  assert.equal(entries().length, 1 + 6)
  assert.equal(total(entries()), 1 + 5_000)
})

test('an entry that the database refuses is lost and reported once, and no other entry is', async () => {
  const { observations, entries, lost, state } = world()
  for (const client of ['a', 'b', 'c', 'd']) observations.add({ ...REFUSED, client })
  observations.add({ ...REFUSED, client: 'b' })
  state.response = ({ client }) => (client < 'c' ? Promise.reject(new Error('23514')) : Promise.resolve())
  await observations.write()
  await observations.write()
  assert.deepEqual(
    entries().map(({ client }) => client),
    ['c', 'd'],
  )
  assert.deepEqual(lost, [[3, 'refused']])
})

test('memory is bounded: beyond ten thousand entries the others are lost, counted, and reported once for each write', async () => {
  const { observations, entries, lost } = world()
  for (let n = 0; n < 10_500; n++) observations.add({ ...REFUSED, client: `client-${n}` })
  // There is room in the entry of this one.
  observations.add({ ...REFUSED, client: 'client-0' })
  assert.deepEqual(lost, [])
  await observations.write()
  assert.equal(entries().length, 10_000)
  assert.equal(total(entries()), 10_001)
  assert.deepEqual(lost, [[500, 'full']])
  observations.add(REFUSED)
  await observations.write()
  assert.equal(entries().length, 10_001)
})

test('entries that wait for another try count for that bound', async () => {
  const { observations, lost, state } = world()
  state.response = away('none')
  for (let n = 0; n < 9_999; n++) observations.add({ ...REFUSED, client: `client-${n}` })
  await observations.write()
  for (let n = 0; n < 3; n++) observations.add({ ...REFUSED, client: `later-${n}` })
  await observations.write()
  assert.deepEqual(lost, [[2, 'full']])
})

test('one write sends each statement once to a database that is away', async () => {
  const { observations, state } = world()
  state.response = away('none')
  for (let n = 0; n < 5_000; n++) observations.add({ ...REFUSED, client: `client-${n}` })
  await observations.write()
  assert.equal(state.tries, 128)
})

test('accepted and refused entries of one statement are not mixed up, and refused ones are not sent again', async () => {
  const { observations, entries, lost, state } = world()
  state.response = ({ client }) => (client === 'b' ? away('none')() : Promise.resolve())
  for (const client of ['a', 'b', 'c']) observations.add({ ...REFUSED, client })
  await observations.write()
  assert.equal(state.tries, 3)
  state.response = () => Promise.resolve()
  await observations.write()
  assert.deepEqual(
    entries().map(({ client, id }) => [client, id]),
    [
      ['a', 'id-1'],
      ['c', 'id-3'],
      ['b', 'id-2'],
    ],
  )
  assert.deepEqual([state.tries, lost], [4, []])
})

test('calls during a write share it, and none of them rejects', async () => {
  const { observations, state, entries } = world()
  observations.add(REFUSED)
  await Promise.all([observations.write(), observations.write(), observations.write()])
  assert.equal(state.tries, 1)
  assert.equal(entries().length, 1)
})

test('close() writes everything, also what came during the last write', async () => {
  const { observations, entries, lost, state } = world()
  let open = () => {}
  state.response = () =>
    new Promise<void>((resolve) => {
      open = resolve
    })
  observations.add({ ...REFUSED, client: 'first' })
  const writing = observations.write()
  // Until the first is in flight.
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(state.tries, 1)
  observations.add({ ...REFUSED, client: 'second' })
  const closing = observations.close(0)
  state.response = () => Promise.resolve()
  open()
  await Promise.all([writing, closing])
  assert.deepEqual(
    entries().map(({ client }) => client),
    ['first', 'second'],
  )
  observations.add(REFUSED)
  assert.deepEqual(lost, [[1, 'stopped']])
})

test('close() waits for a database that comes back', async () => {
  const { observations, entries, lost, state } = world()
  observations.add(REFUSED)
  state.response = () => (state.tries < 3 ? away('none')() : Promise.resolve())
  await observations.close(60_000)
  assert.deepEqual([entries().length, lost], [1, []])
})

test('close() does not wait for ever, and reports what is lost', async () => {
  const { observations, lost, state } = world()
  for (const client of ['a', 'a', 'b']) observations.add({ ...REFUSED, client })
  state.response = away('none')
  await observations.write()
  observations.add({ ...REFUSED, client: 'c' })
  await observations.close(0)
  assert.deepEqual(lost, [[4, 'stopped']])
})

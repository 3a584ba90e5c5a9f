import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { gatewayKeyOf } from '../../internal/payments/payment.ts'
import { check } from '../chaos/check.ts'
import type { Evidence } from '../chaos/evidence.ts'
import type { Mode } from '../chaos/fault-kinds.ts'
import { type Answered, type HistoryRecord, historyOf, type Sent } from '../chaos/history.ts'
import type { Invariant } from '../chaos/invariants.ts'
import type { FaultDone, Outcome, Rows } from '../chaos/outcome.ts'
import { timelineSvg } from '../chaos/timeline.ts'
import { HEALED_AT, quietRun, STARTED_ON } from './quiet-run.ts'

/** A history written by hand: each call is a request and its end, 10 ms long, at `at`. */
class Written {
  readonly records: HistoryRecord[] = []
  n = 0

  sent(at: number, more: Partial<Sent> = {}): string {
    const id = `r${this.n++}`
    this.records.push({
      t: 'sent',
      at,
      id,
      client: 'ann',
      key: 'key-1',
      kind: 'ask',
      node: 0,
      target: 'POST /orders',
      sha: 'body-1',
      value: { user_id: 'u', item: 'i', amount: 5 },
      signature: '',
      ...more,
    })
    return id
  }

  answered(at: number, id: string, more: Partial<Answered> = {}): void {
    this.records.push({
      t: 'answered',
      at,
      id,
      status: 201,
      code: '',
      detail: '',
      sha: 'answer-1',
      replayed: false,
      retryAfter: '',
      type: 'application/json',
      location: '/orders/1',
      remaining: null,
      leaked: false,
      ...more,
    })
  }

  one(at: number, sent: Partial<Sent> = {}, response: Partial<Answered> = {}): void {
    this.answered(at + 10, this.sent(at, sent), response)
  }
}

const problem = (status: number, code: string, more: Partial<Answered> = {}): Partial<Answered> => ({
  status,
  code,
  sha: code,
  type: 'application/problem+json',
  location: '',
  ...more,
  ...(status === 503 ? { retryAfter: '1' } : {}),
})

const ORDER = {
  client: 'ann',
  key: 'key-1',
  id: '1',
  user_id: 'u',
  item: 'i',
  amount: 5,
  status: 201,
  sha: 'answer-1',
}
const PAYMENT = {
  client: 'ann',
  key: 'key-1',
  id: 'p1',
  state: 'completed',
  amount: 5,
  charge_id: 'ch',
  status: 200,
  sha: 'answer-1',
  gateway_key: gatewayKeyOf('ann', 'POST /api/v1/payments', 'key-1'),
}

interface Given {
  mode?: Mode
  rows?: Partial<Rows>
  done?: Evidence['done']
  outcome?: Partial<Outcome>
  words?: string
  ttlMs?: number
}

function evidence(
  written: Written,
  { mode = 'orders', rows = {}, done = [], outcome = {}, words = '', ttlMs }: Given = {},
): Evidence {
  const run = quietRun(mode, () => 'canary-secret', ttlMs)
  return {
    plan: run.plan,
    outcome: { ...run.outcome, ...outcome },
    rows: { orders: [], payments: [], audit: [], auditFault: '', ...rows },
    done,
    exchanges: historyOf(written.records),
    words: [{ name: 'node-0.log', text: words }],
    events: undefined,
  }
}

/** Which invariants are violated, each once. */
function found(written: Written, given?: Given): Invariant[] {
  return [...new Set(check(evidence(written, given), []).violations.map(({ invariant }) => invariant))]
}

const orders = { rows: { orders: [ORDER] } }
const fault = (kind: FaultDone['kind'], beganAt: number, endedAt: number): FaultDone => ({
  n: 0,
  kind,
  node: 0,
  beganAt,
  endedAt,
  hit: true,
  detail: '',
})

/** An order, its conflict, its replays, and what is refused: nothing to say against it. */
function clean(): Written {
  const written = new Written()
  const first = written.sent(1_000)
  written.one(1_005, {}, problem(409, 'request_in_progress'))
  written.answered(1_020, first)
  written.one(2_000, {}, { replayed: true })
  written.one(2_100, { sha: 'body-2', value: { amount: 6 } }, problem(409, 'idempotency_key_reused'))
  written.one(2_200, { kind: 'forged', key: 'key-2' }, problem(401, 'signature_invalid'))
  written.one(2_300, { key: 'key-3', kind: 'once' }, problem(503, 'store_unavailable'))
  written.records.push({
    t: 'lost',
    at: 2_500,
    id: written.sent(2_400, { key: 'key-4', kind: 'half' }),
    error: 'LEFT',
  })
  return written
}

describe('the checker of chaos runs', () => {
  test('says nothing against a clean history', () => {
    assert.deepEqual(check(evidence(clean(), orders), []).violations, [])
  })

  test('1: finds two orders, and two charges, for a key', () => {
    assert.deepEqual(found(clean(), { rows: { orders: [ORDER, { ...ORDER, id: '2' }] } }).includes(1), true)
    const written = new Written()
    const target = 'POST /api/v1/payments'
    written.one(1_000, { target, value: { amount: 5 } }, { status: 200 })
    const charge = { key: PAYMENT.gateway_key, sha: undefined, charge: 'ch', status: 'completed' }
    const rows = { payments: [PAYMENT], audit: trail('payment.attempted', 'payment.completed') }
    assert.deepEqual(found(written, { mode: 'payments', rows, done: [charge] }), [])
    assert.deepEqual(found(written, { mode: 'payments', rows, done: [charge, charge] }), [1])
  })

  test('2: finds an acknowledged order that is not there, is another one, or was asked for otherwise', () => {
    const written = new Written()
    written.one(1_000)
    assert.deepEqual(found(written), [2])
    assert.deepEqual(found(written, { rows: { orders: [{ ...ORDER, sha: 'answer-2' }] } }), [2])
    written.one(
      9_000,
      { sha: 'body-2', value: { user_id: 'u', item: 'other', amount: 5 } },
      { replayed: true },
    )
    assert.deepEqual(found(written, orders), [2])
  })

  test('3: finds an order that nobody asked for, or only somebody who could not sign', () => {
    assert.deepEqual(found(new Written(), orders), [3])
    const written = new Written()
    written.one(1_000, { kind: 'forged' }, problem(503, 'store_unavailable'))
    assert.deepEqual(found(written, orders), [3])
    const half = new Written()
    half.records.push({ t: 'lost', at: 1_010, id: half.sent(1_000, { kind: 'half' }), error: 'LEFT' })
    assert.ok(found(half, orders).includes(3))
  })

  test('4: finds responses that differ in bytes, type or place, and a replay of what is not stored', () => {
    for (const other of [{ location: '/orders/2' }, { type: 'text/plain' }]) {
      const written = clean()
      written.one(3_000, {}, { replayed: true, ...other })
      assert.deepEqual(
        found(written, orders).filter((one) => one === 4),
        [4],
        JSON.stringify(other),
      )
    }
    const bytes = clean()
    bytes.one(3_000, {}, { replayed: true, sha: 'answer-2' })
    assert.ok(found(bytes, orders).includes(4))
    const cached = clean()
    cached.one(3_000, { key: 'key-3' }, problem(503, 'store_unavailable', { replayed: true }))
    assert.ok(found(cached, orders).includes(4))
  })

  test('5: finds a conflict without another request', () => {
    const conflict = (code: string, sent: Partial<Sent> = {}) => {
      const written = clean()
      written.one(20_000, sent, problem(409, code))
      return found(written, orders)
    }
    assert.deepEqual(conflict('request_in_progress'), [5])
    assert.deepEqual(conflict('idempotency_key_reused', { key: 'key-9' }), [5])
    // Who held a payment up for longer than its lease may find it in the hands of the completer.
    const stood = clean()
    stood.answered(23_000, stood.sent(20_000, { key: 'key-9' }), problem(409, 'request_in_progress'))
    assert.deepEqual(found(stood, orders), [5])
    const late = new Written()
    const target = 'POST /api/v1/payments'
    late.answered(23_000, late.sent(20_000, { target }), problem(409, 'request_in_progress'))
    assert.ok(!found(late, { mode: 'payments' }).includes(5))
    // Another request under the key is reused, never in progress.
    const other = new Written()
    const first = other.sent(1_000)
    other.one(1_005, { sha: 'body-2' }, problem(409, 'request_in_progress'))
    other.answered(1_020, first)
    assert.deepEqual(found(other, orders), [5])
  })

  test('5: finds an unknown outcome where nothing had gone wrong', () => {
    const run = { key: 'key-1', sha: 'answer-1', charge: '', status: '/charge' }
    const written = new Written()
    const first = written.sent(1_000)
    written.one(3_000, {}, problem(409, 'outcome_unknown', { detail: 'It is not known.' }))
    written.answered(4_000, first, { status: 200 })
    assert.deepEqual(found(written, { mode: 'proxy', done: [run] }), [5])
    const away = { faults: [fault('redis-pause', 1_500, 2_500)] }
    assert.deepEqual(found(written, { mode: 'proxy', done: [run], outcome: away }), [])
    const busy = new Written()
    busy.one(1_000, {}, problem(503, 'store_unavailable'))
    busy.one(1_500, {}, { status: 200 })
    busy.one(4_000, {}, problem(409, 'outcome_unknown', { detail: 'It is not known.' }))
    assert.deepEqual(found(busy, { mode: 'proxy', done: [run] }), [])
    const skew = { faults: [fault('clock-skew', 1_500, 2_500)] }
    assert.deepEqual(found(written, { mode: 'proxy', done: [run], outcome: skew }), [5])
  })

  test('6: finds an order all of whose requests were refused for certain', () => {
    const written = new Written()
    written.one(1_000, {}, problem(422, 'validation_failed'))
    assert.deepEqual(found(written, orders), [6])
    written.one(1_100, {}, problem(503, 'store_unavailable'))
    assert.deepEqual(found(written, orders), [])
  })

  test('7: finds more admissions in a window than the limit, but for a burst after a loss', () => {
    const burst = (count: number) => {
      const written = new Written()
      for (let n = 0; n < count; n++) {
        written.one(
          1_000 + n,
          { kind: 'burst', key: '', client: 'greedy' },
          problem(404, 'not_found', { remaining: 0 }),
        )
      }
      return written
    }
    assert.deepEqual(found(burst(120)), [])
    assert.deepEqual(found(burst(121)), [7])
    assert.deepEqual(found(burst(240), { outcome: { faults: [fault('redis-flush', 1_050, 1_051)] } }), [])
    assert.deepEqual(found(burst(241), { outcome: { faults: [fault('redis-flush', 1_050, 1_051)] } }), [7])
    assert.deepEqual(found(burst(300), { outcome: { limiterOutages: [{ from: 500, to: 1_100 }] } }), [])
  })

  test('8: finds a key that the backend ran twice', () => {
    const run = { key: 'key-1', sha: 'answer-1', charge: '', status: '/charge' }
    const written = new Written()
    written.one(1_000, {}, { status: 200 })
    assert.deepEqual(found(written, { mode: 'proxy', done: [run] }), [])
    assert.deepEqual(found(written, { mode: 'proxy', done: [run, { ...run, sha: 'answer-2' }] }), [8])
  })

  test('8: lets a key run again when its response was forgotten, and never while its outcome is unknown', () => {
    const againAt = 21_000
    const startMs = Date.parse(STARTED_ON)
    const runs = (againAtMs: number) => [
      { key: 'key-1', sha: 'answer-1', charge: '', status: '/charge', at: startMs + 1_005 },
      { key: 'key-1', sha: 'answer-2', charge: '', status: '/charge', at: startMs + againAtMs },
    ]
    const again = (againAtMs: number, unknownAt?: number, outcome: Partial<Outcome> = {}) => {
      const written = new Written()
      written.one(1_000, {}, { status: 200 })
      if (unknownAt !== undefined) {
        const detail = 'The connection was lost.'
        written.one(unknownAt, {}, problem(409, 'outcome_unknown', { detail }))
      }
      written.one(againAtMs, {}, { status: 200, sha: 'answer-2' })
      const given = { mode: 'proxy', done: runs(againAtMs + 5), ttlMs: 8_000, outcome } as const
      return found(written, given)
    }
    assert.deepEqual(again(againAt), [])
    assert.deepEqual(again(6_000), [8])
    assert.deepEqual(again(6_000, undefined, { faults: [fault('redis-clock', 3_000, 7_000)] }), [])
    assert.deepEqual(again(againAt, 20_000), [8])
    assert.deepEqual(again(againAt, 2_000), [])
  })

  test('9: finds a response to who has not signed, and quota that was used in the name of another', () => {
    const written = clean()
    written.one(3_000, { kind: 'forged' }, { replayed: true })
    assert.deepEqual(found(written, orders), [9])
    const counted = clean()
    counted.one(3_000, { kind: 'forged' }, problem(401, 'signature_invalid', { remaining: 3 }))
    assert.deepEqual(found(counted, orders), [9])
    const probed = clean()
    const probe = { client: 'probe', key: '', kind: 'probe' } as const
    probed.one(3_000, probe, problem(404, 'not_found', { remaining: 119 }))
    probed.one(8_000, probe, problem(404, 'not_found', { remaining: 118 }))
    assert.deepEqual(found(probed, orders), [9])
    const stepped = (from: number, to: number) =>
      found(probed, { ...orders, outcome: { faults: [fault('redis-clock', from, to)] } })
    // Admitted while the clock of Redis was ahead, the first counts anew, however long the step has been over.
    assert.deepEqual(stepped(2_000, 4_000), [])
    assert.deepEqual(stepped(3_500, 4_000), [9])
  })

  test('10: finds a payment without its entries, an entry without its payment, and a broken chain', () => {
    const written = new Written()
    written.one(1_000, { target: 'POST /api/v1/payments', value: { amount: 5 } }, { status: 200 })
    const done = [{ key: PAYMENT.gateway_key, sha: undefined, charge: 'ch', status: 'completed' }]
    const of = (audit: Rows['audit'], auditFault = '') =>
      found(written, { mode: 'payments', rows: { payments: [PAYMENT], audit, auditFault }, done })
    const whole = trail('payment.attempted', 'payment.completed')
    assert.deepEqual(of(whole), [])
    assert.deepEqual(of(trail('payment.attempted')), [10])
    assert.deepEqual(of(trail('payment.completed')), [10])
    assert.deepEqual(of([...whole, ...trail('payment.recovered')]), [10])
    assert.deepEqual(of([...whole, { client: 'ann', event: 'payment.completed', transaction: 'p2' }]), [10])
    assert.deepEqual(of(whole, 'ann: broken'), [10])
  })

  test('11: finds a request that took too long, a lock that stays and a key without an end', () => {
    const slow = new Written()
    slow.answered(42_000, slow.sent(1_000))
    assert.deepEqual(found(slow, orders), [11])
    assert.deepEqual(found(slow, { ...orders, outcome: { faults: [fault('stall', 2_000, 5_000)] } }), [])
    const stuck = clean()
    stuck.records.push({ t: 'lost', at: 50_000, id: stuck.sent(49_000), error: 'ECONNRESET' })
    stuck.one(HEALED_AT + 1_000, {}, problem(409, 'request_in_progress'))
    assert.deepEqual(found(stuck, orders), [])
    stuck.one(HEALED_AT + 10_000, {}, problem(409, 'request_in_progress'))
    assert.ok(found(stuck, orders).includes(11))
    // A lease of a clock that was put back is shortened by the next look: at 49 s, long ago, or at 61 s.
    const putBack = (from: number, to: number) =>
      found(stuck, { ...orders, outcome: { faults: [fault('postgres-clock', from, to)] } })
    assert.ok(putBack(30_000, 40_000).includes(11))
    stuck.one(HEALED_AT + 2_000, {}, problem(409, 'request_in_progress'))
    stuck.one(HEALED_AT + 40_000, {}, problem(409, 'request_in_progress'))
    assert.ok(putBack(50_000, 60_500).includes(11))
    assert.deepEqual(found(clean(), { ...orders, outcome: { open: 1 } }), [11])
  })

  test('12: finds a secret or a signature in a log, and a secret in a response', () => {
    const signature = 'ab'.repeat(32)
    const written = clean()
    written.one(3_000, { signature }, { replayed: true })
    assert.deepEqual(found(written, { ...orders, words: `"id":"${'cd'.repeat(32)}"` }), [])
    assert.deepEqual(found(written, { ...orders, words: `"x-signature":"t=1,v1=${signature}"` }), [12])
    assert.deepEqual(found(written, { ...orders, words: 'canary-secret' }), [12])
    written.one(3_100, {}, { replayed: true, leaked: true })
    assert.deepEqual(found(written, orders), [12])
  })

  test('finds responses that the contract does not have, and nodes that end by themselves', () => {
    const written = clean()
    written.one(3_000, {}, problem(500, 'internal_error'))
    assert.deepEqual(found(written, orders), [13])
    const silent = clean()
    silent.one(3_000, {}, { ...problem(503, 'store_unavailable'), retryAfter: '' })
    assert.deepEqual(found(silent, orders), [13])
    assert.deepEqual(found(clean(), { ...orders, outcome: { crashes: ['node 1'] } }), [13])
  })

  test('13: finds a request that SIGTERM cut, if the node ended in time', () => {
    const written = clean()
    const id = written.sent(6_000, { key: 'key-5', node: 1 })
    written.records.push({ t: 'lost', at: 8_500, id, error: 'ECONNRESET' })
    const sigterm = (at: number, inTime: boolean, node = 1, arrivedAt = at) =>
      found(written, {
        ...orders,
        outcome: {
          faults: [{ ...fault('sigterm', 7_000, 9_000), node, sigterm: { at, arrivedAt, inTime } }],
        },
      })
    assert.deepEqual(sigterm(8_000, true), [13])
    assert.deepEqual(sigterm(8_000, false), [])
    assert.deepEqual(sigterm(8_000, true, 2), [])
    // It may not have arrived yet, or waited for its connection to be taken.
    assert.deepEqual(sigterm(6_500, true), [])
    assert.deepEqual(sigterm(8_000, true, 1, 6_500), [])
    assert.deepEqual(sigterm(8_000, true, 1, 7_100), [13])
  })

  test('calls a run void in which too little succeeded or a fault did not hit', () => {
    const planned = [{ n: 0, kind: 'kill', atMs: 0, forMs: 0, node: 0, roll: 0 } as const]
    const well = clean()
    for (let n = 0; n < 3; n++) well.one(4_000 + n, {}, { replayed: true })
    assert.equal(check(evidence(well, orders), planned).void.length, 1)
    const hit = { ...orders, outcome: { faults: [fault('kill', 0, 1)] } }
    assert.deepEqual(check(evidence(well, hit), planned).void, [])
    const failing = clean()
    for (let n = 0; n < 9; n++) failing.one(4_000 + n, {}, problem(503, 'store_unavailable'))
    assert.equal(check(evidence(failing, hit), planned).void.length, 1)
  })

  test('draws faults and outcomes', () => {
    const svg = timelineSvg(
      evidence(clean(), { ...orders, outcome: { faults: [fault('kill', 1_000, 2_000)] } }),
    )
    assert.match(svg, /<rect class="fault"[^>]*><title>kill: /)
    assert.match(svg, /final response/)
  })
})

function trail(...events: string[]): Rows['audit'] {
  return events.map((event) => ({ client: 'ann', event, transaction: 'p1' }))
}

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type EngineOptions,
  type HandlerResult,
  IdempotencyEngine,
} from '../../internal/idempotency/engine.ts'
import { ModelKeys } from '../simulation/model-keys.ts'

const FINGERPRINT = 'a'.repeat(64)
const ID = { client: 'acme', scope: 'POST /charge', key: 'k-1' }
const HOUR_MS = 3_600_000

/** The store has a clock of its own, which is right; that of the node is `node.aheadMs` off. */
function onSteppingClock(t: TestContext, options: Partial<EngineOptions>) {
  const real = Date.now
  const node = { aheadMs: 0 }
  t.mock.method(Date, 'now', () => real() + node.aheadMs)
  const store = new ModelKeys(() => performance.now()).store(HOUR_MS)
  return { node, store, engine: new IdempotencyEngine({ store, onUnknown: 'hold', ...options }) }
}

const result = (outcome: HandlerResult['outcome']): HandlerResult => ({
  response: { status: 201, headers: {}, body: Buffer.from('done') },
  outcome,
  replayed: false,
})

test('a clock that is set back puts off no lookup of an outcome', async (t) => {
  let asked = 0
  const { node, engine } = onSteppingClock(t, {
    async lookup() {
      return ++asked === 1 ? 'unknown' : { status: 201, headers: {}, body: Buffer.from('found') }
    },
  })
  await engine.run(ID, FINGERPRINT, async (holding) => {
    await holding.dispatched()
    return result({ unknown: 'connection_lost' })
  })
  const retry = () => engine.run(ID, FINGERPRINT, () => assert.fail('it was run again'))
  await assert.rejects(retry(), { code: 'outcome_unknown' })
  node.aheadMs = -HOUR_MS
  await sleep(1_100)
  assert.equal((await retry()).response.body.toString(), 'found')
})

test('a clock that is set forward ends no request before its longest duration, nor its lease', async (t) => {
  const { node, store, engine } = onSteppingClock(t, { leaseMs: 600, maxAgeMs: 60_000 })
  await engine.run(ID, FINGERPRINT, async ({ signal }) => {
    node.aheadMs = HOUR_MS
    await sleep(1_500)
    assert.equal(signal.aborted, false, String(signal.reason))
    assert.equal((await store.claim(ID, FINGERPRINT, 'b'.repeat(32), 600)).outcome, 'in_progress')
    return result('completed')
  })
})

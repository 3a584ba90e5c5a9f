import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ChargeResult, FindResult, PaymentGateway } from '../../internal/payments/gateway.ts'
import { guardedGateway } from '../../internal/payments/guarded-gateway.ts'
import { CHARGE } from '../support/charge.ts'
import { until } from '../support/until.ts'

const options = { mayLeave: () => true }
const COMPLETED: ChargeResult & FindResult = { outcome: 'completed', chargeId: 'ch_1' }
const TIMEOUT: ChargeResult & FindResult = { outcome: 'timeout', cause: new Error('late') }
const UNSENT: ChargeResult = { outcome: 'unsent', cause: new Error('refused') }
const REST_MS = 300
const PATIENCE_MS = 20_000

/** A gateway that does what it is told, and counts. */
function puppet(charge: ChargeResult, find: FindResult | Promise<FindResult> = { outcome: 'none' }) {
  const state = { charge, find, charges: 0, finds: 0 }
  const gateway: PaymentGateway = {
    async charge(_, { mayLeave }) {
      if (!mayLeave()) return UNSENT
      state.charges++
      return state.charge
    },
    async find() {
      state.finds++
      return state.find
    },
    close() {},
  }
  const states: string[] = []
  const guarded = guardedGateway(gateway, {
    halfOpenAfterMs: REST_MS,
    onState: (one) => states.push(one),
  })
  return { state, guarded, states }
}

describe('the circuit breaker of the payment gateway', () => {
  test('opens after five charges in a row that got no response, and closes by itself', async (t) => {
    const { state, guarded, states } = puppet(TIMEOUT, TIMEOUT)
    t.after(() => guarded.close())
    for (let n = 0; n < 4; n++) await guarded.charge(CHARGE, options)
    assert.equal(guarded.restMs(), undefined)
    await guarded.charge(CHARGE, options)
    const restMs = guarded.restMs()
    assert.ok(restMs !== undefined && restMs > 0 && restMs <= REST_MS, `${restMs}`)

    assert.equal((await guarded.charge(CHARGE, options)).outcome, 'unsent')
    assert.equal(state.charges, 5, 'no charge reaches the gateway while it rests')
    await until('it has asked twice', () => state.finds >= 2, PATIENCE_MS)
    assert.ok(guarded.restMs() !== undefined, 'it stays open while the lookups fail')
    state.find = { outcome: 'none' }
    state.charge = COMPLETED
    await until('it is closed', () => guarded.restMs() === undefined, PATIENCE_MS)
    assert.equal(state.charges, 5, 'it was a lookup that closed it, no payment')
    assert.deepEqual([...new Set(states)], ['closed', 'open', 'half_open'])
    assert.equal(states.at(-1), 'closed')
    assert.equal((await guarded.charge(CHARGE, options)).outcome, 'completed')
  })

  test('during a probe charges are refused and do not wait', async (t) => {
    const { state, guarded } = puppet(TIMEOUT)
    t.after(() => guarded.close())
    let response = (_: FindResult) => {}
    state.find = new Promise<FindResult>((resolve) => {
      response = resolve
    })
    for (let n = 0; n < 5; n++) await guarded.charge(CHARGE, options)
    await until('it has asked', () => state.finds === 1, PATIENCE_MS)
    assert.equal((await guarded.charge(CHARGE, options)).outcome, 'unsent')
    assert.equal(state.charges, 5)
    response({ outcome: 'none' })
    await until('it is closed', () => guarded.restMs() === undefined, PATIENCE_MS)
  })

  test('counts no declined, refused or deferred charge, and no lookup that finds nothing', async (t) => {
    const { state, guarded } = puppet({ outcome: 'declined', chargeId: 'ch_1' })
    t.after(() => guarded.close())
    for (const result of [
      state.charge,
      { outcome: 'refused', status: 400 } as const,
      { outcome: 'busy', retryAfterMs: undefined } as const,
    ]) {
      state.charge = result
      for (let n = 0; n < 10; n++) {
        await guarded.charge(CHARGE, options)
        assert.equal(guarded.restMs(), undefined, result.outcome)
      }
    }
    for (let n = 0; n < 10; n++) await guarded.find(CHARGE.key)
    assert.equal(guarded.restMs(), undefined)
  })

  test('opens although lookups succeed in between, and by failed lookups', async (t) => {
    const { guarded } = puppet(TIMEOUT)
    t.after(() => guarded.close())
    for (let n = 0; n < 5; n++) {
      await guarded.charge(CHARGE, options)
      await guarded.find(CHARGE.key)
    }
    assert.ok(guarded.restMs() !== undefined)
    const other = puppet(COMPLETED, TIMEOUT)
    t.after(() => other.guarded.close())
    for (let n = 0; n < 5; n++) await other.guarded.find(CHARGE.key)
    assert.ok(other.guarded.restMs() !== undefined)
  })

  test('a success in between begins the count anew', async (t) => {
    const { state, guarded } = puppet(TIMEOUT)
    t.after(() => guarded.close())
    for (let n = 0; n < 12; n++) {
      state.charge = n % 4 === 3 ? COMPLETED : TIMEOUT
      await guarded.charge(CHARGE, options)
    }
    assert.equal(guarded.restMs(), undefined)
  })
})

describe('a charge', () => {
  test('that was not sent is tried three times', async (t) => {
    const { state, guarded } = puppet(UNSENT)
    t.after(() => guarded.close())
    assert.equal((await guarded.charge(CHARGE, options)).outcome, 'unsent')
    assert.equal(state.charges, 3)
  })

  test('that may have been sent is never tried again', async (t) => {
    for (const result of [TIMEOUT, { outcome: 'error', cause: new Error('reset') } as const]) {
      const { state, guarded } = puppet(result)
      t.after(() => guarded.close())
      await guarded.charge(CHARGE, options)
      assert.equal(state.charges, 1)
    }
  })

  test('is not tried again when it may not be sent any more', async (t) => {
    const { state, guarded } = puppet(UNSENT)
    t.after(() => guarded.close())
    let asked = 0
    await guarded.charge(CHARGE, { mayLeave: () => asked++ < 2 })
    assert.equal(state.charges, 1)
  })
})

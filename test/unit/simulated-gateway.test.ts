import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { simulatedGateway } from '../../internal/payments/simulated-gateway.ts'
import {
  parseSimulatedGateway,
  SIMULATED_DEFAULTS,
  simulatedGatewayText,
} from '../../src/config/simulated-gateway-settings.ts'
import { CHARGE } from '../support/charge.ts'

const FAST = { ...SIMULATED_DEFAULTS, delayMs: 0 }
const mayLeave = () => true
const keyOf = (n: number) => n.toString(16).padStart(64, '0')

describe('the simulated gateway', () => {
  test('finds what it has charged, and charges it once', async () => {
    const gateway = simulatedGateway(FAST)
    assert.deepEqual(await gateway.find(CHARGE.key), { outcome: 'none' })
    const first = await gateway.charge(CHARGE, { mayLeave })
    assert.equal(first.outcome, 'completed')
    assert.deepEqual(await gateway.charge(CHARGE, { mayLeave }), first)
    assert.deepEqual(await gateway.find(CHARGE.key), first)
  })

  test('declines a payment method that ends in declined', async () => {
    const gateway = simulatedGateway(FAST)
    const charge = { ...CHARGE, paymentMethod: 'pm_test_declined' }
    assert.equal((await gateway.charge(charge, { mayLeave })).outcome, 'declined')
  })

  test('charges nothing that may not be sent any more', async () => {
    const gateway = simulatedGateway(FAST)
    assert.equal((await gateway.charge(CHARGE, { mayLeave: () => false })).outcome, 'unsent')
    assert.deepEqual(await gateway.find(CHARGE.key), { outcome: 'none' })
  })

  test('declines and fails at its rates, the same for the same seed, and fails in all ways', async () => {
    const outcomes = async (seed: number) => {
      const gateway = simulatedGateway({ ...FAST, declineRate: 0.2, failureRate: 0.3, seed })
      const all: string[] = []
      for (let n = 0; n < 600; n++) {
        const { outcome } = await gateway.charge({ ...CHARGE, key: keyOf(n) }, { mayLeave })
        all.push(outcome === 'error' ? `lost, ${(await gateway.find(keyOf(n))).outcome}` : outcome)
      }
      return all
    }
    const all = await outcomes(1)
    assert.deepEqual(await outcomes(1), all)
    assert.notDeepEqual(await outcomes(2), all)
    const share = (pattern: RegExp) => all.filter((one) => pattern.test(one)).length / all.length
    for (const [pattern, expected] of [
      [/^declined/, 0.14],
      [/^unsent/, 0.1],
      [/^lost, none/, 0.1],
      [/^lost, (completed|declined)/, 0.1],
    ] as const) {
      assert.ok(Math.abs(share(pattern) - expected) < 0.05, `${pattern}: ${share(pattern)}`)
    }
  })

  test('forgets the oldest charges', async () => {
    const gateway = simulatedGateway(FAST, 2)
    for (const n of [1, 2, 3]) await gateway.charge({ ...CHARGE, key: keyOf(n) }, { mayLeave })
    assert.equal((await gateway.find(keyOf(1))).outcome, 'none')
    assert.equal((await gateway.find(keyOf(2))).outcome, 'completed')
    assert.equal((await gateway.find(keyOf(3))).outcome, 'completed')
  })
})

describe('SIMULATED_GATEWAY', () => {
  test('has defaults for what it leaves out', () => {
    assert.deepEqual(parseSimulatedGateway('decline=0.05'), { ...SIMULATED_DEFAULTS, declineRate: 0.05 })
    const all = parseSimulatedGateway('delay=0ms,decline=1,failure=.5,seed=42')
    assert.deepEqual(all, { delayMs: 0, declineRate: 1, failureRate: 0.5, seed: 42 })
    assert.deepEqual(parseSimulatedGateway(simulatedGatewayText(all)), all)
    assert.deepEqual(parseSimulatedGateway('on'), SIMULATED_DEFAULTS)
    assert.equal(parseSimulatedGateway('delay=3s').delayMs, 3_000)
    assert.equal(parseSimulatedGateway('delay=2m').delayMs, 120_000)
  })

  for (const text of [
    '',
    'fast',
    'delay',
    'delay=50',
    'delay=1h',
    'decline=2',
    'decline=-1',
    'failure=1.1',
    'failure=1e-1',
    'seed=x',
    'decline=0,decline=1',
    'delay=1ms,',
    'delay=1ms decline=0',
  ]) {
    test(`${JSON.stringify(text)} is refused`, () => {
      assert.throws(() => parseSimulatedGateway(text), /must be|appears twice/)
    })
  }
})

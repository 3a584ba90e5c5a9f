import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { ProblemCode } from '../../internal/core/service-error.ts'
import { RetryBudget } from '../../src/client/retry-budget.ts'
import { retryAfterOf, retryDelay } from '../../src/client/retry-policy.ts'
import type { ServiceCode } from '../../src/client.ts'

const ms = fc.integer({ min: 0, max: 2_147_483_647 })
const policy = fc.record({ baseMs: ms, capMs: ms })
const retry = fc.oneof(fc.nat(40), fc.nat(1_000_000))
const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const wish = fc.option(ms, { nil: undefined })

describe('the delay before a retry', () => {
  test('is between the wait that the service requests and that wait plus the ceiling', () => {
    fc.assert(
      fc.property(policy, retry, wish, chance, (limits, n, asked, drawn) => {
        const delay = retryDelay(limits, n, asked, () => drawn)
        const least = asked ?? 0
        assert.ok(delay >= least && delay <= least + limits.capMs, `${delay}`)
        // 2^31 times any base above 0 is above every cap.
        const doubled = n < 31 ? limits.baseMs * 2 ** n : limits.baseMs * 2 ** 31
        assert.ok(delay <= least + doubled)
      }),
    )
  })

  test('is uniform from 0 to the ceiling, which doubles up to the cap', () => {
    fc.assert(
      fc.property(policy, fc.nat(30), chance, (limits, n, drawn) => {
        const ceiling = Math.min(limits.capMs, limits.baseMs * 2 ** n)
        assert.equal(
          retryDelay(limits, n, undefined, () => drawn),
          drawn * ceiling,
        )
      }),
    )
  })

  test('is a number also after more than 1,023 retries', () => {
    assert.equal(
      retryDelay({ baseMs: 0, capMs: 10_000 }, 5_000, undefined, () => 0.5),
      0,
    )
    assert.equal(
      retryDelay({ baseMs: 1, capMs: 10_000 }, 5_000, undefined, () => 0.5),
      5_000,
    )
  })
})

describe('Retry-After', () => {
  const wait = (headers: Record<string, string>, exactMs?: unknown) =>
    retryAfterOf(new Headers(headers), exactMs, Date.parse('2026-01-01T00:00:00Z'))

  test('is in seconds, or a date by the clock of the service', () => {
    assert.equal(wait({ 'Retry-After': '0' }), 0)
    assert.equal(wait({ 'Retry-After': '120' }), 120_000)
    const inAMinute = 'Thu, 01 Jan 2026 00:01:00 GMT'
    assert.equal(wait({ 'Retry-After': inAMinute }), 60_000)
    assert.equal(wait({ 'Retry-After': inAMinute, Date: 'Thu, 01 Jan 2026 00:00:50 GMT' }), 10_000)
    assert.equal(wait({ 'Retry-After': 'Thu, 01 Jan 2015 00:00:00 GMT' }), 0)
  })

  test('is ignored if it is invalid', () => {
    for (const text of ['', '-1', '1.5', 'soon', '1e9'])
      assert.equal(wait({ 'Retry-After': text }), undefined)
    assert.equal(wait({}), undefined)
  })

  test('is replaced by the exact milliseconds from which it was rounded up', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000_000 }), (exactMs) => {
        const rounded = String(Math.max(1, Math.ceil(exactMs / 1_000)))
        assert.equal(wait({ 'Retry-After': rounded }, exactMs), Math.max(exactMs, 1))
      }),
    )
    assert.equal(wait({ 'Retry-After': '5' }, 'soon'), 5_000)
    assert.equal(wait({ 'Retry-After': '5' }, -1), 5_000)
    assert.equal(wait({}, 250), 250)
  })
})

describe('the retry budget', () => {
  test('never allows more than the ratio of the requests plus the reserve of each minute', () => {
    const steps = fc.array(fc.oneof(fc.constant('request'), fc.constant('retry'), fc.nat(10_000)), {
      maxLength: 500,
    })
    fc.assert(
      fc.property(steps, fc.integer({ min: 0, max: 20 }), chance, (all, reserve, ratio) => {
        let nowMs = 0
        let requests = 0
        let retries = 0
        const budget = new RetryBudget(ratio, reserve, () => nowMs)
        for (const step of all) {
          if (typeof step === 'number') nowMs += step
          else if (step === 'request') {
            budget.request()
            requests++
          } else if (budget.take()) retries++
          const most = requests * ratio + reserve * (1 + nowMs / 60_000)
          assert.ok(retries <= most + 1e-6, `${retries} retries, at most ${most}`)
        }
      }),
    )
  })

  test('grows with time, so that a client with few requests has retries after an outage', () => {
    let nowMs = 0
    const budget = new RetryBudget(0.1, 2, () => nowMs)
    assert.deepEqual([budget.take(), budget.take(), budget.take()], [true, true, false])
    nowMs = 30_000
    assert.deepEqual([budget.take(), budget.take()], [true, false])
    nowMs = 10_000_000
    assert.deepEqual([budget.take(), budget.take(), budget.take()], [true, true, false])
  })

  test('does not grow with a clock that goes back and forth', () => {
    let nowMs = 60_000
    const budget = new RetryBudget(0, 1, () => nowMs)
    assert.equal(budget.take(), true)
    nowMs = 0
    assert.equal(budget.take(), false)
  })
})

test('ServiceCode has every code of the service', () => {
  const known: [ProblemCode] extends [ServiceCode] ? true : false = true
  assert.ok(known)
})

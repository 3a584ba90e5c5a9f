import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'
import type { Limiter, Subject } from '../../internal/ratelimit/limiter.ts'
import { parseRateLimits } from '../../internal/ratelimit/rate-limits.ts'

/** Not a multiple of any window used here, so that no test starts at a window edge. */
const START = 1_700_000_012_345

export interface LimiterUnderTest {
  /** Creates a limiter with the clock `now`. Called twice, it gives two limiters over the same store. */
  create: (now: () => number) => Limiter
}

/** The contract of every limiter. The store may already hold the state of other subjects. */
export function limiterContract(name: string, limiterUnderTest: LimiterUnderTest): void {
  describe(name, () => {
    let now = START
    const create = () => limiterUnderTest.create(() => now)
    const subject = (changes: Partial<Subject> = {}): Subject => ({
      client: `c-${randomUUID()}`,
      ip: '::1',
      route: 'POST /orders',
      group: `g-${randomUUID()}`,
      ...changes,
    })

    for (const algorithm of ['sliding-window', 'token-bucket', 'fixed-window']) {
      const ten = parseRateLimits(`client=10/60s:${algorithm}`)

      test(`${algorithm}: of 50 concurrent requests with a quota of 10 exactly 10 are admitted`, async () => {
        const limiter = create()
        const who = subject()
        const all = await Promise.all(Array.from({ length: 50 }, () => limiter.decide(ten, who)))
        const passed = all.filter((one) => one.allowed)
        assert.equal(passed.length, 10)
        const remaining = passed.map((one) => one.tightest?.remaining).sort((a, b) => Number(a) - Number(b))
        assert.deepEqual(remaining, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
        for (const one of all.filter(({ allowed }) => !allowed)) {
          assert.equal(one.tightest?.remaining, 0)
          assert.ok(one.tightest.retryAfterMs > 0)
        }
      })

      test(`${algorithm}: a request after the reported wait is admitted, and a millisecond earlier it is not`, async () => {
        const limiter = create()
        const who = subject()
        for (let i = 0; i < 10; i++) await limiter.decide(ten, who)
        const refused = await limiter.decide(ten, who)
        assert.equal(refused.allowed, false)
        const wait = refused.tightest?.retryAfterMs ?? 0
        assert.equal(refused.tightest?.resetAtMs, now + wait)
        now += wait - 1
        assert.equal((await limiter.decide(ten, who)).allowed, false)
        now += 1
        assert.equal((await limiter.decide(ten, who)).allowed, true)
      })

      test(`${algorithm}: a peek gives the result of a decision and uses none`, async () => {
        const limiter = create()
        const two = parseRateLimits(`client=2/60s:${algorithm}`)
        const who = subject()
        for (let i = 0; i < 5; i++) assert.equal((await limiter.peek(two, who)).tightest?.remaining, 2)
        await limiter.decide(two, who)
        for (let i = 0; i < 5; i++) assert.equal((await limiter.peek(two, who)).tightest?.remaining, 1)
        await limiter.decide(two, who)
        assert.deepEqual(await limiter.peek(two, who), await limiter.decide(two, who))
      })

      test(`${algorithm}: a request refused by one limit uses none of the other`, async () => {
        const limiter = create()
        const limits = parseRateLimits(`global=5/60s:${algorithm},client=2/60s:${algorithm}`)
        const who = subject()
        for (let i = 0; i < 2; i++) await limiter.decide(limits, who)
        for (let i = 0; i < 10; i++) {
          const refused = await limiter.decide(limits, who)
          assert.equal(refused.allowed, false)
          assert.deepEqual(
            refused.statuses.map(({ name, allowed, remaining }) => ({ name, allowed, remaining })),
            [
              { name: 'global', allowed: true, remaining: 3 },
              { name: 'client', allowed: false, remaining: 0 },
            ],
          )
          assert.equal(refused.tightest?.name, 'client')
        }
        const other = { ...who, client: 'another' }
        assert.equal((await limiter.decide(limits, other)).statuses[0]?.remaining, 2)
      })
    }

    test('clients, addresses and rule sets are counted separately', async () => {
      const limiter = create()
      const limits = parseRateLimits('client=1/60s')
      const who = subject()
      assert.equal((await limiter.decide(limits, who)).allowed, true)
      assert.equal((await limiter.decide(limits, who)).allowed, false)
      assert.equal((await limiter.decide(limits, { ...who, client: 'b' })).allowed, true)
      assert.equal((await limiter.decide(limits, { ...who, group: 'pay' })).allowed, true)

      const perAddress = parseRateLimits('ip=1/60s')
      const here = subject({ ip: '10.0.0.1' })
      assert.equal((await limiter.decide(perAddress, here)).allowed, true)
      assert.equal((await limiter.decide(perAddress, { ...here, client: 'b' })).allowed, false)
      assert.equal((await limiter.decide(perAddress, { ...here, ip: '10.0.0.2' })).allowed, true)
    })

    test('an endpoint limit counts a client on one route, a client limit on all of them', async () => {
      const limiter = create()
      const limits = parseRateLimits('endpoint=1/60s,client=3/60s')
      const who = subject()
      const elsewhere = { ...who, route: 'POST /pay' }
      assert.equal((await limiter.decide(limits, who)).allowed, true)
      assert.equal((await limiter.decide(limits, who)).tightest?.name, 'endpoint')
      const second = await limiter.decide(limits, elsewhere)
      assert.equal(second.allowed, true)
      assert.deepEqual(
        second.statuses.map((status) => status.remaining),
        [0, 1],
      )
    })

    test('a global limit counts all requests', async () => {
      const limiter = create()
      const limits = parseRateLimits('global=2/60s')
      const who = subject()
      assert.equal((await limiter.decide(limits, who)).allowed, true)
      assert.equal((await limiter.decide(limits, { ...who, client: 'b', ip: '::2' })).allowed, true)
      assert.equal((await limiter.decide(limits, { ...who, client: 'c', ip: '::3' })).allowed, false)
    })

    test('the same scope may have a long and a short window', async () => {
      const limiter = create()
      const limits = parseRateLimits('client=3/60s,client=2/1s:token-bucket:2')
      const who = subject()
      for (let i = 0; i < 2; i++) assert.equal((await limiter.decide(limits, who)).allowed, true)
      assert.equal((await limiter.decide(limits, who)).tightest?.name, 'client-1s')
      now += 500
      assert.equal((await limiter.decide(limits, who)).allowed, true)
      const both = await limiter.decide(limits, who)
      assert.deepEqual(
        both.statuses.map((status) => status.allowed),
        [false, false],
      )
      assert.equal(both.tightest?.name, 'client-60s', 'the longest wait of those that refuse')
      assert.equal(both.tightest?.retryAfterMs, 59_500)
    })

    test('a lowered quota refuses until enough admissions have left, and remaining is never negative', async () => {
      const limiter = create()
      const who = subject()
      for (let i = 0; i < 5; i++) {
        await limiter.decide(parseRateLimits('client=5/10s'), who)
        now += 1
      }
      const lowered = parseRateLimits('client=2/10s')
      const refused = await limiter.decide(lowered, who)
      assert.equal(refused.tightest?.remaining, 0)
      assert.equal(refused.tightest?.retryAfterMs, 9_998, 'when the fourth has left')
      now += 9_998
      assert.equal((await limiter.decide(lowered, who)).allowed, true)

      for (const algorithm of ['token-bucket', 'fixed-window']) {
        const other = subject()
        for (let i = 0; i < 2; i++) await limiter.decide(parseRateLimits(`client=5/10s:${algorithm}`), other)
        const less = await limiter.peek(parseRateLimits(`client=1/10s:${algorithm}`), other)
        assert.equal(less.tightest?.remaining, algorithm === 'token-bucket' ? 1 : 0)
      }
    })

    test('the reported limit is the maximum of remaining', async () => {
      const limiter = create()
      const response = await limiter.decide(parseRateLimits('client=3/60s,ip=2/1s:token-bucket:9'), subject())
      assert.deepEqual(
        response.statuses.map(({ limit, remaining }) => [limit, remaining]),
        [
          [3, 2],
          [9, 8],
        ],
      )
      assert.equal(response.tightest?.scope, 'client')
    })

    test('a clock that steps back neither blocks for ever nor admits a second quota', async () => {
      const limiter = create()
      for (const algorithm of ['sliding-window', 'token-bucket', 'fixed-window']) {
        const limits = parseRateLimits(`client=2/10s:${algorithm}`)
        const who = subject()
        for (let i = 0; i < 2; i++) await limiter.decide(limits, who)
        now -= 3_600_000
        const refused = await limiter.decide(limits, who)
        assert.equal(refused.allowed, false)
        const wait = refused.tightest?.retryAfterMs ?? 0
        assert.ok(wait > 0 && wait <= 20_000)
        now += wait
        assert.equal((await limiter.decide(limits, who)).allowed, true)
      }
    })

    test('without limits a request is allowed, without statuses', async () => {
      assert.deepEqual(await create().decide([], subject()), {
        allowed: true,
        statuses: [],
        tightest: undefined,
      })
    })
  })
}

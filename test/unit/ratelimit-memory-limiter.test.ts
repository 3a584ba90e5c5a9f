import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MemoryLimiter } from '../../internal/ratelimit/memory-limiter.ts'
import { ALGORITHMS, parseRateLimits } from '../../internal/ratelimit/rate-limits.ts'

const START = 1_700_000_000_000
const subject = (client: string) => ({ client, ip: '::1', route: 'POST /orders', group: 'orders' })

for (const algorithm of ALGORITHMS) {
  test(`${algorithm}: 100,000 subjects are deleted after their windows have passed`, async () => {
    let now = START
    const limiter = new MemoryLimiter({ now: () => now })
    const limits = parseRateLimits(`client=2/1s:${algorithm}`)
    let most = 0
    for (let i = 0; i < 100_000; i++) {
      now += 1
      assert.equal((await limiter.decide(limits, subject(`c${i}`))).allowed, true)
      most = Math.max(most, limiter.size)
    }
    // At any time 1,000 of them are not expired.
    assert.ok(most < 2_000, `${most} states at once`)
  })
}

test('a long window is kept while expired short ones are deleted', async () => {
  let now = START
  const limiter = new MemoryLimiter({ now: () => now })
  const day = parseRateLimits('client=1/24h')
  await limiter.decide(day, subject('patient'))
  const short = parseRateLimits('client=1/10ms')
  for (let i = 0; i < 10_000; i++) {
    now += 1
    await limiter.decide(short, subject(`c${i}`))
  }
  assert.ok(limiter.size < 100)
  assert.equal((await limiter.decide(day, subject('patient'))).allowed, false)
})

test('with more than maxEntries subjects the least recently used one is deleted', async () => {
  const limiter = new MemoryLimiter({ now: () => START, maxEntries: 100 })
  const limits = parseRateLimits('client=3/1h')
  const remaining = async (client: string) =>
    (await limiter.peek(limits, subject(client))).tightest?.remaining
  await limiter.decide(limits, subject('busy'))
  await limiter.decide(limits, subject('idle'))
  for (let i = 0; i < 150; i++) {
    if (i === 50) await limiter.decide(limits, subject('busy'))
    await limiter.decide(limits, subject(`c${i}`))
    assert.ok(limiter.size <= 100)
    if (i === 110) assert.deepEqual([await remaining('busy'), await remaining('idle')], [1, 3])
  }
  assert.equal(await remaining('busy'), 3)
})

test('peeks and refused requests store no entry', async () => {
  const limiter = new MemoryLimiter({ now: () => START })
  for (let i = 0; i < 100; i++) await limiter.peek(parseRateLimits('client=1/1h'), subject(`c${i}`))
  assert.equal(limiter.size, 0)
})

test('the limiter agrees with a simple count, over several limits and clients', async () => {
  const step = fc.record({ after: fc.nat(40), client: fc.constantFrom('a', 'b', 'c') })
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 200 })), {
        selector: ([, windowMs]) => windowMs,
        minLength: 1,
        maxLength: 3,
      }),
      fc.array(step, { maxLength: 120 }),
      async (rules, steps) => {
        let now = START
        const limiter = new MemoryLimiter({ now: () => now })
        const limits = parseRateLimits(rules.map(([quota, ms]) => `client=${quota}/${ms}ms`).join(','))
        const admitted: { client: string; time: number }[] = []
        for (const { after, client } of steps) {
          now += after
          const free = rules.map(([quota, windowMs]) => {
            const inWindow = (one: { client: string; time: number }) =>
              one.client === client && one.time > now - windowMs
            return quota - admitted.filter(inWindow).length
          })
          const allowed = free.every((count) => count > 0)
          if (allowed) admitted.push({ client, time: now })
          const response = await limiter.decide(limits, subject(client))
          assert.equal(response.allowed, allowed)
          assert.deepEqual(
            response.statuses.map((status) => status.remaining),
            free.map((count) => (allowed ? count - 1 : count)),
          )
        }
      },
    ),
    { numRuns: 300 },
  )
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MemoryLimiter } from '../../internal/ratelimit/memory-limiter.ts'
import { ALGORITHMS, type Limit, SCOPES } from '../../internal/ratelimit/rate-limits.ts'

const START = 1_700_000_000_000

interface Request {
  at: number
  client: string
  ip: string
  route: string
}

/** Whether a limit admits one more at `now`, computed by definition from the times of all admissions. */
function admits(
  { algorithm, quota, windowMs, burst }: Limit,
  times: readonly number[],
  now: number,
): boolean {
  switch (algorithm) {
    case 'sliding-window':
      return times.filter((time) => time > now - windowMs).length < quota
    case 'fixed-window':
      return times.filter((time) => Math.floor(time / windowMs) === Math.floor(now / windowMs)).length < quota
    case 'token-bucket':
      // In any interval: at most the burst plus the tokens added in it.
      return [...times, now].every((since, n) => {
        const admitted = times.length - n + 1
        return admitted * windowMs <= burst * windowMs + (now - since) * quota
      })
  }
}

const limit = fc
  .record({
    scope: fc.constantFrom(...SCOPES),
    algorithm: fc.constantFrom(...ALGORITHMS),
    quota: fc.integer({ min: 1, max: 5 }),
    windowMs: fc.integer({ min: 1, max: 200 }),
    burst: fc.integer({ min: 1, max: 6 }),
  })
  .map((one) => ({
    ...one,
    name: `${one.scope}-${one.windowMs}`,
    burst: one.algorithm === 'token-bucket' ? one.burst : one.quota,
  }))

const step = fc.record({
  after: fc.nat(40),
  client: fc.constantFrom('a', 'b'),
  ip: fc.constantFrom('::1', '::2'),
  route: fc.constantFrom('POST /x', 'POST /y'),
})

const COUNTED: Record<Limit['scope'], (request: Request) => string> = {
  global: () => '',
  client: ({ client }) => client,
  ip: ({ ip }) => ip,
  endpoint: ({ client, route }) => `${client} ${route}`,
}

test('several limits admit a request only if each of them does, and a refused request uses none', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(limit, { selector: ({ name }) => name, minLength: 1, maxLength: 4 }),
      fc.array(step, { maxLength: 80 }),
      async (limits, steps) => {
        let now = START
        const limiter = new MemoryLimiter({ now: () => now })
        const admitted: Request[] = []
        for (const { after, ...who } of steps) {
          now += after
          const request = { at: now, ...who }
          const allowed = limits.every((one) => {
            const counted = COUNTED[one.scope]
            const before = admitted.filter((other) => counted(other) === counted(request))
            return admits(
              one,
              before.map(({ at }) => at),
              now,
            )
          })
          const subject = { ...who, group: 'all' }
          assert.equal((await limiter.peek(limits, subject)).allowed, allowed)
          assert.equal((await limiter.decide(limits, subject)).allowed, allowed)
          if (allowed) admitted.push(request)
        }
      },
    ),
    { numRuns: 500 },
  )
})

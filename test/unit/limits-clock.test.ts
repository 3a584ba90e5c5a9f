import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseRateLimits } from '../../internal/ratelimit/rate-limits.ts'
import { createLogger } from '../../internal/telemetry/logger.ts'
import { readConfig } from '../../src/config/config.ts'
import { openLimiter } from '../../src/runtime/limits.ts'

test('a clock that jumps does not change what a process counts', async (t) => {
  const real = Date.now
  let aheadMs = 64_000
  t.mock.method(Date, 'now', () => real() + aheadMs)
  const logger = createLogger({ level: 'silent', file: '/dev/null' })
  const limiter = openLimiter({ config: readConfig('serve', {}), redis: undefined, logger })
  const [limits, subject] = [
    parseRateLimits('client=5/100ms'),
    { client: 'acme', ip: '', route: 'POST /orders', group: 'all' },
  ]
  const decide = async () => (await limiter.decide(limits, subject)).tightest?.remaining
  assert.equal(await decide(), 4)
  aheadMs = 0
  await sleep(150)
  // The first admission has left the window, independent of the clock.
  assert.equal(await decide(), 4)
})

#!/usr/bin/env bash
# p-ratelimit 1.0.1: a call that waits longer than `maxDelay` is refused and keeps a slot of `concurrency` for ever.
#
# Guess: a call that gets RateLimitTimeoutError is out of the queue and leaves nothing behind.
# What happens: it stays in the queue until its turn comes. Then it is counted as running, does nothing since its time is over,
#   and is never counted as ended. After as many timeouts as there are slots no call runs any more: each waits for
#   `maxDelay` and is refused, though nothing is running.
# Why it matters: `concurrency` with `maxDelay` is the example of its README. One busy moment, with more calls than are served
#   in time, stops the limiter until the process is restarted, and each call reports only that the queue is too slow.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts p-ratelimit@1.0.1
cat >find.js <<'JS'
import { setTimeout as sleep } from 'node:timers/promises'
import { pRateLimit } from 'p-ratelimit'

const limit = pRateLimit({ concurrency: 2, maxDelay: 300 })
let running = 0
const call = (ms) =>
  limit(async () => {
    running++
    await sleep(ms)
    running--
  }).then(
    () => 'done',
    (error) => error.constructor.name,
  )
console.log(`Two short calls: ${await Promise.all([call(1), call(1)])}`)
console.log(`Two long ones and one more: ${await Promise.all([call(800), call(800), call(1)])}`)
await sleep(1_000)
console.log(`Two short calls, ${running} running: ${await Promise.all([call(10), call(10)])}`)
console.log(`Two long ones and one more: ${await Promise.all([call(800), call(800), call(1)])}`)
for (let i = 0; i < 3; i++) {
  await sleep(1_000)
  console.log(`One call, ${running} running: ${await call(1)}`)
}
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
Two short calls: done,done
Two long ones and one more: done,done,RateLimitTimeoutError
Two short calls, 0 running: done,done
Two long ones and one more: done,RateLimitTimeoutError,RateLimitTimeoutError
One call, 0 running: RateLimitTimeoutError
One call, 0 running: RateLimitTimeoutError
One call, 0 running: RateLimitTimeoutError
EXPECTED

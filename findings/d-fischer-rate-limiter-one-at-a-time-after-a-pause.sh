#!/usr/bin/env bash
# @d-fischer/rate-limiter 1.1.0: after resume() it lets one request through per time frame, whatever the size of the bucket; after clear() new requests wait for ever.
#
# Guess: with a bucket of 3 per second, resume() sends three of the requests that wait, and three more each second. clear()
#   drops what waits; a request made after it is sent as soon as the bucket has room.
# What happens: resume() starts one request, and each request that leaves the bucket starts the next one. So there is one per
#   time frame until the queue is empty: 9 requests take 8 s, not 2. clear() of the partitioned limiter replaces the
#   queue while the requests in flight keep the old one: when they leave the bucket, they look at the old queue, find it empty,
#   and start nothing.
# Why it matters: a pause is what one does when the other side is overloaded. The queue that has grown meanwhile is then
#   worked off with a fraction of the rate that is allowed. The promises of the requests after clear() never settle.
# Needs Node.js 20.11 or newer and npm; the clock is moved by hand. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @d-fischer/rate-limiter@1.1.0
cat >find.js <<'JS'
import { mock } from 'node:test'
import { PartitionedTimeBasedRateLimiter, TimeBasedRateLimiter } from '@d-fischer/rate-limiter'

mock.timers.enable({ apis: ['setTimeout'] })
const isIdle = () => new Promise(resolve => setImmediate(resolve))
const times = 9
for (const Limiter of [TimeBasedRateLimiter, PartitionedTimeBasedRateLimiter]) {
  for (const action of ['nothing', 'pause and resume', 'clear']) {
    let sent = 0
    const limiter = new Limiter({
      bucketSize: 3,
      timeFrame: 1000,
      logger: { minLevel: 'critical' },
      getPartitionKey: () => 'partner',
      doRequest: async () => {
        sent++
      },
    })
    if (action === 'pause and resume') limiter.pause()
    for (let i = 0; i < 3; i++) limiter.request(i)
    if (action === 'clear') limiter.clear()
    for (let i = 3; i < times; i++) limiter.request(i)
    if (action === 'pause and resume') limiter.resume()
    const counts = []
    for (let second = 0; second < times; second++) {
      await isIdle()
      counts.push(sent)
      mock.timers.tick(1000)
    }
    console.log(`${Limiter.name}, ${action}: sent after 0 to ${times - 1} s: ${counts.join(' ')}`)
  }
}
JS
node find.js | tee output
diff output - <<'EXPECTED'
TimeBasedRateLimiter, nothing: sent after 0 to 8 s: 3 6 9 9 9 9 9 9 9
TimeBasedRateLimiter, pause and resume: sent after 0 to 8 s: 1 2 3 4 5 6 7 8 9
TimeBasedRateLimiter, clear: sent after 0 to 8 s: 3 6 9 9 9 9 9 9 9
PartitionedTimeBasedRateLimiter, nothing: sent after 0 to 8 s: 3 6 9 9 9 9 9 9 9
PartitionedTimeBasedRateLimiter, pause and resume: sent after 0 to 8 s: 1 2 3 4 5 6 7 8 9
PartitionedTimeBasedRateLimiter, clear: sent after 0 to 8 s: 3 3 3 3 3 3 3 3 3
EXPECTED

#!/usr/bin/env bash
# rate-limit-threshold 0.2.1: all calls that wait go at the same moment, so that 20 at once are limited to 5 a second only at first.
#
# Guess: new RateLimitThreshold(5, 1) lets 5 calls a second pass limit(); of 20 that come at once 5 go in each of four seconds.
# What happens: each call that has to wait sleeps until the first of the window is a second old, and does not look again after its
#   sleep. Of 20 calls 5 go at once and the other 15 a second later, together. One after the other, each awaited, they keep to
#   the limit, as in its example.
# Why it matters: the wait makes it look like a limit that works. Calls that run beside each other, as in Promise.all or a server, go
#   over the limit by as many as there are.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts rate-limit-threshold@0.2.1
cat >find.js <<'JS'
import { RateLimitThreshold } from 'rate-limit-threshold'

async function run(name, send) {
  const limiter = new RateLimitThreshold(5, 1)
  const begun = performance.now()
  const counts = [0, 0, 0, 0, 0]
  await send(async () => {
    await limiter.limit()
    counts[Math.floor((performance.now() - begun + 100) / 1_000)]++
  })
  console.log(`${name}: ${counts} in each second`)
}
await run('20 one after the other', async (call) => {
  for (let i = 0; i < 20; i++) await call()
})
await run('20 at once', (call) => Promise.all(Array.from({ length: 20 }, call)))
JS
node find.js | tee output
diff output - <<'EXPECTED'
20 one after the other: 5,5,5,5,0 in each second
20 at once: 5,15,0,0,0 in each second
EXPECTED

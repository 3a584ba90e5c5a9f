#!/usr/bin/env bash
# oss-ratelimit 2.6.0: `retryAfter` of a token bucket is in milliseconds, that of the two windows in seconds; check() takes a token.
#
# Guess: `retryAfter` has one unit. The README of the package says "Retry after 5s" with it and sets the header Retry-After
#   to it. check() and getStats() look and take nothing.
# What happens: tokenBucket(1, '1 h', 3) refuses with retryAfter 3600000, slidingWindow(3, '1 h') with 3600. check() calls
#   limit(), so that each look is counted: after three of them the first request is refused.
# Why it matters: a client that honours "Retry-After: 3600000" waits for 41 days where an hour would do.
# Needs redis-server, Node.js 20 or newer and npm. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts oss-ratelimit@2.6.0 redis@4.7.1
trap 'test -z "${pid:-}" || kill "$pid"; wait; rm -rf "$folder"' EXIT
redis-server --port 0 --unixsocket "$folder/redis" --save '' --dir "$folder" >log &
pid=$!
cat >find.js <<'JS'
import { Ratelimit, fixedWindow, slidingWindow, tokenBucket } from 'oss-ratelimit'
import { createClient } from 'redis'

const redis = createClient({ socket: { path: 'redis' } }).on('error', () => {})
await redis.connect()
const limiters = {
  slidingWindow: slidingWindow(3, '1 h'),
  fixedWindow: fixedWindow(3, '1 h'),
  tokenBucket: tokenBucket(1, '1 h', 3),
}
for (const [name, limiter] of Object.entries(limiters)) {
  const limit = new Ratelimit({ redis, limiter, prefix: name })
  for (let i = 0; i < 3; i++) await limit.limit('a')
  const { success, retryAfter } = await limit.limit('a')
  const told = retryAfter <= 3600 ? 'at most 3600' : retryAfter
  console.log(`${name}: success ${success}, retryAfter ${told}`)
  for (let i = 0; i < 3; i++) await limit.check('b')
  console.log(`${name}: after three checks success ${(await limit.limit('b')).success}`)
}
process.exit()
JS
redis-server --version
node find.js | tee output
diff output - <<'EXPECTED'
slidingWindow: success false, retryAfter at most 3600
slidingWindow: after three checks success false
fixedWindow: success false, retryAfter at most 3600
fixedWindow: after three checks success false
tokenBucket: success false, retryAfter 3600000
tokenBucket: after three checks success false
EXPECTED

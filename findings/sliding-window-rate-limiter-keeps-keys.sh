#!/usr/bin/env bash
# sliding-window-rate-limiter 6.0.1 keeps each key in Redis for a thousand times its window.
#
# Guess: a key has a time to live of about one window, so that callers who no longer come leave nothing behind.
# What happens: the window is in milliseconds and is given to EXPIRE, which counts seconds. A window of a minute keeps its
#   key for nearly 17 hours, one of a day for 2.7 years. Each request is a member of a sorted set under that key, and is
#   removed only when the same caller comes again.
# Why it matters: with a key for each address Redis grows for weeks and is then full. The limiter and all else in that Redis
#   begin to fail, or to forget, depending on maxmemory-policy, while nothing is wrong with the limits themselves.
# Needs redis-server, Node.js 20 or newer and npm. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts sliding-window-rate-limiter@6.0.1 ioredis@5.8.2
trap 'test -z "${pid:-}" || kill "$pid"; wait; rm -rf "$folder"' EXIT
redis-server --port 0 --unixsocket "$folder/redis" --save '' --dir "$folder" >log &
pid=$!
cat >find.js <<'JS'
import { Redis } from 'ioredis'
import { SlidingWindowRateLimiter } from 'sliding-window-rate-limiter'

const redis = new Redis({ path: 'redis' }).on('error', () => {})
for (const [name, interval] of [['a minute', 60_000], ['a day', 86_400_000]]) {
  const limiter = SlidingWindowRateLimiter.createLimiter({ interval, redis })
  await limiter.reserve(name, 10)
  const [key] = await redis.keys(`*${name}*`)
  const ttl = await redis.ttl(key)
  console.log(`a window of ${name}: kept for ${Math.round(ttl / 3_600)} hours`)
}
process.exit()
JS
redis-server --version
node find.js | tee output
diff output - <<'EXPECTED'
a window of a minute: kept for 17 hours
a window of a day: kept for 24000 hours
EXPECTED

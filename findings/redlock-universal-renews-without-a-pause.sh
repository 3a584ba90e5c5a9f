#!/usr/bin/env bash
# redlock-universal 0.8.5: using() on a lock of at most 1.25 seconds renews it thousands of times a second.
#
# Guess: using() renews the lock when a fifth of its time is left, for 1 s after 0.8 s. Or a short lock is refused.
# What happens: 1 s is the shortest pause between two renewals. If the time until the next one is not longer, it is done at
#   once instead of after the pause; then the next one is due at once again. One lock of 1 s, held for 2 s, makes about
#   30,000 commands in Redis, one of 1.5 s makes 12.
# Why it matters: one process with a few short locks uses up Redis (one thread) for all others. Nothing is logged, and each
#   lock is correct. Take a `ttl` of 1.5 s or more.
# Needs redis-server, Node.js 20 or newer and npm. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts redlock-universal@0.8.5 ioredis@6.0.0
trap 'test -z "${pid:-}" || kill "$pid"; wait; rm -rf "$folder"' EXIT
redis-server --port 0 --unixsocket "$folder/redis" --save '' --dir "$folder" >log &
pid=$!
cat >find.js <<'JS'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { createLock, IoredisAdapter } from 'redlock-universal'

const redis = new Redis({ path: 'redis' }).on('error', () => {})
const commands = async () => Number(/total_commands_processed:(\d+)/.exec(await redis.info('stats'))[1])
for (const ttl of [1_500, 1_000]) {
  const lock = createLock({ adapter: new IoredisAdapter(redis), key: `lock-${ttl}`, ttl })
  const before = await commands()
  await lock.using(() => sleep(2_000))
  const count = (await commands()) - before
  console.error(`${ttl} ms: ${count} commands`)
  console.log(`${ttl} ms, held for two seconds: ${count > 1_000 ? 'over 1,000' : count < 50 ? 'under 50' : count} commands`)
}
process.exit()
JS
redis-server --version
node find.js | tee output
diff output - <<'EXPECTED'
1500 ms, held for two seconds: under 50 commands
1000 ms, held for two seconds: over 1,000 commands
EXPECTED

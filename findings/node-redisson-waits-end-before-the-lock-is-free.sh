#!/usr/bin/env bash
# node-redisson 1.0.4: tryLock() with a waiting time returns false at the moment at which the lock becomes free.
#
# Guess: tryLock(10 s) gets a lock that becomes free within 10 s, whether it is unlocked or its lease ends, as Redisson for Java does,
#   which it follows. Waiters do not know of each other.
# What happens: a waiter waits for the message of an unlock, at most as long as the lock still lives, and takes the end of that time for the
#   end of its own: a lock whose holder died or whose lease ends in 2 s gives false after 2 s of 10, when it is free. And a waiter
#   that ends unsubscribes its process from the channel of the lock: with one that waits for 1 s, another one of the same
#   process never hears of the unlock after 3 s, and returns false after its 10 s, with the lock free for 7 s.
# Why it matters: false means "another one is at it", so that the work is skipped. With a holder that died it is not done at all. A test with
#   one waiter and unlock() sees none of it. Call tryLock() again in a loop of your own.
# Needs redis-server, Node.js 20 or newer and npm. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'test -z "${pid:-}" || kill "$pid"; wait; rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts node-redisson@1.0.4 ioredis@5.11.1
redis-server --port 0 --unixsocket "$folder/redis" --save '' --dir "$folder" >log &
pid=$!
cat >find.js <<'JS'
import redisson from 'node-redisson'

const { Redisson, TimeUnit } = redisson
const connect = () => new Redisson({ redis: { options: { path: 'redis' } } })
const holder = connect()
const process2 = connect()
async function hold(name, seconds, unlockMs) {
  const lock = holder.getLock(name)
  await lock.lock(BigInt(seconds), TimeUnit.SECONDS)
  if (unlockMs !== undefined) setTimeout(() => lock.unlock(), unlockMs)
}
async function wait(name, seconds) {
  const startMs = Date.now()
  const locked = await process2.getLock(name).tryLock(BigInt(seconds), true, TimeUnit.SECONDS)
  return `waits up to ${seconds} s: ${locked} after ${Math.round((Date.now() - startMs) / 1_000)} s`
}
await hold('unlocked', 20, 2_000)
console.log(`unlocked after 2 s; ${await wait('unlocked', 10)}`)
await hold('ended', 2)
console.log(`the lease ends after 2 s; ${await wait('ended', 10)}`)
await hold('shared', 20, 3_000)
console.log(`unlocked after 3 s; ${(await Promise.all([wait('shared', 1), wait('shared', 10)])).join('; ')}`)
process.exit()
JS
redis-server --version
node find.js | tee output
diff output - <<'EXPECTED'
unlocked after 2 s; waits up to 10 s: true after 2 s
the lease ends after 2 s; waits up to 10 s: false after 2 s
unlocked after 3 s; waits up to 1 s: false after 1 s; waits up to 10 s: false after 10 s
EXPECTED

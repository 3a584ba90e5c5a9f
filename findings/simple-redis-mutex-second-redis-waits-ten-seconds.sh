#!/usr/bin/env bash
# simple-redis-mutex 3.0.0: of two Redis servers only the first one used wakes its waiters; a lock that came too late stays locked.
#
# Guess: a release is published on the Redis of the lock, and the next waiter has the lock at once, on each server. When lock() fails
#   after failAfter, nothing is held.
# What happens: the process has one subscriber, made from the client that was used first. On another server (a second shard, another
#   tenant) no waiter hears of a release: it waits for its next poll, up to ten seconds. When failAfter ends while SET is on its way,
#   the lock is taken after the error, nobody can release it, and it stays for its 30 seconds.
# Why it matters: the same code is a thousand times slower for the second server, and each slow answer of Redis adds 30 seconds in
#   which nobody can pay. Use one process for each server, or a short pollingInterval, and a timeout that is not much longer than the
#   work.
# Needs redis-server, Node.js 20 or newer and npm. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
pids=()
stop() {
  test "${#pids[@]}" = 0 || kill "${pids[@]}"
  wait
  rm -rf "$folder"
}
trap stop EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts simple-redis-mutex@3.0.0 redis@5.8.2
for name in first second; do
  redis-server --port 0 --unixsocket "$folder/$name" --save '' --dir "$folder" >>log &
  pids+=($!)
done
cat >find.js <<'JS'
const { setTimeout: sleep } = require('node:timers/promises')
const { createClient } = require('redis')
const { lock, tryLock } = require('simple-redis-mutex')

async function main() {
  const connect = (path) => createClient({ socket: { path } }).on('error', () => {}).connect()
  for (const name of ['first', 'second']) {
    const redis = await connect(name)
    const release = await lock(redis, 'order')
    const waiter = lock(redis, 'order')
    await sleep(500)
    const started = Date.now()
    await release()
    const next = await waiter
    const ms = Date.now() - started
    console.log(`${name} server: the next one has the lock after ${ms < 1_000 ? 'less than a second' : ms > 8_000 ? 'more than 8 seconds' : `${ms} ms`}`)
    await next()
  }
  const redis = await connect('first')
  const admin = await connect('first')
  await (await lock(redis, 'warm'))()
  await admin.sendCommand(['CLIENT', 'PAUSE', '1000', 'WRITE'])
  console.log(`failAfter 300 ms, Redis is slow for a second: ${await lock(redis, 'payout', { failAfter: 300 }).catch((error) => error.message)}`)
  await sleep(1_500)
  const [held] = await tryLock(redis, 'payout')
  const left = await admin.pTTL('@simple-redis-mutex:lock-payout')
  console.log(`after that the lock is free: ${held}; it stays for more than 25 seconds: ${left > 25_000}`)
  process.exit()
}
main()
JS
node find.js | tee output
diff output - <<'EXPECTED'
first server: the next one has the lock after less than a second
second server: the next one has the lock after more than 8 seconds
failAfter 300 ms, Redis is slow for a second: Lock "payout" could not be acquired after 300 millis
after that the lock is free: false; it stays for more than 25 seconds: true
EXPECTED

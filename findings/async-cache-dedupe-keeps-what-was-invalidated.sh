#!/usr/bin/env bash
# async-cache-dedupe 3.4.0: a value that was read before invalidate() or clear() is stored after it, for the whole `ttl`.
#
# Guess: after an order has changed and its reference was invalidated, the next call reads it anew, and what was read before the change
#   is not stored.
# What happens: invalidate() and invalidateAll() remove what is stored. A read that is in flight goes on: calls that come after them
#   are given its promise, with the value from before, and that value is then stored. clear() forgets the promise, so that the next
#   call reads anew; but when the read from before ends last, its old value replaces the new one.
# Why it matters: reads are in flight when load is high and the database is slow, which is when an order changes from "processing" to
#   "paid" as well. Each later call gets "processing" until the ttl is over, though all was invalidated as the README shows.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts async-cache-dedupe@3.4.0
cat >find.js <<'JS'
import { setTimeout as sleep } from 'node:timers/promises'
import { createCache } from 'async-cache-dedupe'

async function run(name, forget, changeAfter) {
  let status = 'processing'
  let reads = 0
  const cache = createCache({ ttl: 3_600, storage: { type: 'memory', options: { invalidation: true } } })
  cache.define('order', { references: (id) => [`order-${id}`] }, async () => {
    const read = status
    // The first read is slow.
    await sleep(reads++ === 0 ? 1_000 : 100)
    return read
  })
  const before = cache.order(1)
  await sleep(changeAfter)
  status = 'paid'
  await forget(cache)
  const next = await cache.order(1)
  await before
  await sleep(500)
  console.log(`${name}: the next call gets ${next}, a later one ${await cache.order(1)}`)
}
const ways = {
  'invalidateAll()': (cache) => cache.invalidateAll('order-1'),
  'invalidate()': (cache) => cache.invalidate('order', ['order-1']),
  'clear()': (cache) => cache.clear('order', 1),
}
for (const [name, forget] of Object.entries(ways)) {
  await run(`${name} after the read`, forget, 1_500)
  await run(`${name} during the read`, forget, 300)
}
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
invalidateAll() after the read: the next call gets paid, a later one paid
invalidateAll() during the read: the next call gets processing, a later one processing
invalidate() after the read: the next call gets paid, a later one paid
invalidate() during the read: the next call gets processing, a later one processing
clear() after the read: the next call gets paid, a later one paid
clear() during the read: the next call gets paid, a later one processing
EXPECTED

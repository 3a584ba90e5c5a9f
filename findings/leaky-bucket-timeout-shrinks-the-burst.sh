#!/usr/bin/env bash
# leaky-bucket 4.1.4: `timeout` does not add a queue to the burst, it makes the burst smaller, and 0 lets through one item.
#
# Guess: as its README has it: "The complete capacity can be used in a burst", and with a timeout items are queued as long as
#   they can be executed within it. With a capacity of 5 in 5 seconds, 5 items go at once, and `timeout: 2` adds 2 that wait.
# What happens: no more than capacity * timeout / interval items are taken in all, those of the burst included: with 2 seconds
#   two, and ten others are refused while the bucket is full. An explicit 0, the default by the README, takes one. Without the
#   option it is as long as the interval, and only beyond that anything waits.
# Why it matters: who wants at most two seconds of waiting and sets so loses three fifths of the burst, and who writes the
#   documented default down loses four. Set `timeout` to the interval plus the longest wait that is wanted.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts leaky-bucket@4.1.4
cat >find.js <<'JS'
import LeakyBucket from 'leaky-bucket'

async function run(options) {
  const bucket = new LeakyBucket({ capacity: 5, interval: 5, ...options })
  const begun = Date.now()
  const counts = { 'at once': 0, later: 0, refused: 0 }
  const items = Array.from({ length: 12 }, async () => {
    try {
      await bucket.throttle()
      counts[Date.now() - begun < 500 ? 'at once' : 'later']++
    } catch {
      counts.refused++
    }
  })
  await Promise.all(items)
  return counts
}

const all = [{}, { timeout: 0 }, { timeout: 2 }, { timeout: 5 }, { timeout: 7 }]
const results = await Promise.all(all.map(run))
all.forEach((options, i) => console.log(`timeout ${options.timeout ?? 'not set'}: ${JSON.stringify(results[i])}`))
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
timeout not set: {"at once":5,"later":0,"refused":7}
timeout 0: {"at once":1,"later":0,"refused":11}
timeout 2: {"at once":2,"later":0,"refused":10}
timeout 5: {"at once":5,"later":0,"refused":7}
timeout 7: {"at once":5,"later":2,"refused":5}
EXPECTED

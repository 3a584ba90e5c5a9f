#!/usr/bin/env bash
# express-throttle 2.0.0: with a `period` without a number, such as "min", the burst is never filled again.
#
# Guess: "min" is one minute, as in a `rate` of "5/min". The message for a bad period gives "d" as an example of a good one.
# What happens: it is accepted, and the number that is missing becomes NaN. The end of the window is NaN too, and no time is
#   later than that: after the burst, each request of that client is refused for ever. "1min" works.
# Why it matters: it starts without a word, and tests that look at the first window pass. Each client that has used up its
#   burst once is locked out until the process is restarted.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts express-throttle@2.0.0 express@4.21.2
cat >find.js <<'JS'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import express from 'express'
import throttle from 'express-throttle'

async function run(options) {
  const app = express()
  app.get('/orders', throttle(options), (request, response) => response.send('ok'))
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const statuses = []
  for (const pause of [0, 0, 0, 2_500, 0, 0]) {
    await sleep(pause)
    const response = await fetch(`http://127.0.0.1:${server.address().port}/orders`)
    await response.text()
    statuses.push(response.status)
  }
  console.log(`${JSON.stringify(options)}: ${statuses.slice(0, 3)}, 2.5 seconds later ${statuses.slice(3)}`)
}
await run({ burst: 2, period: '1s' })
await run({ burst: 2, period: 's' })
await run({ burst: 2, period: 'sec' })
await run({ rate: '2/s' })
try {
  throttle({ burst: 2, period: 'x' })
} catch (error) {
  console.log(`"x": ${error.message}`)
}
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
{"burst":2,"period":"1s"}: 200,200,429, 2.5 seconds later 200,200,429
{"burst":2,"period":"s"}: 200,200,429, 2.5 seconds later 429,429,429
{"burst":2,"period":"sec"}: 200,200,429, 2.5 seconds later 429,429,429
{"rate":"2/s"}: 200,200,429, 2.5 seconds later 200,200,429
"x": invalid period (e.g d, 2m, 3h)
EXPECTED

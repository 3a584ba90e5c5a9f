#!/usr/bin/env bash
# cockatiel 4.0.0, SamplingBreaker: failures that are older than `duration` still count, so that it opens at any low rate of calls.
#
# Guess: the circuit opens when more than `threshold` of the calls of the last `duration` failed, and only from `minimumRps` calls a
#   second on. What is older is forgotten.
# What happens: the samples are in five windows or more, and a call moves on by at most one of them, however long ago the one before
#   was. After a pause of ten times the duration four old failures and a new one are five failures "in a second". With one call
#   in two seconds five calls count, which is taken for 5 a second, though it is half a call.
# Why it matters: minimumRps is "useful to avoid unnecessarily tripping under low load", and does not. One failure in the morning
#   opens the circuit together with those of the evening, and with `minimumRps: 1` a health check once a minute is load enough.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts cockatiel@4.0.0
cat >find.js <<'JS'
import { setTimeout as sleep } from 'node:timers/promises'
import { CircuitState, circuitBreaker, handleAll, SamplingBreaker } from 'cockatiel'

async function run(name, pauses) {
  const breaker = new SamplingBreaker({ threshold: 0.5, duration: 1_000, minimumRps: 5 })
  const policy = circuitBreaker(handleAll, { halfOpenAfter: 60_000, breaker })
  let sent = 0
  for (const pause of pauses) {
    await sleep(pause)
    await policy
      .execute(() => {
        sent++
        throw new Error('down')
      })
      .catch(() => {})
  }
  console.log(`${name}: ${CircuitState[policy.state]} after ${sent} failures`)
}
await Promise.all([
  run('4 at once', [0, 0, 0, 0]),
  run('5 at once', [0, 0, 0, 0, 0]),
  run('4 at once, and 1 after 10 seconds', [0, 0, 0, 0, 10_000]),
  run('1 in two seconds, 8 times', Array(8).fill(2_000)),
])
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
4 at once: Closed after 4 failures
5 at once: Open after 5 failures
4 at once, and 1 after 10 seconds: Open after 5 failures
1 in two seconds, 8 times: Open after 5 failures
EXPECTED

#!/usr/bin/env bash
# levee 1.5.1: after a success that comes late, a closed breaker becomes half-open and refuses calls to a service that is well.
#
# Guess: a closed breaker stays closed until calls fail.
# What happens: a call that was in flight when the breaker opened, and then succeeds, closes it at once, without the rest of
#   `resetTimeout`. The timer goes on, and at its end makes the closed breaker half-open. Until the next call ends, each
#   other one is refused with "Command not available", and one failure opens it again.
# Why it matters: up to a minute (the default) after all has healed, calls that come together fail, except one. Nothing in
#   the log of that moment explains it.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts levee@1.5.1
cat >find.js <<'JS'
import { setTimeout as sleep } from 'node:timers/promises'
import levee from 'levee'

const service = { execute: (ms, error, done) => setTimeout(done, ms, error, 'ok') }
for (const withLateCall of [false, true]) {
  const breaker = levee.createBreaker(service, { maxFailures: 2, timeout: 5_000, resetTimeout: 1_000 })
  const states = []
  for (const event of ['open', 'half_open', 'close']) breaker.on(event, () => states.push(event))
  const call = (ms, error = null) =>
    new Promise((resolve) => breaker.run(ms, error, (failed, value) => resolve(failed?.message ?? value)))

  const late = withLateCall ? call(300) : sleep(1_500)
  await Promise.all([call(1, new Error('down')), call(1, new Error('down'))])
  await late
  // The service is well from here on.
  for (let i = 0; i < 10; i++) await call(1)
  await sleep(1_500)
  const results = await Promise.all([call(1), call(1), call(1)])
  console.log(`${withLateCall ? 'with' : 'without'} a late success: ${states.join(', ')}: ${results.join(', ')}`)
}
JS
node find.js | tee output
diff output - <<'EXPECTED'
without a late success: open, half_open, close: ok, ok, ok
with a late success: open, close, half_open, close: ok, Command not available., Command not available.
EXPECTED

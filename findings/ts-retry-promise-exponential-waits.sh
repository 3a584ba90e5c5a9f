#!/usr/bin/env bash
# ts-retry-promise 0.8.1: EXPONENTIAL waits the delay to the power of the attempt: 100 ms, 10 s, 5 minutes; and it waits once more after the last attempt.
#
# Guess: `backoff: 'EXPONENTIAL'` doubles the delay: 100, 200, 400 ms. When the last attempt has failed, the promise is
#   rejected at once, as there is nothing left to wait for.
# What happens: the wait is delay ** attempt in milliseconds, cut at 5 minutes. With the default delay of 100 the third wait is
#   already the longest one, and the default timeout of 60 s ends all before it; with a delay of 1 all waits are 1 ms. And
#   there is a wait after the last attempt, whatever the backoff: with 3 retries a failure is reported 5 minutes late.
# Why it matters: a caller that has asked for 3 retries holds its own request, connection and lock for minutes after the
#   outcome is known.
# Needs Node.js 20 or newer and npm; the timers are recorded and not waited for. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts ts-retry-promise@0.8.1
cat >find.js <<'JS'
import retryPromise from 'ts-retry-promise'

const events = []
globalThis.setTimeout = (callback, ms) => {
  events.push(`${ms} ms`)
  setImmediate(callback)
}
for (const [backoff, delay] of [
  ['FIXED', 100],
  ['LINEAR', 100],
  ['EXPONENTIAL', 100],
  ['EXPONENTIAL', 1],
]) {
  events.length = 0
  const call = async () => {
    events.push('call')
    throw new Error('down')
  }
  // No timeout, so that only the waits use a timer.
  await retryPromise.retry(call, { retries: 3, backoff, delay, timeout: 'INFINITELY' }).catch(() => events.push('rejected'))
  console.log(`${backoff}, delay ${delay}: ${events.join(', ')}`)
}
JS
node find.js | tee output
diff output - <<'EXPECTED'
FIXED, delay 100: call, 100 ms, call, 100 ms, call, 100 ms, call, 100 ms, rejected
LINEAR, delay 100: call, 100 ms, call, 200 ms, call, 300 ms, call, 400 ms, rejected
EXPONENTIAL, delay 100: call, 100 ms, call, 10000 ms, call, 300000 ms, call, 300000 ms, rejected
EXPONENTIAL, delay 1: call, 1 ms, call, 1 ms, call, 1 ms, call, 1 ms, rejected
EXPECTED

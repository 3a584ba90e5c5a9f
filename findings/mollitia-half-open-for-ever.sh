#!/usr/bin/env bash
# mollitia 0.1.1, SlidingCountBreaker: after a call that ends in half-open the breaker stays half-open, and refuses all calls for ever.
#
# Guess: a call that began before the circuit opened does not decide about half-open, or at most makes it close. When the calls that
#   half-open permits have succeeded it closes.
# What happens: the result of the call that began before is put among those of the permitted calls. The breaker decides when there
#   are exactly as many results as are permitted (2); with one too many it jumps over that number. All permitted calls have been
#   made, so no result comes any more: each call is refused with "Max allowed requests reached", until the process is restarted.
#   With a single late call the first permitted one decides, and the second changes nothing.
# Why it matters: calls that are slow and succeed in the end are what an overloaded service has just before and after the circuit
#   opens. The service is well, and is not called again. `halfOpenStateMaxDelay`, which would end it, is not set by default.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts mollitia@0.1.1
cat >find.js <<'JS'
import { setTimeout as sleep } from 'node:timers/promises'
import { Circuit, SlidingCountBreaker } from 'mollitia'

async function run(lateCalls) {
  const breaker = new SlidingCountBreaker({
    minimumNumberOfCalls: 2,
    openStateDelay: 500,
    permittedNumberOfCallsInHalfOpenState: 2,
  })
  const circuit = new Circuit({ options: { modules: [breaker] } })
  const call = (ms, error) =>
    circuit
      .fn(async () => {
        await sleep(ms)
        if (error) throw error
        return 'ok'
      })
      .execute()
      .catch((failure) => failure.message)

  // Calls that take a second, two that fail at once and open the circuit, and then all is well.
  const late = Array.from({ length: lateCalls }, () => call(1_000))
  await Promise.all([call(1, new Error('down')), call(1, new Error('down'))])
  const opened = breaker.state
  await sleep(800)
  const waited = breaker.state
  await Promise.all(late)
  const results = []
  for (let i = 0; i < 4; i++) results.push(await call(1))
  await sleep(2_000)
  results.push(await call(1))
  console.log(`${lateCalls} late: ${opened}, ${waited}, then ${results.join(', ')}: ${breaker.state}`)
}
for (const lateCalls of [0, 1, 2, 3]) await run(lateCalls)
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
0 late: opened, half-opened, then ok, ok, ok, ok, ok: closed
1 late: opened, half-opened, then ok, ok, ok, ok, ok: closed
2 late: opened, half-opened, then ok, ok, Max allowed requests reached, Max allowed requests reached, Max allowed requests reached: half-opened
3 late: opened, half-opened, then ok, ok, Max allowed requests reached, Max allowed requests reached, Max allowed requests reached: half-opened
EXPECTED

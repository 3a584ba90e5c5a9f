#!/usr/bin/env bash
# disyuntor 3.5.0: a slow success from before closes the open circuit, and once the cooldown is at its maximum all calls go through.
#
# Guess: as in its README: after maxFailures the circuit is open for the cooldown; then one call is allowed, and its result decides.
#   The cooldown grows like a backoff (15, 30, 60 s), up to maxCooldown, 60 s.
# What happens: each success resets the circuit, also that of a call which began before the failures: the circuit closes in the middle
#   of its cooldown. That one call is allowed comes from the cooldown, which is raised before the call, so that the others find the
#   circuit open again. From maxCooldown on it is not raised any more, and all calls that come before the first one has ended go
#   through. A failed call multiplies the cooldown by the failures and one: 15 s, and then maxCooldown at once, which is 30 s.
# Why it matters: a gateway that answers one slow call in twenty keeps the circuit closed, and in a long outage, from the second
#   cooldown on, it gets the whole load in the same moment.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts disyuntor@3.5.0
cat >find.js <<'JS'
const { setTimeout: sleep } = require('node:timers/promises')
const { Disyuntor } = require('disyuntor')

const COOLDOWN_MS = 1_000
const MAX_COOLDOWN_MS = 2_000
let reached = 0
const works = (ms) => async () => { reached++; await sleep(ms) }
const fails = (ms) => async () => { reached++; await sleep(ms); throw new Error('503') }
function make(options) {
  const cooldowns = []
  return [new Disyuntor({ name: 'gateway', timeout: '5s', onTrip: (error, failures, cooldown) => { cooldowns.push(cooldown) }, ...options }), cooldowns]
}
const call = (circuit, method) => circuit.protect(method).catch(() => {})
async function main() {
  const [circuit, cooldowns] = make({ maxFailures: 5, cooldown: COOLDOWN_MS, maxCooldown: MAX_COOLDOWN_MS })
  const slow = call(circuit, works(500))
  for (let i = 0; i < 5; i++) await call(circuit, fails(0))
  console.log(`after five failures: ${circuit.state}`)
  await slow
  console.log(`half a second later, after a success that began before them: ${circuit.state}`)
  for (let i = 0; i < 5; i++) await call(circuit, fails(0))
  for (const [which, ms] of [['first', COOLDOWN_MS], ['second', MAX_COOLDOWN_MS], ['third', MAX_COOLDOWN_MS]]) {
    await sleep(ms + 50)
    reached = 0
    await Promise.all(Array.from({ length: 20 }, () => call(circuit, fails(50))))
    console.log(`after the ${which} cooldown, twenty calls at once: ${reached} go through; the next cooldown is ${cooldowns.at(-1)} ms`)
  }
  const [defaults] = make({})
  console.log(`maxCooldown: ${defaults.params.maxCooldown} ms`)
}
main()
JS
node find.js | tee output
diff output - <<'EXPECTED'
after five failures: open
half a second later, after a success that began before them: closed
after the first cooldown, twenty calls at once: 1 go through; the next cooldown is 2000 ms
after the second cooldown, twenty calls at once: 20 go through; the next cooldown is 2000 ms
after the third cooldown, twenty calls at once: 20 go through; the next cooldown is 2000 ms
maxCooldown: 30000 ms
EXPECTED

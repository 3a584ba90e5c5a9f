#!/usr/bin/env bash
# @git-stunts/alfred 0.10.3: hedge() aborts the winner too, so that the body of the response that it returns cannot be read.
#
# Guess: "First successful response wins; others are aborted", as its README says beneath `fetch(url, { signal })`.
# What happens: when the first attempt has succeeded all signals are aborted, that of the winner included. The Response has its
#   status and headers, and response.json() fails with AbortError, also if there was no second attempt. Behind a bulkhead,
#   as in the other example of the README, the function gets no signal at all, and the losers run to their end.
# Why it matters: a test with a status or a very short body that has arrived already passes, and a body that comes a moment
#   later does not. Read the body within the function that is hedged.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @git-stunts/alfred@0.10.3
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { hedge, Policy } from '@git-stunts/alfred'

let bodyMs = 0
let firstMs = 0
const server = createServer(async (request, response) => {
  const wait = firstMs
  firstMs = 0
  await sleep(wait)
  response.writeHead(200, { 'Content-Type': 'application/json' })
  response.write('{"orders":')
  await sleep(bodyMs)
  response.end('[]}')
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const url = `http://127.0.0.1:${server.address().port}/orders`

const outcome = async (promise) => JSON.stringify(await promise.catch((error) => error.name))
async function get(policy) {
  const response = await policy.execute((signal) => fetch(url, { signal }))
  return `${response.status}, ${await outcome(response.json())}`
}
bodyMs = 100
const hedged = hedge({ delay: 1_000, maxHedges: 1 })
console.log(`One attempt, the body after 100 ms: ${await get(hedged)}`)
firstMs = 2_000
console.log(`Two attempts, the second one wins: ${await get(hedged)}`)
const read = hedged.execute(async (signal) => (await fetch(url, { signal })).json())
console.log(`The body is read in the function: ${await outcome(read)}`)

const behindBulkhead = Policy.hedge({ delay: 1_000, maxHedges: 1 }).wrap(Policy.bulkhead({ limit: 5 }))
console.log(`Signal behind a bulkhead: ${await behindBulkhead.execute(async (signal) => typeof signal)}`)
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
One attempt, the body after 100 ms: 200, "AbortError"
Two attempts, the second one wins: 200, "AbortError"
The body is read in the function: {"orders":[]}
Signal behind a bulkhead: undefined
EXPECTED

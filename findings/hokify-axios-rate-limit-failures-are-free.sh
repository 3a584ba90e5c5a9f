#!/usr/bin/env bash
# @hokify/axios-rate-limit 2.0.5: a request that fails gives its place back at once, so that a server in trouble sees no limit.
#
# Guess: "max 2 requests per 1 second, other will be delayed", as its README says, whatever the server responds. The package that
#   it was forked from, axios-rate-limit 1.9.0, does so.
# What happens: after a success the place is given back after half a second (1 s / 2 requests), after an error status at once.
#   40 requests one after the other to a server that has only 503 or 429 for them go out within a second.
# Why it matters: a limit is for just that moment. A server that responds with 429 since it sees too much, or with 503, gets what
#   the client can send, in each loop that goes on after an error and with each retry on top.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @hokify/axios-rate-limit@2.0.5 axios-rate-limit@1.9.0 axios@1.21.1
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import hokify from '@hokify/axios-rate-limit'
import axios from 'axios'
import axiosRateLimit from 'axios-rate-limit'

let status
let count
const server = createServer((request, response) => {
  count++
  response.writeHead(status).end()
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const url = `http://127.0.0.1:${server.address().port}/orders`
for (const [name, limit] of [['axios-rate-limit', axiosRateLimit], ['@hokify/axios-rate-limit', hokify.default ?? hokify]]) {
  for (status of [200, 429, 503]) {
    const client = limit(axios.create(), { maxRequests: 2, perMilliseconds: 1_000 })
    count = 0
    const begun = Date.now()
    while (count < 40 && Date.now() - begun < 2_500) await client.get(url).catch(() => {})
    console.log(`${name}, ${status}: ${count < 10 ? 'under 10' : count} requests in 2.5 seconds`)
  }
}
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
axios-rate-limit, 200: under 10 requests in 2.5 seconds
axios-rate-limit, 429: under 10 requests in 2.5 seconds
axios-rate-limit, 503: under 10 requests in 2.5 seconds
@hokify/axios-rate-limit, 200: under 10 requests in 2.5 seconds
@hokify/axios-rate-limit, 429: 40 requests in 2.5 seconds
@hokify/axios-rate-limit, 503: 40 requests in 2.5 seconds
EXPECTED

#!/usr/bin/env bash
# fetch-retry-ts 1.3.1: a Request with a body is sent once, and the 503 that it got becomes a TypeError.
#
# Guess: fetch(new Request(url, { method: 'POST', body })) is retried as fetch(url, { method: 'POST', body }) is, or its
#   response is returned as it is.
# What happens: the first attempt uses up the body of the Request. Each retry fails in this process before it is sent, with
#   "Cannot construct a Request with a Request object that has already been used", is taken for a lost connection, and is
#   tried again after the pause. In the end the TypeError is thrown, and nothing is left of the response. A GET is retried.
# Why it matters: clients that are generated from OpenAPI documents (openapi-fetch) call fetch with a Request. Their POSTs
#   are never retried, and "503, come back in 5 s" looks like a defect of the program.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts fetch-retry-ts@1.3.1
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import retryTs from 'fetch-retry-ts'

let count = 0
const server = createServer((request, response) => {
  count++
  request.resume().on('end', () => response.writeHead(count < 2 ? 503 : 201).end())
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const url = `http://127.0.0.1:${server.address().port}/orders`
const fetchRetry = retryTs.fetchBuilder(fetch, { retries: 2, retryDelay: 10 })

for (const [name, ...input] of [
  ['POST, url and options', url, { method: 'POST', body: '{}' }],
  ['GET, Request', new Request(url)],
  ['POST, Request', new Request(url, { method: 'POST', body: '{}' })],
]) {
  count = 0
  const outcome = await fetchRetry(...input).then(({ status }) => status, (error) => error.name)
  console.log(`${name}: ${outcome}, sent ${count} times`)
}
server.close()
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
POST, url and options: 201, sent 2 times
GET, Request: 201, sent 2 times
POST, Request: TypeError, sent 1 times
EXPECTED

#!/usr/bin/env bash
# @adobe/node-fetch-retry 2.2.0: `retryOptions: false` holds for the first request with an options object, and not for the second.
#
# Guess: options are read and not changed, so that an object with { retryOptions: false } never retries.
# What happens: the member is deleted from the object that was passed. The second request with it has the default options:
#   each 5xx is retried, also of a POST, for 60 seconds. Limits that were set there are lost in the same way, and a `signal`
#   that was passed is replaced, so that the caller can no longer abort.
# Why it matters: options that several requests share are usual for a payment API. A test sends one request and sees one; in
#   production the second charge, if it is responded to with 502, is sent five times within three seconds.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @adobe/node-fetch-retry@2.2.0
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import fetchRetry from '@adobe/node-fetch-retry'

let count = 0
const server = createServer((request, response) => {
  count++
  // The third request of a row is successful, so that this ends.
  request.resume().on('end', () => response.writeHead(count < 3 ? 502 : 201).end())
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')

console.error = () => {}
const options = { method: 'POST', body: '{"amount":"19.90"}', retryOptions: false }
for (const name of ['first', 'second']) {
  count = 0
  const { status } = await fetchRetry(`http://127.0.0.1:${server.address().port}/charge`, options)
  console.log(`${name} request: ${status}, sent ${count} times`)
}
server.close()
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
first request: 502, sent 1 times
second request: 201, sent 3 times
EXPECTED

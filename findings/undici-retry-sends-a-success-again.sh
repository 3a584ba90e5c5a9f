#!/usr/bin/env bash
# undici-retry 7.0.0: a POST that was responded to with 201 is sent again, if the response has no JSON in it.
#
# Guess: what is retried are the status codes of the list (408, 425, 429, 5xx) and lost connections. A 201 with
#   Content-Type: application/json and an empty body is a success, or an error at once; the request is not repeated.
# What happens: parsing the body is part of the attempt. If it fails, the request goes out again, without a pause, and three
#   times in all; then sendWithRetry() returns the SyntaxError. With `safeParseJson` it is the same.
# Why it matters: a server that sends its Content-Type with an empty 201 or 202 gets each order three times, and its client
#   believes that none of them succeeded.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts undici-retry@7.0.0 undici@7.30.2
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Client } from 'undici'
import undiciRetry from 'undici-retry'

const { sendWithRetry, DEFAULT_RETRY_CONFIG } = undiciRetry
let count = 0
const server = createServer((request, response) => {
  count++
  const body = request.url === '/empty' ? '' : '{"order":1}'
  request.resume().on('end', () => response.writeHead(201, { 'Content-Type': 'application/json' }).end(body))
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const client = new Client(`http://127.0.0.1:${server.address().port}`)

for (const path of ['/object', '/empty']) {
  for (const safeParseJson of [false, true]) {
    count = 0
    const request = { method: 'POST', path, body: '{"item":"book"}' }
    const { error, result } = await sendWithRetry(client, request, DEFAULT_RETRY_CONFIG, { safeParseJson })
    const outcome = error === undefined ? result.statusCode : error.name
    console.log(`${path} safeParseJson=${safeParseJson}: ${outcome}, sent ${count} times`)
  }
}
await client.close()
server.close()
JS
node find.js | tee output
diff output - <<'EXPECTED'
/object safeParseJson=false: 201, sent 1 times
/object safeParseJson=true: 201, sent 1 times
/empty safeParseJson=false: SyntaxError, sent 3 times
/empty safeParseJson=true: UnprocessableResponseError, sent 3 times
EXPECTED

#!/usr/bin/env bash
# superagent 10.4.2: a header that a handler of the event `request` sets goes out with the next attempt.
#
# Guess: the handler is called for each attempt, as the request is about to be sent, and what it sets is sent with it.
# What happens: the handler is called for each attempt, but the headers have been copied by then. The first attempt goes out
#   without the header, and each retry has what was set for the attempt before. A plugin (`use`) is called once, so that all
#   attempts have one value. `.retry()` sends a POST again, too.
# Why it matters: a request that is signed in the handler is refused at first, and then with the time and the signature of
#   the attempt before. Sign each attempt as a request of its own, without `.retry()`.
# Needs Node.js 20 or newer and npm. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts superagent@10.4.2
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import superagent from 'superagent'

const seen = []
const server = createServer((request, response) => {
  seen.push(`${request.method} attempt=${request.headers['x-attempt'] ?? 'none'}`)
  request.resume().on('end', () => response.writeHead(seen.length < 3 ? 503 : 200).end())
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const url = `http://127.0.0.1:${server.address().port}/`

let attempt = 0
const sign = (request) => request.set('X-Attempt', String(++attempt))
await superagent.post(url).send('{}').retry(3).on('request', sign)
console.log(`handler: ${seen.splice(0).join(', ')}`)
attempt = 0
await superagent.post(url).use(sign).send('{}').retry(3)
console.log(`plugin: ${seen.splice(0).join(', ')}`)
server.close()
JS
node find.js | tee output
diff output - <<'EXPECTED'
handler: POST attempt=none, POST attempt=1, POST attempt=2
plugin: POST attempt=1, POST attempt=1, POST attempt=1
EXPECTED

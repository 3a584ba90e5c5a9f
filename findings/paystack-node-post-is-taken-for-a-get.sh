#!/usr/bin/env bash
# @alexasomba/paystack-node 1.1.6: idempotencyKey: 'auto' sends no key, and what a POST has failed with is lost.
#
# Guess: "optional: auto-add Idempotency-Key on POST requests", and "safe retries for POST": a POST that gets 503 is sent again with the
#   same key; the caller sees the last response.
# What happens: openapi-fetch passes one Request object and nothing else, and the wrapper looks for the method, the headers and the body
#   in the second argument. So each request is a GET to it: no POST gets a key. A POST that fails is repeated, whose body has been
#   read: after 503, after a reset and after the timeout the caller gets the same TypeError about a Request that has been used.
# Why it matters: the error names a fault of the program. Nothing says that the charge may have been made (reset, timeout) or was not
#   (503), and no key was sent with which it could be sent again safely. Give the header yourself.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @alexasomba/paystack-node@1.1.6 openapi-fetch@0.15.2
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createPaystackClient } from '@alexasomba/paystack-node'

let answer
let seen
const server = createServer((request, response) => {
  seen.push(request.headers['idempotency-key'] ?? 'no key')
  request.resume().on('end', () => answer(request, response))
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const client = createPaystackClient({
  secretKey: 'sk_test', baseUrl: `http://127.0.0.1:${server.address().port}`, idempotencyKey: 'auto', timeoutMs: 1_000,
})
const json = (response, status) => response.writeHead(status, { 'Content-Type': 'application/json' }).end('{"status":true}')
const answers = {
  'a success': (request, response) => json(response, 200),
  'a 503': (request, response) => json(response, 503),
  'a reset': (request) => request.socket.destroy(),
  'no answer': () => {},
}
async function show(method, name, call) {
  answer = answers[name]
  seen = []
  const outcome = await call().then(({ response }) => response.status, (error) => `${error.name}, ${error.message}`)
  console.log(`${method}, ${name}: the server saw ${seen.join(', ')}; the caller sees ${outcome}`)
}
for (const name of Object.keys(answers)) {
  await show('POST', name, () => client.POST('/transaction/initialize', { body: { email: 'a@example.com', amount: '5000' } }))
}
await show('GET', 'a 503', () => client.GET('/transaction'))
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
POST, a success: the server saw no key; the caller sees 200
POST, a 503: the server saw no key; the caller sees TypeError, Cannot construct a Request with a Request object that has already been used.
POST, a reset: the server saw no key; the caller sees TypeError, Cannot construct a Request with a Request object that has already been used.
POST, no answer: the server saw no key; the caller sees TypeError, Cannot construct a Request with a Request object that has already been used.
GET, a 503: the server saw no key, no key, no key; the caller sees 503
EXPECTED

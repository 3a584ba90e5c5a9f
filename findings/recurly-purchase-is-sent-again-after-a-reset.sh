#!/usr/bin/env bash
# recurly 4.81.0: a purchase whose response is lost to a reset is sent a second time, without an idempotency key.
#
# Guess: a POST without an Idempotency-Key is sent once, and after ECONNRESET the caller gets that error. Recurly takes a key, which
#   the caller gives in `headers`.
# What happens: after ECONNRESET the adapter sends any request again, once, at once, with the same body. No key is made for it, so the
#   server sees two equal purchases. The caller sees a success and no error. On loopback the connection was new and the request
#   had arrived whole, so this is no repair for a stale connection only. A timeout is not repeated, as guessed.
# Why it matters: a proxy that is restarted after the purchase was made leads to a second one. Give each purchase
#   { headers: { 'Idempotency-Key': ... } }; the second request has it, too.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts recurly@4.81.0
cat >find.js <<'JS'
const { once } = require('node:events')
const { createServer } = require('node:http')
const recurly = require('recurly')
const DefaultHttpAdapter = require('recurly/lib/recurly/DefaultHttpAdapter')

let seen
let connections
const server = createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request) body += chunk
  seen.push(`${request.method} ${request.url} ${body}, ${request.headers['idempotency-key'] ?? 'no key'}`)
  // The purchase is made, and then the connection breaks.
  if (seen.length === 1) request.socket.resetAndDestroy()
  else response.writeHead(201, { 'Content-Type': 'application/json' }).end('{"object":"invoice_collection"}')
})
server.on('connection', () => connections++)
server.listen(0, '127.0.0.1')

class Loopback extends DefaultHttpAdapter {
  execute(method, url, headers, body) {
    return super.execute(method, url.replace('https://v3.recurly.com', `http://127.0.0.1:${server.address().port}`), headers, body)
  }
}
;(async () => {
  await once(server, 'listening')
  const purchase = { currency: 'USD', account: { code: 'user-1' } }
  for (const [name, options] of [['Without a key', {}], ['With a key', { headers: { 'Idempotency-Key': 'order-1' } }]]) {
    seen = []
    connections = 0
    const client = new recurly.Client('key', { httpAdapter: new Loopback() })
    const outcome = await client.createPurchase(purchase, options).then((made) => made.object, (error) => error.code)
    console.log(`${name}: the caller gets ${outcome}, ${connections} new connections, the server saw`)
    for (const request of seen) console.log(`  ${request}`)
  }
  process.exit()
})()
JS
node find.js | tee output
diff output - <<'EXPECTED'
Without a key: the caller gets invoice_collection, 2 new connections, the server saw
  POST /purchases {"currency":"USD","account":{"code":"user-1"}}, no key
  POST /purchases {"currency":"USD","account":{"code":"user-1"}}, no key
With a key: the caller gets invoice_collection, 2 new connections, the server saw
  POST /purchases {"currency":"USD","account":{"code":"user-1"}}, order-1
  POST /purchases {"currency":"USD","account":{"code":"user-1"}}, order-1
EXPECTED

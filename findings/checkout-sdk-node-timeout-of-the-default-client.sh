#!/usr/bin/env bash
# checkout-sdk-node 5.2.1: the default HTTP client has no timeout, and an OAuth token of an hour is used for 3.6 seconds.
#
# Guess: `timeout` is the "HTTP request timeout in ms" and ends a request with ApiTimeout; a token with expires_in: 3600 is used again for
#   nearly an hour.
# What happens: only httpClient: 'axios' has the timeout. With the default, fetch, it is read and not used, so that a payment
#   with timeout: 1000 that takes 3 s ends after 3 s. And expires_in, which is in seconds (RFC 6749, section 5.1), is added to a time
#   in milliseconds: after 3.6 s the next payment begins with a request for another token. There is no timeout for that either.
# Why it matters: callers that count on the timeout wait as long as fetch does (five minutes for headers). A shop with a payment each
#   few seconds asks for a token for almost each, and fails when the token endpoint does.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts checkout-sdk-node@5.2.1
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { Checkout } from 'checkout-sdk-node'

let seen
let paymentMs = 0
const server = createServer(async (request, response) => {
  const token = request.url === '/connect/token'
  seen.push(token ? 'token' : 'payment')
  request.resume()
  if (!token) await sleep(paymentMs)
  response.writeHead(token ? 200 : 201, { 'Content-Type': 'application/json' })
  response.end(token ? '{"access_token":"t","token_type":"Bearer","expires_in":3600,"scope":"gateway"}' : '{"id":"pay_1"}')
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const host = `http://127.0.0.1:${server.address().port}`

for (const httpClient of ['fetch', 'axios']) {
  const checkout = new Checkout('secret', {
    client: 'ack_1', pk: 'pk_sbox_1', scope: ['gateway'], environment: 'sandbox', host, httpClient, timeout: 1_000,
  })
  checkout.config.environment.getOAuthAuthorizationApi = () => `${host}/connect/token`
  const pay = () => checkout.payments.request({ amount: 100, currency: 'EUR' }, 'order-1').then(({ id }) => id, (error) => error.name)
  seen = []
  paymentMs = 0
  for (let payment = 0; payment < 3; payment++) {
    await pay()
    await sleep(2_500)
  }
  console.log(`${httpClient}: three payments within 5 s are ${seen.join(', ')}`)
  paymentMs = 3_000
  const start = Date.now()
  console.log(`${httpClient}: timeout 1000, a payment that takes 3 s: ${await pay()} after ${Math.floor((Date.now() - start) / 1_000)} s`)
}
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
fetch: three payments within 5 s are token, payment, payment, token, payment
fetch: timeout 1000, a payment that takes 3 s: pay_1 after 3 s
axios: three payments within 5 s are token, payment, payment, token, payment
axios: timeout 1000, a payment that takes 3 s: ApiTimeout after 1 s
EXPECTED

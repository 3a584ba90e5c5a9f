#!/usr/bin/env bash
# @adyen/api-library 32.1.0: the key of a payment is written into the caller's headers, and so is sent with the next request.
#
# Guess: idempotencyKey is for the one call that it was given to. The caller's `headers` are read only. A timeout differs from a status.
# What happens: the library writes Idempotency-Key (and X-API-Key and others) into the object that was given as `headers`. The next
#   call with that object and without an idempotencyKey, be it another payment or a refund, has the key of the first. In the same way
#   the parameters of a list stay in the `requestOptions` that were given to it: the next list with them is filtered as well.
#   And a timeout and a reset are an ApiException with statusCode 500, as if Adyen had answered.
# Why it matters: shared headers (a trace, a tenant) are common. The second payment or the refund is taken for a repeat of the first one
#   and is not made. Give each call an object of its own. After a "500" of the kind ApiException the payment may have been made.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @adyen/api-library@32.1.0
cat >find.js <<'JS'
const { once } = require('node:events')
const http = require('node:http')
const https = require('node:https')

let answer = (request, response) => response.end('{}')
const server = http.createServer((request, response) => {
  request.resume().on('end', () => {
    console.log(`  ${request.method} ${request.url.replace(/^\/v\d+/, '')}, ${request.headers['idempotency-key'] ?? 'no key'}`)
    response.setHeader('Content-Type', 'application/json')
    answer(request, response)
  })
})
server.listen(0, '127.0.0.1')
// What is for Adyen goes to loopback.
const request = http.request
https.request = (options) =>
  request({ ...options, protocol: 'http:', hostname: '127.0.0.1', port: server.address().port, agent: undefined })

const { CheckoutAPI, Client, EnvironmentEnum, ManagementAPI } = require('@adyen/api-library')
;(async () => {
  await once(server, 'listening')
  const client = new Client({ apiKey: 'key', environment: EnvironmentEnum.TEST, connectionTimeoutMillis: 1_000 })
  const { PaymentsApi: payments, ModificationsApi: modifications } = new CheckoutAPI(client)
  const { AccountStoreLevelApi: stores } = new ManagementAPI(client)
  const amount = (value) => ({ amount: { value, currency: 'EUR' } })

  const headers = { 'X-Trace': 'abc' }
  console.log('Three calls with the same headers, the first with the key order-1:')
  await payments.payments(amount(1_000), { headers, idempotencyKey: 'order-1' })
  await payments.payments(amount(2_000), { headers })
  await modifications.refundCapturedPayment('PSP1', amount(500), { headers })

  const options = { headers: {} }
  console.log('Two lists with the same options, the first with a reference:')
  await stores.listStores(1, 10, 'store-1', undefined, options)
  await stores.listStores(2, undefined, undefined, undefined, options)

  console.log('A timeout and a reset:')
  for (answer of [() => {}, ({ socket }) => socket.destroy()]) {
    const error = await payments.payments(amount(1)).catch((error) => error)
    console.log(`  ${error.name}, statusCode ${error.statusCode}, ${error.message}`)
  }
  process.exit()
})()
JS
node find.js | tee output
diff output - <<'EXPECTED'
Three calls with the same headers, the first with the key order-1:
  POST /payments, order-1
  POST /payments, order-1
  POST /payments/PSP1/refunds, order-1
Two lists with the same options, the first with a reference:
  GET /stores?pageNumber=1&pageSize=10&reference=store-1, no key
  GET /stores?pageNumber=2&pageSize=10&reference=store-1, no key
A timeout and a reset:
  POST /payments, no key
  ApiException, statusCode 500, socket hang up
  POST /payments, no key
  ApiException, statusCode 500, socket hang up
EXPECTED

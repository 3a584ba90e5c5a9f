#!/usr/bin/env bash
# mercadopago 3.6.1: the idempotency key that is given to one call is sent with every later one, of other resources too.
#
# Guess: requestOptions are "per-call" and "merged on top of the global configuration for each request", as the comments of the
#   package say; a call without a key gets a new one.
# What happens: each method writes its requestOptions into the MercadoPagoConfig, which all resources share. After one payment with
#   an idempotencyKey the next payments and refunds have the same key, also when it was a read that got it. The same holds for
#   timeout and the other options. Without any key each call gets a key of its own, as guessed.
# Why it matters: with the key of another payment the second customer is not charged, or the refund is not made, and the response is
#   that of the first. Give each call a key, or make a MercadoPagoConfig for each call.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts mercadopago@3.6.1
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { MercadoPagoConfig, Payment, PaymentRefund } from 'mercadopago'

let last
const server = createServer((request, response) => {
  last = request.headers['x-idempotency-key'] ?? 'none'
  response.setHeader('Content-Type', 'application/json')
  request.resume().on('end', () => response.end('{"id":1}'))
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const real = globalThis.fetch
globalThis.fetch = (url, init) => real(url.replace('https://api.mercadopago.com', `http://127.0.0.1:${server.address().port}`), init)

async function show(what, call) {
  await call
  console.log(`${what}: ${/^[0-9a-f-]{36}$/.test(last) ? 'a key of its own' : last}`)
}
const config = new MercadoPagoConfig({ accessToken: 'token' })
const payment = new Payment(config)
const refund = new PaymentRefund(config)
const pay = (amount, requestOptions) => payment.create({ body: { transaction_amount: amount }, requestOptions })

await show('Payment of 10 without a key', pay(10))
await show('Payment of 20 with the key order-2', pay(20, { idempotencyKey: 'order-2' }))
await show('Payment of 30 without a key', pay(30))
await show('Refund of 5 without a key', refund.create({ payment_id: '1', body: { amount: 5 } }))
await payment.get({ id: 1, requestOptions: { idempotencyKey: 'read-1' } })
await show('Payment of 40 after a read with the key read-1', pay(40))
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
Payment of 10 without a key: a key of its own
Payment of 20 with the key order-2: order-2
Payment of 30 without a key: order-2
Refund of 5 without a key: order-2
Payment of 40 after a read with the key read-1: read-1
EXPECTED

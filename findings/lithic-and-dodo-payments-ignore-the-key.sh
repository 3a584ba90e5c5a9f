#!/usr/bin/env bash
# lithic 0.145.0 and dodopayments 2.52.0: the option idempotencyKey is not sent, and a payment is sent again without any key.
#
# Guess: `idempotencyKey` is "a unique key for this request to enable idempotency", as the types of both say, and without one the SDK
#   makes one for its own retries. That is what modern-treasury does, which comes from the same generator.
# What happens: the generated clients of these two have no name for the header, so that the option is accepted and dropped. POST is
#   repeated all the same, twice by default, after a reset, a timeout and each 5xx: the same payment, refund or card, with nothing
#   that tells the server that it is the same.
# Why it matters: a payment whose response was lost is made twice, and the caller sees one success. With lithic give `token` in the body of a
#   payment (it "will serve as an idempotency token") or the header; or set maxRetries: 0 for what must not be done twice.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts lithic@0.145.0 dodopayments@2.52.0 modern-treasury@3.3.0
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import DodoPayments from 'dodopayments'
import Lithic from 'lithic'
import ModernTreasury from 'modern-treasury'

let seen
const server = createServer((request, response) => {
  seen.push(request.headers['idempotency-key'] ?? 'no key')
  request.resume().on('end', () => {
    // It is made, and the first response is lost.
    if (seen.length === 1) request.socket.destroy()
    else response.writeHead(200, { 'Content-Type': 'application/json' }).end('{}')
  })
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const baseURL = `http://127.0.0.1:${server.address().port}`

const lithic = new Lithic({ apiKey: 'key', baseURL })
const dodo = new DodoPayments({ bearerToken: 'key', baseURL })
const treasury = new ModernTreasury({ apiKey: 'key', organizationID: 'organization', baseURL })
const payment = {
  amount: 100, type: 'PAYMENT', method: 'ACH_NEXT_DAY', method_attributes: { sec_code: 'CCD' },
  external_bank_account_token: 'a', financial_account_token: 'b',
}
const order = { amount: 100, direction: 'credit', type: 'ach', originating_account_id: 'a' }
const calls = {
  'lithic, payment': (options) => lithic.payments.create(payment, options),
  'lithic, card': (options) => lithic.cards.create({ type: 'VIRTUAL' }, options),
  'dodopayments, refund': (options) => dodo.refunds.create({ payment_id: 'a' }, options),
  'modern-treasury, payment': (options) => treasury.paymentOrders.create(order, options),
}
for (const [name, call] of Object.entries(calls)) {
  for (const options of [{ idempotencyKey: 'order-1' }, {}]) {
    seen = []
    const outcome = await call(options).then(() => 'a success', (error) => error.name)
    const keys = seen.map((key) => key.replace(/^stainless-node-retry-.*/, 'a key that was made')).join(', ')
    console.log(`${name}, ${options.idempotencyKey ?? 'no option'}: the server saw ${keys}; the caller sees ${outcome}`)
  }
}
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
lithic, payment, order-1: the server saw no key, no key; the caller sees a success
lithic, payment, no option: the server saw no key, no key; the caller sees a success
lithic, card, order-1: the server saw no key, no key; the caller sees a success
lithic, card, no option: the server saw no key, no key; the caller sees a success
dodopayments, refund, order-1: the server saw no key, no key; the caller sees a success
dodopayments, refund, no option: the server saw no key, no key; the caller sees a success
modern-treasury, payment, order-1: the server saw order-1, order-1; the caller sees a success
modern-treasury, payment, no option: the server saw a key that was made, a key that was made; the caller sees a success
EXPECTED

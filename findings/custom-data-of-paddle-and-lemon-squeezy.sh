#!/usr/bin/env bash
# @paddle/paddle-node-sdk 3.10.0 and @lemonsqueezy/lemonsqueezy.js 4.0.0: the keys of custom data are changed on their way.
#
# Guess: custom data is the caller's own, and arrives as it was given.
# What happens: both change the names of their own fields to snake case, and go on into the custom data. Paddle leaves customData at the
#   top of a request alone, and changes that of a price or product within `items`: orderId becomes order_id, SKU-7 becomes
#   sku_7, and letters that are not ASCII are lost ("Größe" becomes "gr_e"). Lemon Squeezy changes checkoutData.custom: orderId
#   becomes order_id, SKU-7 becomes _s_k_u-7. Two keys can become one with Paddle, of which the last stays.
# Why it matters: webhooks hold the changed keys for ever. Code that looks for orderId finds nothing, so that a paid order is not found;
#   with Paddle the same code works for the transaction and fails for its price.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @paddle/paddle-node-sdk@3.10.0 @lemonsqueezy/lemonsqueezy.js@4.0.0
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createCheckout, lemonSqueezySetup } from '@lemonsqueezy/lemonsqueezy.js'
import { Paddle } from '@paddle/paddle-node-sdk'

let sent
const server = createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request) body += chunk
  sent = JSON.parse(body)
  response.writeHead(503, { 'Content-Type': 'application/json' }).end('{"error":{"code":"not needed here"}}')
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const base = `http://127.0.0.1:${server.address().port}`
const real = globalThis.fetch
globalThis.fetch = (url, init) => real(url.replace('https://api.lemonsqueezy.com', base), init)
const show = (where, data) => console.log(`${where}: ${JSON.stringify(data)}`)

const customData = { orderId: 'A-1', 'SKU-7': 2, Größe: 'L', 'seat 1': 'Ann', 'seat-1': 'Ben' }
const product = { name: 'Ticket', taxCategory: 'standard', customData }
const price = { description: 'Ticket', product, unitPrice: { amount: '1000', currencyCode: 'EUR' }, customData }
const paddle = new Paddle('key', { environment: base })
await paddle.transactions.create({ items: [{ quantity: 1, price }], customData }).catch(() => {})
show('Paddle, transaction', sent.custom_data)
show('Paddle, price', sent.items[0].price.custom_data)
show('Paddle, product', sent.items[0].price.product.custom_data)

lemonSqueezySetup({ apiKey: 'key' })
await createCheckout(1, 2, { checkoutData: { custom: customData } })
show('Lemon Squeezy, checkout', sent.data.attributes.checkout_data.custom)
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
Paddle, transaction: {"orderId":"A-1","SKU-7":2,"Größe":"L","seat 1":"Ann","seat-1":"Ben"}
Paddle, price: {"order_id":"A-1","sku_7":2,"gr_e":"L","seat_1":"Ben"}
Paddle, product: {"order_id":"A-1","sku_7":2,"gr_e":"L","seat_1":"Ben"}
Lemon Squeezy, checkout: {"order_id":"A-1","_s_k_u-7":2,"_größe":"L","seat 1":"Ann","seat-1":"Ben"}
EXPECTED

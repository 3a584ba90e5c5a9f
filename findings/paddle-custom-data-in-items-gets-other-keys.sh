#!/usr/bin/env bash
# @paddle/paddle-node-sdk 3.10.0: the keys of customData are sent as they are at the top of a request, and changed below it.
#
# Guess: customData is "your own structured key-value data" and arrives as it was given, wherever a type of the SDK has it.
# What happens: only the customData at the top is left alone. That of a price or product within `items` goes through the change to
#   snake case: orderId becomes order_id, SKU-7 becomes sku_7, and letters that are not ASCII are lost ("Größe" becomes "gr_e"),
#   so that two keys can become one, of which the last one stays.
# Why it matters: webhooks and reads hold the changed keys for ever, and code that looks for data.orderId finds nothing for what was
#   sold with an inline price, though the same code works for the transaction.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @paddle/paddle-node-sdk@3.10.0
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Paddle } from '@paddle/paddle-node-sdk'

const server = createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request) body += chunk
  const { custom_data: top, items: [{ price }] } = JSON.parse(body)
  console.log(`at the top: ${JSON.stringify(top)}`)
  console.log(`of the price: ${JSON.stringify(price.custom_data)}`)
  console.log(`of the product: ${JSON.stringify(price.product.custom_data)}`)
  response.writeHead(503, { 'Content-Type': 'application/json' }).end('{"error":{"code":"not needed here"}}')
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')

const paddle = new Paddle('key', { environment: `http://127.0.0.1:${server.address().port}` })
const customData = { orderId: 'A-1', 'SKU-7': 2, Größe: 'L', 'seat 1': 'Ann', 'seat-1': 'Ben' }
const product = { name: 'Ticket', taxCategory: 'standard', customData }
const price = { description: 'Ticket', product, unitPrice: { amount: '1000', currencyCode: 'EUR' }, customData }
await paddle.transactions.create({ items: [{ quantity: 1, price }], customData }).catch(() => {})
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
at the top: {"orderId":"A-1","SKU-7":2,"Größe":"L","seat 1":"Ann","seat-1":"Ben"}
of the price: {"order_id":"A-1","sku_7":2,"gr_e":"L","seat_1":"Ben"}
of the product: {"order_id":"A-1","sku_7":2,"gr_e":"L","seat_1":"Ben"}
EXPECTED

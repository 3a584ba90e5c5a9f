#!/usr/bin/env bash
# cloudpayments 6.0.1: receipts of different orders, and of a sale and its return, have the same X-Request-ID.
#
# Guess: createReceipt() has an "idempotent request id (calculated automatically if not provided)", which differs when the request does.
# What happens: it is the hash of the second argument alone, the lines of the receipt. What the first one holds is left out: Type
#   (Income or IncomeReturn), InvoiceId, AccountId and Inn. Two customers who buy one book at one price without an e-mail address have
#   the same id, as have the sale of the book and its return.
# Why it matters: CloudPayments answers a repeated id with the stored response of the first request. The second sale, or the return, gets
#   no receipt, which the law asks for, and the caller sees a success. Give an id as the third argument.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts cloudpayments@6.0.1
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import cloudpayments from 'cloudpayments'

const stored = new Map()
const server = createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request) body += chunk
  const { Type, InvoiceId } = JSON.parse(body)
  const id = request.headers['x-request-id']
  const first = stored.get(id)
  if (!first) stored.set(id, `${Type} of ${InvoiceId}`)
  console.log(`${Type} of ${InvoiceId}: ${first ? `has the id of ${first}` : 'has an id of its own'}`)
  response.setHeader('Content-Type', 'application/json')
  response.end('{"Success":true}')
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')

const service = new cloudpayments.ClientService({
  publicId: 'pk', privateKey: 'secret', endpoint: `http://127.0.0.1:${server.address().port}`,
  org: { inn: 7_700_000_000, taxationSystem: 0 },
})
const receipts = service.getReceiptApi()
const receipt = (price) => ({ Items: [{ label: 'Book', price, quantity: 1, amount: price, vat: null }] })
const order = (Type, number) => ({ Type, InvoiceId: `order-${number}`, AccountId: `user-${number}` })
await receipts.createReceipt(order('Income', 1), receipt(500))
await receipts.createReceipt(order('Income', 2), receipt(500))
await receipts.createReceipt(order('IncomeReturn', 1), receipt(500))
await receipts.createReceipt(order('Income', 3), receipt(501))
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
Income of order-1: has an id of its own
Income of order-2: has the id of Income of order-1
IncomeReturn of order-1: has the id of Income of order-1
Income of order-3: has an id of its own
EXPECTED

#!/usr/bin/env bash
# @appigram/yookassa-node 1.1.11: a response "still processing" (202) is returned as a payment without an id, and is not asked for again.
#
# Guess: "implementation of async actions with retries", as the code says: after 202 with retry_after the same request is sent again with
#   the same Idempotence-Key, made by the package where none was given, until there is a result. An error of the API is a PaymentError.
# What happens: the code looks for response.statusCode, which axios does not have. So 202 is a success: createPayment() resolves to a payment
#   whose id and status are undefined, and the key that was made is gone. Errors of the API are those of axios, not a PaymentError.
# Why it matters: the payment is made a moment later. The order is stored with an id of undefined, and a second try has another key: it is a
#   second payment. Give keys of your own and look for `type: 'processing'`.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @appigram/yookassa-node@1.1.11
cat >find.js <<'JS'
const { once } = require('node:events')
const { createServer } = require('node:http')
const { YooKassa } = require('@appigram/yookassa-node')

const keys = []
let answers
const server = createServer((request, response) => {
  keys.push(request.headers['idempotence-key'])
  const [status, body] = answers.shift()
  response.setHeader('Content-Type', 'application/json')
  request.resume().on('end', () => response.writeHead(status).end(JSON.stringify(body)))
})
server.listen(0, '127.0.0.1')
const done = [200, { id: 'payment-1', status: 'pending', paid: false }]
;(async () => {
  await once(server, 'listening')
  const yookassa = new YooKassa({ shopId: '1', secretKey: 'secret', base_host: `http://127.0.0.1:${server.address().port}` })
  const order = { amount: { value: '2.00', currency: 'RUB' } }
  const pay = () => yookassa.createPayment(order)

  answers = [done]
  const made = await pay()
  console.log(`200: id ${made.id}, status ${made.status}, requests ${keys.length}`)

  keys.length = 0
  answers = [[202, { type: 'processing', description: 'Later', retry_after: 500 }], done, done]
  const processing = await pay()
  console.log(`202: id ${processing.id}, status ${processing.status}, type ${processing.type}, requests ${keys.length}`)
  await pay()
  console.log(`The caller tries again: the key is ${keys[0] === keys[1] ? 'the same' : 'another one'}`)

  answers = [[400, { type: 'error', id: '1', code: 'invalid_request', description: 'No amount' }]]
  const error = await pay().catch((error) => error)
  console.log(`400: ${error.name}, code ${error.code}`)
  process.exit()
})()
JS
node find.js | tee output
diff output - <<'EXPECTED'
200: id payment-1, status pending, requests 1
202: id undefined, status undefined, type processing, requests 1
The caller tries again: the key is another one
400: AxiosError, code ERR_BAD_REQUEST
EXPECTED

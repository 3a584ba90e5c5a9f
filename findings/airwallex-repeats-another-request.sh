#!/usr/bin/env bash
# @airwallex/node-sdk 2.1.0-beta.5: a repeated request has lost its body or its query, and a second client takes over the first.
#
# Guess: "the SDK automatically retries requests" after a timeout or a network error: the same request, a POST only with its request_id. Two
#   clients have their own credentials, as two objects with a config each.
# What happens: the repeated call has the arguments for body and options the wrong way round. A transfer is repeated with the options as
#   its body: no amount, no request_id. A list is repeated without its filter, so that the caller gets what was asked for the
#   first time and everything the second. And the HTTP client is one for the process: after a second `new Airwallex` the
#   first one sends with the token of the second.
# Why it matters: the caller of a transfer whose response was lost sees "request_id is required" in place of NetworkError, takes it for not made, and
#   makes another. Filtered lists are wrong now and then. With two accounts, money is sent from the one that was opened last.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @airwallex/node-sdk@2.1.0-beta.5 axios@1.21.1
cat >find.js <<'JS'
const { once } = require('node:events')
const http = require('node:http')
const axios = require('axios')

let breaks
const server = http.createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request) body += chunk
  const { pathname, searchParams } = new URL(request.url, 'http://127.0.0.1')
  response.setHeader('Content-Type', 'application/json')
  if (pathname.endsWith('/login')) return void response.end(`{"token":"${request.headers['x-client-id']}"}`)
  searchParams.delete('_t')
  console.log(`  ${request.method} ${pathname}?${searchParams} ${body}, token of ${request.headers.authorization.replace('Bearer ', '')}`)
  // It is made, and the response is lost.
  if (breaks-- > 0) return void request.socket.destroy()
  if (request.method === 'POST' && !body.includes('request_id')) response.writeHead(400).end('{"message":"request_id is required"}')
  else response.end('{"id":"made","items":[]}')
})
server.listen(0, '127.0.0.1')
// What is for Airwallex goes to loopback.
axios.defaults.transport = {
  request(options, callback) {
    const loopback = { protocol: 'http:', hostname: '127.0.0.1', port: server.address().port, agent: undefined }
    return http.request({ ...options, ...loopback }, callback)
  },
}

const { Airwallex } = require('@airwallex/node-sdk')
const open = (clientId) => new Airwallex({ clientId, apiKey: 'key', env: 'demo', enableTelemetry: false, retryDelay: 50 })
async function show(name, lost, call) {
  console.log(`${name}:`)
  breaks = lost
  const outcome = await call().then(() => 'a success', (error) => `${error.name}, ${error.message}`)
  console.log(`  the caller sees ${outcome}`)
}
;(async () => {
  await once(server, 'listening')
  const first = open('first')
  const transfer = () => first.payouts.transfers.createTransfer({ request_id: 'order-1', transfer_amount: 100 })
  const list = () => first.payouts.transfers.getTransfers({ status: 'PAID' })
  await show('A transfer', 0, transfer)
  await show('A transfer, response lost', 1, transfer)
  await show('A list of paid transfers, response lost', 1, list)
  open('second')
  await show('A transfer of the first client after there is a second', 0, transfer)
  process.exit()
})()
JS
node find.js | tee output
diff output - <<'EXPECTED'
A transfer:
  POST /api/v1/transfers/create? {"request_id":"order-1","transfer_amount":100}, token of first
  the caller sees a success
A transfer, response lost:
  POST /api/v1/transfers/create? {"request_id":"order-1","transfer_amount":100}, token of first
  POST /api/v1/transfers/create? {"headers":{},"timeout":30000,"responseType":"json"}, token of first
  the caller sees ValidationError, request_id is required
A list of paid transfers, response lost:
  GET /api/v1/transfers?status=PAID , token of first
  GET /api/v1/transfers? , token of first
  the caller sees a success
A transfer of the first client after there is a second:
  POST /api/v1/transfers/create? {"request_id":"order-1","transfer_amount":100}, token of second
  the caller sees a success
EXPECTED

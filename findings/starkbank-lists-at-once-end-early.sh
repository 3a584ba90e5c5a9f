#!/usr/bin/env bash
# starkbank 2.42.0: a list that is read while another one with a limit is begun ends early, without an error.
#
# Guess: each query() reads its own pages to their end or to its own limit, whatever else is read meanwhile.
# What happens: what is left of the limit is kept in a global variable, which all lists share (starkcore assigns to `limit` and declares
#   it nowhere). Alone, 250 transfers of a limit of 250 are read, and all 1,000 without a limit. Beside a list of 10 invoices the first
#   ends after 100, and so does the one without a limit: the other list has set what is left to 10, and each page takes 100 off.
# Why it matters: a reconciliation that is running sees a tenth of the transfers because somebody opened a page with the last ten invoices.
#   Nothing tells a list that was cut from one that is at its end. Read one list at a time in a process.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts starkbank@2.42.0 starkcore@0.4.0 starkbank-ecdsa@1.2.0
cat >find.js <<'JS'
const { once } = require('node:events')
const http = require('node:http')
const https = require('node:https')

// There are 1,000 of everything, in pages of 100.
const server = http.createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://127.0.0.1')
  const name = pathname.split('/')[2]
  const start = Number(searchParams.get('cursor') ?? 0)
  const end = Math.min(start + Number(searchParams.get('limit') ?? 100), 1_000)
  const items = Array.from({ length: end - start }, (_, index) => ({ id: String(start + index) }))
  response.setHeader('Content-Type', 'application/json')
  setTimeout(() => response.end(JSON.stringify({ cursor: end < 1_000 ? String(end) : null, [`${name}s`]: items })), 100)
})
server.listen(0, '127.0.0.1')
// What is for Stark Bank goes to loopback.
const request = http.request
https.request = (options, callback) => {
  const loopback = { protocol: 'http:', hostname: '127.0.0.1', port: server.address().port, agent: undefined }
  return request({ ...options, ...loopback }, callback)
}

const starkbank = require('starkbank')
const { PrivateKey } = require('starkbank-ecdsa')

async function count(list) {
  let items = 0
  for await (const item of await list) if (item) items++
  return items
}
;(async () => {
  await once(server, 'listening')
  starkbank.user = new starkbank.Project({ environment: 'sandbox', id: '1', privateKey: new PrivateKey().toPem() })
  const { invoice, transfer } = starkbank
  for (const [name, query] of [['limit: 250', { limit: 250 }], ['no limit', {}]]) {
    console.log(`transfers, ${name}: ${await count(transfer.query({ ...query }))}`)
    const both = await Promise.all([count(transfer.query({ ...query })), count(invoice.query({ limit: 10 }))])
    console.log(`transfers, ${name}, beside 10 invoices: ${both[0]}, invoices: ${both[1]}`)
  }
  process.exit()
})()
JS
node find.js | tee output
diff output - <<'EXPECTED'
transfers, limit: 250: 250
transfers, limit: 250, beside 10 invoices: 100, invoices: 10
transfers, no limit: 1000
transfers, no limit, beside 10 invoices: 100, invoices: 10
EXPECTED

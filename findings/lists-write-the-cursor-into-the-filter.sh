#!/usr/bin/env bash
# @webzaytsev/yookassa-ts-sdk 3.1.0 and coinbase-commerce-node 1.0.4: a filter that is used a second time gets the last page alone.
#
# Guess: payments.list(filter) and Charge.all(filter) read all pages each time; created_at: { gte, lt }, as the types of the first have it,
#   arrives as created_at.gte and created_at.lt, which is what their comments and the API call it.
# What happens: the cursor of each page is written into the caller's filter and stays there. The next call with the same object begins at the
#   last page of the call before. And the window of the first is sent as created_at[gte] and created_at[lt]: the query has no parameter
#   that the API knows, so that it is no window to a server that passes over what it does not know.
# Why it matters: a job that lists with one constant filter sees everything on its first run, and from then on a page, with new payments
#   (they come first) missing. Nothing fails. Make the filter anew each time, with 'created_at.gte' as its name.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @webzaytsev/yookassa-ts-sdk@3.1.0 coinbase-commerce-node@1.0.4
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { YooKassa } from '@webzaytsev/yookassa-ts-sdk'
import coinbase from 'coinbase-commerce-node'

// Seven payments, the newest first, in pages of three. YooKassa names the first of the next page, Coinbase the last of this one.
const newest = ['P7', 'P6', 'P5', 'P4', 'P3', 'P2', 'P1']
let all
let names
const server = createServer((request, response) => {
  const query = new URL(request.url, 'http://127.0.0.1').searchParams
  names = [...query.keys()].join(', ')
  const after = all.indexOf(query.get('starting_after')) + 1
  const start = query.has('cursor') ? all.indexOf(query.get('cursor')) : after
  const ids = all.slice(start, start + 3)
  const data = ids.map((id) => ({ id }))
  const pagination = { limit: 3, yielded: ids.length, cursor_range: [ids[0], ids.at(-1)] }
  response.setHeader('Content-Type', 'application/json')
  response.end(JSON.stringify({ items: data, next_cursor: all[start + 3], data, pagination }))
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const base = `http://127.0.0.1:${server.address().port}`

const yookassa = YooKassa({ shop_id: '1', secret_key: 'secret', endpoint: base })
console.warn = () => {}
coinbase.Client.init('key', `${base}/`)
const lists = {
  'yookassa-ts-sdk': (filter) => yookassa.payments.list(filter),
  'coinbase-commerce-node': (filter) => coinbase.resources.Charge.all(filter),
}
for (const [name, list] of Object.entries(lists)) {
  all = [...newest]
  const filter = { limit: 3 }
  const ids = async () => (await list(filter)).map(({ id }) => id).join(' ')
  console.log(`${name}, first run: ${await ids()}`)
  console.log(`${name}, second run: ${await ids()}`)
  all.unshift('P8')
  console.log(`${name}, third run, after P8: ${await ids()}`)
  console.log(`${name}: the filter is now ${JSON.stringify(filter)}`)
}
all = []
await yookassa.payments.list({ created_at: { gte: '2026-11-30T00:00:00Z', lt: '2026-12-01T00:00:00Z' } })
console.log(`yookassa-ts-sdk: a window is sent as ${names}`)
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
yookassa-ts-sdk, first run: P7 P6 P5 P4 P3 P2 P1
yookassa-ts-sdk, second run: P1
yookassa-ts-sdk, third run, after P8: P1
yookassa-ts-sdk: the filter is now {"limit":3,"cursor":"P1"}
coinbase-commerce-node, first run: P7 P6 P5 P4 P3 P2 P1
coinbase-commerce-node, second run: P1
coinbase-commerce-node, third run, after P8: P1
coinbase-commerce-node: the filter is now {"limit":3,"starting_after":"P2"}
yookassa-ts-sdk: a window is sent as created_at[gte], created_at[lt]
EXPECTED

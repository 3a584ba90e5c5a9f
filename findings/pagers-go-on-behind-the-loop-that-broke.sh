#!/usr/bin/env bash
# recurly 4.81.0 and @paddle/paddle-node-sdk 3.10.0: a second loop over a list leaves out the rest of the page at which the first broke.
#
# Guess: each `for await` over a list begins at its first item, as it does with an array or a Map.
# What happens: the place is kept in the list and not in the iterator. After a loop that ended with an error (or `break`) the next
#   one begins at the next page: the item that failed and all behind it on its page are left out. A loop over a list that
#   was read to its end sees nothing at all, without an error.
# Why it matters: a worker that repeats its loop after the database was away for a moment books each page but the rest of that one, and
#   "count first, then book" books nothing. Make a new list for each loop.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts recurly@4.81.0 @paddle/paddle-node-sdk@3.10.0
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Paddle } from '@paddle/paddle-node-sdk'
import recurly from 'recurly'

// Three pages of three items, for both interfaces.
const server = createServer((request, response) => {
  const page = Number(new URL(request.url, base).searchParams.get('page') ?? 1)
  const data = [1, 2, 3].map((item) => ({ object: 'invoice', id: `${page}.${item}` }))
  const more = page < 3
  const next = `/list?page=${page + 1}`
  const meta = { pagination: { has_more: more, next: base + next, estimated_total: 9 } }
  response.setHeader('Content-Type', 'application/json')
  response.end(JSON.stringify({ object: 'list', data, has_more: more, next: more ? next : null, meta }))
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const base = `http://127.0.0.1:${server.address().port}`

class Loopback extends recurly.DefaultHttpAdapter {
  execute(method, url, headers, body) {
    return super.execute(method, url.replace('https://v3.recurly.com', base), headers, body)
  }
}
const lists = {
  recurly: () => new recurly.Client('key', { httpAdapter: new Loopback() }).listInvoices().each(),
  paddle: () => new Paddle('key', { environment: base }).customers.list(),
}
async function ids(list, failsAt) {
  const seen = []
  try {
    for await (const { id } of list) {
      if (id === failsAt) throw new Error(`away at ${id}`)
      seen.push(id)
    }
  } catch (error) {
    seen.push(error.message)
  }
  return seen.join(' ') || 'nothing'
}
for (const [name, make] of Object.entries(lists)) {
  const list = make()
  console.log(`${name}: first loop ${await ids(list, '1.2')}`)
  console.log(`${name}: second loop ${await ids(list)}`)
  console.log(`${name}: third loop ${await ids(list)}`)
}
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
recurly: first loop 1.1 away at 1.2
recurly: second loop 2.1 2.2 2.3 3.1 3.2 3.3
recurly: third loop nothing
paddle: first loop 1.1 away at 1.2
paddle: second loop 2.1 2.2 2.3 3.1 3.2 3.3
paddle: third loop nothing
EXPECTED

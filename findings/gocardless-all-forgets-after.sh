#!/usr/bin/env bash
# gocardless-nodejs 10.1.2: all({ after }) begins at the first item, and a time with an offset loses its plus.
#
# Guess: all() takes the parameters of list(), as its types say, and goes on from there to the end; a filter by time arrives as given.
# What happens: all() sets `after` itself, to nothing for the first page, so what was given is lost: everything is read from the start.
#   list({ after }) does as guessed. And the query is encoded by being parsed once: the plus of 2026-11-30T00:00:00+02:00 becomes
#   a space, in list() and all(), with each parameter.
# Why it matters: an import that stores the last payout it has booked and goes on from there books all of them again. Use list() with
#   its cursors, and times in UTC, with Z.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts gocardless-nodejs@10.1.2
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { GoCardlessClient } from 'gocardless-nodejs'

const all = ['PO1', 'PO2', 'PO3', 'PO4', 'PO5']
let since
const server = createServer((request, response) => {
  const query = new URL(request.url, 'http://127.0.0.1').searchParams
  since = query.get('created_at[gt]')
  const start = all.indexOf(query.get('after')) + 1
  const page = all.slice(start, start + 2)
  const cursors = { before: null, after: start + 2 < all.length ? page[1] : null }
  response.setHeader('Content-Type', 'application/json')
  response.end(JSON.stringify({ payouts: page.map((id) => ({ id })), meta: { cursors, limit: 2 } }))
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')

const client = new GoCardlessClient('token')
// There is no option for the address.
client._api._baseUrl = `http://127.0.0.1:${server.address().port}`
const { payouts } = await client.payouts.list({ after: 'PO3' })
console.log(`list after PO3: ${payouts.map(({ id }) => id).join(' ')}`)
const seen = []
for await (const { id } of client.payouts.all({ after: 'PO3' })) seen.push(id)
console.log(`all after PO3: ${seen.join(' ')}`)
for (const gt of ['2026-11-30T00:00:00Z', '2026-11-30T00:00:00+02:00']) {
  await client.payouts.list({ created_at: { gt } })
  console.log(`created since ${gt} arrives as ${since}`)
}
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
list after PO3: PO4 PO5
all after PO3: PO1 PO2 PO3 PO4 PO5
created since 2026-11-30T00:00:00Z arrives as 2026-11-30T00:00:00Z
created since 2026-11-30T00:00:00+02:00 arrives as 2026-11-30T00:00:00 02:00
EXPECTED
